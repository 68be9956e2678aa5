"""The standing checks tell what Dagster's record lacks, with its ranges and what to click.

They tell nothing else.
"""

import asyncio
import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord

from mushroom_assets.automation.timetable import PARTITIONED, watched
from mushroom_assets.checks.standing import NAME, completeness
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.partitions import farm_clock
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets_tests.kit.dagsters import quick_instance
from mushroom_assets_tests.kit.evaluations import DAY, ENV, ERROR, REPORT, SETPOINTS, VISION, WARN
from mushroom_assets_tests.kit.small import Build, SmallFarm

SHANGHAI = "{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {A: {}}}"
OLDER = "{timezone: Asia/Shanghai, first_day: 2025-01-01, rooms: {A: {}}}"
NOW = (2026, 1, 20, 12, 0)
DAYS = [f"2026-01-{day:02}" for day in range(1, 20)]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with quick_instance() as instance:
        yield instance


def materialized(instance: dg.DagsterInstance, asset: str, keys: list[str]) -> None:
    for key in keys:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key))


def told(
    instance: dg.DagsterInstance, asset: str = ENV, text: str = SHANGHAI, now: tuple[int, ...] = NOW
) -> Any:
    """What the check says at a reading of the farm's clock."""
    farm = parse_farm(text)
    (own,) = [one for one in watched(farm_clock(farm)) if one.asset == dg.AssetKey(asset)]
    year, month, day, hour, minute = now
    reading = dt.datetime(year, month, day, hour, minute, tzinfo=farm.zone)
    return completeness(instance, own, reading - own.due_after, farm)


def listed(found: dict[str, Any], kind: str) -> list[str]:
    return [line.removeprefix("- ") for line in found["metadata"][kind].value.splitlines()]


def test_a_complete_record_passes(instance: dg.DagsterInstance) -> None:
    materialized(instance, ENV, DAYS)
    found = told(instance)
    assert (found["passed"], found["metadata"]["offending"].value) == (True, 0)


def test_missing_days_are_told_as_ranges_with_what_to_click(instance: dg.DagsterInstance) -> None:
    materialized(instance, ENV, [day for day in DAYS if day[-2:] not in ("03", "04", "05", "11")])
    found = told(instance)
    assert (found["passed"], found["severity"]) == (False, WARN)
    assert found["metadata"]["offending"].value == 4
    assert listed(found, "missing") == ["2026-01-03 ... 2026-01-05", "2026-01-11"]
    assert found["description"].startswith(
        "0 failed and 4 missing partitions in the last 30 days. Remedy: "
    )
    assert "Backfill only failed and missing partitions within selection" in found["description"]
    assert "/assets/daily_env_stats?view=partitions" in found["metadata"]["partitions"].value


def test_only_the_last_thirty_days_count(instance: dg.DagsterInstance) -> None:
    found = told(instance, text=OLDER)
    assert listed(found, "missing") == ["2025-12-21 ... 2026-01-19"]  # 11 + 19 days
    assert found["metadata"]["offending"].value == 30


def test_a_farm_that_has_just_begun_counts_from_its_first_day(instance: dg.DagsterInstance) -> None:
    assert listed(told(instance), "missing") == ["2026-01-01 ... 2026-01-19"]
    assert told(instance, now=(2026, 1, 1, 12, 0))["passed"]


@pytest.mark.parametrize(
    ("asset", "clock", "last"),
    [
        (ENV, (1, 59), "2026-01-18"), (ENV, (2, 0), "2026-01-19"),
        (VISION, (4, 59), "2026-01-18"), (VISION, (5, 0), "2026-01-19"),
        (REPORT, (5, 59), "2026-01-18"), (REPORT, (6, 0), "2026-01-19"),
        (SETPOINTS, (9, 59), "2026-01-20-07:00"), (SETPOINTS, (10, 0), "2026-01-20-08:00"),
    ],
)  # fmt: skip
def test_a_partition_is_missing_only_once_it_was_due(
    instance: dg.DagsterInstance, asset: str, clock: tuple[int, int], last: str
) -> None:
    (span,) = listed(told(instance, asset, now=(2026, 1, 20, *clock)), "missing")
    assert span.split(" ... ")[1] == last


def test_partitions_of_a_run_on_its_way_are_neither(
    instance: dg.DagsterInstance, small: SmallFarm
) -> None:
    job = build_definitions(parse_farm(SHANGHAI)).resolve_job_def(f"{ENV}_job")
    run = instance.create_run_for_job(
        job, tags=range_tags(DAYS[0], DAYS[-1]), status=dg.DagsterRunStatus.STARTED
    )
    assert told(instance)["passed"]
    instance.report_run_failed(run)
    assert listed(told(instance), "failed") == ["2026-01-01 ... 2026-01-19"]


def test_failed_partitions_are_an_error_and_told_apart(build: Build) -> None:
    small = build(addition="")
    small.path.write_text(
        small.path.read_text().replace("first_day: 2025-01-01", "first_day: 2026-01-01")
    )
    farm = parse_farm(small.path.read_text())
    small.execute("ALTER TABLE farm.daily_env_stats RENAME TO elsewhere")
    begun = SmallFarm(farm, small.path, small.database, small.instance)
    assert not begun.run(ENV, DAY, raise_on_error=False).success
    found = told(small.instance, now=(2026, 1, 8, 12, 0))
    assert (found["severity"], found["metadata"]["offending"].value) == (ERROR, 7)
    assert (listed(found, "failed"), listed(found, "missing")) == (
        [DAY], ["2026-01-01 ... 2026-01-04", "2026-01-06 ... 2026-01-07"]
    )  # fmt: skip


def test_partitions_of_another_farm_file_are_told_and_no_error(build: Build) -> None:
    small = build(addition="")
    text = small.path.read_text().replace("first_day: 2025-01-01", "first_day: 2026-01-01")
    edited = text.replace("max_hold_s: 900", "max_hold_s: 600")
    for file, days in ((text, DAYS[:3]), (edited, DAYS[1:2])):
        small.path.write_text(file)
        of = SmallFarm(parse_farm(file), small.path, small.database, small.instance)
        of.run(ENV, days[0], days[-1])
    found = told(small.instance, text=edited, now=(2026, 1, 4, 12, 0))
    assert (found["passed"], found["severity"]) == (False, WARN)
    assert found["metadata"]["offending"].value == 2
    assert listed(found, "outdated") == [DAYS[0], DAYS[2]]
    assert found["description"].startswith(
        "2 partitions are outdated: an input changed after they were made"
    )
    assert told(small.instance, text=text, now=(2026, 1, 2, 12, 0))["passed"]
    chinese = told(small.instance, text=edited + "language: zh\n", now=(2026, 1, 5, 12, 0))
    assert chinese["description"].startswith("最近 30 天有 0 个分区失败、1 个缺失。处理办法：")
    assert "。有 2 个分区已过时：" in chinese["description"]


def test_a_chinese_farm_is_told_in_chinese(instance: dg.DagsterInstance) -> None:
    found = told(instance, text=SHANGHAI.replace("rooms", "language: zh, rooms"))
    assert found["description"].startswith("最近 30 天有 0 个分区失败、19 个缺失。处理办法：")


def test_of_many_ranges_ten_are_shown(instance: dg.DagsterInstance) -> None:
    materialized(instance, SETPOINTS, [f"2026-01-19-{hour:02}:00" for hour in range(1, 24, 2)])
    shown = listed(told(instance, SETPOINTS), "missing")
    assert len(shown) == 11
    assert shown[-1] == "and 3 more ranges"  # up to 19-00, eleven single hours, and today's: 13


# --- in Dagster


def rows(instance: dg.DagsterInstance) -> list[tuple[str | None, str]]:
    key = dg.AssetCheckKey(dg.AssetKey(ENV), NAME)
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    return [(record.partition, record.status.value) for record in history]


def shown(instance: dg.DagsterInstance) -> tuple[str | None, bool]:
    """Partition of the execution that the asset's page shows, and whether it shows it at all."""

    async def ask() -> tuple[str | None, bool]:
        context = LoadingContextForTest(instance)
        record = await AssetCheckExecutionRecord.gen(
            context, dg.AssetCheckKey(dg.AssetKey(ENV), NAME)
        )
        assert record is not None
        return record.partition, await record.targets_latest_materialization(context)

    return asyncio.run(ask())


def young(build: Build) -> tuple[SmallFarm, Farm]:
    """A farm that began four days ago, by the clock of this machine."""
    small = build()
    first = dt.datetime.now(small.farm.zone).date() - dt.timedelta(days=4)
    small.path.write_text(
        small.path.read_text().replace("first_day: 2025-01-01", f"first_day: {first}")
    )
    return small, parse_farm(small.path.read_text())


def doors(small: SmallFarm) -> dict[str, Any]:
    return {
        "postgres": PostgresResource(url=small.database.url),
        "farm_file": FarmFile(path=str(small.path)),
    }


QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def test_the_job_evaluates_that_of_every_asset(build: Build) -> None:
    small, farm = young(build)
    job = build_definitions(farm, doors(small)).resolve_job_def("standing_checks_job")
    result = job.execute_in_process(QUIET, instance=small.instance)
    evaluations = result.get_asset_check_evaluations()
    own = [each for each in evaluations if each.check_name == NAME]
    found = {each.asset_key.to_user_string(): each for each in own}
    assert result.success
    assert set(found) == set(PARTITIONED)
    # The first three days are due whatever the hour is; the fourth by six in the morning at the
    # latest.
    assert found[ENV].metadata["offending"].value in (3, 4)
    assert rows(small.instance) == [(None, "FAILED")]
    assert shown(small.instance) == (None, True)


def test_the_timetables_runs_leave_it_alone(build: Build) -> None:
    small, farm = young(build)
    SmallFarm(farm, small.path, small.database, small.instance).run(ENV, farm.first_day.isoformat())
    assert rows(small.instance) == []


def test_after_the_timetables_run_the_next_evaluation_counts(build: Build) -> None:
    small, farm = young(build)
    SmallFarm(farm, small.path, small.database, small.instance).run(ENV, farm.first_day.isoformat())
    job = build_definitions(farm, doors(small)).resolve_job_def("standing_checks_job")
    assert job.execute_in_process(QUIET, instance=small.instance).success
    assert shown(small.instance) == (None, True)


@pytest.mark.parametrize("days", [1, 2])
def test_a_run_launched_in_the_ui_evaluates_it_and_leaves_nothing_planned(
    build: Build, days: int
) -> None:
    small, farm = young(build)
    first = farm.first_day.isoformat()
    last = (farm.first_day + dt.timedelta(days=days - 1)).isoformat()
    defs = build_definitions(farm, doors(small))
    everything = defs.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={dg.AssetKey(ENV)}
    )
    tags = {"dagster/partition": first} if days == 1 else range_tags(first, last)
    partition = first if days == 1 else None
    assert everything.execute_in_process(
        QUIET, instance=small.instance, tags=tags, partition_key=partition
    ).success
    latest, *others = rows(small.instance)
    assert latest == (None, "FAILED")  # days are still missing
    assert shown(small.instance) == (None, True)
    assert sorted(others) == [(day, "SUCCEEDED") for day in dict.fromkeys((first, last))]
