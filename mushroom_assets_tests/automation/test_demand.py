"""What is asked for again after failures, when, and in what portions; nothing starves or hides.

Runs fail now, by the real clock; the clock of the question goes ahead of it.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg
import pytest

from mushroom_assets.assets.windows import GIVE_UP
from mushroom_assets.automation.demand import (
    FAILED_TOGETHER,
    Past,
    wait_after_failures,
    wait_after_outages,
    wanted,
)
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.instance.attempts import is_outage
from mushroom_assets.instance.outstanding import closed, range_tags
from mushroom_assets.partitions import farm_clock
from mushroom_assets_tests.kit.dagsters import quick_instance

FARM = parse_farm("{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {A: {}}}")
CLOCK = farm_clock(FARM)
DAILY = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
DEFS = build_definitions(FARM)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with quick_instance() as instance:
        yield instance


@pytest.fixture
def now() -> dt.datetime:
    """The real hour, which the record's times are of, on the farm's clock."""
    return dt.datetime.now(FARM.zone)


def definition(asset: str) -> dg.TimeWindowPartitionsDefinition:
    return CLOCK.hourly if asset == HOURLY else CLOCK.daily


def keys(asset: str, now: dt.datetime, days: int = 7) -> list[str]:
    """Partitions of the last days, oldest first."""
    return [each.key for each in closed(definition(asset), dt.timedelta(days=days), now)]


def make(instance: dg.DagsterInstance, asset: str, made: Iterable[str]) -> None:
    for key in made:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key))


def launch(
    instance: dg.DagsterInstance, asset: str, first: str, last: str, **tags: str
) -> dg.DagsterRun:
    """A run as the schedule makes it, that has not begun."""
    job = DEFS.resolve_job_def(f"{asset}_job")
    marks = {name.replace("__", "/"): value for name, value in tags.items()}
    return instance.create_run_for_job(job, tags=range_tags(first, last) | marks)


def fail(
    instance: dg.DagsterInstance, asset: str, first: str, last: str, *, died: bool, **tags: str
) -> None:
    """A run that fails by the fault of a step, or whose process died."""
    reason = "UNEXPECTED_TERMINATION" if died else "STEP_FAILURE"
    run = launch(instance, asset, first, last, dagster__failure_reason=reason, **tags)
    instance.report_run_failed(run)


def asked(
    instance: dg.DagsterInstance, asset: str, now: dt.datetime, *, older: bool = False
) -> list[tuple[str, str]]:
    past = Past(instance, now)
    return wanted(past, dg.AssetKey(asset), definition(asset), now, older=older)


def test_the_waits_double_up_to_a_day() -> None:
    assert [wait_after_failures(n) / HOUR for n in (*range(1, 8), 99)] == [
        1, 2, 4, 8, 16, 24, 24, 24
    ]  # fmt: skip
    assert [wait_after_outages(n) / MINUTE for n in range(1, 12)] == [
        0, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440
    ]  # fmt: skip
    assert FAILED_TOGETHER <= GIVE_UP


@pytest.mark.parametrize(
    ("died", "waits"), [(False, [60, 120, 240]), (True, [0, 5, 10])], ids=["fault", "outage"]
)
def test_what_failed_is_asked_for_when_its_wait_is_over(
    instance: dg.DagsterInstance, now: dt.datetime, died: bool, waits: Sequence[int]
) -> None:
    bad = keys(DAILY, now)[3]
    # The test may cross midnight: one day more is made
    make(instance, DAILY, set(keys(DAILY, now + 24 * HOUR, 9)) - {bad})
    assert asked(instance, DAILY, now) == [(bad, bad)]  # never tried
    for minutes in waits:
        fail(instance, DAILY, bad, bad, died=died)
        ended = dt.datetime.now(FARM.zone)
        early = ended + (minutes - 1) * MINUTE
        assert asked(instance, DAILY, early) == []
        late = ended + (minutes + 0.1) * MINUTE
        assert asked(instance, DAILY, late) == [(bad, bad)]


def test_ten_bad_hours_do_not_hold_up_the_good_ones_behind_them(
    instance: dg.DagsterInstance, now: dt.datetime
) -> None:
    hours = keys(HOURLY, now)
    fail(instance, HOURLY, hours[0], hours[-1], died=False)  # it gave up after ten
    later = now + HOUR + MINUTE
    found = asked(instance, HOURLY, later)
    # Never tried are the hours since; the failed ones that are still in the lookback stand apart
    fresh = [key for key in keys(HOURLY, later) if key not in hours]
    assert found[0] == (fresh[0], fresh[-1])
    left = [key for key in keys(HOURLY, later) if key in hours]
    starts = left[::FAILED_TOGETHER]
    ends = [*left[FAILED_TOGETHER - 1 :: FAILED_TOGETHER], left[-1]]
    assert found[1:] == list(zip(starts, ends, strict=False))
    assert len(found[1:]) == 17  # of 166 or 167 hours


def test_a_partition_at_which_the_process_dies_soon_stands_alone(
    instance: dg.DagsterInstance, now: dt.datetime
) -> None:
    hours = keys(HOURLY, now)
    make(instance, HOURLY, set(keys(HOURLY, now + 24 * HOUR, 9)) - set(hours[100:108]))
    sizes = []
    for _ in range(8):
        fail(instance, HOURLY, hours[100], hours[107], died=True)
        sizes.append(len(asked(instance, HOURLY, now + 12 * HOUR)))
    # In portions of at most 168, 84, 42, 21, 10, 5, 2, 1
    assert sizes == [1, 1, 1, 1, 1, 2, 4, 8]


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "CANCELING"])
def test_a_launch_that_leads_nowhere_hides_its_partition_for_ten_minutes_at_most(
    instance: dg.DagsterInstance, now: dt.datetime, status: str
) -> None:
    bad = keys(DAILY, now)[3]
    make(instance, DAILY, set(keys(DAILY, now + 24 * HOUR, 9)) - {bad})
    job = DEFS.resolve_job_def(f"{DAILY}_job")
    state = dg.DagsterRunStatus[status]
    instance.create_run_for_job(job, tags=range_tags(bad, bad), status=state)
    assert asked(instance, DAILY, now + 9 * MINUTE) == []
    assert asked(instance, DAILY, now + 11 * MINUTE) == [(bad, bad)]


def test_a_promised_retry_that_never_comes_counts_as_an_outage_after_ten_minutes(
    instance: dg.DagsterInstance, now: dt.datetime
) -> None:
    """Its daemon missed the event, or met the outage itself.

    https://github.com/dagster-io/dagster/issues/33741, 33744 and 28965.
    """
    bad = keys(DAILY, now)[3]
    make(instance, DAILY, set(keys(DAILY, now + 24 * HOUR, 9)) - {bad})
    fail(instance, DAILY, bad, bad, died=True, dagster__will_retry="true")
    assert asked(instance, DAILY, now + 9 * MINUTE) == []
    assert asked(instance, DAILY, now + 11 * MINUTE) == [(bad, bad)]


def test_what_an_outage_took_before_the_lookback_is_asked_for_but_no_other_failure(
    instance: dg.DagsterInstance, now: dt.datetime
) -> None:
    old = keys(DAILY, now, 40)[:4]
    make(instance, DAILY, keys(DAILY, now + 72 * HOUR, 12))
    make(instance, DAILY, old[:1])  # made before: the run that died was to make it anew
    fail(instance, DAILY, old[0], old[1], died=True)
    fail(instance, DAILY, old[3], old[3], died=False)
    later = now + 2 * MINUTE
    assert asked(instance, DAILY, later) == []
    assert asked(instance, DAILY, later, older=True) == [(old[0], old[1])]
    assert asked(instance, DAILY, now + 49 * HOUR, older=True) == []
    make(instance, DAILY, old[:2])
    assert asked(instance, DAILY, later, older=True) == []


@dg.asset
def away() -> None:
    with permanent_faults_fail_at_once():
        raise DatabaseUnavailable("no answer from 127.0.0.1")


@dg.asset
def faulty() -> None:
    with permanent_faults_fail_at_once():
        raise ValueError("no answer to a wrong question")


@pytest.mark.parametrize(("asset", "outage"), [(away, True), (faulty, False)])
def test_an_outage_is_told_from_a_fault_by_the_error_that_dagster_keeps(
    instance: dg.DagsterInstance, asset: dg.AssetsDefinition, outage: bool
) -> None:
    run = dg.materialize([asset], instance=instance, raise_on_error=False)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.FAILURE
    assert is_outage(instance, found) is outage
