"""When each asset is due, and how it is retried and backfilled."""

import datetime as dt
from typing import Any

import dagster as dg

LOOKBACK = dt.timedelta(days=7)


HOUR = dt.timedelta(hours=1)


# How long after its window has closed a partition should be there, retries included: the
# timetable's 01:03, five past and 03:02, and the report with the last of them.
DUE_AFTER = {
    "daily_env_stats": 2 * HOUR,
    "hourly_setpoint_changes": HOUR,
    "daily_clip_inference": 5 * HOUR,
    "daily_room_report": 6 * HOUR,
}


# Waits of 10, 30 and 70 s, give or take: EXPONENTIAL is (2**n - 1) * delay. Only transient faults
# get here, permanent ones fail at once (assets.windows).
RETRY = dg.RetryPolicy(
    max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


def _on_last_input() -> dg.AutomationCondition:
    """When every input of a day is there: once, and again after any of them was redone; for the
    days of the lookback.

    `eager()` looks at the newest day only; a day that was caught up later would never get its
    report.
    """
    window = dg.AutomationCondition.in_latest_time_window(lookback_delta=LOOKBACK)
    return dg.AutomationCondition.eager().replace("in_latest_time_window", window)


def policies(timezone: str) -> dict[str, dict[str, Any]]:
    """Retry, backfill, freshness and automation policies by asset.

    Environment, setpoints and report take a whole range in one run, of which what is finished stays
    so if it fails (assets.windows). CLIP takes a week a run: it holds its pool no longer than that,
    and other runs get their turn.
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
    """A day's partition is there by its hour of the next morning, made since midnight; an hour's
    within the next.
    """
    due = DUE_AFTER[asset]
    if asset == "hourly_setpoint_changes":
        return dg.FreshnessPolicy.time_window(fail_window=HOUR + due)
    return dg.FreshnessPolicy.cron(
        f"0 {due // HOUR} * * *", lower_bound_delta=due, timezone=timezone
    )
