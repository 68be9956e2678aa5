"""What a day of `daily_clip_inference` shows."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dagster as dg

from mushroom_assets.domain.farm import Farm
from mushroom_assets.metadata.common import Metadata, table
from mushroom_assets.storage.relabel import DayCount

UNTRAINED_NOTE = "**The CLIP model has random weights: its labels mean nothing. Set MUSHROOM_CLIP_PRETRAINED.**"


def vision_metadata(
    rows: Sequence[dict[str, Any]], model_id: str, *, trained: bool, farm: Farm, strays: Sequence[dict[str, Any]] = ()
) -> Metadata:
    """One day of `daily_clip_inference`: counts by status, stages by room, the model and whether to believe it.

    `strays` are rows of `image_quarantine`: what no day will ever look at.
    """
    ok = [row for row in rows if row["status"] == "ok"]
    stages = Counter((row["room_id"], row["stage"]) for row in ok)
    tally = [{"room_id": room, "stage": stage, "images": count} for (room, stage), count in sorted(stages.items())]
    counted: Metadata = {
        "dagster/partition_row_count": len(rows),
        "images_ok": len(ok),
        "images_not_ok": len(rows) - len(ok),
        "rooms_without_images": len(set(farm.rooms) - {row["room_id"] for row in rows}),
        "strays": len(strays),
        "model_id": model_id,
        "stages": table(tally, ("room_id", "stage", "images")),
    }
    if strays:
        counted["quarantine"] = table(strays, ("image_path", "reason"))
    return counted if trained else counted | {"note": dg.MetadataValue.md(UNTRAINED_NOTE)}


def relabel_metadata(day: DayCount, model_id: str, *, trained: bool) -> Metadata:
    """One day of `daily_clip_inference` after new labels for stored vectors: counts by status, and the model."""
    counted: Metadata = {
        "dagster/partition_row_count": day.ok + day.not_ok,
        "images_ok": day.ok,
        "images_not_ok": day.not_ok,
        "model_id": model_id,
        "relabelled": True,
    }
    return counted if trained else counted | {"note": dg.MetadataValue.md(UNTRAINED_NOTE)}
