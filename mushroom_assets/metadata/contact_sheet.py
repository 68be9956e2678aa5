"""The cameras' day in small pictures, as Markdown: a contact sheet, the least certain images, a
room's few.

Which pictures, and what is written under them, lives here. The day's numbers and tables are
`vision`'s; reading and shrinking files is the caller's, who hands in `Draw`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import share_text, text
from mushroom_assets.domain.vision import UNKNOWN, Kind, label_text, leading_two
from mushroom_assets.metadata.pictures import inline, markdown_table, plain

Row = Mapping[str, Any]
# Paths to small JPEGs; a file that cannot be used has none
Draw = Callable[[Sequence[str]], Mapping[str, bytes]]

# Pictures of a day on the sheet, and in a line. Markdown carries 2 to 4 kB for a rendered picture,
# 8 for the noisiest: 0.15 MB for a day of 4 rooms, 0.2 for one of 40 rooms, and never more than
# 0.75.
PICTURES, IN_A_LINE = 80, 6
LEAST_CERTAIN = 8
# Brightness of a frame that shows nothing: rendered ones have 0.02, the dimmest night picture 0.13
DARK = 0.05
GAP = "–"


def contact_sheet(rows: Sequence[Row], farm: Farm, draw: Draw, *, trained: bool) -> str:
    """A day's pictures, a line a camera, in time order; of very many cameras one picture each,
    several in a line.

    Args:
        rows: of one day, those with a vector; one at least.
        farm: language, time zone, texts of the labels.
        draw: asked once.
        trained: whether labels are written under the pictures.
    """
    ordered = sorted(rows, key=lambda row: (row["room_id"], row["camera"], row["captured_at"]))
    cameras = [
        list(own) for _, own in groupby(ordered, key=lambda row: (row["room_id"], row["camera"]))
    ]
    each = max(1, min(IN_A_LINE, PICTURES // len(cameras)))
    lines = [spread(own, each, farm) for own in cameras[:PICTURES]]
    shown = [row for line in lines for row in line if row is not None]
    pictures = draw([row["image_path"] for row in shown])
    parts = [_shown_text(len(shown), len(rows), each, len(cameras) - len(lines), farm)]
    if each == 1:
        pieces = [shown[first : first + IN_A_LINE] for first in range(0, len(shown), IN_A_LINE)]
        parts += [_strip(piece, pictures, farm, trained, named=True) for piece in pieces]
    else:
        for line in lines:
            first = next(row for row in line if row is not None)
            parts += [f"#### {_camera_text(first, farm)}", _strip(line, pictures, farm, trained)]
    return "\n\n".join(parts)


def _shown_text(shown: int, images: int, each: int, cameras_left_out: int, farm: Farm) -> str:
    chosen, one, left_out = {
        "en": (
            f"{shown} of the day's {images} pictures, spread over the day, at most {each} a camera.",
            f"{shown} of the day's {images} pictures, of each camera the one nearest to noon.",
            f" {cameras_left_out} more cameras are not shown.",
        ),
        "zh": (
            f"当天共 {images} 张图像，此处按时间均匀选取 {shown} 张，每台相机最多 {each} 张。",
            f"当天共 {images} 张图像，此处显示 {shown} 张，每台相机取最接近正午的一张。",
            f"另有 {cameras_left_out} 台相机未显示。",
        ),
    }[farm.language]
    return (one if each == 1 else chosen) + left_out * (cameras_left_out > 0)


def room_pictures(
    rows: Sequence[Row], farm: Farm, draw: Draw, *, trained: bool, count: int = 4
) -> str:
    """A few pictures of a room's day with what the model says of them; nothing where no image has a
    vector.

    Args:
        rows: the room's day in `daily_clip_inference`, of one model.
        farm: language, time zone, texts of the labels.
        draw: asked once.
        trained: whether labels are written under the pictures.
        count: how many, spread over the day, of one camera after the other.
    """
    chosen = [
        row
        for row in spread([row for row in rows if row["status"] == "ok"], count, farm)
        if row is not None
    ]
    return (
        _strip(chosen, draw([row["image_path"] for row in chosen]), farm, trained) if chosen else ""
    )


def least_certain(rows: Sequence[Row], farm: Farm, draw: Draw | None) -> str:
    """The images whose likeliest stage leads the second by least, a line each; with pictures where
    `draw` is given.

    Dark frames come last: nobody can tell their stage.
    """
    order = sorted(
        rows, key=lambda row: (row["brightness"] < DARK, row["stage_margin"], row["image_path"])
    )
    doubtful = order[:LEAST_CERTAIN]
    pictures = draw([row["image_path"] for row in doubtful]) if draw else {}
    probed = any(row["probe_stage"] for row in doubtful)
    heading = {
        "en": ["picture", "image", "stage", "second", "lead", "own probe"],
        "zh": ["图像", "文件", "阶段", "次选", "领先幅度", "自有探针"],
    }[farm.language]
    lines = [
        [
            _picture(row, pictures),
            f"{_place_text(row, farm)} `{row['image_path']}`",
            *(
                f"{_name('stage', name, farm)} {share:.1%}"
                for name, share in leading_two(row["scores"]["stage"])
            ),
            f"{row['stage_margin']:.1%}",
            _probe_label(row, farm) or GAP,
        ]
        for row in doubtful
    ]
    shown = slice(0 if draw else 1, None if probed else -1)
    return markdown_table(heading[shown], [line[shown] for line in lines])


def spread(rows: Sequence[Row], count: int, farm: Farm) -> list[Row | None]:
    """Of `count` equal parts of the day the image nearest to each one's middle, of one camera after
    the other.

    None where a part has no image: a camera's gap is a gap on the sheet too.
    """
    cameras, part = sorted({row["camera"] for row in rows}), 24 / count

    def nearest(number: int) -> Row | None:
        def distance(row: Row) -> tuple[bool, float]:
            return row["camera"] != cameras[number % len(cameras)], abs(
                _hour(row, farm) - (number + 0.5) * part
            )

        return min(
            (row for row in rows if int(_hour(row, farm) / part) == number),
            key=distance,
            default=None,
        )

    return [nearest(number) for number in range(count)]


def _strip(
    line: Sequence[Row | None],
    pictures: Mapping[str, bytes],
    farm: Farm,
    trained: bool,
    *,
    named: bool = False,
) -> str:
    """Pictures side by side: time (where `named`, room and camera too), picture, and what the model
    says.
    """
    columns = [
        list(_column(row, pictures, farm, trained, named)) if row else [GAP, GAP] for row in line
    ]
    height = max(map(len, columns))
    heading, *lines = zip(
        *(column + [""] * (height - len(column)) for column in columns), strict=True
    )
    return markdown_table(heading, lines)


def _column(
    row: Row, pictures: Mapping[str, bytes], farm: Farm, trained: bool, named: bool
) -> Iterator[str]:
    yield _place_text(row, farm) if named else _time(row, farm)
    yield _picture(row, pictures)
    if trained:
        yield _label("stage", row, farm)
        yield _label("condition", row, farm)
        if probe := _probe_label(row, farm):
            yield {"en": f"own probe: {probe}", "zh": f"自有探针：{probe}"}[farm.language]


def _picture(row: Row, pictures: Mapping[str, bytes]) -> str:
    path = row["image_path"]
    return inline(pictures[path], plain(path.rsplit("/", 1)[-1])) if path in pictures else GAP


def _label(kind: Kind, row: Row, farm: Farm) -> str:
    """`fruiting 97%`; of an image without a clear lead `unknown (fruiting 41%)`."""
    name, share = row[kind], share_text(row[f"{kind}_probability"])
    if name != UNKNOWN:
        return f"{_name(kind, name, farm)} {share}"
    (leading, _), *_ = leading_two(row["scores"][kind])
    unknown, likeliest = _name(kind, UNKNOWN, farm), f"{_name(kind, leading, farm)} {share}"
    return {"en": f"{unknown} ({likeliest})", "zh": f"{unknown}（{likeliest}）"}[farm.language]


def _probe_label(row: Row, farm: Farm) -> str:
    name, share = row["probe_stage"], row["probe_stage_probability"]
    return f"{_name('stage', name, farm)} {share_text(share)}" if name else ""


def _name(kind: Kind, name: str, farm: Farm) -> str:
    return plain(label_text(kind, name, farm))


def _camera_text(row: Row, farm: Farm) -> str:
    room, camera, day = plain(row["room_id"]), plain(row["camera"]), row["growth_day"]
    growth = (
        {"en": f", growth day {day}", "zh": f"，生长第 {day} 天"}[farm.language]
        if day is not None
        else ""
    )
    return {"en": f"Room {room}, camera {camera}", "zh": f"{room} 库，相机 {camera}"}[
        farm.language
    ] + growth


def _place_text(row: Row, farm: Farm) -> str:
    return _camera_text(row, farm) + text("comma", farm.language) + _time(row, farm)


def _time(row: Row, farm: Farm) -> str:
    return f"{row['captured_at'].astimezone(farm.zone):%H:%M}"


def _hour(row: Row, farm: Farm) -> float:
    at = row["captured_at"].astimezone(farm.zone)
    return float(at.hour + at.minute / 60)
