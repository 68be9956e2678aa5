"""All that decides when: jobs, schedules, sensors, retry and backfill policies.

A schedule tick asks for its due partition and for every partition of the last week that is not
materialized: Dagster itself catches up no more than the latest missed tick
(https://github.com/dagster-io/dagster/issues/10335).
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg

from mushroom_assets.automation.timetable import DUE_AFTER, LOOKBACK
from mushroom_assets.checks import standing
from mushroom_assets.instance.outstanding import closed, on_their_way, range_tags, ranges
from mushroom_assets.partitions import FarmClock

STANDING_JOB = "standing_checks_job"


def jobs() -> dict[str, Any]:
    """`<asset>_job` by asset, and that of the standing checks; the scheduled runs go before
    backfills in the queue.
    """
    scheduled = {"dagster/priority": "5"}
    standing_checks = dg.AssetSelection.checks(
        *(dg.AssetCheckKey(dg.AssetKey(key), standing.NAME) for key in DUE_AFTER)
    )
    found = {
        key: dg.define_asset_job(
            f"{key}_job", dg.AssetSelection.assets(key) - standing_checks, tags=scheduled
        )
        for key in (*DUE_AFTER, "clip_probe")
    }
    return found | {
        STANDING_JOB: dg.define_asset_job(STANDING_JOB, standing_checks, tags=scheduled)
    }


def schedules(clock: FarmClock, jobs: dict[str, Any], timezone: str) -> list[dg.ScheduleDefinition]:
    """The farm's timetable, in farm time.

    On unless switched off in the UI, and that lasts over restarts.
    """
    return [
        _catching_up("daily_env_stats", "3 1 * * *", clock.daily, jobs, timezone),
        _catching_up("hourly_setpoint_changes", "5 * * * *", clock.hourly, jobs, timezone),
        _catching_up("daily_clip_inference", "2 3 * * *", clock.daily, jobs, timezone),
        dg.ScheduleDefinition(
            name="standing_checks_schedule",
            job=jobs[STANDING_JOB],
            # After the hour's run: of an earlier materialization a check says nothing
            cron_schedule="10 * * * *",
            execution_timezone=timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Looks for partitions of the last {standing.DAYS} days that have failed or are missing.",
        ),
    ]


def _catching_up(
    asset: str,
    cron: str,
    definition: dg.TimeWindowPartitionsDefinition,
    jobs: dict[str, Any],
    timezone: str,
) -> dg.ScheduleDefinition:
    @dg.schedule(
        job=jobs[asset],
        name=f"{asset}_schedule",
        cron_schedule=cron,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Asks for the due partition and for any of the last 7 days that is not materialized, oldest first.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        wanted = _wanted(
            context.instance, dg.AssetKey(asset), definition, context.scheduled_execution_time
        )
        for first, last in wanted:
            yield _request(first, last)
        if not wanted:
            yield dg.SkipReason(
                "No partition is due: every one of the last 7 days is materialized or on its way."
            )

    return tick


def _request(first: str, last: str) -> dg.RunRequest:
    if first == last:
        return dg.RunRequest(run_key=first, partition_key=first)
    return dg.RunRequest(run_key=f"{first}...{last}", tags=range_tags(first, last))


def _wanted(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    definition: dg.TimeWindowPartitionsDefinition,
    now: dt.datetime,
) -> list[tuple[str, str]]:
    """Ranges (first and last key) of the due partition and the missing ones of the lookback, oldest
    first.
    """
    keys = [window.key for window in closed(definition, LOOKBACK, now)]
    if not keys:
        return []
    # The due one is asked for in any case
    done = instance.get_materialized_partitions(asset) - {keys[-1]}
    lacking = {key for key in keys if key not in done} - on_their_way(instance, asset, definition)
    return list(ranges(keys, lacking))
