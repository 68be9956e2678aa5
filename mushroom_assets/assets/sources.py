"""What the plant owns and delivers: external assets, so that the lineage begins at the sensors and cameras."""

import dagster as dg

from mushroom_assets.metadata import GROUP, definition_metadata
from mushroom_assets.storage import schema


def source_assets() -> list[dg.AssetSpec]:
    """The external assets `point`, `sample`, `batch` and `room_images`."""
    tables = (schema.point, schema.sample, schema.batch)
    return [
        *[
            dg.AssetSpec(
                table.name,
                description=f"{table.comment}. Written by the plant or by `mushroom load`.",
                metadata=definition_metadata(table),
                group_name=GROUP,
                kinds={"postgres"},
            )
            for table in tables
        ],
        dg.AssetSpec(
            "room_images",
            description=(
                "Camera images in the image store: two cameras a room, one JPEG an hour each, at "
                "`<room>/<YYYYMMDD>/<room>_<camera>_<inDate>_<YYYYMMDDHHMMSS>.jpg` (farm-local time)."
            ),
            group_name=GROUP,
            kinds={"image"},
        ),
    ]
