"""Code versions of the assets: the version of their code, and what of the farm file it reads.

They tell Dagster which partitions an edit of the farm file has made stale, and only those: an
edit that changes no row of an asset, as a room's image folder for the climate, leaves its version
alone. Each noun of the domain knows its own version and parts; here they become a text.
`instance.reporting` writes the versions.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

from mushroom_assets.domain.farm import Farm

Parts = dict[str, Any]  # values by the key of the farm file


class Noun(Protocol):
    """A module of the domain about the rows of one asset.

    Attributes:
        VERSION: raised by whoever changes what the rows mean: the asset's partitions then count as
            stale until they are made anew.
    """

    VERSION: int

    def depends_on(self, farm: Farm) -> Sequence[Parts]:
        """The farm file's parts that rows depend on, in groups that can change by themselves."""
        ...


def code_version(noun: Noun, farm: Farm) -> str:
    """`1-3fa9c2`: the version of the noun, and a hash of each group of parts of the farm file."""
    return "-".join([str(noun.VERSION), *map(_hash, noun.depends_on(farm))])


def relabelled(before: str, current: str) -> str:
    """The version of rows that `before` made and that got the labels (last group) of `current`."""
    made, _, _ = before.rpartition("-")
    _, _, labels = current.rpartition("-")
    return f"{made}-{labels}"


def _hash(parts: Parts) -> str:
    canonical = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:6]
