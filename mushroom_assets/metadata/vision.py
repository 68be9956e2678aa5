"""What a day of `daily_clip_inference` shows: numbers to plot and tables.

Its pictures are `contact_sheet`'s.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dagster as dg

from mushroom_assets.domain.farm import Farm, Language
from mushroom_assets.domain.texts import share_text, text
from mushroom_assets.domain.vision import UNKNOWN, Kind, label_text
from mushroom_assets.metadata.common import Metadata, table
from mushroom_assets.metadata.contact_sheet import Draw, contact_sheet, least_certain
from mushroom_assets.metadata.pictures import plain
from mushroom_assets.storage.vision.relabel import DayCount

UNTRAINED_NOTE = (
    "**The CLIP model has random weights: its labels mean nothing. Set MUSHROOM_CLIP_PRETRAINED.**"
)
NO_PICTURES: dict[Language, str] = {
    "en": "Of a run over many days only the newest have pictures. Materialize this day alone to see its own.",
    "zh": "一次运行多天时，只有最近几天附图。单独物化（Materialize）这一天即可看到当天的图像。",
}
Rows = Sequence[dict[str, Any]]
NAMED = 30  # files that could not be used, or that no day will look at; of more only the number


def vision_metadata(
    rows: Rows,
    model_id: str,
    *,
    trained: bool,
    farm: Farm,
    strays: Rows = (),
    draw: Draw | None = None,
) -> Metadata:
    """One day of `daily_clip_inference`: its pictures, shares of labels by room, counts, and what
    could not be used.

    Args:
        rows: of the day, with the columns of the table.
        model_id: the model that judged them.
        trained: whether to believe it; if not, nothing is said of labels.
        farm: rooms, language, texts of the labels.
        strays: rows of `image_quarantine`: what no day will ever look at.
        draw: small pictures by path; None for a day without pictures.
    """
    ok = [row for row in rows if row["status"] == "ok"]
    shown: Metadata = {} if trained else {"note": dg.MetadataValue.md(UNTRAINED_NOTE)}
    shown |= _pictures(ok, farm, draw, trained=trained) if ok else {}
    shown |= _rooms(rows, farm, trained=trained)
    broken = [row for row in rows if row["status"] != "ok"]
    for key, files, reason in (("not_ok", broken, "error"), ("quarantine", strays, "reason")):
        if files:
            shown[key] = _named(files, reason, farm)
    shown |= {
        "dagster/partition_row_count": len(rows),
        "images_ok": len(ok),
        "images_not_ok": len(rows) - len(ok),
        "rooms_without_images": len(set(farm.rooms) - {row["room_id"] for row in rows}),
        "strays": len(strays),
        "model_id": model_id,
    }
    if trained and ok:
        shown |= _shares("stage", [*farm.vision.stages], ok) | _shares(
            "condition", [*farm.vision.conditions], ok
        )
    return shown


def relabel_metadata(day: DayCount, model_id: str, *, trained: bool) -> Metadata:
    """One day of `daily_clip_inference` after new labels for stored vectors: counts by status, and
    the model.
    """
    counted: Metadata = {
        "dagster/partition_row_count": day.ok + day.not_ok,
        "images_ok": day.ok,
        "images_not_ok": day.not_ok,
        "model_id": model_id,
        "relabelled": True,
    }
    return counted if trained else counted | {"note": dg.MetadataValue.md(UNTRAINED_NOTE)}


def _pictures(ok: Rows, farm: Farm, draw: Draw | None, *, trained: bool) -> Metadata:
    if draw:
        sheet = contact_sheet(ok, farm, draw, trained=trained)
    else:
        sheet = NO_PICTURES[farm.language]
    shown = {"contact_sheet": dg.MetadataValue.md(sheet)}
    return shown | (
        {"least_certain": dg.MetadataValue.md(least_certain(ok, farm, draw))} if trained else {}
    )


def _rooms(rows: Rows, farm: Farm, *, trained: bool) -> Metadata:
    """Tables of a line a room: growth day, images and stages; the probe's stages where there are
    any; conditions.

    Several narrow ones: on a screen of 1280 px a wide one is cut off.
    """
    room, day = text("room_heading", farm.language), text("growth_heading", farm.language)
    images, shares = {"en": ("images", "share of the images"), "zh": ("图像", "占比")}[
        farm.language
    ]
    kinds: dict[str, tuple[Kind, str]] = {
        "stages": ("stage", "stage"),
        "conditions": ("condition", "condition"),
    }
    if any(row["probe_stage"] for row in rows):
        kinds["probe_stages"] = ("stage", "probe_stage")
    by_room = {name: [row for row in rows if row["room_id"] == name] for name in farm.rooms}
    counted = [
        {room: name, day: _growth_day(own), images: len(own)} for name, own in by_room.items()
    ]
    if not trained:
        return {"images": table(counted, (room, day, images))}
    shown: Metadata = {}
    for key, (kind, column) in kinds.items():
        lines = [
            line | {shares: _mixture(kind, [row[column] for row in own if row[column]], farm)}
            for line, own in zip(counted, by_room.values(), strict=True)
        ]
        shown[key] = table(
            lines, (room, day, images, shares) if key == "stages" else (room, shares)
        )
    return shown


def _growth_day(rows: Rows) -> int | None:
    return next((row["growth_day"] for row in rows if row["growth_day"] is not None), None)


def _mixture(kind: Kind, names: Sequence[str], farm: Farm) -> str:
    """Shares of labels: `fruiting 92%, harvest 8%`."""
    counts = Counter(names).most_common()
    shares = [
        f"{label_text(kind, name, farm)} {share_text(count / len(names))}" for name, count in counts
    ]
    return text("comma", farm.language).join(shares) or "–"


def _shares(kind: Kind, names: Sequence[str], ok: Rows) -> Metadata:
    """The farm's share of every label, the same keys each day, to plot."""
    counts = Counter(row[kind] for row in ok)
    return {f"{kind}_{name}": round(counts[name] / len(ok), 4) for name in (*names, UNKNOWN)}


def _named(files: Rows, reason: str, farm: Farm) -> dg.MarkdownMetadataValue:
    """Paths and reasons, and how many more there are."""
    lines = [f"{plain(row['image_path'])}: {plain(row[reason])}" for row in files[:NAMED]]
    if (more := len(files) - NAMED) > 0:
        lines.append({"en": f"and {more} more", "zh": f"另有 {more} 个"}[farm.language])
    return dg.MetadataValue.md("\n\n".join(lines))
