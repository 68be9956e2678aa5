"""What Dagster loads: the names, lineage, timetable and policies that outside tools rely on."""

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.settings import SettingsError
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.kit.contract import (
    ASSETS,
    BESIDE,
    CHECKS,
    EXTERNAL,
    FEEDS,
    LABELS,
    SCHEDULES,
    WATCH,
)

FARMS = {
    "reference": reference_farm_text(),
    "brussels": (
        "{timezone: Europe/Brussels, first_day: 2026-01-01, rooms: {A: {}, B: {folder: b}}}"
    ),
}


@pytest.fixture(scope="module", params=list(FARMS))
def defs(request: pytest.FixtureRequest) -> dg.Definitions:
    return build_definitions(parse_farm(FARMS[request.param]))


@pytest.fixture(scope="module")
def graph() -> AssetGraph:
    return build_definitions(parse_farm(FARMS["reference"])).resolve_asset_graph()


def test_the_definitions_load(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_assets_are_those_of_the_contract_with_their_upstreams(graph: AssetGraph) -> None:
    upstreams = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.materializable_asset_keys
    }
    assert upstreams == ASSETS | BESIDE
    assert {key.to_user_string() for key in graph.external_asset_keys} == EXTERNAL | {LABELS}


def test_the_lineage_runs_from_every_source_to_the_report(graph: AssetGraph) -> None:
    seen, front = set(), {dg.AssetKey("daily_room_report")}
    while front:
        seen |= front
        front = {parent for key in front for parent in graph.get(key).parent_keys} - seen
    names = {key.to_user_string() for key in seen}
    assert names >= EXTERNAL | ASSETS["daily_room_report"]
    assert names <= EXTERNAL | set(ASSETS)


def test_every_result_table_is_an_asset_and_every_asset_a_table() -> None:
    assert set(RESULTS) == set(ASSETS)


def test_the_probe_has_no_partitions_and_a_job_of_its_own(defs: dg.Definitions) -> None:
    assert defs.resolve_assets_def("clip_probe").partitions_def is None
    job = defs.resolve_job_def("clip_probe_job")
    assert job.partitions_def is None
    assert set(job.asset_layer.executable_asset_keys) == {dg.AssetKey("clip_probe")}


def test_environment_images_and_report_are_daily_and_setpoints_hourly(defs: dg.Definitions) -> None:
    kinds = {name: type(defs.resolve_assets_def(name).partitions_def) for name in ASSETS}
    assert kinds.pop("hourly_setpoint_changes") is dg.HourlyPartitionsDefinition
    assert set(kinds.values()) == {dg.DailyPartitionsDefinition}


@pytest.mark.parametrize("farm", FARMS)
def test_all_partitions_are_in_the_farms_zone(farm: str) -> None:
    zone = parse_farm(FARMS[farm]).timezone
    defs = build_definitions(parse_farm(FARMS[farm]))
    assert {defs.resolve_assets_def(name).partitions_def.timezone for name in ASSETS} == {zone}  # type: ignore[union-attr]
    assert {defs.resolve_schedule_def(name).execution_timezone for name in SCHEDULES} == {zone}


def test_a_days_report_needs_that_days_24_hours() -> None:
    defs = build_definitions(parse_farm(FARMS["reference"]))
    hourly, daily = (
        defs.resolve_assets_def(name).partitions_def
        for name in ("hourly_setpoint_changes", "daily_room_report")
    )
    assert hourly is not None
    assert daily is not None
    mapped = dg.TimeWindowPartitionMapping().get_upstream_mapped_partitions_result_for_partitions(
        daily.subset_with_partition_keys(["2026-01-05"]), daily, hourly
    )
    keys = list(mapped.partitions_subset.get_partition_keys())
    assert keys == [f"2026-01-05-{hour:02}:00" for hour in range(24)]


def test_each_asset_has_its_job(defs: dg.Definitions) -> None:
    for name in ASSETS:
        job = defs.resolve_job_def(f"{name}_job")
        assert job.asset_layer.executable_asset_keys == {dg.AssetKey(name)}
        assert job.tags["dagster/priority"] == "5"


def test_jobs_run_their_assets_checks_too(defs: dg.Definitions) -> None:
    checks = {
        name: {
            key.name
            for key in defs.resolve_job_def(f"{name}_job").asset_layer.asset_graph.asset_check_keys
        }
        for name in ASSETS
    }
    today = {
        "daily_room_report": CHECKS["daily_room_report"] | {"this_morning"},
        "daily_clip_inference": CHECKS["daily_clip_inference"] | {"pictures_familiar"},
    }
    assert checks == CHECKS | today


def test_the_standing_checks_have_a_job_and_a_schedule_of_their_own(defs: dg.Definitions) -> None:
    job = defs.resolve_job_def("standing_checks_job")
    assert job.partitions_def is None
    keys = job.asset_layer.asset_graph.asset_check_keys
    assert {(key.asset_key.to_user_string(), key.name) for key in keys} == {
        *((name, "partitions_complete") for name in ASSETS),
        ("daily_room_report", "this_morning"),
        ("daily_clip_inference", "pictures_familiar"),
    }
    schedule = defs.resolve_schedule_def("standing_checks_schedule")
    assert (schedule.job_name, schedule.cron_schedule) == ("standing_checks_job", "10 * * * *")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_the_feeds_are_looked_at_each_half_hour_from_the_start(defs: dg.Definitions) -> None:
    job = defs.resolve_job_def("feeds_job")
    assert job.partitions_def is None
    keys = job.asset_layer.asset_graph.asset_check_keys
    assert {(key.asset_key.to_user_string(), key.name) for key in keys} == FEEDS
    assert job.tags["dagster/priority"] == "5"
    schedule = defs.resolve_schedule_def("feeds_schedule")
    assert (schedule.job_name, schedule.cron_schedule) == ("feeds_job", WATCH["feeds_schedule"])
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_keep_the_contracts_time_and_are_on(defs: dg.Definitions, name: str) -> None:
    schedule = defs.resolve_schedule_def(name)
    assert schedule.cron_schedule == SCHEDULES[name]
    assert schedule.job_name == name.replace("_schedule", "_job")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_there_are_no_other_schedules(defs: dg.Definitions) -> None:
    assert {schedule.name for schedule in defs.schedules or ()} == set(SCHEDULES) | set(WATCH)


def test_the_reports_automation_is_on_and_about_the_report_alone(
    defs: dg.Definitions, graph: AssetGraph
) -> None:
    (sensor,) = [
        sensor for sensor in defs.sensors or () if sensor.name == "daily_room_report_automation"
    ]
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.asset_selection.resolve(graph) == {dg.AssetKey("daily_room_report")}
    conditions = {
        key for key in graph.materializable_asset_keys if graph.get(key).automation_condition
    }
    assert conditions == {dg.AssetKey("daily_room_report")}


@pytest.mark.parametrize("name", ["run_failure_notification", "room_notification"])
def test_the_sensors_that_tell_are_off_until_somebody_is_to_be_told(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    farm = parse_farm(FARMS["reference"])
    off = build_definitions(farm).resolve_sensor_def(name)
    assert off.default_status == dg.DefaultSensorStatus.STOPPED
    assert "MUSHROOM_NOTIFY" in (off.description or "")
    monkeypatch.setenv("MUSHROOM_NOTIFY", "json://localhost")
    assert (
        build_definitions(farm).resolve_sensor_def(name).default_status
        == dg.DefaultSensorStatus.RUNNING
    )


def test_the_sensor_of_the_labels_is_on_and_there_is_no_eighth(defs: dg.Definitions) -> None:
    assert {sensor.name for sensor in defs.sensors or ()} == {
        "daily_room_report_automation",
        "catching_up",
        "following_inputs",
        "room_images_sensor",
        "clip_probe_sensor",
        "run_failure_notification",
        "room_notification",
    }
    sensor = defs.resolve_sensor_def("clip_probe_sensor")
    assert (sensor.job_name, sensor.minimum_interval_seconds) == ("clip_probe_job", 60)
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


@pytest.mark.parametrize("name", [*ASSETS, *BESIDE])
def test_transient_faults_are_retried_after_10_30_and_70_seconds(
    defs: dg.Definitions, name: str
) -> None:
    policy = defs.resolve_assets_def(name).op.retry_policy
    assert policy is not None
    assert policy.max_retries == 3
    assert policy.delay is not None
    assert [(2**n - 1) * policy.delay for n in (1, 2, 3)] == [10, 30, 70]
    assert (policy.backoff, policy.jitter) == (dg.Backoff.EXPONENTIAL, dg.Jitter.PLUS_MINUS)


def test_a_range_is_one_run_but_for_images_a_week_a_run(defs: dg.Definitions) -> None:
    policies = {name: defs.resolve_assets_def(name).backfill_policy for name in ASSETS}
    assert policies.pop("daily_clip_inference") == dg.BackfillPolicy.multi_run(7)
    assert set(policies.values()) == {dg.BackfillPolicy.single_run()}


def test_only_one_run_at_a_time_holds_the_clip_model(defs: dg.Definitions) -> None:
    pools = {name: defs.resolve_assets_def(name).op.pool for name in ASSETS}
    assert pools == dict.fromkeys(ASSETS) | {"daily_clip_inference": "clip"}


def test_what_went_wrong_at_the_start_is_what_the_code_location_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MUSHROOM_STARTUP_ERROR", "the migration failed")
    with pytest.raises(SettingsError, match="the migration failed"):
        build_definitions(parse_farm(FARMS["reference"]))
