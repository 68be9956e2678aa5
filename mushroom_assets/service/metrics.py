"""What the watch has seen, as metrics for Prometheus: readiness, Dagster's record, the looks.

Figures that a query gives are declared in `figures`. Nothing is registered anywhere: each scrape
gets metrics of its own.
"""

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from mushroom_assets.checks.standing import DAYS
from mushroom_assets.service.counting import Read
from mushroom_assets.service.record import AssetState

OF_PARTITIONS = {
    "due": f"Partitions of the last {DAYS} days that should be there.",
    "missing": f"Partitions of the last {DAYS} days that are due, not made and not on their way.",
    "failed": f"Partitions of the last {DAYS} days that failed when they were last tried.",
    "outdated": "Partitions made before an input changed, under another farm file or older code.",
}


class Told(NamedTuple):
    """What a look saw, and the seconds that it took; None where there was none."""

    took_s: float | None
    read: Read


def about_the_watch(
    ready: Mapping[str, bool], looks: Mapping[str, Told], attempts: Mapping[str, int]
) -> Iterator[Metric]:
    """What is always told: parts that are ready, how the looks went, attempts to connect."""
    version = importlib.metadata.version("mushroom_assets")
    yield _gauge(
        "mushroom_build_info", "1, with the version of the package.", "version", {version: 1}
    )
    yield _gauge(
        "mushroom_ready",
        "1 where a part of the farm can do its work, 0 where it cannot or nobody knows: /readyz "
        "has the reasons.",
        "part",
        {part: float(holds) for part, holds in ready.items()},
    )
    yield _gauge(
        "mushroom_look_success",
        "1 where all that a look is for was seen; else metrics are missing.",
        "look",
        {name: float(not look.read.refused) for name, look in looks.items()},
    )
    yield _gauge(
        "mushroom_look_duration_seconds",
        "How long a look took.",
        "look",
        {name: look.took_s for name, look in looks.items() if look.took_s is not None},
    )
    connects = CounterMetricFamily(
        "mushroom_database_connect_attempts_total",
        "Attempts of this server to connect to the database.",
        labels=["result"],
    )
    for result, count in attempts.items():
        connects.add_metric([result], count)
    yield connects


def about_assets(states: Sequence[AssetState]) -> Read:
    """What Dagster's record says of each asset's partitions; without states it was not read."""
    name = "mushroom_partition_newest_end_seconds"
    if not states:
        return Read([], [name])
    meaning = f"End of an asset's newest partition of the last {DAYS} days."
    ends = {state.asset: state.newest_end for state in states if state.newest_end is not None}
    found = [_gauge(name, meaning, "asset", ends)]
    for kind, meaning in OF_PARTITIONS.items():
        counts = {state.asset: float(getattr(state, kind)) for state in states}
        found.append(_gauge(f"mushroom_partitions_{kind}", meaning, "asset", counts))
    return Read(found, [])


def _gauge(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
