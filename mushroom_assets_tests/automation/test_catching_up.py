"""The sensor between the ticks: what was lacking twice is asked for, once, unless switched off."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)

from mushroom_assets.automation.catching_up import Look, look
from mushroom_assets.automation.timetable import PARTITIONED
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.partitions import farm_clock
from mushroom_assets_tests.kit.dagsters import quick_instance

FARM = parse_farm("{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {A: {}}}")
BRUSSELS = parse_farm("{timezone: Europe/Brussels, first_day: 2026-10-23, rooms: {A: {}}}")
DAILY = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
CLIP = "daily_clip_inference"
REPORT = "daily_room_report"
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with quick_instance() as instance:
        yield instance


def at(day: int, hour: int, minute: int, second: int = 0, month: int = 1) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, minute, second, tzinfo=FARM.zone)


def twice(instance: dg.DagsterInstance, now: dt.datetime, farm: Farm = FARM) -> Look:
    """What the second of two looks finds, a minute after the first."""
    clock = farm_clock(farm)
    before = (now.astimezone(dt.UTC) - MINUTE).astimezone(farm.zone)
    first = look(instance, clock, farm, before, None)
    assert first.asked == {}
    return look(instance, clock, farm, now, first.note)


def switch(instance: dg.DagsterInstance, name: str, kind: InstigatorType, *, on: bool) -> None:
    """As in the UI."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "farm")
    state = InstigatorStatus.RUNNING if on else InstigatorStatus.STOPPED
    origin = RemoteInstigatorOrigin(repository, name)
    data = ScheduleInstigatorData("0 0 * * *") if kind is InstigatorType.SCHEDULE else None
    instance.add_instigator_state(InstigatorState(origin, kind, state, data))


def test_a_day_whose_tick_was_missed_is_asked_for_when_a_second_look_finds_it_lacking(
    instance: dg.DagsterInstance,
) -> None:
    found = twice(instance, at(4, 2, 30))
    assert found.asked == {
        DAILY: [("2026-01-01", "2026-01-03")],
        HOURLY: [("2026-01-01-00:00", "2026-01-04-01:00")],
        CLIP: [("2026-01-01", "2026-01-02")],  # the 3rd is due at 03:02
    }
    job = build_definitions(FARM).resolve_job_def(f"{DAILY}_job")
    tags = range_tags("2026-01-01", "2026-01-03")
    instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert DAILY not in twice(instance, at(4, 2, 32)).asked


def test_around_its_tick_an_asset_is_left_to_its_schedule(instance: dg.DagsterInstance) -> None:
    for clock in ((1, 2, 30), (1, 3), (1, 4, 59)):
        assert DAILY not in look(instance, farm_clock(FARM), FARM, at(4, *clock), None).lacking
    after = look(instance, farm_clock(FARM), FARM, at(4, 1, 5), None)
    assert after.lacking[DAILY] == [("2026-01-01", "2026-01-03")]


def test_what_is_switched_off_stays_quiet(instance: dg.DagsterInstance) -> None:
    for asset in (DAILY, HOURLY):
        switch(instance, f"{asset}_schedule", InstigatorType.SCHEDULE, on=asset == DAILY)
    assert set(twice(instance, at(4, 2, 30)).asked) == {DAILY, CLIP}


def test_of_a_report_only_what_failed_is_asked_for(instance: dg.DagsterInstance) -> None:
    day = f"{dt.datetime.now(FARM.zone).date() - dt.timedelta(days=3)}"
    job = build_definitions(FARM).resolve_job_def(f"{REPORT}_job")
    run = instance.create_run_for_job(job, tags=range_tags(day, day))
    instance.report_run_failed(run)
    now = dt.datetime.now(FARM.zone) + 2 * MINUTE
    assert twice(instance, now).asked[REPORT] == [(day, day)]
    switch(instance, f"{REPORT}_automation", InstigatorType.SENSOR, on=False)
    assert REPORT not in twice(instance, now).asked


def test_an_hour_that_comes_twice_is_caught_up_once_it_was_due(
    instance: dg.DagsterInstance,
) -> None:
    for (hour, fold), key in {
        (2, 1): "2026-10-25-01:00",  # the second 02:05 is to come
        (3, 0): "2026-10-25-02:00",
        (4, 0): "2026-10-25-02:00+0100",
    }.items():
        now = dt.datetime(2026, 10, 25, hour, 3, tzinfo=BRUSSELS.zone, fold=fold)
        ((_, last),) = twice(instance, now, BRUSSELS).asked[HOURLY]
        assert last == key


def test_the_sensor_is_on_and_asks_by_the_assets_jobs(instance: dg.DagsterInstance) -> None:
    sensor = build_definitions(FARM).resolve_sensor_def("catching_up")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 60
    day = dt.datetime.now(FARM.zone).date() - dt.timedelta(days=3)
    for asset in (DAILY, HOURLY, CLIP):
        switch(instance, f"{asset}_schedule", InstigatorType.SCHEDULE, on=asset == CLIP)
    repository = build_definitions(FARM).get_repository_def()
    cursor = None
    asked = []
    for _ in range(2):
        with dg.build_sensor_context(instance, cursor=cursor, repository_def=repository) as context:
            found = sensor.evaluate_tick(context)
        cursor = found.cursor
        asked = list(found.run_requests or [])
    if asked:  # not in the two minutes after 03:02
        (request,) = asked
        assert request.job_name == f"{CLIP}_job"
        first = request.tags["dagster/asset_partition_range_start"]
        last = request.tags["dagster/asset_partition_range_end"]
        assert first <= f"{day}" <= last
    assert set(PARTITIONED) == {DAILY, HOURLY, CLIP, REPORT}
