"""What a day of `daily_clip_inference` shows: numbers to plot and tables.

Pictures are the business of `contact_sheet`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import dagster as dg

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_row import DailyClipInference
from mushroom_assets.domain.markdown import plain
from mushroom_assets.domain.origin import is_known, origin_text
from mushroom_assets.domain.strays import stray_text
from mushroom_assets.domain.texts import say, share_text
from mushroom_assets.domain.vision import UNKNOWN, Kind, label_text
from mushroom_assets.metadata.common import SHARE, Metadata, table
from mushroom_assets.metadata.contact_sheet import Draw, contact_sheet, least_certain
from mushroom_assets.storage.vision.relabel import DayCount

Rows = Sequence[DailyClipInference]
LabelColumn = Literal["stage", "condition", "probe_stage"]  # columns of labels
NAMED = 30  # files that could not be used, or that no day will look at; more are only counted


def vision_metadata(
    rows: Rows,
    model_id: str,
    *,
    trained: bool,
    farm: Farm,
    strays: Sequence[Mapping[str, Any]] = (),
    draw: Draw | None = None,
) -> Metadata:
    """One day of `daily_clip_inference`: pictures, shares of labels, counts, what cannot be used.

    Args:
        rows: the day's.
        model_id: the model that labelled them.
        trained: whether to believe it; if not, labels are left out.
        farm: rooms, language, texts of the labels.
        strays: rows of `image_quarantine`: what no day will ever look at.
        draw: small pictures by path; None for a day without pictures.
    """
    ok = [row for row in rows if row["status"] == "ok"]
    shown: Metadata = {} if trained else _untrained_note(farm)
    if trained and ok:
        shown["labels_from"] = dg.MetadataValue.md(plain(origin_text(model_id, ok, farm)))
    shown |= _pictures(ok, farm, draw, trained=trained) if ok else {}
    shown |= _rooms(rows, farm, trained=trained)
    shown |= _unusable(rows, strays, farm)
    shown |= {
        "dagster/partition_row_count": len(rows),
        "images_ok": len(ok),
        "images_not_ok": len(rows) - len(ok),
        "rooms_without_images": len(set(farm.rooms) - {row["room_id"] for row in rows}),
        "strays": len(strays),
        "model_id": model_id,
    }
    if trained and ok:
        shown |= _shares("stage", [*farm.vision.stages], ok)
        shown |= _shares("condition", [*farm.vision.conditions], ok)
    return shown


def _unusable(rows: Rows, strays: Sequence[Mapping[str, Any]], farm: Farm) -> Metadata:
    """Files that could not be used, and files that no day will look at, with their reasons."""
    broken = [(row["image_path"], row["error"] or "") for row in rows if row["status"] != "ok"]
    astray = [(row["image_path"], stray_text(row["image_path"], farm)) for row in strays]
    shown: Metadata = {}
    if broken:
        shown["not_ok"] = _named(broken, farm)
    if astray:
        shown["quarantine"] = _named(astray, farm)
    return shown


def relabel_metadata(day: DayCount, model_id: str, farm: Farm, *, trained: bool) -> Metadata:
    """One day after new labels for stored vectors: counts by status, and the model."""
    counted: Metadata = {
        "dagster/partition_row_count": day.ok + day.not_ok,
        "images_ok": day.ok,
        "images_not_ok": day.not_ok,
        "model_id": model_id,
        "relabelled": True,
    }
    return counted if trained else counted | _untrained_note(farm)


def _untrained_note(farm: Farm) -> Metadata:
    return {"note": dg.MetadataValue.md(say("untrained_note", farm))}


def _pictures(ok: Rows, farm: Farm, draw: Draw | None, *, trained: bool) -> Metadata:
    if draw:
        sheet = contact_sheet(ok, farm, draw, trained=trained)
    else:
        sheet = say("no_pictures", farm)
    shown: Metadata = {"contact_sheet": dg.MetadataValue.md(sheet)}
    # Of what is unlike all that was learned the model has no doubt: it has only guesses
    doubted = [row for row in ok if row["familiarity"] is None or is_known(row, farm)]
    if trained and doubted:
        shown["least_certain"] = dg.MetadataValue.md(least_certain(doubted, farm, draw))
    return shown


def _rooms(rows: Rows, farm: Farm, *, trained: bool) -> Metadata:
    """Tables of a line a room: growth day, images and stages; conditions; the probe's stages.

    The last one is there only if the probe named stages. There are several narrow tables, because a
    screen of 1280 px cuts a wide one off.
    """
    keys = ("room_heading", "growth_heading", "images_heading", "shares_heading")
    room, day, images, shares = (say(key, farm) for key in keys)
    by_room: dict[str, list[DailyClipInference]] = {name: [] for name in farm.rooms}
    for row in rows:
        if row["room_id"] in by_room:
            by_room[row["room_id"]].append(row)
    counted = [
        {room: name, day: _growth_day(own), images: len(own)} for name, own in by_room.items()
    ]
    if not trained:
        return {"images": table(counted, (room, day, images))}

    def with_shares(kind: Kind, column: LabelColumn) -> list[dict[str, Any]]:
        lines = []
        for line, own in zip(counted, by_room.values(), strict=True):
            labels = [row[column] for row in own]
            names = [label for label in labels if label]
            lines.append(line | {shares: _mixture(kind, names, farm)})
        return lines

    shown: Metadata = {
        "stages": table(with_shares("stage", "stage"), (room, day, images, shares)),
        "conditions": table(with_shares("condition", "condition"), (room, shares)),
    }
    if any(row["probe_stage"] for row in rows):
        shown["probe_stages"] = table(with_shares("stage", "probe_stage"), (room, shares))
    return shown


def _growth_day(rows: Rows) -> int | None:
    return next((row["growth_day"] for row in rows if row["growth_day"] is not None), None)


def _mixture(kind: Kind, names: Sequence[str], farm: Farm) -> str:
    """Shares of labels: `fruiting 92%, harvest 8%`."""
    shares = []
    for name, count in Counter(names).most_common():
        shares.append(f"{label_text(kind, name, farm)} {share_text(count / len(names))}")
    return say("comma", farm).join(shares) or "–"


def _shares(kind: Kind, names: Sequence[str], ok: Rows) -> Metadata:
    """The farm's share of every label, the same keys each day, to plot."""
    counts = Counter(row[kind] for row in ok)
    shares = {name: round(counts[name] / len(ok), 4) for name in (*names, UNKNOWN)}
    return {f"{kind}_{name} {SHARE}": share for name, share in shares.items()}


def _named(reasons: Sequence[tuple[str, str]], farm: Farm) -> dg.MarkdownMetadataValue:
    """Paths and reasons, and how many more there are."""
    lines = [f"{plain(path)}: {plain(reason)}" for path, reason in reasons]
    if len(lines) > NAMED:
        lines[NAMED:] = [say("more_files", farm, count=len(lines) - NAMED)]
    return dg.MetadataValue.md("\n\n".join(lines))
