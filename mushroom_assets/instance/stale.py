"""Which partitions that are made are out of date: by a marked input, or by what made them.

For the schedules and the sensor, which ask for them, and the standing checks, which tell. What an
input touches is marked in the database (`storage.outdated`); the farm file and the code are known
by the version that Dagster has recorded.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import dagster as dg

from mushroom_assets.domain.windows import Window
from mushroom_assets.instance.outstanding import made
from mushroom_assets.instance.reporting import made_by
from mushroom_assets.storage.outdated import Marks, places

VERSION = "version"  # the farm file or the code


class Stale(NamedTuple):
    """Why a partition is out of date: inputs, or `VERSION`.

    `since` is when an input changed first, `latest` when last, None where only the version did.
    """

    sources: frozenset[str]
    since: dt.datetime | None
    latest: dt.datetime | None


def stale(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    windows: Sequence[Window],
    marks: Marks,
    version: str,
) -> dict[str, Stale]:
    """Those of the windows that are made and out of date, by key, in order.

    Args:
        instance: whose record says what is made, and by which version.
        asset: the key.
        windows: in order.
        marks: of the asset.
        version: that it has now.
    """
    keys = [window.key for window in windows]
    there = made(instance, asset, keys)
    versions = made_by(instance, asset, keys)
    found: dict[str, Stale] = {}
    kept_since = marks.kept_since
    for window, marked in zip(windows, places(marks.found, windows), strict=True):
        if window.key not in there or (kept_since is not None and window.start < kept_since):
            continue
        sources = {source for each in marked for source in each.sources}
        if versions.get(window.key, version) != version:
            sources.add(VERSION)
        if sources:
            since = min((each.since for each in marked), default=None)
            latest = max((each.latest for each in marked), default=None)
            found[window.key] = Stale(frozenset(sources), since, latest)
    return found


def reasons(found: Mapping[str, Stale]) -> str:
    """The inputs by which some partitions are out of date, for a run's tag."""
    return ", ".join(sorted({source for each in found.values() for source in each.sources}))
