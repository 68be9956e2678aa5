"""The timetable stands where a schedule or sensor that is on has not ticked well when due."""

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
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from mushroom_assets.automation.ticks import Standing, standing
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets_tests.kit.dagsters import quick_instance

FARM = parse_farm("{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {A: {}}}")
SCHEDULES = {
    "daily_env_stats_schedule": "3 1 * * *",
    "hourly_setpoint_changes_schedule": "5 * * * *",
    "daily_clip_inference_schedule": "2 3 * * *",
}
SENSORS = ("daily_room_report_automation", "catching_up", "following_inputs")
BEGUN = dt.datetime(2026, 1, 1, tzinfo=FARM.zone)
NOW = dt.datetime(2026, 1, 4, 3, 11, tzinfo=FARM.zone)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with quick_instance() as instance:
        yield instance


def state(
    instance: dg.DagsterInstance,
    name: str,
    *,
    begun: dt.datetime = BEGUN,
    status: InstigatorStatus = InstigatorStatus.DECLARED_IN_CODE,
) -> InstigatorState:
    """As the daemon makes it when it first sees a schedule or sensor, or a switch in the UI."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "farm")
    origin = RemoteInstigatorOrigin(repository, name)
    kind = InstigatorType.SCHEDULE if name in SCHEDULES else InstigatorType.SENSOR
    data = None
    if name in SCHEDULES:
        data = ScheduleInstigatorData(SCHEDULES[name], start_timestamp=begun.timestamp())
    made = InstigatorState(origin, kind, status, data)
    instance.add_instigator_state(made)
    return made


def tick(
    instance: dg.DagsterInstance,
    of: InstigatorState,
    at: dt.datetime,
    status: TickStatus = TickStatus.SKIPPED,
    error: str | None = None,
) -> None:
    told = None
    if error is not None:
        cause = SerializableErrorInfo(error, [], "ValueError")
        told = SerializableErrorInfo("Error occurred during the tick", [], "Outer", cause=cause)
    instance.create_tick(
        TickData(
            of.instigator_origin_id, of.name, of.instigator_type, status, at.timestamp(),
            run_ids=[], selector_id=of.selector_id, error=told,
        )
    )  # fmt: skip


def at(hour: int, minute: int, day: int = 4) -> dt.datetime:
    return dt.datetime(2026, 1, day, hour, minute, tzinfo=FARM.zone)


@pytest.fixture
def well(instance: dg.DagsterInstance) -> dict[str, InstigatorState]:
    """All have ticked when they were due by `NOW`."""
    states = {name: state(instance, name) for name in (*SCHEDULES, *SENSORS)}
    last = {
        "daily_env_stats_schedule": at(1, 3),
        "hourly_setpoint_changes_schedule": at(3, 5),
        "daily_clip_inference_schedule": at(3, 2),
        "daily_room_report_automation": at(3, 10),
        "catching_up": at(3, 7),
        "following_inputs": at(3, 10),
    }
    for name, when in last.items():
        tick(instance, states[name], when)
    return states


def found(instance: dg.DagsterInstance, now: dt.datetime = NOW) -> list[Standing]:
    return list(standing(instance, FARM, now))


@pytest.mark.usefixtures("well")
def test_where_all_have_ticked_nothing_stands(instance: dg.DagsterInstance) -> None:
    assert found(instance) == []


def test_what_the_daemon_has_never_seen_stands(instance: dg.DagsterInstance) -> None:
    assert found(instance) == [Standing(name, None, None) for name in (*SCHEDULES, *SENSORS)]


@pytest.mark.usefixtures("well")
def test_a_schedule_stands_five_minutes_after_the_tick_it_missed(
    instance: dg.DagsterInstance,
) -> None:
    names = {one.name: one.since for one in found(instance, at(4, 9))}
    assert "hourly_setpoint_changes_schedule" not in names
    names = {one.name: one.since for one in found(instance, at(4, 10))}
    assert names["hourly_setpoint_changes_schedule"] == at(3, 5)
    assert "daily_env_stats_schedule" not in names
    names = {one.name: one.since for one in found(instance, at(1, 8, day=5))}
    assert names["daily_env_stats_schedule"] == at(1, 3)


@pytest.mark.usefixtures("well")
def test_a_sensor_stands_after_five_minutes_without_a_good_tick(
    instance: dg.DagsterInstance,
) -> None:
    assert found(instance, at(3, 12)) == []
    assert found(instance, at(3, 13)) == [Standing("catching_up", at(3, 7), None)]


def test_a_sensor_whose_ticks_fail_stands_with_the_cause(
    instance: dg.DagsterInstance, well: dict[str, InstigatorState]
) -> None:
    for minute in (8, 9, 10, 11, 12):
        tick(instance, well["catching_up"], at(3, minute), TickStatus.FAILURE, "no such\n  room")
    for name in ("daily_room_report_automation", "following_inputs"):
        tick(instance, well[name], at(3, 12), TickStatus.SKIPPED)
    assert found(instance, at(3, 11)) == []  # one good tick in five minutes will do
    assert found(instance, at(3, 13)) == [Standing("catching_up", at(3, 7), "no such room")]


def test_a_failed_tick_of_a_schedule_is_none(
    instance: dg.DagsterInstance, well: dict[str, InstigatorState]
) -> None:
    name = "hourly_setpoint_changes_schedule"
    tick(instance, well[name], at(4, 5), TickStatus.FAILURE, "away")
    for sensor in SENSORS:
        tick(instance, well[sensor], at(4, 10))
    assert found(instance, at(4, 11)) == [Standing(name, at(3, 5), "away")]


@pytest.mark.usefixtures("well")
def test_what_is_switched_off_stands_by_right(instance: dg.DagsterInstance) -> None:
    stopped = InstigatorState(
        state_of(instance, "catching_up").origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED
    )
    instance.update_instigator_state(stopped)
    assert found(instance, at(3, 13)) == []


def state_of(instance: dg.DagsterInstance, name: str) -> InstigatorState:
    (one,) = [each for each in instance.all_instigator_state() if each.name == name]
    return one


def test_a_schedule_is_not_due_before_it_was_first_seen(instance: dg.DagsterInstance) -> None:
    for name in SENSORS:
        tick(instance, state(instance, name), at(3, 10))
    for name in SCHEDULES:
        state(instance, name, begun=at(3, 6))  # after all of the day's ticks
    assert found(instance) == []
    hourly = found(instance, at(4, 10))[0]
    assert hourly == Standing("hourly_setpoint_changes_schedule", None, None)
