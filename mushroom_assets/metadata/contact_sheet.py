"""The cameras' day in small pictures, as Markdown: all cameras, the least certain, a room's few.

This module decides which pictures are shown, and in which order. `captions` writes the words beside
them; `vision` shows the day's numbers and tables. The caller reads and shrinks files: it hands in
`Draw`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from typing import cast

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.markdown import plain
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.vision import leading_two
from mushroom_assets.metadata.captions import (
    Row,
    camera_caption,
    camera_of,
    label_caption,
    label_name,
    local_time,
    place_caption,
    probe_caption,
    scores_of,
    time_caption,
)
from mushroom_assets.metadata.pictures import inline, markdown_table

# Paths to small JPEGs; a file that cannot be used has none
Draw = Callable[[Sequence[str]], Mapping[str, bytes]]

# Pictures of a day on the sheet. Markdown carries 2 to 4 kB for a rendered picture, 8 for the
# noisiest: 0.15 MB for a day of 4 rooms, 0.2 for one of 40 rooms, and never more than 0.75.
PICTURES = 80
IN_A_LINE = 6
LEAST_CERTAIN = 8
# Brightness of a frame that shows nothing: rendered ones have 0.02, the dimmest night picture 0.13
DARK = 0.05
DASH = "–"


def contact_sheet(rows: Sequence[Row], farm: Farm, draw: Draw, *, trained: bool) -> str:
    """A day's pictures, one line for each camera, in time order.

    With very many cameras, each has one picture, several in a line.

    Args:
        rows: the day's rows with a vector; at least one.
        farm: language, time zone, texts of the labels.
        draw: asked once.
        trained: whether labels are written under the pictures.
    """
    cameras = _by_camera(rows)
    each = max(1, min(IN_A_LINE, PICTURES // len(cameras)))
    lines = [spread(own, each, farm) for own in cameras[:PICTURES]]
    shown: list[Row] = []
    for line in lines:
        shown += _there(line)
    pictures = draw([row["image_path"] for row in shown])
    parts = [_shown_text(len(shown), len(rows), each, len(cameras) - len(lines), farm)]
    if each == 1:
        for first in range(0, len(shown), IN_A_LINE):
            piece = shown[first : first + IN_A_LINE]
            parts.append(_strip(piece, pictures, farm, trained, named=True))
    else:
        for line in lines:
            camera = camera_caption(_there(line)[0], farm)
            parts += [f"#### {camera}", _strip(line, pictures, farm, trained)]
    return "\n\n".join(parts)


def _by_camera(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of each room and camera, in time order."""
    ordered = sorted(rows, key=lambda row: (row["room_id"], row["camera"], row["captured_at"]))
    groups = groupby(ordered, key=lambda row: (row["room_id"], row["camera"]))
    return [list(own) for _, own in groups]


def _there(line: Sequence[Row | None]) -> list[Row]:
    return [row for row in line if row is not None]


def _shown_text(shown: int, images: int, each: int, cameras_left_out: int, farm: Farm) -> str:
    key = "sheet_noon" if each == 1 else "sheet_spread"
    told = say(key, farm, shown=shown, images=images, each=each)
    if cameras_left_out > 0:
        told += say("sheet_left_out", farm, count=cameras_left_out)
    return told


def room_pictures(
    rows: Sequence[Row], farm: Farm, draw: Draw, *, trained: bool, count: int = 4
) -> str:
    """A few pictures of a room's day with what the model says of them.

    Nothing where no image has a vector.

    Args:
        rows: the room's day in `daily_clip_inference`, of one model.
        farm: language, time zone, texts of the labels.
        draw: asked once.
        trained: whether labels are written under the pictures.
        count: how many, spread over the day, from one camera after the other.
    """
    ok = [row for row in rows if row["status"] == "ok"]
    chosen = _there(spread(ok, count, farm))
    if not chosen:
        return ""
    return _strip(chosen, draw([row["image_path"] for row in chosen]), farm, trained)


def least_certain(rows: Sequence[Row], farm: Farm, draw: Draw | None) -> str:
    """The images whose likeliest stage leads the second by least, a line each.

    They come with pictures where `draw` is given. Dark frames come last: nobody can tell their
    stage.
    """
    order = sorted(rows, key=_doubt)
    doubtful = order[:LEAST_CERTAIN]
    pictures = draw([row["image_path"] for row in doubtful]) if draw else {}
    probed = any(row["probe_stage"] for row in doubtful)
    columns = ("picture", "file", "stage", "second", "lead", "probe")
    heading = [say(f"{column}_heading", farm) for column in columns]
    lines = [_doubtful_line(row, pictures, farm) for row in doubtful]
    shown = slice(0 if draw else 1, None if probed else -1)
    return markdown_table(heading[shown], [line[shown] for line in lines])


def _doubt(row: Row) -> tuple[bool, float, str]:
    """What sorts rows: dark frames last, then the smallest lead first."""
    dark = cast(float, row["brightness"]) < DARK
    return dark, cast(float, row["stage_margin"]), row["image_path"]


def _doubtful_line(row: Row, pictures: Mapping[str, bytes], farm: Farm) -> list[str]:
    stages = leading_two(scores_of("stage", row))
    return [
        _picture(row, pictures),
        f"{place_caption(row, farm)} `{row['image_path']}`",
        *(f"{label_name('stage', name, farm)} {share:.1%}" for name, share in stages),
        f"{row['stage_margin']:.1%}",
        probe_caption(row, farm) or DASH,
    ]


def spread(rows: Sequence[Row], count: int, farm: Farm) -> list[Row | None]:
    """Divide the day into `count` parts; return the image nearest to each middle.

    The parts are equal. The images come from one camera after the other. None where a part has no
    image: a camera's gap is a gap on the sheet too.
    """
    cameras = sorted({camera_of(row) for row in rows})
    part = 24 / count

    def nearest(number: int) -> Row | None:
        middle = (number + 0.5) * part

        def distance(row: Row) -> tuple[bool, float]:
            wanted = cameras[number % len(cameras)]
            return row["camera"] != wanted, abs(_hour(row, farm) - middle)

        within = [row for row in rows if int(_hour(row, farm) / part) == number]
        return min(within, key=distance, default=None)

    return [nearest(number) for number in range(count)]


def _strip(
    line: Sequence[Row | None],
    pictures: Mapping[str, bytes],
    farm: Farm,
    trained: bool,
    *,
    named: bool = False,
) -> str:
    """Pictures side by side: time, picture, and what the model says.

    Where `named`, room and camera stand before the time.
    """
    columns = [
        list(_column(row, pictures, farm, trained, named)) if row else [DASH, DASH] for row in line
    ]
    heading, *lines = zip_longest(*columns, fillvalue="")
    return markdown_table(heading, lines)


def _column(
    row: Row, pictures: Mapping[str, bytes], farm: Farm, trained: bool, named: bool
) -> Iterator[str]:
    yield place_caption(row, farm) if named else time_caption(row, farm)
    yield _picture(row, pictures)
    if not trained:
        return
    yield label_caption("stage", row, farm)
    yield label_caption("condition", row, farm)
    probe = probe_caption(row, farm)
    if probe:
        yield say("probe_label", farm, label=probe)


def _picture(row: Row, pictures: Mapping[str, bytes]) -> str:
    path = row["image_path"]
    return inline(pictures[path], plain(path.rsplit("/", 1)[-1])) if path in pictures else DASH


def _hour(row: Row, farm: Farm) -> float:
    at = local_time(row, farm)
    return float(at.hour + at.minute / 60)
