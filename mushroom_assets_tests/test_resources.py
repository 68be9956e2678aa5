"""Runs against a database that fails, and the doors themselves.

Nothing connects early, the hopeless fails at once, the passing is retried. Faults are the server's
own: a trigger ends the backend in the middle of a replace, on the attempts it is told to.
"""

import datetime as dt
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mushroom_assets.assets.environment import environment_asset
from mushroom_assets.assets.setpoints import setpoints_asset
from mushroom_assets.assets.windows import RunPolicy
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm import Farm
from mushroom_assets.faults.image_store import ImageStoreRefused
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.partitions import farm_clock
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_env_stats, hourly_setpoint_changes
from mushroom_assets_tests.kit.databases import uri_of
from mushroom_assets_tests.kit.plant import materialize, put_batch, put_samples, rows
from mushroom_assets_tests.kit.runs import AT_ONCE, counted, failure

pytestmark = pytest.mark.long

ASSETS = ("daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference", "daily_room_report")
MIDNIGHT = dt.datetime(2026, 1, 4, 16, tzinfo=dt.UTC)  # of 2026-01-05 in Shanghai
IMPORTING = """
import dagster as dg
from mushroom_assets.definitions import defs
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
defs.get_repository_def().load_all_definitions()
doors = {
    "postgres": PostgresResource(), "clip": ClipResource(),
    "images": ImageStore(), "farm": FarmFile(),
}
with dg.build_resources(doors) as made:
    print("initialised", made.postgres.database().endpoint)
"""
FAULT = """
    CREATE SEQUENCE attempts;
    CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('attempts') = ANY (TG_ARGV::int[]) THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER fault AFTER INSERT ON farm.{table} EXECUTE FUNCTION fault({attempts})"""


def end_the_backend(database: Database, table: str, *attempts: int) -> None:
    """Let the given attempts (from 1) at filling the table lose their connection.

    They lose it once the rows are in.
    """
    fault = FAULT.format(table=table, attempts=", ".join(map(str, attempts)))
    with database.transaction() as connection:
        connection.exec_driver_sql(fault)


def deliver(database: Database) -> None:
    """One day of a room: a temperature every minute, a setpoint that moves at 10:00 and 16:00."""
    sensor = ("611", "mushroom_env_status", "env_611", "temperature")
    cooler = ("611", "air_cooler", "c_611", "temp_set")
    samples = []
    for minute in range(1440):
        at = MIDNIGHT + dt.timedelta(minutes=minute)
        moved = 0.5 * (minute >= 600) + 0.5 * (minute >= 960)
        samples.append((*sensor, at, 18 + minute % 9 / 10))
        samples.append((*cooler, at, 17 + moved))
    put_samples(database, samples)
    put_batch(database, "611", dt.date(2026, 1, 1))


def run_with_policy(
    asset: str, farm: Farm, first: str, last: str, **doors: Any
) -> dg.ExecuteInProcessResult:
    """The asset under a policy of three retries without delay."""
    make = {"daily_env_stats": environment_asset, "hourly_setpoint_changes": setpoints_asset}[asset]
    retries = dg.RetryPolicy(max_retries=3)
    own = make(farm_clock(farm), RunPolicy(retries, dg.BackfillPolicy.single_run()))
    jobs = [dg.define_asset_job("once", selection=[asset])]
    defs = dg.Definitions(
        [own],
        jobs=jobs,
        resources={"farm_file": FarmFile(), **doors},
        executor=dg.in_process_executor,
    )
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        return defs.resolve_job_def("once").execute_in_process(
            quiet, instance=instance, tags=range_tags(first, last), raise_on_error=False
        )


def test_nothing_connects_when_the_definitions_are_loaded_or_the_resources_initialised(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://grower:chanterelle@127.0.0.1:{server.getsockname()[1]}/farm"
        settings = {"DATABASE_URL": url, "MUSHROOM_HOME": str(tmp_path), "DAGSTER_HOME": ""}
        done = subprocess.run(
            [sys.executable, "-c", IMPORTING],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "initialised grower@127.0.0.1" in done.stdout
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has knocked
            server.accept()


def test_every_asset_is_retried_three_times_exponentially_with_jitter(farm: Farm) -> None:
    defs = build_definitions(farm)
    for asset in ASSETS:
        policy = defs.resolve_assets_def(asset).op.retry_policy
        assert policy is not None
        assert (policy.max_retries, policy.delay) == (3, 10)
        assert (policy.backoff, policy.jitter) == (dg.Backoff.EXPONENTIAL, dg.Jitter.PLUS_MINUS)


@pytest.mark.parametrize(
    "asset", ["daily_env_stats", "hourly_setpoint_changes", "daily_room_report"]
)
def test_a_database_that_refuses_fails_the_run_at_once_with_the_remedy(
    asset: str, server_uri: str, farm: Farm
) -> None:
    first = "2026-01-05-10:00" if asset.startswith("hourly") else "2026-01-05"
    result = materialize(
        asset, uri_of(server_uri, "no_such_farm"), farm, first, raise_on_error=False
    )
    assert not result.success
    assert counted(result) == AT_ONCE
    assert 'database "no_such_farm" does not exist' in failure(result)
    assert "Remedy: create the database, or correct its name in DATABASE_URL" in failure(result)


def test_missing_tables_fail_the_run_at_once(empty_database_url: str, farm: Farm) -> None:
    result = materialize(
        "daily_env_stats", empty_database_url, farm, "2026-01-05", raise_on_error=False
    )
    assert counted(result) == AT_ONCE
    assert 'relation "farm.point" does not exist' in failure(result)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("timezone: Asia/Shanghai\nfirst_day: 2026-01-01\n", "rooms: Field required"),
        (
            'timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {"611": {}}\nmax_hold_s: -5\n',
            "line 4, max_hold_s",
        ),
        (
            'timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {"611": {}}\n'
            "points:\n  air_cooler:\n    temp_set: {change_type: analog_value, threshold: 0}\n",
            "points.air_cooler.temp_set",
        ),
    ],
)
def test_a_mistake_in_the_farm_file_fails_the_run_at_once_with_the_key(
    database_url: str, farm: Farm, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "farm.yaml").write_text(text, encoding="utf-8")
    result = materialize(
        "daily_env_stats",
        database_url,
        farm,
        "2026-01-05",
        farm_file=tmp_path / "farm.yaml",
        raise_on_error=False,
    )
    assert counted(result) == AT_ONCE
    assert told in failure(result)


def test_no_password_reaches_the_failure_that_the_ui_shows(farm: Farm) -> None:
    for url in (
        "postgresql+psycopg2://grower:chanterelle@db/farm",
        "postgresql://grower:chanterelle@127.0.0.1:1/farm",
    ):
        result = run_with_policy(
            "daily_env_stats",
            farm,
            "2026-01-05",
            "2026-01-05",
            postgres=PostgresResource(url=url, connect_attempts=1),
        )
        assert not result.success
        everything = "".join(str(event) for event in result.all_events)
        assert "DATABASE_URL" in everything
        assert "chanterelle" not in everything


def test_a_server_that_stays_away_is_tried_anew_by_the_policy_and_then_reported(farm: Farm) -> None:
    with socket.socket() as bound:  # bound but not listening: it refuses
        bound.bind(("127.0.0.1", 0))
        url = f"postgresql://grower@127.0.0.1:{bound.getsockname()[1]}/farm"
        postgres = PostgresResource(url=url, connect_attempts=1)
        result = run_with_policy(
            "daily_env_stats", farm, "2026-01-05", "2026-01-05", postgres=postgres
        )
    assert counted(result) == {
        "STEP_UP_FOR_RETRY": 3,
        "STEP_RESTARTED": 3,
        "STEP_FAILURE": 1,
        "STEP_SUCCESS": 0,
    }
    assert "Remedy: start PostgreSQL, or correct DATABASE_URL" in failure(result)


RUNS = [
    ("daily_env_stats", daily_env_stats, "2026-01-05", "2026-01-06", 2 * 4 * 5),
    ("hourly_setpoint_changes", hourly_setpoint_changes, "2026-01-05-09:00", "2026-01-05-17:00", 2),
]


@pytest.mark.parametrize(
    ("asset", "table", "first", "last", "count"), RUNS, ids=[row[0] for row in RUNS]
)
def test_a_connection_lost_in_the_middle_is_retried_and_leaves_the_rows_of_a_clean_run(
    database: Database,
    database_url: str,
    farm: Farm,
    asset: str,
    table: Any,
    first: str,
    last: str,
    count: int,
) -> None:
    deliver(database)
    postgres = PostgresResource(url=database_url)
    clean = run_with_policy(asset, farm, first, last, postgres=postgres)
    assert counted(clean) == {
        "STEP_UP_FOR_RETRY": 0,
        "STEP_RESTARTED": 0,
        "STEP_FAILURE": 0,
        "STEP_SUCCESS": 1,
    }
    expected = rows(database, table)
    assert len(expected) == count
    with database.transaction() as connection:
        connection.execute(table.delete())
    end_the_backend(database, asset, 1, 2)
    result = run_with_policy(asset, farm, first, last, postgres=postgres)
    assert counted(result) == {
        "STEP_UP_FOR_RETRY": 2,
        "STEP_RESTARTED": 2,
        "STEP_FAILURE": 0,
        "STEP_SUCCESS": 1,
    }
    assert rows(database, table) == expected
    written = [row["run_id"] for row in rows(database, table, provenance=True)]
    assert set(written) == {result.run_id}


def test_a_run_that_gives_up_leaves_the_rows_of_the_run_before(
    database: Database, database_url: str, farm: Farm
) -> None:
    deliver(database)
    postgres = PostgresResource(url=database_url)
    run_with_policy("daily_env_stats", farm, "2026-01-05", "2026-01-05", postgres=postgres)
    before = rows(database, daily_env_stats, provenance=True)
    end_the_backend(database, "daily_env_stats", 1, 2, 3, 4)
    result = run_with_policy("daily_env_stats", farm, "2026-01-05", "2026-01-05", postgres=postgres)
    assert counted(result) == {
        "STEP_UP_FOR_RETRY": 3,
        "STEP_RESTARTED": 3,
        "STEP_FAILURE": 1,
        "STEP_SUCCESS": 0,
    }
    assert rows(database, daily_env_stats, provenance=True) == before


def test_a_run_names_itself_to_the_server_and_closes_its_connections(
    database: Database, database_url: str, farm: Farm
) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("""
            CREATE TABLE seen (name text);
            CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO seen VALUES (current_setting('application_name')); RETURN NULL;
            END $$;
            CREATE TRIGGER see AFTER INSERT ON farm.daily_env_stats EXECUTE FUNCTION see()""")
    result = materialize("daily_env_stats", database_url, farm, "2026-01-05")
    name = f"mushroom_assets {result.run_id}"
    with database.transaction() as connection:
        assert connection.exec_driver_sql("SELECT name FROM seen").scalars().all() == [name]
        still_there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        for _ in range(200):  # a backend takes a moment to go
            if not connection.exec_driver_sql(still_there, (name,)).scalar():
                break
            connection.exec_driver_sql("SELECT pg_sleep(0.05)")
        assert connection.exec_driver_sql(still_there, (name,)).scalar() == 0


def test_the_fields_of_the_resource_reach_the_connection(database_url: str) -> None:
    waits: list[float] = []
    postgres = PostgresResource(
        url=database_url,
        pool_size=2, max_overflow=1, pool_recycle_s=60, pool_timeout_s=3,
        connect_timeout_s=4, statement_timeout_s=5, answer_s=6.5,
        connect_attempts=3, connect_base_s=0.5, connect_cap_s=0.75, connect_deadline_s=9,
    )  # fmt: skip
    postgres._sleep = waits.append
    database = postgres.database("run-1")
    pool: Any = database.engine.pool
    assert (pool.size(), pool._max_overflow, pool._recycle, pool._timeout) == (2, 1, 60, 3)
    limits = database.limits
    assert (limits.connect_timeout_s, limits.statement_timeout_s, limits.answer_s) == (4, 5, 6.5)
    retry = database.retry
    assert (retry.attempts, retry.base_s, retry.cap_s, retry.deadline_s) == (3, 0.5, 0.75, 9)
    database.sleep(1.25)
    assert waits == [1.25]
    database.dispose()


def test_the_fields_of_the_resource_reach_the_image_store() -> None:
    waits: list[float] = []
    resource = ImageStore(root="s3://x:y@z/a", attempts=3, base_s=0.5, cap_s=0.75, deadline_s=9)
    resource._sleep = waits.append
    images = resource.images()
    assert (images.root, images.may_lack) == ("s3://x:y@z/a", False)
    retry = images.retry
    assert (retry.attempts, retry.base_s, retry.cap_s, retry.deadline_s) == (3, 0.5, 0.75, 9)
    images.sleep(1.25)
    assert waits == [1.25]


def test_without_a_setting_a_root_that_is_not_there_is_a_farm_without_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, farm: Farm
) -> None:
    monkeypatch.setenv("MUSHROOM_HOME", str(tmp_path))
    assert (ImageStore().listing("7/20260110"), ImageStore().strays(farm)) == ({}, [])
    for root in (str(tmp_path / "images"), str(tmp_path / "others")):
        with pytest.raises(ImageStoreRefused, match="is not there"):
            ImageStore(root=root).listing("7/20260110")
    monkeypatch.setenv("MUSHROOM_IMAGE_ROOT", str(tmp_path / "others"))
    with pytest.raises(ImageStoreRefused, match="is not there"):
        ImageStore().listing("7/20260110")


def test_the_resource_reads_where_the_images_lie(tmp_path: Path) -> None:
    (tmp_path / "7/20260110").mkdir(parents=True)
    (tmp_path / "7/20260110/a.jpg").write_bytes(b"x")
    store = ImageStore(root=str(tmp_path))
    assert list(store.listing("7/20260110")) == ["7/20260110/a.jpg"]
    assert store.read("7/20260110/a.jpg") == b"x"
