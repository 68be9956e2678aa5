"""All that decides when: jobs, schedules, sensors, retry and backfill policies.

A schedule tick asks for its due partition and for every partition of the last week that is not materialized: Dagster
itself catches up no more than the latest missed tick (https://github.com/dagster-io/dagster/issues/10335).
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg

from mushroom_assets.automation.notification import Target, tell_failures
from mushroom_assets.checks import standing
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.instance.outstanding import closed, on_their_way, range_tags, ranges
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.vision.labels import NO_LABELS, label_state

LOOKBACK = dt.timedelta(days=7)
HOUR = dt.timedelta(hours=1)
# How long after its window has closed a partition should be there, retries included: the timetable's 01:03, five past
# and 03:02, and the report with the last of them.
DUE_AFTER = {
    "daily_env_stats": 2 * HOUR,
    "hourly_setpoint_changes": HOUR,
    "daily_clip_inference": 5 * HOUR,
    "daily_room_report": 6 * HOUR,
}
STANDING_JOB = "standing_checks_job"
UI_URL = "http://127.0.0.1:3000"  # where `mushroom up` serves it

# Waits of 10, 30 and 70 s, give or take: EXPONENTIAL is (2**n - 1) * delay. Only transient faults get here, permanent
# ones fail at once (assets.windows).
RETRY = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def _on_last_input() -> dg.AutomationCondition:
    """When every input of a day is there: once, and again after any of them was redone; for the days of the lookback.

    `eager()` looks at the newest day only; a day that was caught up later would never get its report.
    """
    window = dg.AutomationCondition.in_latest_time_window(lookback_delta=LOOKBACK)
    return dg.AutomationCondition.eager().replace("in_latest_time_window", window)


def policies(timezone: str) -> dict[str, dict[str, Any]]:
    """Retry, backfill, freshness and automation policies by asset.

    Environment, setpoints and report take a whole range in one run, of which what is finished stays so if it fails
    (assets.windows). CLIP takes a week a run: it holds its pool no longer than that, and other runs get their turn.
    """
    whole_range = dg.BackfillPolicy.single_run()
    found: dict[str, dict[str, Any]] = {
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
    for asset in DUE_AFTER:
        found[asset]["freshness_policy"] = _freshness(asset, timezone)
    return found


def _freshness(asset: str, timezone: str) -> dg.FreshnessPolicy:
    """A day's partition is there by its hour of the next morning, made since midnight; an hour's within the next."""
    due = DUE_AFTER[asset]
    if asset == "hourly_setpoint_changes":
        return dg.FreshnessPolicy.time_window(fail_window=HOUR + due)
    return dg.FreshnessPolicy.cron(f"0 {due // HOUR} * * *", lower_bound_delta=due, timezone=timezone)


def jobs() -> dict[str, Any]:
    """`<asset>_job` by asset, and that of the standing checks; the scheduled runs go before backfills in the queue."""
    scheduled = {"dagster/priority": "5"}
    standing_checks = dg.AssetSelection.checks(
        *(dg.AssetCheckKey(dg.AssetKey(key), standing.NAME) for key in DUE_AFTER)
    )
    found = {
        key: dg.define_asset_job(f"{key}_job", dg.AssetSelection.assets(key) - standing_checks, tags=scheduled)
        for key in (*DUE_AFTER, "clip_probe")
    }
    return found | {STANDING_JOB: dg.define_asset_job(STANDING_JOB, standing_checks, tags=scheduled)}


def schedules(clock: FarmClock, jobs: dict[str, Any], timezone: str) -> list[dg.ScheduleDefinition]:
    """The farm's timetable, in farm time. On unless switched off in the UI, and that lasts over restarts."""
    return [
        _catching_up("daily_env_stats", "3 1 * * *", clock.daily, jobs, timezone),
        _catching_up("hourly_setpoint_changes", "5 * * * *", clock.hourly, jobs, timezone),
        _catching_up("daily_clip_inference", "2 3 * * *", clock.daily, jobs, timezone),
        dg.ScheduleDefinition(
            name="standing_checks_schedule",
            job=jobs[STANDING_JOB],
            cron_schedule="10 * * * *",  # after the hour's run: of an earlier materialization a check says nothing
            execution_timezone=timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Looks for partitions of the last {standing.DAYS} days that have failed or are missing.",
        ),
    ]


def sensors(jobs: dict[str, Any], *, notify: bool) -> list[dg.SensorDefinition]:
    """The report's automation, the watch over the labels and, if there is somebody to `notify`, over failed runs.

    On unless switched off in the UI.
    """
    return [
        dg.AutomationConditionSensorDefinition(
            "daily_room_report_automation",
            target=dg.AssetSelection.assets("daily_room_report"),
            default_status=dg.DefaultSensorStatus.RUNNING,
            description="Writes a day's report when the last of its inputs is there.",
        ),
        _watching_labels(jobs["clip_probe"]),
        _watching_failures(on=notify),
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


def _watching_failures(*, on: bool) -> dg.SensorDefinition:
    status = dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED
    told = "Tells the targets of MUSHROOM_NOTIFY of every failed run; one that is down is told later."
    off = "Off until MUSHROOM_NOTIFY is set: one or more URLs as https://github.com/caronc/apprise/wiki shows them."

    # Not Dagster's own run_failure_sensor, which forgets a run whose message could not be delivered.
    @dg.sensor(
        name="run_failure_notification",
        minimum_interval_seconds=30,
        default_status=status,
        description=told if on else off,
    )
    def tick(context: dg.SensorEvaluationContext, farm_file: FarmFile) -> dg.SkipReason:
        settings = load_settings()
        if not settings.notify:
            return dg.SkipReason(off)
        targets = [Target(url) for url in settings.notify]
        done = tell_failures(context.instance, targets, farm_file.read(), settings.ui_url or UI_URL)
        return dg.SkipReason(done or "No run has failed since.")

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


def _wanted(
    instance: dg.DagsterInstance, asset: dg.AssetKey, definition: dg.TimeWindowPartitionsDefinition, now: dt.datetime
) -> list[tuple[str, str]]:
    """Ranges (first and last key) of the due partition and the missing ones of the lookback, oldest first."""
    keys = [window.key for window in closed(definition, LOOKBACK, now)]
    if not keys:
        return []
    done = instance.get_materialized_partitions(asset) - {keys[-1]}  # the due one is asked for in any case
    lacking = {key for key in keys if key not in done} - on_their_way(instance, asset, definition)
    return list(ranges(keys, lacking))
