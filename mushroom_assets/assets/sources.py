"""What the plant and its people deliver: external assets, so that the lineage begins with them."""

import dagster as dg

from mushroom_assets.storage.schema import SOURCES


def source_assets() -> list[dg.AssetSpec]:
    """The external assets: `point`, `sample`, `batch`, `note`, `harvest`, files and labels."""
    return [dg.AssetSpec(name) for name in SOURCES]
