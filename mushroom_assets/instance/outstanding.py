"""Which partitions Dagster's record lacks, and in which ranges to ask for them.

For the schedules, which ask, and the standing checks, which tell. When a partition is due is the
business of `automation`.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from mushroom_assets.domain.windows import Window
from mushroom_assets.partitions import windows

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def range_tags(first: str, last: str) -> dict[str, str]:
    """Run tags that ask for the partitions from `first` to `last`, both included, in one run."""
    return {RANGE_START: first, RANGE_END: last}


def closed(
    definition: dg.TimeWindowPartitionsDefinition, span: dt.timedelta, now: dt.datetime
) -> list[Window]:
    """The windows that have closed by `now`, oldest first.

    Only those that began within `span` before the end of the last one.
    """
    recent = dg.TimeWindow(max(now - span - dt.timedelta(days=2), definition.start), now)
    candidates = windows(definition, definition.get_partition_keys_in_time_window(recent))
    # By the instant: two readings of one zone's clock compare without regard to the hour that comes
    # twice.
    past = [window for window in candidates if window.end.timestamp() <= now.timestamp()]
    return [window for window in past if window.start >= past[-1].end - span]


def ranges(keys: Iterable[str], wanted: set[str]) -> Iterator[tuple[str, str]]:
    """First and last key of each stretch of `keys` that is wanted throughout."""
    first = last = None
    for key in keys:
        if key in wanted:
            first = first or key
            last = key
        elif first and last:
            yield first, last
            first = last = None
    if first and last:
        yield first, last


def on_their_way(
    instance: dg.DagsterInstance, asset: dg.AssetKey, definition: dg.TimeWindowPartitionsDefinition
) -> set[str]:
    """Partitions of the asset that a queued or running run will materialize."""
    keys: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if run.job_name == f"{asset.to_user_string()}_job" or asset in (run.asset_selection or ()):
            keys.update(keys_of(run, definition))
    return keys


def keys_of(run: dg.DagsterRun, definition: dg.PartitionsDefinition) -> Sequence[str]:
    """The partitions that a run was asked for."""
    if "dagster/partition" in run.tags:
        return [run.tags["dagster/partition"]]
    if RANGE_START in run.tags:
        return definition.get_partition_keys_in_range(
            dg.PartitionKeyRange(run.tags[RANGE_START], run.tags[RANGE_END])
        )
    return []
