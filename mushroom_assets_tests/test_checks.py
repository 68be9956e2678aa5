"""The asset checks: silent on good data; each fault is found, counted, shown by example and comes with a remedy."""

import datetime as dt
import io
from pathlib import Path

import dagster as dg
import pytest
from PIL import Image

from mushroom_assets.automation import range_tags
from mushroom_assets.checks import _by_part
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm import parse_farm
from mushroom_assets.partitions import farm_clock, windows
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
from mushroom_assets_tests.small import SmallFarm

DAY = "2026-01-05"
ENV, SETPOINTS, VISION = "daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference"


def checks_only(small: SmallFarm, asset: str, first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
    """A run of the asset's checks, on the rows as they are."""
    doors = {"postgres": PostgresResource(url=small.database.url), "farm_file": FarmFile(path=str(small.path))}
    job = dg.define_asset_job("only_checks", dg.AssetSelection.checks_for_assets(asset))
    defs = dg.Definitions.merge(build_definitions(small.farm, doors), dg.Definitions(jobs=[job]))
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return defs.resolve_job_def("only_checks").execute_in_process(
        quiet, instance=small.instance, tags=range_tags(first, last or first), raise_on_error=False
    )


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def offending(evaluation: dg.AssetCheckEvaluation) -> int:
    value = evaluation.metadata["offending"].value
    assert isinstance(value, int)
    return value


def examples(evaluation: dg.AssetCheckEvaluation) -> list[str]:
    return str(evaluation.metadata["examples"].value).splitlines()


@pytest.fixture
def covered(small: SmallFarm) -> SmallFarm:
    """Two rooms, two full days of climate, one on/off point that moves at 9 and at 11 o'clock."""
    days = [DAY, "2026-01-06"]
    for day in days:
        instants = [small.at(day, tenth / 6) for tenth in range(144)]
        levels = {
            "t": [18.0 + 0.1 * (number % 3) for number in range(144)],
            "h": [90.0 + number % 2 for number in range(144)],
        }
        small.put(
            [
                (room, point, at, v)
                for room in "AB"
                for point in "th"
                for at, v in zip(instants, levels[point], strict=True)
            ]
        )
    small.put([("A", "power", small.at(DAY, at), value) for at, value in ((8, 0.0), (9, 1.0), (11, 0.0))])
    return small


def test_good_data_pass_every_check(covered: SmallFarm) -> None:
    env = verdicts(covered.run(ENV, DAY, "2026-01-06"))
    setpoints = verdicts(covered.run(SETPOINTS, f"{DAY}-00:00", f"{DAY}-23:00"))
    assert set(env) == {"quantiles_in_order", "days_covered"}
    assert set(setpoints) == {"values_chain"}
    for evaluation in (env | setpoints).values():
        assert evaluation.passed
        assert offending(evaluation) == 0
        assert "examples" not in evaluation.metadata


def test_each_partition_of_a_range_has_an_evaluation_of_its_own(covered: SmallFarm) -> None:
    covered.run(ENV, DAY, "2026-01-07")  # of the third day there is nothing
    key = dg.AssetCheckKey(dg.AssetKey(ENV), "days_covered")
    history = covered.instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    found = {record.partition: record.status.value for record in history}
    assert found == {DAY: "SUCCEEDED", "2026-01-06": "SUCCEEDED", "2026-01-07": "FAILED", None: "FAILED"}


def test_an_evaluation_of_a_partition_is_of_its_latest_materialization(covered: SmallFarm) -> None:
    covered.run(ENV, DAY, "2026-01-07")
    covered.run(ENV, DAY)
    key = dg.AssetCheckKey(dg.AssetKey(ENV), "days_covered")
    infos = covered.instance.event_log_storage.get_asset_check_partition_info([key])
    assert {info.partition_key: info.is_current for info in infos if info.partition_key} == dict.fromkeys(
        [DAY, "2026-01-06", "2026-01-07"], True
    )


def test_offending_rows_are_told_apart_in_the_hour_that_comes_twice() -> None:
    clock = farm_clock(parse_farm("{timezone: Europe/Brussels, first_day: 2025-01-01, rooms: {A: {}}}"))
    parts = windows(clock.hourly, ["2025-10-26-01:00", "2025-10-26-02:00", "2025-10-26-02:00+0100", "2025-10-26-03:00"])
    middles = [
        (part.start.astimezone(dt.UTC) + dt.timedelta(minutes=30)).astimezone(part.start.tzinfo) for part in parts
    ]
    found = _by_part([(middle,) for middle in middles], parts)  # type: ignore[misc]
    assert found == {part.key: [(middle,)] for part, middle in zip(parts, middles, strict=True)}


@pytest.mark.parametrize(
    "corruption",
    ["min = q25 + 1", "q25 = median + 1", "median = q75 + 1", "q75 = max + 1", "median = NULL"],
)
def test_quantiles_out_of_order_are_an_error(covered: SmallFarm, corruption: str) -> None:
    covered.run(ENV, DAY, "2026-01-06")
    covered.execute(
        f"UPDATE farm.daily_env_stats SET {corruption}"
        f" WHERE stat_date = '{DAY}' AND room_id = 'B' AND quantity = 'temperature'"
    )
    result = checks_only(covered, ENV, DAY)
    found = verdicts(result)["quantiles_in_order"]
    assert (found.passed, found.severity, offending(found)) == (False, dg.AssetCheckSeverity.ERROR, 1)
    assert examples(found) == [f"- {DAY}, B, temperature"]
    assert "Remedy: " in (found.description or "")
    assert verdicts(result)["days_covered"].passed
    assert verdicts(checks_only(covered, ENV, "2026-01-06"))["quantiles_in_order"].passed  # another day's fault


def test_a_day_with_a_gap_is_a_warning_and_no_failed_run(covered: SmallFarm) -> None:
    covered.execute(
        f"DELETE FROM farm.sample WHERE sampled_at >= '{covered.at(DAY, 8)}' AND sampled_at < '{covered.at(DAY, 18)}'"
        " AND point_id IN (SELECT point_id FROM farm.point WHERE room_id = 'A' AND point_alias = 't')"
    )
    result = covered.run(ENV, DAY, "2026-01-06")
    found = verdicts(result)["days_covered"]
    assert result.success
    assert (found.passed, found.severity, offending(found)) == (False, dg.AssetCheckSeverity.WARN, 3)
    named = {tuple(line.removeprefix("- ").split(", ")[:3]) for line in examples(found)}
    assert named == {(DAY, "A", quantity) for quantity in ("temperature", "vpd", "dew_point")}
    assert "materialize the day again" in (found.description or "")
    assert verdicts(result)["quantiles_in_order"].passed


def test_of_many_faults_five_are_shown_and_all_counted(small: SmallFarm) -> None:
    found = verdicts(small.run(ENV, DAY))["days_covered"]
    assert offending(found) == 2 * 4
    assert len(examples(found)) == 5


def test_a_state_that_does_not_follow_from_the_one_before_is_a_warning(covered: SmallFarm) -> None:
    covered.run(SETPOINTS, f"{DAY}-00:00", f"{DAY}-23:00")
    # Off and on again in between came late, and only its own hour was materialized again.
    covered.execute(f"DELETE FROM farm.hourly_setpoint_changes WHERE changed_at = '{covered.at(DAY, 11)}'")
    covered.put([("A", "power", covered.at(DAY, 10.5), 0.0), ("A", "power", covered.at(DAY, 11.5), 1.0)])
    result = covered.run(SETPOINTS, f"{DAY}-11:00")
    found = verdicts(result)["values_chain"]
    assert result.success
    assert (found.passed, found.severity, offending(found)) == (False, dg.AssetCheckSeverity.WARN, 1)
    (example,) = examples(found)
    assert example.startswith("- 2026-01-05 11:30:00, A, cooler_A, power")
    assert "Remedy: " in (found.description or "")
    mended = verdicts(covered.run(SETPOINTS, f"{DAY}-10:00", f"{DAY}-11:00"))["values_chain"]
    assert mended.passed


def test_setpoints_with_a_scale_need_not_chain(small: SmallFarm) -> None:
    steps = ((8, 18.0), (9, 17.5), (9.3, 17.45), (9.6, 17.40), (10, 17.0))
    small.put([("A", "set", small.at(DAY, at), value) for at, value in steps])  # creeps below the threshold
    result = small.run(SETPOINTS, f"{DAY}-00:00", f"{DAY}-23:00")
    assert len(small.rows(SETPOINTS)) == 2
    assert verdicts(result)["values_chain"].passed


def test_a_truncated_image_is_a_warning_with_its_path_and_reason(
    small: SmallFarm,
    tmp_path: Path,
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (120, 90), (200, 180, 160)).save(file, "JPEG")
    names = {f"A/20260105/A_cam_202611_202601050{hour}0000.jpg": hour for hour in (7, 8)}
    for name, hour in names.items():
        target = tmp_path / "images" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.getvalue()[: 300 if hour == 8 else None])
    result = small.run(VISION, DAY, resources={"image_store": ImageStore(root=str(tmp_path / "images"))})
    found = verdicts(result)["images_readable"]
    assert result.success
    assert (found.passed, found.severity, offending(found)) == (False, dg.AssetCheckSeverity.WARN, 1)
    (example,) = examples(found)
    assert example.startswith("- 2026-01-05, A/20260105/A_cam_202611_20260105080000.jpg, unreadable, ")
    assert "check the camera" in (found.description or "")
    (tmp_path / "images" / "A/20260105/A_cam_202611_20260105080000.jpg").write_bytes(file.getvalue())
    again = small.run(VISION, DAY, resources={"image_store": ImageStore(root=str(tmp_path / "images"))})
    assert verdicts(again)["images_readable"].passed


def test_a_run_that_wrote_rows_out_of_order_fails(covered: SmallFarm) -> None:
    covered.execute(
        "CREATE FUNCTION farm.corrupt() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN NEW.q25 := NEW.max + 1; RETURN NEW; END $$"
    )
    covered.execute(
        f"CREATE TRIGGER corrupt BEFORE INSERT ON farm.{ENV} FOR EACH ROW"
        " WHEN (NEW.quantity = 'humidity') EXECUTE FUNCTION farm.corrupt()"
    )
    result = covered.run(ENV, DAY, raise_on_error=False)
    assert not result.success
    assert offending(verdicts(result)["quantiles_in_order"]) == 2
