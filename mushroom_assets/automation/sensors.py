"""Sensors: what follows its inputs, what is caught up, the watch over labels and failed runs.

All are on unless switched off in the UI. What people are told is the business of `notification`,
what is asked for between the ticks that of `catching_up`.
"""

import datetime as dt
from typing import Any

import dagster as dg

from mushroom_assets.automation import following
from mushroom_assets.automation.catching_up import EVERY_S, look
from mushroom_assets.automation.demand import Past
from mushroom_assets.automation.following import Asked
from mushroom_assets.automation.notification import Reader, tell_failures
from mushroom_assets.automation.room_sensor import room_sensor
from mushroom_assets.automation.schedules import Jobs, span
from mushroom_assets.automation.targets import Target
from mushroom_assets.automation.timetable import LOOKBACK, PARTITIONED, TIMETABLE
from mushroom_assets.domain import probe
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.versions import code_version
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.instance.backfills import continue_backfills
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
from mushroom_assets.settings import UI_URL, load_settings
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.vision.labels import NO_LABELS, label_state

ON = dg.DefaultSensorStatus.RUNNING


def sensors(clock: FarmClock, jobs: Jobs, farm: Farm, *, notify: bool) -> list[dg.SensorDefinition]:
    """Automation of what follows its inputs, catching up, the watch over labels and failed runs.

    Args:
        clock: the partitions.
        jobs: by asset.
        farm: the language of the descriptions.
        notify: whether there is somebody to be told of failed runs and of rooms.
    """
    following = [asset for asset, slot in TIMETABLE.items() if slot.follows_inputs]
    return [
        *(_automation(asset, farm) for asset in following),
        _catching_up(clock, jobs, farm),
        _following(clock, jobs, farm),
        _watching_images(clock, farm),
        _watching_labels(jobs["clip_probe"], farm),
        _watching_failures(farm, on=notify),
        room_sensor(farm, on=notify),
    ]


def _automation(asset: str, farm: Farm) -> dg.SensorDefinition:
    return dg.AutomationConditionSensorDefinition(
        f"{asset}_automation",
        target=dg.AssetSelection.assets(asset),
        default_status=ON,
        description=say("follows_inputs", farm),
    )


def _catching_up(clock: FarmClock, jobs: Jobs, farm: Farm) -> dg.SensorDefinition:
    @dg.sensor(
        jobs=[jobs[asset] for asset in PARTITIONED],
        name="catching_up",
        minimum_interval_seconds=EVERY_S,
        default_status=ON,
        description=say("catching_up_between", farm, days=LOOKBACK.days),
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = dt.datetime.now(farm.zone)
        continue_backfills(context.instance, PARTITIONED, now)
        found = look(context.instance, clock, farm, now, context.cursor)
        requests = [
            dg.RunRequest(job_name=f"{asset}_job", **span(first, last))
            for asset, spans in found.asked.items()
            for first, last in spans
        ]
        idle = None if requests else dg.SkipReason(say("nothing_to_catch_up", farm))
        return dg.SensorResult(requests, skip_reason=idle, cursor=found.note)

    return tick


def _following(clock: FarmClock, jobs: Jobs, farm: Farm) -> dg.SensorDefinition:
    @dg.sensor(
        jobs=[*(jobs[asset] for asset in PARTITIONED), jobs[following.RELABEL_JOB]],
        name="following_inputs",
        minimum_interval_seconds=following.EVERY_S,
        default_status=ON,
        description=say("following_inputs", farm, days=farm.follow_days),
    )
    def tick(
        context: dg.SensorEvaluationContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.SensorResult:
        farm = farm_file.read()
        past = Past(context.instance, dt.datetime.now(farm.zone))
        with permanent_faults_fail_at_once():
            database = postgres.database()
            follow(database, farm)
            requests = [_request(each) for each in following.look(past, database, clock, farm)]
        idle = None if requests else dg.SkipReason(say("nothing_to_follow", farm))
        return dg.SensorResult(requests, skip_reason=idle)

    return tick


def _watching_images(clock: FarmClock, farm: Farm) -> dg.SensorDefinition:
    @dg.sensor(
        name="room_images_sensor",
        minimum_interval_seconds=following.EVERY_S,
        default_status=ON,
        description=say("watching_images", farm, days=farm.follow_days),
    )
    def tick(
        context: dg.SensorEvaluationContext,
        postgres: PostgresResource,
        image_store: ImageStore,
        farm_file: FarmFile,
    ) -> dg.SkipReason:
        farm = farm_file.read()
        now = dt.datetime.now(farm.zone)
        with permanent_faults_fail_at_once():
            images = image_store.images()
            following.mark_changed_images(postgres.database(), images, clock, farm, now)
        return dg.SkipReason(say("images_watched", farm))

    return tick


def _request(asked: Asked) -> dg.RunRequest:
    if asked.job == following.RELABEL_JOB:
        config = {"since": asked.first, "until": asked.last}
        run_config = {"ops": {"relabel_images": {"config": config}}}
        return dg.RunRequest(job_name=asked.job, run_config=run_config, tags=asked.tags)
    wanted = span(asked.first, asked.last)
    tags = {**wanted.pop("tags", {}), **asked.tags}
    return dg.RunRequest(job_name=asked.job, tags=tags, **wanted)


def _watching_labels(job: Any, farm: Farm) -> dg.SensorDefinition:
    @dg.sensor(
        job=job,
        name="clip_probe_sensor",
        minimum_interval_seconds=60,
        default_status=ON,
        description=say("watching_labels", farm),
    )
    def tick(
        context: dg.SensorEvaluationContext, postgres: PostgresResource
    ) -> dg.SensorResult | dg.SkipReason:
        # A fault of the database fails the tick and leaves the cursor: the next tick asks again.
        with permanent_faults_fail_at_once(), postgres.transaction() as connection:
            state = label_state(connection)
        if state != NO_LABELS:  # a release that fits otherwise fits anew
            state = f"{state} {code_version(probe, farm)}"
        before = context.cursor or NO_LABELS
        if state == before:
            return dg.SkipReason(say("labels_known", farm))
        # With both states in the key: to take away all labels is news each time.
        return dg.SensorResult([dg.RunRequest(run_key=f"{before} -> {state}")], cursor=state)

    return tick


def _watching_failures(farm: Farm, *, on: bool) -> dg.SensorDefinition:
    off = say("notification_off", farm)

    # Not Dagster's own run_failure_sensor, which forgets a run whose message was not delivered.
    @dg.sensor(
        name="run_failure_notification",
        minimum_interval_seconds=30,
        default_status=ON if on else dg.DefaultSensorStatus.STOPPED,
        description=say("notification_on", farm) if on else off,
    )
    def tick(context: dg.SensorEvaluationContext, farm_file: FarmFile) -> dg.SkipReason:
        settings = load_settings()
        if not settings.notify:
            return dg.SkipReason(off)
        targets = [Target(url) for url in settings.notify]
        ui_url = settings.ui_url or UI_URL
        reader = Reader(context.instance, farm_file.read(), ui_url)
        done = tell_failures(targets, reader)
        return dg.SkipReason(done or say("no_failures", farm))

    return tick
