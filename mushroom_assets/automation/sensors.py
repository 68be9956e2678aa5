"""The sensors: the report's automation, the watch over labels and over failed runs."""

from typing import Any

import dagster as dg

from mushroom_assets.automation.notification import Target, tell_failures
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.vision.labels import NO_LABELS, label_state

UI_URL = "http://127.0.0.1:3000"  # where `mushroom up` serves it


def sensors(jobs: dict[str, Any], *, notify: bool) -> list[dg.SensorDefinition]:
    """The report's automation, the watch over the labels and, if there is somebody to `notify`,
    over failed runs.

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
    def tick(
        context: dg.SensorEvaluationContext, postgres: PostgresResource
    ) -> dg.SensorResult | dg.SkipReason:
        # A fault of the database fails the tick and leaves the cursor where it was: the next tick
        # asks again.
        with permanent_faults_fail_at_once(), postgres.transaction() as connection:
            state = label_state(connection)
        before = context.cursor or NO_LABELS
        if state == before:
            return dg.SkipReason(
                "Labels, and the vectors of labelled images, are those of the last run."
            )
        # With both states in the key: to take away all labels is news each time.
        return dg.SensorResult([dg.RunRequest(run_key=f"{before} -> {state}")], cursor=state)

    return tick


def _watching_failures(*, on: bool) -> dg.SensorDefinition:
    status = dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED
    told = (
        "Tells the targets of MUSHROOM_NOTIFY of every failed run; one that is down is told later."
    )
    off = "Off until MUSHROOM_NOTIFY is set: one or more URLs as https://github.com/caronc/apprise/wiki shows them."

    # Not Dagster's own run_failure_sensor, which forgets a run whose message could not be
    # delivered.
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
