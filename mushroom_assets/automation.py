"""All that decides when: jobs, schedules, sensors, retry and backfill policies.

A schedule tick asks for its due partition and for every partition of the last week that is not materialized: Dagster
itself catches up no more than the latest missed tick (https://github.com/dagster-io/dagster/issues/10335).
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

import dagster as dg

from mushroom_assets.faults import permanent_faults_fail_at_once
from mushroom_assets.partitions import FarmClock, windows
from mushroom_assets.resources import PostgresResource
from mushroom_assets.storage.labels import NO_LABELS, label_state

LOOKBACK = dt.timedelta(days=7)
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

# Waits of 10, 30 and 70 s, give or take: EXPONENTIAL is (2**n - 1) * delay. Only transient faults get here, permanent
# ones fail at once (assets.windows).
RETRY = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def _on_last_input() -> dg.AutomationCondition:
    """When every input of a day is there: once, and again after any of them was redone; for the days of the lookback.

    `eager()` looks at the newest day only; a day that was caught up later would never get its report.
    """
    window = dg.AutomationCondition.in_latest_time_window(lookback_delta=LOOKBACK)
    return dg.AutomationCondition.eager().replace("in_latest_time_window", window)


def policies() -> dict[str, dict[str, Any]]:
    """Retry, backfill and automation policies by asset.

    Environment, setpoints and report take a whole range in one run, of which what is finished stays so if it fails
    (assets.windows). CLIP takes a week a run: it holds its pool no longer than that, and other runs get their turn.
    """
    whole_range = dg.BackfillPolicy.single_run()
    return {
        "daily_env_stats": {"retry_policy": RETRY, "backfill_policy": whole_range},
        "hourly_setpoint_changes": {"retry_policy": RETRY, "backfill_policy": whole_range},
        "daily_clip_inference": {
            "retry_policy": RETRY,
            "backfill_policy": dg.BackfillPolicy.multi_run(7),
            "pool": "clip",
        },
        "clip_probe": {"retry_policy": RETRY},
        "daily_room_report": {
            "retry_policy": RETRY,
            "backfill_policy": whole_range,
            "automation_condition": _on_last_input(),
        },
    }


def asset_jobs() -> dict[str, Any]:
    """`<asset>_job` by asset; the scheduled runs go before backfills in the queue."""
    return {
        key: dg.define_asset_job(f"{key}_job", selection=dg.AssetSelection.assets(key), tags={"dagster/priority": "5"})
        for key in policies()
    }


def schedules(clock: FarmClock, jobs: dict[str, Any], timezone: str) -> list[dg.ScheduleDefinition]:
    """The farm's timetable, in farm time. On unless switched off in the UI, and that lasts over restarts."""
    return [
        _catching_up("daily_env_stats", "3 1 * * *", clock.daily, jobs, timezone),
        _catching_up("hourly_setpoint_changes", "5 * * * *", clock.hourly, jobs, timezone),
        _catching_up("daily_clip_inference", "2 3 * * *", clock.daily, jobs, timezone),
    ]


def sensors(jobs: dict[str, Any]) -> list[dg.SensorDefinition]:
    """The report's automation and the watch over the labels, on unless switched off in the UI."""
    return [
        dg.AutomationConditionSensorDefinition(
            "daily_room_report_automation",
            target=dg.AssetSelection.assets("daily_room_report"),
            default_status=dg.DefaultSensorStatus.RUNNING,
            description="Writes a day's report when the last of its inputs is there.",
        ),
        _watching_labels(jobs["clip_probe"]),
    ]


def _watching_labels(job: Any) -> dg.SensorDefinition:
    @dg.sensor(
        job=job,
        name="clip_probe_sensor",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fits the probe anew when labels, or the vectors of labelled images, have changed.",
    )
    def tick(context: dg.SensorEvaluationContext, postgres: PostgresResource) -> dg.SensorResult | dg.SkipReason:
        # A fault of the database fails the tick and leaves the cursor where it was: the next tick asks again.
        with permanent_faults_fail_at_once(), postgres.transaction() as connection:
            state = label_state(connection)
        before = context.cursor or NO_LABELS
        if state == before:
            return dg.SkipReason("Labels, and the vectors of labelled images, are those of the last run.")
        # With both states in the key: to take away all labels is news each time.
        return dg.SensorResult([dg.RunRequest(run_key=f"{before} -> {state}")], cursor=state)

    return tick


def _catching_up(
    asset: str, cron: str, definition: dg.TimeWindowPartitionsDefinition, jobs: dict[str, Any], timezone: str
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
        wanted = _wanted(context.instance, dg.AssetKey(asset), definition, context.scheduled_execution_time)
        for first, last in wanted:
            yield _request(first, last)
        if not wanted:
            yield dg.SkipReason("No partition is due: every one of the last 7 days is materialized or on its way.")

    return tick


def _request(first: str, last: str) -> dg.RunRequest:
    if first == last:
        return dg.RunRequest(run_key=first, partition_key=first)
    return dg.RunRequest(run_key=f"{first}...{last}", tags=range_tags(first, last))


def range_tags(first: str, last: str) -> dict[str, str]:
    """Run tags that ask for the partitions from `first` to `last`, both included, in one run."""
    return {RANGE_START: first, RANGE_END: last}


def _wanted(
    instance: dg.DagsterInstance, asset: dg.AssetKey, definition: dg.TimeWindowPartitionsDefinition, now: dt.datetime
) -> list[tuple[str, str]]:
    """Ranges (first and last key) of the due partition and the missing ones of the lookback, oldest first."""
    recent = dg.TimeWindow(max(now - LOOKBACK - dt.timedelta(days=2), definition.start), now)
    candidates = windows(definition, definition.get_partition_keys_in_time_window(recent))
    # By the instant: two readings of one zone's clock compare without regard to the hour that comes twice.
    closed = [window for window in candidates if window.end.timestamp() <= now.timestamp()]
    if not closed:
        return []
    keys = [window.key for window in closed if window.start >= closed[-1].end - LOOKBACK]
    done = instance.get_materialized_partitions(asset) - {keys[-1]}  # the due one is asked for in any case
    on_their_way = _unfinished(instance, asset, definition)
    return list(_ranges(keys, {key for key in keys if key not in done and key not in on_their_way}))


def _ranges(keys: Iterable[str], wanted: set[str]) -> Iterator[tuple[str, str]]:
    first = last = None
    for key in keys:
        if key in wanted:
            first, last = first or key, key
        elif first and last:
            yield first, last
            first = last = None
    if first and last:
        yield first, last


def _unfinished(
    instance: dg.DagsterInstance, asset: dg.AssetKey, definition: dg.TimeWindowPartitionsDefinition
) -> set[str]:
    """Partitions of the asset that a queued or running run will materialize."""
    keys: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if run.job_name != f"{asset.to_user_string()}_job" and asset not in (run.asset_selection or ()):
            continue
        if "dagster/partition" in run.tags:
            keys.add(run.tags["dagster/partition"])
        elif RANGE_START in run.tags:
            span = dg.PartitionKeyRange(run.tags[RANGE_START], run.tags[RANGE_END])
            keys.update(definition.get_partition_keys_in_range(span))
    return keys
