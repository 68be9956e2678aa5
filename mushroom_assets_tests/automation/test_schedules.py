"""When things run: what each tick asks for, and when a day's report is due."""

import datetime as dt
from collections.abc import Iterable, Iterator

import dagster as dg
import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.test_utils import create_run_for_test

from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.instance.outstanding import range_tags

SHANGHAI = parse_farm("{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {A: {}}}")
BRUSSELS = parse_farm("{timezone: Europe/Brussels, first_day: 2025-01-01, rooms: {A: {}}}")
DAILY = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
Request = tuple[str, str]  # first and last partition key


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def days(first: int, last: int, month: int = 1) -> list[str]:
    return [f"2026-{month:02}-{day:02}" for day in range(first, last + 1)]


def hours(first: str, count: int) -> list[str]:
    start = dt.datetime.fromisoformat(first).replace(tzinfo=dt.UTC)
    return [f"{start + dt.timedelta(hours=later):%Y-%m-%d-%H:00}" for later in range(count)]


def materialized(instance: dg.DagsterInstance, asset: str, keys: Iterable[str]) -> None:
    for key in keys:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key))


def at(farm: Farm, *clock: int, fold: int = 0) -> dt.datetime:
    """A reading of the farm's clock."""
    return dt.datetime(*clock, tzinfo=farm.zone, fold=fold)  # type: ignore[misc, arg-type]


def tick(
    instance: dg.DagsterInstance, asset: str, now: dt.datetime, farm: Farm = SHANGHAI
) -> list[Request]:
    """What a tick of the asset's schedule asks for."""
    defs = build_definitions(farm)
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=now, repository_def=defs.get_repository_def()
    )
    asked = defs.resolve_schedule_def(f"{asset}_schedule").evaluate_tick(context)
    return [first_and_last(request) for request in asked.run_requests or []]


def first_and_last(request: dg.RunRequest) -> Request:
    if request.partition_key is not None:
        return one(request.partition_key)
    first = request.tags["dagster/asset_partition_range_start"]
    return first, request.tags["dagster/asset_partition_range_end"]


def one(key: str) -> Request:
    return key, key


def test_at_three_past_one_the_due_day_is_yesterday(instance: dg.DagsterInstance) -> None:
    materialized(instance, DAILY, days(1, 31))
    assert tick(instance, DAILY, at(SHANGHAI, 2026, 1, 20, 1, 3)) == [one("2026-01-19")]


def test_at_five_past_the_due_hour_has_just_closed(instance: dg.DagsterInstance) -> None:
    now = at(SHANGHAI, 2026, 1, 20, 15, 5)
    materialized(instance, HOURLY, hours("2026-01-12", 10 * 24))
    assert tick(instance, HOURLY, now) == [one("2026-01-20-14:00")]


def test_the_hour_before_midnight_is_due_on_the_next_day(instance: dg.DagsterInstance) -> None:
    materialized(instance, HOURLY, hours("2026-01-12", 10 * 24))
    assert tick(instance, HOURLY, at(SHANGHAI, 2026, 1, 20, 0, 5)) == [one("2026-01-19-23:00")]


def test_missing_days_come_oldest_first_as_contiguous_ranges(instance: dg.DagsterInstance) -> None:
    materialized(instance, DAILY, ["2026-01-15", "2026-01-18"])
    found = tick(instance, DAILY, at(SHANGHAI, 2026, 1, 20, 1, 3))
    assert found == [("2026-01-13", "2026-01-14"), ("2026-01-16", "2026-01-17"), one("2026-01-19")]


def test_the_lookback_is_seven_days_with_the_due_one(instance: dg.DagsterInstance) -> None:
    assert tick(instance, DAILY, at(SHANGHAI, 2026, 1, 20, 1, 3)) == [("2026-01-13", "2026-01-19")]
    assert tick(instance, "daily_clip_inference", at(SHANGHAI, 2026, 1, 20, 3, 2)) == [
        ("2026-01-13", "2026-01-19")
    ]


def test_the_lookback_of_hours_is_168_hours(instance: dg.DagsterInstance) -> None:
    assert tick(instance, HOURLY, at(SHANGHAI, 2026, 1, 20, 15, 5)) == [
        ("2026-01-13-15:00", "2026-01-20-14:00")
    ]
    assert len(hours("2026-01-13 15:00", 168)) == 168
    assert hours("2026-01-13 15:00", 168)[-1] == "2026-01-20-14:00"


def test_a_missed_hour_is_caught_up(instance: dg.DagsterInstance) -> None:
    recent = hours("2026-01-13 12:00", 8 * 24)
    materialized(instance, HOURLY, [key for key in recent if key != "2026-01-18-04:00"])
    found = tick(instance, HOURLY, at(SHANGHAI, 2026, 1, 20, 15, 5))
    assert found == [one("2026-01-18-04:00"), one("2026-01-20-14:00")]


def test_the_due_day_is_asked_for_again_and_a_done_one_is_not(instance: dg.DagsterInstance) -> None:
    materialized(instance, DAILY, days(13, 19))
    assert tick(instance, DAILY, at(SHANGHAI, 2026, 1, 20, 1, 3)) == [one("2026-01-19")]


def test_what_another_asset_has_done_does_not_count(instance: dg.DagsterInstance) -> None:
    materialized(instance, "daily_clip_inference", days(13, 19))
    assert tick(instance, DAILY, at(SHANGHAI, 2026, 1, 20, 1, 3)) == [("2026-01-13", "2026-01-19")]


ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "farm"), f"{DAILY}_job"
)
UNFINISHED = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED"]


@pytest.mark.parametrize("status", UNFINISHED)
def test_partitions_of_a_run_on_its_way_are_not_asked_for_twice(
    instance: dg.DagsterInstance, status: str
) -> None:
    state = dg.DagsterRunStatus[status]
    for tags in (range_tags("2026-01-14", "2026-01-16"), {"dagster/partition": "2026-01-19"}):
        create_run_for_test(
            instance, f"{DAILY}_job", tags=tags, status=state, remote_job_origin=ORIGIN
        )
    found = tick(instance, DAILY, at(SHANGHAI, 2026, 1, 20, 1, 3))
    assert found == [one("2026-01-13"), ("2026-01-17", "2026-01-18")]


def test_a_run_of_the_ui_counts_by_its_assets(instance: dg.DagsterInstance) -> None:
    create_run_for_test(
        instance,
        "__ASSET_JOB",
        tags=range_tags("2026-01-13", "2026-01-18"),
        asset_selection=frozenset({dg.AssetKey(DAILY)}),
        status=dg.DagsterRunStatus.STARTED,
    )
    assert tick(instance, DAILY, at(SHANGHAI, 2026, 1, 20, 1, 3)) == [one("2026-01-19")]


def test_runs_that_succeeded_or_belong_to_another_asset_hold_nothing_back(
    instance: dg.DagsterInstance,
) -> None:
    for job, status in (
        (f"{DAILY}_job", dg.DagsterRunStatus.SUCCESS),
        ("daily_clip_inference_job", dg.DagsterRunStatus.STARTED),
        ("daily_clip_inference_job", dg.DagsterRunStatus.FAILURE),
    ):
        tags = range_tags("2026-01-13", "2026-01-19")
        create_run_for_test(instance, job, tags=tags, status=status)
    assert tick(instance, DAILY, at(SHANGHAI, 2026, 1, 20, 1, 3)) == [("2026-01-13", "2026-01-19")]


def test_a_tick_with_nothing_to_ask_for_says_so(instance: dg.DagsterInstance) -> None:
    create_run_for_test(
        instance,
        f"{DAILY}_job",
        tags=range_tags("2026-01-13", "2026-01-19"),
        status=dg.DagsterRunStatus.STARTED,
    )
    defs = build_definitions(SHANGHAI)
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=at(SHANGHAI, 2026, 1, 20, 1, 3),
        repository_def=defs.get_repository_def(),
    )
    result = defs.resolve_schedule_def(f"{DAILY}_schedule").evaluate_tick(context)
    assert not result.run_requests
    assert "last 7 days" in str(result.skip_message)


def test_on_the_farms_first_days_there_is_less_to_ask_for(instance: dg.DagsterInstance) -> None:
    assert tick(instance, DAILY, at(SHANGHAI, 2026, 1, 1, 1, 3)) == []
    assert tick(instance, DAILY, at(SHANGHAI, 2026, 1, 2, 1, 3)) == [one("2026-01-01")]
    assert tick(instance, DAILY, at(SHANGHAI, 2026, 1, 4, 1, 3)) == [("2026-01-01", "2026-01-03")]
    assert tick(instance, HOURLY, at(SHANGHAI, 2026, 1, 1, 0, 5)) == []
    assert tick(instance, HOURLY, at(SHANGHAI, 2026, 1, 1, 2, 5)) == [
        ("2026-01-01-00:00", "2026-01-01-01:00")
    ]


def test_an_hour_that_comes_twice_is_due_once_it_has_closed(instance: dg.DagsterInstance) -> None:
    due = {
        (2, 0): "2025-10-26-01:00",
        (2, 1): "2025-10-26-02:00",
        (3, 0): "2025-10-26-02:00+0100",
        (4, 0): "2025-10-26-03:00",
    }
    for (hour, fold), key in due.items():
        now = at(BRUSSELS, 2025, 10, 26, hour, 5, fold=fold)
        assert tick(instance, HOURLY, now, BRUSSELS)[-1][-1] == key


def test_the_hour_that_the_clocks_skip_is_not_asked_for(instance: dg.DagsterInstance) -> None:
    due = [
        tick(instance, HOURLY, at(BRUSSELS, 2025, 3, 30, *clock), BRUSSELS)[-1][-1]
        for clock in ((1, 5), (3, 5), (4, 5))
    ]
    assert due == ["2025-03-30-00:00", "2025-03-30-01:00", "2025-03-30-03:00"]


@pytest.mark.parametrize(
    "now", [(2025, 10, 27, 1, 3), (2025, 10, 30, 1, 3), (2025, 4, 2, 1, 3)], ids=str
)
def test_a_week_with_a_changed_clock_still_has_seven_days(
    instance: dg.DagsterInstance, now: tuple[int, ...]
) -> None:
    moment = at(BRUSSELS, *now)
    first = moment.date() - dt.timedelta(days=7)
    last = moment.date() - dt.timedelta(days=1)
    assert tick(instance, DAILY, moment, BRUSSELS) == [(f"{first}", f"{last}")]


# The report


class Evaluations:
    """The automation's ticks, one after the other."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.defs = build_definitions(SHANGHAI)
        self.cursor: AssetDaemonCursor | None = None

    def at(self, *clock: int) -> set[str]:
        """Days whose report a tick asks for; they are taken as written at once."""
        result = dg.evaluate_automation_conditions(
            self.defs, self.instance, evaluation_time=at(SHANGHAI, *clock), cursor=self.cursor
        )
        self.cursor = result.cursor
        keys = {
            str(key) for key in result.get_requested_partitions(dg.AssetKey("daily_room_report"))
        }
        materialized(self.instance, "daily_room_report", sorted(keys))
        return keys


def everything_of(instance: dg.DagsterInstance, *dates: str) -> None:
    for date in dates:
        materialized(instance, HOURLY, hours(date, 24))
        materialized(instance, DAILY, [date])
        materialized(instance, "daily_clip_inference", [date])


@pytest.fixture
def evaluations(instance: dg.DagsterInstance) -> Evaluations:
    ticks = Evaluations(instance)
    assert ticks.at(2026, 1, 20, 0, 1) == set()
    return ticks


@pytest.mark.parametrize("last", [DAILY, HOURLY, "daily_clip_inference"])
def test_a_report_is_due_when_the_last_of_its_inputs_is_there(
    evaluations: Evaluations, last: str
) -> None:
    instance = evaluations.instance
    date = "2026-01-19"
    inputs = {DAILY: [date], HOURLY: hours(date, 24), "daily_clip_inference": [date]}
    for asset, keys in inputs.items():
        materialized(instance, asset, keys[:-1] if asset == last else keys)
    assert evaluations.at(2026, 1, 20, 3, 30) == set()
    materialized(instance, last, inputs[last][-1:])
    assert evaluations.at(2026, 1, 20, 3, 31) == {date}
    assert evaluations.at(2026, 1, 20, 3, 32) == set()  # once


def test_a_day_that_was_caught_up_three_days_later_gets_its_report(
    evaluations: Evaluations,
) -> None:
    instance = evaluations.instance
    everything_of(instance, "2026-01-18", "2026-01-19")
    materialized(instance, HOURLY, hours("2026-01-17", 24))
    materialized(instance, DAILY, ["2026-01-17"])
    assert evaluations.at(2026, 1, 20, 3, 30) == {"2026-01-18", "2026-01-19"}
    materialized(instance, "daily_clip_inference", ["2026-01-17"])
    assert evaluations.at(2026, 1, 20, 5, 0) == {"2026-01-17"}


def test_a_report_that_is_there_is_left_to_its_marks_when_an_input_is_redone(
    evaluations: Evaluations,
) -> None:
    everything_of(evaluations.instance, "2026-01-18", "2026-01-19")
    assert evaluations.at(2026, 1, 20, 3, 30) == {"2026-01-18", "2026-01-19"}
    materialized(evaluations.instance, "daily_room_report", ["2026-01-18"])
    assert evaluations.at(2026, 1, 20, 3, 31) == set()
    materialized(evaluations.instance, HOURLY, ["2026-01-18-07:00"])
    assert evaluations.at(2026, 1, 20, 9, 0) == set()
