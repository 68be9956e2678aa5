"""What the plant and its people deliver: external assets, so that the lineage begins with them."""

import dagster as dg

from mushroom_assets.metadata.definition import GROUP, definition_metadata
from mushroom_assets.storage import schema


def source_assets() -> list[dg.AssetSpec]:
    """The external assets `point`, `sample`, `batch`, `room_images` and `image_label`."""
    plant = "the plant or by `mushroom load`"
    tables = {schema.point: plant, schema.sample: plant, schema.batch: plant, schema.image_label: "`mushroom label`"}
    return [
        *[
            dg.AssetSpec(
                table.name,
                description=f"{table.comment}. Written by {writer}.",
                metadata=definition_metadata(table),
                group_name=GROUP,
                kinds={"postgres"},
            )
            for table, writer in tables.items()
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
