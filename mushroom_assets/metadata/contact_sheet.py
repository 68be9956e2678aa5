"""The cameras' day in small pictures, as Markdown: a contact sheet, the least certain images, a room's few.

Which pictures, and what is written under them, lives here. The day's numbers and tables are `vision`'s; reading and
shrinking files is the caller's, who hands in `Draw`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import share_text
from mushroom_assets.domain.vision import UNKNOWN, Kind, label_text, leading_two
from mushroom_assets.metadata.pictures import inline, markdown_table

Row = dict[str, Any]
Draw = Callable[[Sequence[str]], Mapping[str, bytes]]  # paths to small JPEGs; a file that cannot be used has none

# Pictures of a day on the sheet, and of a camera, which is a line. Markdown carries 2 to 4 kB for a rendered picture,
# 8 for the noisiest: 0.2 MB for a day of 4 rooms, and for one of 40 rooms at most 0.7.
PICTURES, IN_A_LINE = 72, 6
LEAST_CERTAIN = 8
DARK = 0.05  # brightness of a frame that shows nothing: rendered ones have 0.02, the dimmest night picture 0.13
GAP = "–"


def contact_sheet(rows: Sequence[Row], farm: Farm, draw: Draw, *, trained: bool) -> str:
    """A day's pictures, a heading a room, a line a camera, in time order; says how many of how many are shown.

    Args:
        rows: of one day, those with a vector; one at least.
        farm: language, time zone, texts of the labels.
        draw: asked once.
        trained: whether labels are written under the pictures.
    """
    ordered = sorted(rows, key=lambda row: (row["room_id"], row["camera"], row["captured_at"]))
    cameras = [list(own) for _, own in groupby(ordered, key=lambda row: (row["room_id"], row["camera"]))]
    each = max(1, min(IN_A_LINE, PICTURES // len(cameras)))
    lines = [spread(own, each, farm) for own in cameras[:PICTURES]]
    shown = [row["image_path"] for line in lines for row in line if row is not None]
    pictures = draw(shown)
    said = {
        "en": f"{len(shown)} of the day's {len(rows)} pictures, spread over the day, at most {each} a camera.",
        "zh": f"当天共 {len(rows)} 张图像，此处按时间均匀选取 {len(shown)} 张，每台相机最多 {each} 张。",
    }
    parts = [said[farm.language]]
    for own, line in zip(cameras, lines, strict=False):
        parts += [f"#### {_camera_text(own[0], farm)}", _strip(line, pictures, farm, trained)]
    return "\n\n".join(parts)


def room_pictures(rows: Sequence[Row], farm: Farm, draw: Draw, *, trained: bool, count: int = 4) -> str:
    """A few pictures of a room's day with what the model says of them; nothing where no image has a vector.

    Args:
        rows: the room's day in `daily_clip_inference`, of one model.
        farm: language, time zone, texts of the labels.
        draw: asked once.
        trained: whether labels are written under the pictures.
        count: how many, spread over the day, of one camera after the other.
    """
    chosen = [row for row in spread([row for row in rows if row["status"] == "ok"], count, farm) if row is not None]
    return _strip(chosen, draw([row["image_path"] for row in chosen]), farm, trained) if chosen else ""


def least_certain(rows: Sequence[Row], farm: Farm, draw: Draw | None) -> str:
    """The images whose likeliest stage leads the second by least, a line each; with pictures where `draw` is given.

    Dark frames come last: nobody can tell their stage.
    """
    order = sorted(rows, key=lambda row: (row["brightness"] < DARK, row["stage_margin"], row["image_path"]))
    doubtful = order[:LEAST_CERTAIN]
    pictures = draw([row["image_path"] for row in doubtful]) if draw else {}
    probed = any(row["probe_stage"] for row in doubtful)
    headings = {
        "en": ["image", "stage", "second", "lead", "condition", *["own probe"] * probed],
        "zh": ["图像", "阶段", "第二可能", "领先", "状况", *["自有探针"] * probed],
    }
    lines = []
    for row in doubtful:
        first, second = (
            f"{label_text('stage', name, farm)} {share_text(p)}" for name, p in leading_two(row["scores"]["stage"])
        )
        picture = [_picture(row, pictures)] if draw else []
        probe = [_probe_text(row, farm) or GAP] if probed else []
        name = f"{_camera_text(row, farm)}, {_time(row, farm)} `{row['image_path']}`"
        condition = _label("condition", row, farm)
        lines.append([*picture, name, first, second, share_text(row["stage_margin"]), condition, *probe])
    heading = headings[farm.language]
    return markdown_table([*[""] * bool(draw), *heading], lines)


def spread(rows: Sequence[Row], count: int, farm: Farm) -> list[Row | None]:
    """Of `count` equal parts of the day the image nearest to each one's middle, of one camera after the other.

    None where a part has no image: a camera's gap is a gap on the sheet too.
    """
    cameras, part = sorted({row["camera"] for row in rows}), 24 / count

    def nearest(number: int) -> Row | None:
        def distance(row: Row) -> tuple[bool, float]:
            return row["camera"] != cameras[number % len(cameras)], abs(_hour(row, farm) - (number + 0.5) * part)

        return min((row for row in rows if int(_hour(row, farm) / part) == number), key=distance, default=None)

    return [nearest(number) for number in range(count)]


def _strip(line: Sequence[Row | None], pictures: Mapping[str, bytes], farm: Farm, trained: bool) -> str:
    """Pictures side by side: time, picture, and, a line each, stage and condition."""
    columns = [list(_column(row, pictures, farm, trained)) if row else [GAP] * 2 for row in line]
    height = max(map(len, columns))
    heading, *lines = zip(*(column + [""] * (height - len(column)) for column in columns), strict=True)
    return markdown_table(heading, lines)


def _column(row: Row, pictures: Mapping[str, bytes], farm: Farm, trained: bool) -> Iterator[str]:
    yield _time(row, farm)
    yield _picture(row, pictures)
    if trained:
        yield _label("stage", row, farm)
        yield _label("condition", row, farm)
        if probe := _probe_text(row, farm):
            yield probe


def _picture(row: Row, pictures: Mapping[str, bytes]) -> str:
    path = row["image_path"]
    return inline(pictures[path], path.rsplit("/", 1)[-1]) if path in pictures else GAP


def _label(kind: Kind, row: Row, farm: Farm) -> str:
    """`fruiting 97%`; of an image without a clear lead `unknown (fruiting 41%)`."""
    name, share = row[kind], share_text(row[f"{kind}_probability"])
    if name != UNKNOWN:
        return f"{label_text(kind, name, farm)} {share}"
    (leading, _), *_ = leading_two(row["scores"][kind])
    return f"{label_text(kind, UNKNOWN, farm)} ({label_text(kind, leading, farm)} {share})"


def _probe_text(row: Row, farm: Farm) -> str:
    if row["probe_stage"] is None:
        return ""
    label = f"{label_text('stage', row['probe_stage'], farm)} {share_text(row['probe_stage_probability'])}"
    return {"en": f"own probe: {label}", "zh": f"自有探针：{label}"}[farm.language]


def _camera_text(row: Row, farm: Farm) -> str:
    room, camera, day = row["room_id"], row["camera"], row["growth_day"]
    growth = {"en": f", growth day {day}", "zh": f"，生长第 {day} 天"}[farm.language] if day is not None else ""
    return {"en": f"Room {room}, camera {camera}", "zh": f"{room} 库，相机 {camera}"}[farm.language] + growth


def _time(row: Row, farm: Farm) -> str:
    return f"{row['captured_at'].astimezone(farm.zone):%H:%M}"


def _hour(row: Row, farm: Farm) -> float:
    at = row["captured_at"].astimezone(farm.zone)
    return float(at.hour + at.minute / 60)
