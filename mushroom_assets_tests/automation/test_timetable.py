"""The timetable's freshness policies, as Dagster's own evaluators judge them."""

import asyncio
import datetime as dt
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import FRESHNESS_EVALUATORS_BY_POLICY_TYPE
from dagster._core.loader import LoadingContextForTest
from dagster._core.test_utils import freeze_time

from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets_tests.kit.contract import ASSETS
from mushroom_assets_tests.kit.dagsters import quick_instance

SHANGHAI = "Asia/Shanghai"
BRUSSELS = "Europe/Brussels"
ENV = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
CLIP = "daily_clip_inference"
REPORT = "daily_room_report"
JAN = (2026, 1)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with quick_instance() as instance:
        yield instance


def state(
    instance: dg.DagsterInstance,
    asset: str,
    made: tuple[int, ...] | None,
    now: tuple[int, ...],
    zone: str = SHANGHAI,
) -> FreshnessState:
    """How the asset is judged at a reading of the farm's clock, last materialized at another."""
    farm = parse_farm(f"{{timezone: {zone}, first_day: 2025-01-01, rooms: {{A: {{}}}}}}")
    graph = build_definitions(farm).resolve_asset_graph()
    if made is not None:
        with freeze_time(dt.datetime(*made, tzinfo=farm.zone)):  # type: ignore[misc, arg-type]
            instance.report_runless_asset_event(dg.AssetMaterialization(asset))
    node = graph.get(dg.AssetKey(asset))
    policy = node.freshness_policy
    assert policy is not None
    evaluator = FRESHNESS_EVALUATORS_BY_POLICY_TYPE[type(policy)]()
    with freeze_time(dt.datetime(*now, tzinfo=farm.zone)):  # type: ignore[misc, arg-type]
        return asyncio.run(evaluator.evaluate_freshness(LoadingContextForTest(instance), node))


@pytest.mark.parametrize(
    ("asset", "made", "deadline"),
    [(ENV, (1, 3), (2, 0)), (CLIP, (3, 4), (5, 0)), (REPORT, (3, 6), (6, 0))],
)
def test_a_daily_asset_is_late_after_its_hour_of_the_morning(
    instance: dg.DagsterInstance, asset: str, made: tuple[int, int], deadline: tuple[int, int]
) -> None:
    hour, _ = deadline
    yesterday = (*JAN, 19, *made)
    # Not due yet
    assert state(instance, asset, yesterday, (*JAN, 20, hour - 1, 59)) is FreshnessState.PASS
    assert state(instance, asset, None, (*JAN, 20, hour, 1)) is FreshnessState.FAIL
    # late, but there
    assert state(instance, asset, (*JAN, 20, hour, 30), (*JAN, 20, hour, 31)) is FreshnessState.PASS
    # punctual
    assert state(instance, asset, (*JAN, 21, *made), (*JAN, 21, hour, 1)) is FreshnessState.PASS
    assert state(instance, asset, None, (*JAN, 21, 23, 59)) is FreshnessState.PASS
    assert state(instance, asset, None, (*JAN, 22, hour, 1)) is FreshnessState.FAIL


def test_the_hourly_asset_is_late_after_two_hours(instance: dg.DagsterInstance) -> None:
    assert state(instance, HOURLY, (*JAN, 20, 9, 5), (*JAN, 20, 11, 4)) is FreshnessState.PASS
    assert state(instance, HOURLY, None, (*JAN, 20, 11, 6)) is FreshnessState.FAIL
    assert state(instance, HOURLY, (*JAN, 20, 11, 7), (*JAN, 20, 11, 8)) is FreshnessState.PASS


def test_what_never_ran_is_unknown(instance: dg.DagsterInstance) -> None:
    assert state(instance, ENV, None, (*JAN, 20, 12, 0)) is FreshnessState.UNKNOWN


@pytest.mark.parametrize("day", [(2026, 3, 29), (2026, 10, 25)], ids=["23 hours", "25 hours"])
def test_the_hour_is_the_farms_also_on_the_day_that_its_clocks_change(
    instance: dg.DagsterInstance, day: tuple[int, int, int]
) -> None:
    assert state(instance, ENV, (*day, 1, 3), (*day, 4, 0), BRUSSELS) is FreshnessState.PASS
    assert state(instance, CLIP, (*day, 3, 4), (*day, 6, 0), BRUSSELS) is FreshnessState.PASS


def test_every_asset_of_the_timetable_has_a_policy() -> None:
    graph = build_definitions().resolve_asset_graph()
    with_policy = {
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if graph.get(key).freshness_policy
    }
    assert with_policy == set(ASSETS)
