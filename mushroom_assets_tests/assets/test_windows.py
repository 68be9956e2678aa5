"""Runs that fail: what stays materialized, what is retried, and what the message says."""

import datetime as dt
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from mushroom_assets.automation import timetable
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.day_locks import lock_days
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.kit.runs import failure_message, retries
from mushroom_assets_tests.kit.small import SmallFarm

pytestmark = pytest.mark.usefixtures("unpictured")
DAILY = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
DAYS = ["2026-01-05", "2026-01-06", "2026-01-07", "2026-01-08"]


def refuse(
    small: SmallFarm, table: str, condition: str, *, sqlstate: str = "P0001", times: int = 1_000_000
) -> None:
    """Let the server refuse some rows, the first `times` times."""
    small.execute("CREATE SEQUENCE farm.refusals")
    small.execute(
        f"""CREATE FUNCTION farm.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('farm.refusals') <= {times} THEN
                    RAISE EXCEPTION 'refused on purpose' USING ERRCODE = '{sqlstate}';
                END IF;
                RETURN NEW;
            END $$"""
    )
    small.execute(
        f"CREATE TRIGGER refuse BEFORE INSERT ON farm.{table} FOR EACH ROW WHEN ({condition})"
        " EXECUTE FUNCTION farm.refuse()"
    )


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as they are, but for the waits between them."""
    monkeypatch.setattr(timetable, "RETRY", dg.RetryPolicy(max_retries=3, delay=0))


@pytest.fixture
def day_by_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mushroom_assets.assets.environment.CHUNK_DAYS", 1)


@pytest.mark.usefixtures("no_wait")
@pytest.mark.parametrize("chunk", [1, 3, 31])
def test_of_a_range_exactly_the_faulty_days_fail(
    small: SmallFarm, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr("mushroom_assets.assets.environment.CHUNK_DAYS", chunk)
    refuse(small, DAILY, f"NEW.stat_date IN ('{DAYS[0]}', '{DAYS[2]}')")
    result = small.run(DAILY, DAYS[0], DAYS[3], raise_on_error=False)
    assert not result.success
    assert f"2 of 4 partitions failed: {DAYS[0]}, {DAYS[2]}\n" in failure_message(result)
    assert "refused on purpose" in failure_message(result)
    assert retries(result) == 0  # no retry mends a refused statement
    assert small.done(DAILY) == {DAYS[1], DAYS[3]}
    assert {f"{row['stat_date']}" for row in small.rows(DAILY)} == {DAYS[1], DAYS[3]}


@pytest.mark.usefixtures("no_wait")
def test_a_fault_of_all_days_ends_the_run_after_a_few(small: SmallFarm) -> None:
    refuse(small, DAILY, "true")
    result = small.run(DAILY, "2026-01-01", "2026-01-31", raise_on_error=False)
    told = "10 of 31 partitions failed, 21 were not tried after so many: 2026-01-01, "
    assert told in failure_message(result)
    assert small.done(DAILY) == set()


@pytest.mark.usefixtures("no_wait", "day_by_day")
def test_after_the_fault_is_mended_the_rest_gives_the_clean_result(small: SmallFarm) -> None:
    for day in DAYS:
        small.put([("A", "t", small.at(day, hour), 18.0) for hour in range(24)])
    refuse(small, DAILY, f"NEW.stat_date = '{DAYS[1]}' AND NEW.room_id = 'B'")
    small.run(DAILY, DAYS[0], DAYS[3], raise_on_error=False)
    small.execute(f"DROP TRIGGER refuse ON farm.{DAILY}")
    small.run(DAILY, DAYS[1], DAYS[3])
    mended = small.rows(DAILY)
    assert small.done(DAILY) == set(DAYS)
    small.execute(f"TRUNCATE farm.{DAILY}")
    small.run(DAILY, DAYS[0], DAYS[3])
    assert small.rows(DAILY) == mended


@pytest.mark.usefixtures("no_wait")
def test_a_failing_rerun_leaves_the_old_rows(small: SmallFarm) -> None:
    small.run(DAILY, DAYS[0])
    before = small.rows(DAILY, provenance=True)
    refuse(small, DAILY, "NEW.room_id = 'B' AND NEW.quantity = 'vpd'")
    assert not small.run(DAILY, DAYS[0], raise_on_error=False).success
    assert small.rows(DAILY, provenance=True) == before


@pytest.mark.usefixtures("no_wait", "day_by_day")
def test_a_transient_fault_is_retried_and_leaves_the_clean_result(small: SmallFarm) -> None:
    refuse(small, DAILY, f"NEW.stat_date = '{DAYS[2]}'", sqlstate="40001", times=2)
    result = small.run(DAILY, DAYS[0], DAYS[3])
    assert (result.success, retries(result)) == (True, 2)
    assert small.done(DAILY) == set(DAYS)
    assert len(small.rows(DAILY)) == 4 * 2 * 4


@pytest.mark.usefixtures("no_wait", "day_by_day")
def test_a_retry_goes_on_where_it_stopped_and_the_log_says_where(small: SmallFarm) -> None:
    refuse(small, DAILY, f"NEW.stat_date = '{DAYS[2]}'", sqlstate="40001", times=1)
    result = small.run(DAILY, DAYS[0], DAYS[3])
    records = small.instance.fetch_materializations(
        dg.AssetKey(DAILY), limit=100, ascending=True
    ).records
    told = [entry.user_message for entry in small.instance.all_logs(result.run_id)]
    assert retries(result) == 1
    # Each once, the first two before the retry
    assert [record.partition_key for record in records] == DAYS
    assert [line for line in told if "partitions are finished" in line] == [
        f"{done} of 4 partitions are finished, up to {day}" for done, day in enumerate(DAYS, 1)
    ]


@pytest.mark.usefixtures("no_wait")
def test_a_transient_fault_that_does_not_pass_fails_the_run_after_the_retries(
    small: SmallFarm,
) -> None:
    refuse(small, DAILY, "true", sqlstate="40P01")
    result = small.run(DAILY, DAYS[0], raise_on_error=False)
    assert (result.success, retries(result)) == (False, 3)
    assert small.done(DAILY) == set()


@pytest.mark.usefixtures("no_wait")
def test_of_hours_too_exactly_the_faulty_ones_fail(small: SmallFarm) -> None:
    small.put([("A", "set", small.at(DAYS[0], hour), hour) for hour in range(6)])
    refuse(small, HOURLY, f"NEW.changed_at = '{small.at(DAYS[0], 3)}'")
    small.run(HOURLY, f"{DAYS[0]}-00:00", f"{DAYS[0]}-05:00", raise_on_error=False)
    assert small.done(HOURLY) == {f"{DAYS[0]}-0{hour}:00" for hour in (0, 1, 2, 4, 5)}
    assert [row["changed_at"] for row in small.rows(HOURLY)] == [
        small.at(DAYS[0], hour) for hour in (1, 2, 4, 5)
    ]


@pytest.mark.usefixtures("day_by_day")
def test_a_cancelled_run_ends_in_the_middle_of_a_statement_and_keeps_what_is_finished(
    small: SmallFarm,
) -> None:
    small.execute(
        "CREATE FUNCTION farm.wait() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(600); END $$"
    )
    small.execute(
        f"CREATE TRIGGER wait BEFORE INSERT ON farm.{DAILY} FOR EACH ROW"
        f" WHEN (NEW.stat_date = '{DAYS[2]}') EXECUTE FUNCTION farm.wait()"
    )

    def cancel() -> None:
        while small.done(DAILY) != set(DAYS[:2]):
            time.sleep(0.1)
        (run,) = small.instance.get_runs()
        small.instance.report_run_canceling(run)
        os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as thread:
        cancelling = thread.submit(cancel)
        result = small.run(DAILY, DAYS[0], DAYS[3], raise_on_error=False)
        cancelling.result()
    (run,) = small.instance.get_runs()
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert retries(result) == 0
    assert small.done(DAILY) == set(DAYS[:2])
    assert {f"{row['stat_date']}" for row in small.rows(DAILY)} == set(DAYS[:2])


@pytest.mark.usefixtures("no_wait")
@pytest.mark.parametrize("asset", [DAILY, HOURLY, "daily_clip_inference", "daily_room_report"])
def test_a_mistake_in_the_farm_file_fails_at_once_and_is_named(
    small: SmallFarm, tmp_path: Path, asset: str
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(small.path.read_text() + "cycle_days: none\n")
    key = f"{DAYS[0]}-00:00" if asset == HOURLY else DAYS[0]
    options = {"farm_file": FarmFile(path=str(broken))}
    result = small.run(asset, key, raise_on_error=False, resources=options)
    line = len(broken.read_text().splitlines())
    assert f"line {line}, cycle_days" in failure_message(result)
    assert retries(result) == 0
    assert small.done(asset) == set()


@pytest.mark.usefixtures("no_wait")
def test_missing_tables_fail_at_once_and_the_message_says_what_to_do(small: SmallFarm) -> None:
    small.execute("DROP SCHEMA farm CASCADE")
    result = small.run(DAILY, DAYS[0], raise_on_error=False)
    assert retries(result) == 0
    assert "Remedy: " in failure_message(result)
    assert "mushroom init" in failure_message(result)


@pytest.mark.usefixtures("no_wait")
def test_a_database_that_refuses_fails_at_once_and_the_message_says_what_to_do(
    small: SmallFarm,
) -> None:
    nowhere = PostgresResource(url=small.database.url.replace("/t_", "/gone_"))
    result = small.run(DAILY, DAYS[0], raise_on_error=False, resources={"postgres": nowhere})
    assert retries(result) == 0
    assert "Remedy: create the database" in failure_message(result)


@pytest.mark.usefixtures("no_wait")
def test_a_database_that_is_not_there_yet_is_retried(small: SmallFarm, tmp_path: Path) -> None:
    silent = PostgresResource(
        url=f"postgresql://postgres@/postgres?host={tmp_path}", connect_attempts=1
    )
    result = small.run(DAILY, DAYS[0], raise_on_error=False, resources={"postgres": silent})
    assert (result.success, retries(result)) == (False, 3)
    assert "start PostgreSQL" in str(result.get_step_failure_events()[0].step_failure_data.error)


@pytest.mark.usefixtures("no_wait")
def test_a_retry_leaves_the_finished_days_between_those_that_it_makes(
    small: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mushroom_assets.assets.environment.CHUNK_DAYS", 2)
    small.execute("CREATE SEQUENCE farm.refusals")
    small.execute(
        """CREATE FUNCTION farm.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE number int := nextval('farm.refusals');
            BEGIN
                IF number < 3 THEN RAISE EXCEPTION 'for good' USING ERRCODE = 'P0001'; END IF;
                IF number = 3 THEN RAISE EXCEPTION 'for now' USING ERRCODE = '40001'; END IF;
                RETURN NEW;
            END $$"""
    )
    # The first day twice, with and without the second; then the third, once; then none
    small.execute(
        f"CREATE TRIGGER refuse BEFORE INSERT ON farm.{DAILY} FOR EACH ROW"
        f" WHEN (NEW.stat_date IN ('{DAYS[0]}', '{DAYS[2]}')"
        " AND (NEW.room_id, NEW.quantity) = ('A', 'temperature'))"
        " EXECUTE FUNCTION farm.refuse()"
    )
    result = small.run(DAILY, DAYS[0], DAYS[3])
    assert (result.success, retries(result)) == (True, 1)
    assert small.done(DAILY) == set(DAYS)
    assert [f"{row['stat_date']}" for row in small.rows(DAILY)] == sorted(DAYS * 2 * 4)


@pytest.mark.parametrize(("asset", "key"), [(DAILY, DAYS[0]), (HOURLY, f"{DAYS[0]}-09:00")])
def test_a_run_beside_another_waits_for_it_and_reads_what_came_meanwhile(
    small: SmallFarm, asset: str, key: str
) -> None:
    small.put([("A", point, small.at(DAYS[0], 8.5), 18.0) for point in ("t", "set")])
    with ThreadPoolExecutor(1) as pool:
        with small.database.transaction() as other:
            lock_days(other, RESULTS[asset], [dt.date.fromisoformat(DAYS[0])])
            run = pool.submit(small.run, asset, key)
            while not run.done():
                with small.database.transaction() as connection:
                    if connection.scalar(
                        sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                    ):
                        break
            assert not run.done()
            small.put([("A", point, small.at(DAYS[0], 9.5), 17.0) for point in ("t", "set")])
        assert run.result().success
    (row,) = (
        row
        for row in small.rows(asset)
        if (row["room_id"], row.get("quantity", "set")) in {("A", "temperature"), ("A", "set")}
    )
    assert (row.get("min"), row.get("current_value")) in {(17, None), (None, 17)}


@pytest.mark.usefixtures("no_wait")
@pytest.mark.parametrize("asset", [DAILY, HOURLY, "daily_clip_inference", "daily_room_report"])
def test_a_run_waits_for_no_run_of_another_day(
    small: SmallFarm, tmp_path: Path, asset: str
) -> None:
    (tmp_path / "images").mkdir()
    impatient = "'ALTER DATABASE ' || current_database() || ' SET lock_timeout = 1000'"
    small.execute(f"DO $$ BEGIN EXECUTE {impatient}; END $$")
    first, last = DAYS[1:3] if asset != HOURLY else (f"{DAYS[1]}-00:00", f"{DAYS[2]}-23:00")
    around = [dt.date.fromisoformat(day) for day in (DAYS[0], DAYS[3])]
    with small.database.transaction() as other:
        lock_days(other, RESULTS[asset], around)
        assert small.run(asset, first, last, images=tmp_path / "images").success
        # Of the days around not even an hour
        key = f"{DAYS[3]}-00:00" if asset == HOURLY else DAYS[3]
        refused = small.run(asset, key, images=tmp_path / "images", raise_on_error=False)
        (failure,) = refused.get_step_failure_events()
        assert "lock timeout" in str(failure.step_failure_data.error)
