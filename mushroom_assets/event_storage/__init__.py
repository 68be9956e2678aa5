"""The former name of `instance.storage`, for a `dagster.yaml` of one's own; for one release."""

import warnings

from mushroom_assets.instance.storage import FarmStorage

__all__ = ["FarmStorage"]
warnings.warn(
    "dagster.yaml names `module: mushroom_assets.event_storage`, which the next release no longer "
    "has. Remedy: write `module: mushroom_assets.instance.storage` there; the rest stays",
    FutureWarning,
    stacklevel=2,
)
