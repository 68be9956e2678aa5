"""What an edit of the farm file makes stale, as Dagster sees it: whose rows depend on it."""

import dagster as dg
import pytest
from dagster._core.definitions.data_version import (
    CachingStaleStatusResolver,
    StaleCauseCategory,
    StaleStatus,
)
from dagster._core.loader import LoadingContextForTest

from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain import environment
from mushroom_assets.domain.versions import code_version
from mushroom_assets.instance.reporting import made_by
from mushroom_assets_tests.kit.cameras import FARM as CAMERAS
from mushroom_assets_tests.kit.cameras import OTHER_PROMPTS, Relabelled
from mushroom_assets_tests.kit.plant import write_farm
from mushroom_assets_tests.kit.probes import fit
from mushroom_assets_tests.kit.small import SmallFarm

pytestmark = pytest.mark.usefixtures("unpictured")

ENV, SETPOINTS, REPORT = "daily_env_stats", "hourly_setpoint_changes", "daily_room_report"
VISION, PROBE = "daily_clip_inference", "clip_probe"
DAY, NEXT = "2026-01-05", "2026-01-06"
HOUR = f"{DAY}-03:00"
FRESH = ("FRESH", set[tuple[str, str]]())


def state(small: SmallFarm, asset: str, partition: str | None) -> tuple[str, set[tuple[str, str]]]:
    """What the UI says of a partition under the farm file of now.

    Its status, and (asset, kind) of each cause.
    """
    graph = build_definitions(small.farm).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(
        small.instance, graph, LoadingContextForTest(small.instance)
    )
    causes = resolver.get_stale_root_causes(dg.AssetKey(asset), partition)
    found = {(cause.key.asset_key.to_user_string(), cause.category.value) for cause in causes}
    return resolver.get_status(dg.AssetKey(asset), partition).value, found


def stale(*causes: tuple[str, StaleCauseCategory]) -> tuple[str, set[tuple[str, str]]]:
    return StaleStatus.STALE.value, {(asset, category.value) for asset, category in causes}


def edit(small: SmallFarm, before: str, after: str) -> None:
    text = small.path.read_text(encoding="utf-8")
    assert before in text
    small.farm = write_farm(small.path, text.replace(before, after))


@pytest.fixture
def done(small: SmallFarm) -> SmallFarm:
    """A day and the next with their reports, all of it made under one farm file."""
    small.put([("A", "t", small.at(DAY, 1), 18.0)])
    small.put([("A", "set", small.at(DAY, hour), 18.0 + hour) for hour in (1, 2)])
    small.run(ENV, DAY, NEXT)
    small.run(SETPOINTS, f"{DAY}-00:00", f"{NEXT}-23:00")
    small.run(REPORT, DAY, NEXT)
    made = [(ENV, DAY), (ENV, NEXT), (SETPOINTS, HOUR), (REPORT, DAY), (REPORT, NEXT)]
    for asset, partition in made:
        assert state(small, asset, partition) == FRESH
    return small


def test_another_band_makes_statistics_and_reports_stale_until_they_are_made_anew(
    done: SmallFarm,
) -> None:
    code = StaleCauseCategory.CODE
    edit(done, "[17, 19]", "[16, 19]")
    assert state(done, ENV, DAY) == state(done, ENV, NEXT) == stale((ENV, code))
    assert state(done, SETPOINTS, HOUR) == FRESH
    assert state(done, REPORT, DAY) == stale((REPORT, code))
    done.run(ENV, DAY)
    assert state(done, ENV, DAY) == FRESH
    assert state(done, ENV, NEXT) == stale((ENV, code))
    assert state(done, REPORT, DAY) == stale((REPORT, code), (ENV, StaleCauseCategory.DATA))
    done.run(REPORT, DAY, NEXT)
    assert state(done, REPORT, DAY) == state(done, REPORT, NEXT) == FRESH


def test_other_words_make_changes_stale_and_their_report_when_they_are_made_anew(
    done: SmallFarm,
) -> None:
    edit(done, "description: setpoint", "description: target")
    assert state(done, SETPOINTS, HOUR) == stale((SETPOINTS, StaleCauseCategory.CODE))
    assert state(done, ENV, DAY) == state(done, REPORT, DAY) == FRESH
    done.run(SETPOINTS, HOUR)
    assert state(done, SETPOINTS, HOUR) == FRESH
    assert state(done, REPORT, DAY) == stale((SETPOINTS, StaleCauseCategory.DATA))
    assert state(done, REPORT, NEXT) == FRESH


def test_a_report_is_stale_when_its_day_was_computed_anew_under_the_same_farm_file(
    done: SmallFarm,
) -> None:
    done.put([("A", "t", done.at(DAY, 2), 25.0)])  # came late
    done.run(ENV, DAY)
    assert state(done, ENV, DAY) == FRESH
    assert state(done, REPORT, DAY) == stale((ENV, StaleCauseCategory.DATA))
    assert state(done, REPORT, NEXT) == FRESH


def test_an_edit_that_no_row_depends_on_leaves_everything_fresh(done: SmallFarm) -> None:
    edit(done, "B: {}", "B: {folder: other}")
    for asset, partition in ((ENV, DAY), (SETPOINTS, HOUR), (REPORT, DAY)):
        assert state(done, asset, partition) == FRESH


def test_who_made_a_partition_can_be_asked_of_all_at_once(done: SmallFarm) -> None:
    before = code_version(environment, done.farm)
    edit(done, "max_hold_s: 900", "max_hold_s: 600")
    done.run(ENV, NEXT)
    versions = {DAY: before, NEXT: code_version(environment, done.farm)}
    assert versions[NEXT] != before
    assert made_by(done.instance, dg.AssetKey(ENV)) == versions
    assert made_by(done.instance, dg.AssetKey(ENV), [DAY]) == {DAY: before}
    # By hand: nobody knows
    done.instance.report_runless_asset_event(dg.AssetMaterialization(ENV, partition=DAY))
    assert made_by(done.instance, dg.AssetKey(ENV)) == {NEXT: versions[NEXT]}


def test_other_classes_make_the_probe_stale_but_another_day_of_images_does_not(
    judged: Relabelled,
) -> None:
    fit(judged)
    assert state(judged, PROBE, None) == FRESH
    judged.judge("2026-01-12", "2026-01-12")
    assert state(judged, PROBE, None) == FRESH
    judged.farm = write_farm(judged.path, CAMERAS + OTHER_PROMPTS)
    assert state(judged, PROBE, None) == stale((PROBE, StaleCauseCategory.CODE))
    fit(judged)
    assert state(judged, PROBE, None) == FRESH


def test_new_labels_answer_for_new_prompts_but_for_nothing_else(judged: Relabelled) -> None:
    first, second = "2026-01-10", "2026-01-11"
    assert state(judged, VISION, first) == FRESH
    judged.farm = write_farm(judged.path, CAMERAS + OTHER_PROMPTS)
    assert state(judged, VISION, first) == stale((VISION, StaleCauseCategory.CODE))
    judged.relabel(until=first)
    assert state(judged, VISION, first) == FRESH
    assert state(judged, VISION, second) == stale((VISION, StaleCauseCategory.CODE))
    edit(judged, "rooms:", "pair_within_s: 5\nrooms:")
    assert state(judged, VISION, first) == FRESH
    edit(judged, "timezone: Asia/Shanghai", "timezone: Asia/Tokyo")
    judged.relabel(until=first)  # computes no climate, so the day stays stale
    assert state(judged, VISION, first) == stale((VISION, StaleCauseCategory.CODE))
