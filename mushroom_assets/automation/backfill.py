"""The first filling of a farm: partitions materialized in this process, through Dagster's jobs.

The UI's backfills do the same at any time, in runs of the daemon.
"""

import contextlib
import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg

from mushroom_assets.automation.schedules import FEEDS_JOB, STANDING_JOB
from mushroom_assets.automation.timetable import PARTITIONED
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.partitions import windows

# The bar is on the console; the UI has it all.
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
CHECK_JOBS = (STANDING_JOB, FEEDS_JOB)
Bars = Callable[[int, str, str], Any]  # a progress bar of (total, what, unit), a context manager
Runs = dict[str, list[Sequence[str]]]  # by asset the partitions of each run


def materialize_missing(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    first_day: dt.date,
    now: dt.datetime,
    bars: Bars,
) -> list[str]:
    """Materialize every partition in [first_day, now) that is not, in the order of the lineage.

    Args:
        defs: the farm's definitions.
        instance: Dagster's.
        first_day: farm-local day to begin with.
        now: aware; windows that close later are left out.
        bars: draws the progress.

    Returns:
        what failed, and why. A failing asset keeps only those from being made that need it.
    """
    span = (first_day, now)
    runs: Runs = {asset: list(_runs(defs, instance, asset, *span)) for asset in PARTITIONED}
    total = sum(len(keys) for keys in itertools.chain.from_iterable(runs.values()))
    failures: list[str] = []
    lacking: set[str] = set()
    with bars(total, "results", "partition") as bar, _worker() as worker:
        for asset, portions in runs.items():
            if _needs(defs, asset) & lacking:
                lacking.add(asset)
                continue
            bar.set_postfix_str(asset)
            for keys in portions:
                failure = worker.submit(_materialize, defs, instance, asset, keys).result()
                if failure:
                    failures.append(failure)
                    lacking.add(asset)
                    break
                bar.update(len(keys))
        if total:  # no check is left "Not evaluated" until its schedule ticks
            failures += worker.submit(_evaluate, defs, instance).result()
    return failures


@contextlib.contextmanager
def _worker() -> Iterator[ThreadPoolExecutor]:
    """A thread for runs: in the main one Dagster takes over the signals.

    A Ctrl-C between two steps would be lost there. Here it stops the whole once the current run is
    through.
    """
    with ThreadPoolExecutor(1) as worker:
        # A thread whose start is interrupted is left behind: it starts before there is work for it
        worker.submit(list).result()
        yield worker


def _needs(defs: dg.Definitions, asset: str) -> set[str]:
    """The assets that an asset is made from."""
    deps = defs.resolve_assets_def(asset).asset_deps[dg.AssetKey(asset)]
    return {key.to_user_string() for key in deps}


def _runs(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    asset: str,
    first_day: dt.date,
    now: dt.datetime,
) -> Iterator[Sequence[str]]:
    """Consecutive partitions that are not materialized, as many together as a run takes."""
    definition = defs.resolve_assets_def(asset).partitions_def
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        raise TypeError(f"{asset} has no time partitions")
    keys = definition.get_partition_keys(current_time=now)
    span = [window.key for window in windows(definition, keys) if window.date >= first_day]
    done = instance.get_materialized_partitions(dg.AssetKey(asset))
    for missing, group in itertools.groupby(span, key=lambda key: key not in done):
        if missing:
            stretch = list(group)
            size = PARTITIONED[asset].filled_a_run or len(stretch)
            yield from (stretch[first : first + size] for first in range(0, len(stretch), size))


def _materialize(
    defs: dg.Definitions, instance: dg.DagsterInstance, asset: str, keys: Sequence[str]
) -> str | None:
    """Run an asset's job for a range of partitions; what failed, None where nothing did."""
    first = keys[0]
    last = keys[-1]
    job = defs.resolve_job_def(f"{asset}_job")
    failure = _execute(job, instance, range_tags(first, last))
    return failure and f"{asset} for {first} to {last} {failure}"


def _evaluate(defs: dg.Definitions, instance: dg.DagsterInstance) -> list[str]:
    """Run the jobs of checks; what failed."""
    failures = []
    for name in CHECK_JOBS:
        failure = _execute(defs.resolve_job_def(name), instance, {})
        if failure:
            failures.append(f"{name} {failure}")
    return failures


def _execute(
    job: dg.JobDefinition, instance: dg.DagsterInstance, tags: Mapping[str, str]
) -> str | None:
    result = job.execute_in_process(QUIET, instance=instance, tags=tags, raise_on_error=False)
    if result.success:
        return None
    reasons = "; ".join(_reason(event) for event in result.get_step_failure_events())
    return f"failed in run {result.run_id}: {reasons}"


def _reason(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    told = data.user_failure_data.description if data.user_failure_data else None
    return told or str(data.error)
