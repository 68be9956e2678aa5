"""`retention_job`: what is old goes, and no result, partition or later run is another for it."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa

from mushroom_assets.assets import retention
from mushroom_assets.checks.feeds import SOURCES
from mushroom_assets.definitions import build_definitions
from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months, old_months, remove_month
from mushroom_assets.storage.schema import image_label
from mushroom_assets_tests.instance.events import FARM as STORAGE
from mushroom_assets_tests.kit.evaluations import checks_only, failing
from mushroom_assets_tests.kit.plant import write_farm
from mushroom_assets_tests.kit.runs import failure_message, run_job
from mushroom_assets_tests.kit.small import FARM, SmallFarm
from mushroom_assets_tests.kit.vectors import content, image, path, put_images, put_vectors, unit

pytestmark = pytest.mark.usefixtures("unpictured")

KEEP = "keep: {samples_days: 62, image_rows_days: 62, events_days: 62}\n"
OLD_DAY = "2025-01-20"
NEW_DAY = "2025-02-02"  # the first that begins, with its lookback, after January (UTC)
HOUR = "2025-02-01-08:00"  # the first of February (UTC), in Shanghai
IN_FEBRUARY = dt.datetime(2025, 2, 15, tzinfo=dt.UTC)
STATS = "daily_env_stats"
CHANGES = "hourly_setpoint_changes"
MONTHS = """
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'farm.sample'::regclass"""
SAMPLES = """
    SELECT sample.tableoid::regclass::text, point_alias, sampled_at, value
    FROM farm.sample JOIN farm.point USING (point_id) WHERE room_id = 'A' ORDER BY 2, 3"""
LEFT = "SELECT dagster_event_type, count(*) FROM event_logs GROUP BY 1"
RUNS = "SELECT status, count(*) FROM runs GROUP BY 1 ORDER BY 1"
EVALUATED = "SELECT evaluation_event_storage_id FROM asset_check_executions"


@pytest.fixture
def kept(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmallFarm]:
    """A farm that keeps 62 days, whose instance has its record in the farm's database."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    (tmp_path / "dagster.yaml").write_text(STORAGE + "\ntelemetry: {enabled: false}\n")
    file = tmp_path / "farm.yaml"
    farm = write_farm(file, FARM.format(timezone="Asia/Shanghai") + KEEP)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield SmallFarm(farm, file, database, instance)


def answer(farm: SmallFarm, query: str, **values: Any) -> list[tuple[Any, ...]]:
    with farm.database.transaction() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), values)]


def deliver(farm: SmallFarm) -> None:
    """Climate of a day of January and of two of February; a setpoint that moves between them."""
    half_hour = [step / 2 for step in range(48)]
    for day in (OLD_DAY, "2025-02-01", NEW_DAY):
        farm.put([("A", "t", farm.at(day, hour), 17 + hour % 2) for hour in half_hour])
    midnight = dt.datetime(2025, 2, 1, tzinfo=dt.UTC)
    farm.put([
        ("A", "set", midnight - dt.timedelta(days=9), 15),
        ("A", "set", midnight - dt.timedelta(days=4), 17),
        ("A", "set", midnight - dt.timedelta(days=3), float("nan")),
        ("A", "set", midnight + dt.timedelta(minutes=30), 18),
        ("A", "power", midnight - dt.timedelta(days=5), 1),
    ])  # fmt: skip


def remove_january(farm: SmallFarm) -> list[Any]:
    return list(retention.samples(farm.database, IN_FEBRUARY, "a run"))


def remove_all(farm: SmallFarm, **options: Any) -> dg.ExecuteInProcessResult:
    doors = {
        "postgres": PostgresResource(url=farm.database.url, connect_attempts=1),
        "farm_file": FarmFile(path=str(farm.path)),
    }
    return run_job("retention_job", farm.farm, doors, farm.instance, **options)


def test_months_go_but_for_the_last_sample_of_each_point_and_no_result_changes(
    kept: SmallFarm,
) -> None:
    deliver(kept)
    for asset, key in ((STATS, OLD_DAY), (STATS, NEW_DAY), (CHANGES, HOUR)):
        kept.run(asset, key)
    before = {asset: kept.rows(asset) for asset in (STATS, CHANGES)}
    (change,) = before[CHANGES]
    assert (change["previous_value"], change["current_value"]) == (17, 18)
    assert change["previous_at"] == dt.datetime(2025, 1, 28, tzinfo=dt.UTC)

    (removed,) = remove_january(kept)
    # A day, the 8 hours by which Shanghai's February is ahead, and those of the setpoints
    assert (removed[0], removed[1].rows) == ("samples of 2025-01", 48 + 16 + 3 + 1)
    assert removed[1].size >= 8192  # a page at least
    months = {name for (name,) in answer(kept, MONTHS)}
    assert "sample_2025_01" not in months
    assert {"sample_2025_02", "sample_kept"} <= months
    left = [row for row in answer(kept, SAMPLES) if row[0] == "farm.sample_kept"]
    # The climate's last one is of half past seven in Shanghai
    last = [("power", 1), ("set", 17), ("t", 17 + 7.5 % 2)]
    assert [(point, value) for _, point, _, value in left] == last
    assert remove_january(kept) == []

    for asset, key in ((STATS, NEW_DAY), (CHANGES, HOUR)):
        kept.run(asset, key)
    assert {asset: kept.rows(asset) for asset in (STATS, CHANGES)} == before
    assert kept.done(STATS) == {OLD_DAY, NEW_DAY}


def test_what_was_kept_of_a_removed_month_is_what_a_later_change_left_however_long_ago(
    kept: SmallFarm,
) -> None:
    old = kept.at("2025-01-10")
    kept.put([("A", "set", old - dt.timedelta(days=1), 16), ("A", "set", old, 17)])
    late = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
    kept.put([("A", "set", late, 18)])
    for key in ("2025-01-10-00:00", "2025-06-01-08:00"):
        kept.run(CHANGES, key)
    before = kept.rows(CHANGES)
    told = [(row["previous_value"], row["current_value"]) for row in before]
    assert told == [(16, 17), (17, 18)]
    assert before[1]["previous_at"] == old
    list(retention.samples(kept.database, dt.datetime(2025, 5, 2, tzinfo=dt.UTC), "a run"))
    kept.run(CHANGES, "2025-06-01-08:00")
    assert kept.rows(CHANGES) == before
    # What is left of the hour does not say where its change came from
    assert failing(checks_only(kept, CHANGES, "2025-01-10-00:00"), "2025-01-10-00:00") == set()


@pytest.mark.parametrize(
    ("asset", "key"), [(STATS, OLD_DAY), (STATS, "2025-02-01"), (CHANGES, "2025-01-28-08:00")]
)
def test_a_partition_whose_samples_are_gone_is_refused_and_keeps_its_rows(
    kept: SmallFarm, asset: str, key: str
) -> None:
    deliver(kept)
    kept.run(asset, key)
    before = kept.rows(asset, provenance=True)
    remove_january(kept)
    failed = kept.run(asset, key, raise_on_error=False)
    told = failure_message(failed)
    today = dt.datetime.now(dt.UTC).date()
    assert "those of before 2025-02-01 00:00 UTC were removed on" in told
    assert any(f"{today - dt.timedelta(days=ago)}" in told for ago in (0, 1))
    assert "Remedy: choose partitions that begin at least a day later" in told
    assert kept.rows(asset, provenance=True) == before != []
    assert kept.done(asset) == {key}


def test_in_a_range_only_the_partitions_without_samples_are_refused(kept: SmallFarm) -> None:
    deliver(kept)
    remove_january(kept)
    kept.run(STATS, "2025-01-30", "2025-02-03", raise_on_error=False)
    assert kept.done(STATS) == {NEW_DAY, "2025-02-03"}


def test_what_comes_late_for_a_removed_month_is_stored_and_goes_with_the_next(
    kept: SmallFarm,
) -> None:
    deliver(kept)
    remove_january(kept)
    late = dt.datetime(2025, 1, 10, tzinfo=dt.UTC)
    kept.put([("A", "set", late, 16), ("B", "set", late, 16)])
    with kept.database.transaction() as connection:
        ensure_months(connection, dt.date(2024, 11, 1), dt.date(2025, 3, 1))
    assert ("sample_2025_01",) not in answer(kept, MONTHS)
    stored = (
        "SELECT room_id FROM farm.sample JOIN farm.point USING (point_id) WHERE sampled_at = :at"
    )
    assert len(answer(kept, stored, at=late)) == 2
    march = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
    assert [what for what, _ in retention.samples(kept.database, march, "r")] == [
        "samples of 2025-02"
    ]
    assert answer(kept, stored, at=late) == [("B",)]  # its last one


def test_a_removal_that_breaks_off_has_removed_nothing(kept: SmallFarm) -> None:
    deliver(kept)
    before = repr(answer(kept, SAMPLES))  # NaN equals nothing
    with pytest.raises(KeyboardInterrupt), kept.database.transaction() as connection:
        (month,) = old_months(connection, IN_FEBRUARY)
        remove_month(connection, month, "a run")
        raise KeyboardInterrupt
    assert repr(answer(kept, SAMPLES)) == before
    assert len(remove_january(kept)) == 1


def test_while_a_run_reads_samples_no_month_goes(kept: SmallFarm) -> None:
    deliver(kept)
    with kept.database.transaction() as reading:
        reading.execute(sa.text("SELECT FROM farm.sample LIMIT 1"))
        with pytest.raises(DatabaseUnavailable, match="lock timeout"):
            remove_january(kept)
    assert len(remove_january(kept)) == 1


def test_rows_of_images_go_but_for_what_people_labelled(kept: SmallFarm) -> None:
    put_vectors(kept.database, unit(np.eye(5)))
    days = [dt.date(2025, 1, day) for day in (8, 9, 9, 10)]
    rows = [
        image(number, unit(np.eye(5))[number], image_date=day) for number, day in enumerate(days)
    ]
    put_images(kept.database, rows)  # the vector of 4 has no row
    kept.execute("UPDATE farm.image_embedding SET computed_at = '2025-01-08 00:00+08'")
    label = {"image_path": path(1), "content_sha256": content(1), "stage": "fruiting"}
    with kept.database.transaction() as connection:
        connection.execute(sa.insert(image_label), [label])
    before = dt.datetime(2025, 1, 10, tzinfo=kept.farm.zone)
    told = list(retention.image_rows(kept.database, before, "a run"))
    assert [(what, removed.rows) for what, removed in told] == [
        ("rows of images of 2025-01-08", 1),
        ("rows of images of 2025-01-09", 1),
        ("vectors of images", 3),
    ]
    kept_rows = answer(kept, "SELECT image_path FROM farm.daily_clip_inference ORDER BY 1")
    assert kept_rows == [(path(1),), (path(3),)]
    vectors = answer(kept, "SELECT content_sha256 FROM farm.image_embedding")
    assert {sha for (sha,) in vectors} == {content(1), content(3)}
    written = "SELECT table_name, removed_before, row_count FROM farm.removal ORDER BY 1"
    assert answer(kept, written) == [
        ("daily_clip_inference", before, 2),
        ("image_embedding", before, 3),
    ]
    assert list(retention.image_rows(kept.database, before, "a run")) == []


def test_a_report_is_not_written_anew_without_its_images(kept: SmallFarm) -> None:
    deliver(kept)
    put_images(kept.database, [image(0, [1, 0], room_id="A", image_date=dt.date(2025, 2, 2))])
    kept.run(STATS, NEW_DAY)
    kept.run("daily_room_report", NEW_DAY)
    before = kept.rows("daily_room_report", provenance=True)
    end = dt.datetime(2025, 2, 3, tzinfo=kept.farm.zone)
    list(retention.image_rows(kept.database, end, "a run"))
    failed = kept.run("daily_room_report", NEW_DAY, raise_on_error=False)
    assert "rows of farm.daily_clip_inference" in failure_message(failed)
    assert kept.rows("daily_room_report", provenance=True) == before


def statuses(farm: SmallFarm) -> dict[str, Any]:
    """What Dagster says of partitions, assets and checks."""
    asset = dg.AssetKey(STATS)
    definitions = build_definitions(farm.farm)
    keys = [OLD_DAY, NEW_DAY, "2025-01-21"]
    days = definitions.resolve_assets_def(STATS).partitions_def
    assert days is not None
    latest = farm.instance.get_latest_materialization_event(asset)
    standing = dg.AssetCheckKey(asset, "partitions_complete")
    checks = farm.instance.event_log_storage.get_latest_asset_check_execution_by_key([standing])
    rows_complete = dg.AssetCheckKey(asset, "rows_complete")
    by_partition = farm.instance.event_log_storage.get_asset_check_partition_info([rows_complete])
    return {
        "made": farm.done(STATS),
        "checks by partition": sorted(by_partition, key=lambda each: each.partition_key or ""),
        "by partition": farm.instance.get_status_by_partition(asset, keys, days),
        "latest": latest and latest.run_id,
        "checks": {key: (each.id, each.status) for key, each in checks.items()},
    }


def test_of_old_runs_only_the_log_goes_and_dagster_says_what_it_said(kept: SmallFarm) -> None:
    deliver(kept)
    kept.run(STATS, OLD_DAY)
    remove_january(kept)
    kept.run(STATS, "2025-01-21", raise_on_error=False)  # refused: it failed, and was never made
    for _ in range(2):
        kept.run(STATS, NEW_DAY)
    for _ in range(3):
        run_job("standing_checks_job", kept.farm, doors(kept), kept.instance)
    before = statuses(kept)
    checked = [each.partition_key for each in before["checks by partition"]]
    assert [key for key in checked if key != "2025-01-21"] == [OLD_DAY, NEW_DAY]
    assert before["by partition"]["2025-01-21"] is dg.AssetPartitionStatus.FAILED
    runs = dict(answer(kept, RUNS))
    assert runs == {"FAILURE": 1, "SUCCESS": 6}
    ((_, removed),) = retention.events(kept.database, dt.datetime.now(dt.UTC), "a run")
    assert removed.rows > 0

    left = dict(answer(kept, LEFT))
    assert left["ASSET_MATERIALIZATION"] == 3
    assert left["ASSET_MATERIALIZATION_PLANNED"] == 1  # of the one that failed
    assert not [kind for kind in left if kind is None or not kind.startswith("ASSET_")]
    assert statuses(kept) == before
    # Of the three rounds of standing checks the last is left
    assert dict(answer(kept, RUNS)) == {"FAILURE": 1, "SUCCESS": 4}
    tags = "SELECT count(*) FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)"
    assert answer(kept, tags) == [(0,)]
    orphans = "SELECT count(*) FROM run_tags WHERE run_id NOT IN (SELECT run_id FROM runs)"
    assert answer(kept, orphans) == [(0,)]
    again = list(retention.events(kept.database, dt.datetime.now(dt.UTC), "r"))
    assert [removed.rows for _, removed in again] == [0]
    kept.run(STATS, "2025-02-03")
    assert kept.done(STATS) == before["made"] | {"2025-02-03"}


def test_of_the_feeds_the_latest_evaluations_stay_and_no_observation(
    kept: SmallFarm, tmp_path: Path
) -> None:
    given = doors(kept) | {"image_store": ImageStore(root=str(tmp_path))}
    for _ in range(3):
        run_job("feeds_job", kept.farm, given, kept.instance)
    keys = [dg.AssetCheckKey(dg.AssetKey(source), "feed_alive") for source in SOURCES]
    storage = kept.instance.event_log_storage
    before = storage.get_latest_asset_check_execution_by_key(keys)
    assert dict(answer(kept, LEFT))["ASSET_OBSERVATION"] == 3 * 2
    ((_, removed),) = retention.events(kept.database, dt.datetime.now(dt.UTC), "a run")
    assert removed.rows > 3 * 2
    assert dict(answer(kept, LEFT)) == {"ASSET_CHECK_EVALUATION": 2}
    assert storage.get_latest_asset_check_execution_by_key(keys) == before
    assert dict(answer(kept, RUNS)) == {"SUCCESS": 1}


def test_a_cleaning_that_was_killed_between_two_portions_is_gone_on_with(
    kept: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mushroom_assets.instance.run_logs.RUNS_AT_ONCE", 1)
    for day in (OLD_DAY, NEW_DAY):
        kept.run(STATS, day)
    now = dt.datetime.now(dt.UTC)
    portions = iter(retention.events(kept.database, now, "a run"))
    first = next(portions)[1].rows
    counted = "SELECT count(*) FROM event_logs"
    (left,) = answer(kept, counted)[0]
    rest = [removed.rows for _, removed in retention.events(kept.database, now, "another run")]
    assert rest == [0, first]
    assert answer(kept, counted) == [(left - first,)]
    assert kept.done(STATS) == {OLD_DAY, NEW_DAY}
    told = "SELECT row_count, run_id FROM farm.removal WHERE table_name = 'event_logs'"
    assert answer(kept, told) == [(2 * first, "another run")]


def test_young_and_unfinished_runs_keep_their_log(kept: SmallFarm) -> None:
    kept.run(STATS, NEW_DAY)
    before = answer(kept, LEFT)
    hour_ago = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    assert list(retention.events(kept.database, hour_ago, "a run")) == []
    kept.execute("UPDATE public.runs SET status = 'STARTED'")
    assert list(retention.events(kept.database, dt.datetime.now(dt.UTC), "a run")) == []
    assert answer(kept, LEFT) == before


def doors(farm: SmallFarm) -> dict[str, Any]:
    return {
        "postgres": PostgresResource(url=farm.database.url, connect_attempts=1),
        "farm_file": FarmFile(path=str(farm.path)),
    }


def test_the_job_removes_what_the_farm_file_says_and_tells_how_much(kept: SmallFarm) -> None:
    deliver(kept)
    done = remove_all(kept)
    events = [event for event in done.all_events if event.is_successful_output]
    told = {event.node_name: event.step_output_data.metadata for event in events}
    assert told["remove_samples"]["removed_rows"].value == 3 * 48 + 5
    assert told["remove_image_rows"]["removed_rows"].value == 0
    assert set(told) == {"remove_samples", "remove_image_rows", "remove_events"}


def test_where_the_farm_file_says_nothing_nothing_goes(kept: SmallFarm) -> None:
    deliver(kept)
    before = repr(answer(kept, SAMPLES))  # NaN equals nothing
    kept.farm = write_farm(kept.path, FARM.format(timezone="Asia/Shanghai"))
    assert remove_all(kept).success
    assert repr(answer(kept, SAMPLES)) == before


@pytest.mark.parametrize(("addition", "asked"), [("", 0), (KEEP, 1)])
def test_the_schedule_asks_for_it_where_the_farm_file_says_so(
    kept: SmallFarm, addition: str, asked: int
) -> None:
    kept.farm = write_farm(kept.path, FARM.format(timezone="Asia/Shanghai") + addition)
    schedule = build_definitions(kept.farm).resolve_schedule_def("retention_schedule")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    now = dt.datetime(2026, 3, 1, 4, 17, tzinfo=kept.farm.zone)
    file = FarmFile(path=str(kept.path))
    with dg.build_schedule_context(
        kept.instance, scheduled_execution_time=now, resources={"farm_file": file}
    ) as context:
        tick = schedule.evaluate_tick(context)
    assert len(tick.run_requests or []) == asked
    assert schedule.job_name == "retention_job"
