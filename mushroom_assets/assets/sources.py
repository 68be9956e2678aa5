"""What the plant and its people deliver: external assets, so that the lineage begins with them."""

import dagster as dg

from mushroom_assets.domain.farm import Farm
from mushroom_assets.metadata.definition import definition
from mushroom_assets.storage.schema import SOURCES


def source_assets(farm: Farm) -> list[dg.AssetSpec]:
    """The external assets `point`, `sample`, `batch`, `room_images` and `image_label`."""
    return [dg.AssetSpec(name, **definition(table, farm)) for name, table in SOURCES.items()]
