"""Words and fields of Dagster that the package writes out are still Dagster's own."""

from pathlib import Path

import dagster as dg
from dagster._core.definitions import data_version
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.events import RunFailureReason
from dagster._core.execution.plan.execute_step import _build_data_version_tags
from dagster._core.storage import tags

import mushroom_assets
from mushroom_assets.instance import attempts, backfills, outstanding, reporting
from mushroom_assets.instance.tested import BELOW, BOUNDS, FIRST, LATEST


def test_the_mark_of_an_asset_that_reported_while_it_ran_is_dagsters() -> None:
    assert set(reporting.REPORTED) == {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION}


def test_an_input_without_an_event_has_the_version_that_dagster_gives_it() -> None:
    assert reporting.UNRECORDED["data_version"] == data_version.DEFAULT_DATA_VERSION


def test_the_tags_of_a_materialization_are_those_that_dagster_makes() -> None:
    inputs = {
        dg.AssetKey("made"): {"data_version": dg.DataVersion("d"), "storage_id": 7},
        dg.AssetKey(["a", "b"]): reporting.UNRECORDED,
    }
    version = dg.DataVersion("code+01234567")
    expected = _build_data_version_tags(version, "code", inputs, False)  # type: ignore[arg-type]
    assert reporting.version_tags("code", "0123456789", inputs) == expected


def test_the_tags_of_a_range_are_dagsters() -> None:
    assert outstanding.RANGE_START == tags.ASSET_PARTITION_RANGE_START_TAG
    assert outstanding.RANGE_END == tags.ASSET_PARTITION_RANGE_END_TAG


def test_the_tags_of_failed_runs_and_of_backfills_are_dagsters() -> None:
    assert attempts.BACKFILL == tags.BACKFILL_ID_TAG
    assert attempts.REASON == tags.RUN_FAILURE_REASON_TAG
    assert attempts.RETRIED == tags.AUTO_RETRY_RUN_ID_TAG
    assert attempts.WILL_RETRY == tags.WILL_RETRY_TAG
    assert attempts.STEP_FAILED == RunFailureReason.STEP_FAILURE.value
    assert backfills.PARENT == tags.PARENT_BACKFILL_ID_TAG
    assert backfills.ROOT == tags.ROOT_BACKFILL_ID_TAG


def test_the_bounds_are_said_in_one_way() -> None:
    first = ".".join(map(str, FIRST))
    assert f">={first},<{'.'.join(map(str, BELOW))}" == BOUNDS


def test_the_package_asks_for_the_versions_that_were_tested() -> None:
    root = Path(mushroom_assets.__file__).parents[1]
    asked = (root / "setup.py").read_text(encoding="utf-8")
    pinned = (root / "constraints.txt").read_text(encoding="utf-8")
    assert f'"dagster{BOUNDS}"' in asked
    assert f'"dagster-webserver{BOUNDS}"' in asked
    assert f"dagster=={LATEST}" in pinned.splitlines()
