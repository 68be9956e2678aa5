"""Which partitions Dagster's record lacks, and in which ranges to ask for them.

For the schedules, which ask, and the standing checks, which tell. When a partition is due is the
business of `automation`.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence

import dagster as dg

from mushroom_assets.domain.windows import Window
from mushroom_assets.partitions import windows

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
UNFINISHED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED]
# States that a run leaves in seconds, or not by itself: a launch that failed half-way, on a full
# disk for instance, leaves it there.
PASSING = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.CANCELING,
]
# So long such a run counts. Run monitoring ends a run that does not start, or does not stop, after
# 60 s (dagster.yaml); where images are pulled it is given minutes. Without monitoring nobody does.
PASSES_WITHIN = dt.timedelta(minutes=10)


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


def ranges(
    keys: Iterable[str], wanted: Collection[str], longest: int | None = None
) -> Iterator[tuple[str, str]]:
    """First and last key of each stretch of `keys` that is wanted throughout.

    Stretches of more than `longest` keys are cut.
    """
    stretch: list[str] = []
    for key in keys:
        if stretch and (key not in wanted or len(stretch) == longest):
            yield stretch[0], stretch[-1]
            stretch = []
        if key in wanted:
            stretch.append(key)
    if stretch:
        yield stretch[0], stretch[-1]


def with_gaps(
    windows: Iterable[Window], wanted: Collection[str], free: Collection[str], longest: dt.timedelta
) -> set[str]:
    """What is wanted, and the gaps between: those that are free throughout and not too long.

    Args:
        windows: consecutive, in order.
        wanted: keys.
        free: keys that may be asked for besides.
        longest: of a gap, from its begin to its end.
    """
    joined = set(wanted)
    gap: list[Window] | None = None  # before the first that is wanted there is none
    for window in windows:
        if window.key in wanted:
            keys = {each.key for each in gap or []}
            if gap and keys.issubset(free) and gap[-1].end <= gap[0].start + longest:
                joined |= keys
            gap = []
        elif gap is not None:
            gap.append(window)
    return joined


def made(instance: dg.DagsterInstance, asset: dg.AssetKey, keys: Collection[str]) -> set[str]:
    """Those of the partitions that are materialized.

    Dagster's own question is for all of an asset: 0.3 s for a year of hours.
    """
    materialized = dg.DagsterEventType.ASSET_MATERIALIZATION
    log = instance.event_log_storage
    return set(log.get_latest_storage_id_by_partition(asset, materialized, set(keys)))


def unfinished(instance: dg.DagsterInstance, now: dt.datetime) -> list[dg.DagsterRun]:
    """Runs that are queued, starting, running or stopping.

    One that should have left its state long ago counts no more.
    """
    recent = now - PASSES_WITHIN
    return [
        *instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)),
        *instance.get_runs(dg.RunsFilter(statuses=PASSING, updated_after=recent)),
    ]


def on_their_way(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    definition: dg.TimeWindowPartitionsDefinition,
    now: dt.datetime,
) -> set[str]:
    """Partitions of the asset that a queued or running run will materialize."""
    keys: set[str] = set()
    for run in unfinished(instance, now):
        if makes(run, asset):
            keys.update(keys_of(run, definition))
    return keys


def makes(run: dg.DagsterRun, asset: dg.AssetKey) -> bool:
    """Whether a run is one of the asset: of its job, or launched with it in the UI."""
    job = f"{asset.to_user_string()}_job"
    return run.job_name == job or asset in (run.asset_selection or ())


def keys_of(run: dg.DagsterRun, definition: dg.PartitionsDefinition) -> Sequence[str]:
    """The partitions that a run was asked for; none where the definition has them no more."""
    if "dagster/partition" in run.tags:
        return [run.tags["dagster/partition"]]
    ends = [run.tags.get(RANGE_START, ""), run.tags.get(RANGE_END, "")]
    if all(definition.has_partition_key(key) for key in ends if key) and all(ends):
        return definition.get_partition_keys_in_range(
            dg.PartitionKeyRange(run.tags[RANGE_START], run.tags[RANGE_END])
        )
    return []
