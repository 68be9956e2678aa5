"""Materialize the partitions of a span in this process, through Dagster's jobs, with a progress
bar.

For the first filling of a farm: the UI's backfills do the same at any time, in runs of the daemon.
"""

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.partitions import windows

ORDER = ("daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference", "daily_room_report")
# The bar is on the console; the UI has it all
QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
# Partitions a run: the bar moves run by run, and each has a fixed cost of 0.2 s.
PARTITIONS_A_RUN = {"hourly_setpoint_changes": 24 * 7, "daily_clip_inference": 1}


def materialize_missing(
    defs: dg.Definitions, instance: dg.DagsterInstance, first_day: dt.date, now: dt.datetime
) -> list[str]:
    """Materialize every partition in [first_day, now) that is not, asset by asset in the order of
    the lineage.

    Args:
        defs: the farm's definitions.
        instance: Dagster's instance.
        first_day: farm-local day to begin with.
        now: aware; windows that close later are left out.

    Returns:
        what failed, and why. A failing asset keeps only the report, which needs all of them, from
        being made.
    """
    runs = {asset: list(_runs(defs, instance, asset, first_day, now)) for asset in ORDER}
    failures: list[str] = []
    total = sum(len(keys) for ranges in runs.values() for keys in ranges)
    # In a thread of its own: in the main one Dagster takes over the signals, and a Ctrl-C that
    # falls between two steps would be lost. Here it stops the whole once the current run is
    # through.
    with progress_bar(total, "results", "partition") as bar, ThreadPoolExecutor(1) as worker:
        for asset, ranges in runs.items():
            if failures and asset == "daily_room_report":
                continue
            bar.set_postfix_str(asset)
            job = defs.resolve_job_def(f"{asset}_job")
            for keys in ranges:
                tags = range_tags(keys[0], keys[-1])
                run = worker.submit(
                    job.execute_in_process,
                    QUIET,
                    instance=instance,
                    tags=tags,
                    raise_on_error=False,
                )
                result = run.result()
                if not result.success:
                    failures.append(_failure(asset, keys, result))
                    break
                bar.update(len(keys))
    return failures


def _runs(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    asset: str,
    first_day: dt.date,
    now: dt.datetime,
) -> Iterator[Sequence[str]]:
    """Consecutive partitions that are not materialized, at most `PARTITIONS_A_RUN` at a time."""
    definition = defs.resolve_assets_def(asset).partitions_def
    if not isinstance(definition, dg.TimeWindowPartitionsDefinition):
        raise TypeError(f"{asset} has no time partitions")
    keys = definition.get_partition_keys(current_time=now)
    span = [window.key for window in windows(definition, keys) if window.date >= first_day]
    done = instance.get_materialized_partitions(dg.AssetKey(asset))
    for missing, group in itertools.groupby(span, key=lambda key: key not in done):
        stretch = list(group) if missing else []
        size = PARTITIONS_A_RUN.get(asset, len(stretch) or 1)
        yield from (stretch[first : first + size] for first in range(0, len(stretch), size))


def _failure(asset: str, keys: Sequence[str], result: dg.ExecuteInProcessResult) -> str:
    told = [event.step_failure_data for event in result.get_step_failure_events()]
    reasons = [
        (data.user_failure_data and data.user_failure_data.description) or str(data.error)
        for data in told
    ]
    return (
        f"{asset} for {keys[0]} to {keys[-1]} failed in run {result.run_id}: {'; '.join(reasons)}"
    )
