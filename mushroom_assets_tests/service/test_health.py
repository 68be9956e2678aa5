"""`mushroom health` on Dagster's own tables: which rows are a fault, and which are none."""

import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from mushroom_assets.service import health
from mushroom_assets.settings import Settings, load_settings
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import run_lease
from mushroom_assets_tests.kit.dagsters import add_run, beat, make_dagsters_tables
from mushroom_assets_tests.kit.databases import execute, uri_of
from mushroom_assets_tests.kit.servers import free_port
from mushroom_assets_tests.kit.tcp_proxy import Fault, Proxy
from mushroom_assets_tests.kit.ui import answering, as_http, dripping, told

HEAVY = ("dagster", "pandas", "sqlalchemy", "torch", "numpy")
LEASES = str(CreateTable(run_lease).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def dagster_url(server_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with Dagster's tables."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    execute(server_uri, f"CREATE DATABASE {name}")
    url = uri_of(server_uri, name)
    make_dagsters_tables(url, tmp_path_factory.mktemp("dagster"))
    yield url
    execute(server_uri, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def connection(dagster_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dagster_url, autocommit=True) as connection:
        connection.execute("TRUNCATE runs, daemon_heartbeats CASCADE")
        connection.execute("DROP TABLE IF EXISTS farm.run_lease")
        yield connection


def found(url: str) -> str | None:
    """What is found beside a UI that is well."""
    with answering(as_http(told())) as port:
        return health.fault(settings(url), "127.0.0.1", port)


def settings(url: str, home: str = "/nowhere") -> Settings:
    return load_settings({"DATABASE_URL": url, "MUSHROOM_HOME": home})


def test_a_farm_where_nothing_runs_is_healthy(
    connection: psycopg.Connection, dagster_url: str
) -> None:
    assert found(dagster_url) is None


def test_a_run_that_was_made_but_not_queued_is_told_until_one_starts(
    connection: psycopg.Connection, dagster_url: str
) -> None:
    add_run(connection, "NOT_STARTED", 100)
    add_run(connection, "NOT_STARTED", 1900)
    assert found(dagster_url) is None
    stuck = add_run(connection, "NOT_STARTED", 140)
    assert found(dagster_url) == (
        f"launches fail: run {stuck} was made but not queued. Remedy: see the run in the UI and "
        "the log of `mushroom up`"
    )
    add_run(connection, "STARTED", 5, started=True)
    assert found(dagster_url) is None


def test_a_last_run_that_ended_without_starting_is_told_until_another_ends(
    connection: psycopg.Connection, dagster_url: str
) -> None:
    add_run(connection, "FAILURE", 300, started=True, ended=True)
    add_run(connection, "CANCELED", 200, ended=True)
    assert found(dagster_url) is None
    lost = add_run(connection, "FAILURE", 100, ended=True)
    assert (found(dagster_url) or "").startswith(
        f"launches fail: run {lost} ended without ever starting. Remedy: "
    )
    add_run(connection, "SUCCESS", 50, started=True, ended=True)
    assert found(dagster_url) is None


def test_a_queue_that_nobody_empties_is_told_and_one_behind_a_run_is_not(
    connection: psycopg.Connection, dagster_url: str
) -> None:
    add_run(connection, "QUEUED", 170)
    assert found(dagster_url) is None
    add_run(connection, "QUEUED", 190)
    add_run(connection, "QUEUED", 400)
    assert (found(dagster_url) or "").startswith("runs wait in the queue, 2 since ")
    add_run(connection, "STARTED", 5000, started=True)
    assert found(dagster_url) is None


def test_a_run_whose_process_renews_its_lease_no_more_is_told_until_it_is_marked(
    connection: psycopg.Connection, dagster_url: str
) -> None:
    lease = (
        "INSERT INTO farm.run_lease (run_id, host, pid, beat, renewed_at)"
        " VALUES (%s, 'farm-pc', %s, 7, now() - %s * interval '1 s')"
    )
    connection.execute("CREATE SCHEMA IF NOT EXISTS farm")
    connection.execute(LEASES.encode())
    living = add_run(connection, "STARTED", 5000, started=True)
    add_run(connection, "STARTED", 5000, started=True)  # without a lease: nothing is known
    connection.execute(lease, [living, 41, 50])
    assert found(dagster_url) is None
    dead = add_run(connection, "STARTED", 5000, started=True)
    connection.execute(lease, [dead, 42, 70])
    assert (found(dagster_url) or "").startswith(
        f"run {dead} (pid 42 on farm-pc) is in progress, but its process is gone. Remedy: "
    )
    connection.execute("UPDATE runs SET status = 'FAILURE', end_time = 0 WHERE run_id = %s", [dead])
    assert found(dagster_url) is None


def test_a_second_daemon_is_told_and_the_traces_of_a_former_one_are_not(
    connection: psycopg.Connection, dagster_url: str
) -> None:
    beat(connection, "SENSOR", 5, "aaaaaaaa-1")
    beat(connection, "SCHEDULER", 30, "aaaaaaaa-1")
    beat(connection, "RETIRED", 60, "cccccccc-3")
    assert found(dagster_url) is None
    beat(connection, "ASSET", 10, "bbbbbbbb-2")
    assert (found(dagster_url) or "").startswith(
        "two daemons work on one database (aaaaaaaa, bbbbbbbb): each run is launched twice. "
    )


def test_a_database_that_takes_no_writes_is_told(
    connection: psycopg.Connection, dagster_url: str
) -> None:
    read_only = f"{dagster_url}&options=-c%20default_transaction_read_only%3Don"
    assert (found(read_only) or "").startswith("the database is read-only. Remedy: ")
    no_room = f"{dagster_url}&options=-c%20temp_file_limit%3D100kB"  # less than what is spilled
    told = found(no_room) or ""
    assert told.startswith("the database refuses writes: temporary file size exceeds")


def test_a_database_that_is_away_is_told_without_its_password_and_before_the_ui() -> None:
    url = f"postgresql://grower:secret123@127.0.0.1:{free_port()}/farm"
    told = health.fault(settings(url), "127.0.0.1", free_port()) or ""
    assert told.startswith("the database 127.0.0.1:")
    assert "Connection refused" in told
    assert "secret123" not in told


def test_an_embedded_database_that_does_not_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n", encoding="utf-8")
    told = health.fault(load_settings({"MUSHROOM_HOME": str(tmp_path)}), "127.0.0.1", free_port())
    assert (told or "").startswith(f"the embedded PostgreSQL in {tmp_path}/postgres does not run")


def test_a_database_that_answers_no_statement_is_told_in_five_seconds(server_uri: str) -> None:
    folder = conninfo_to_dict(server_uri)["host"]
    with Proxy(f"{folder}/.s.PGSQL.5432") as proxy:
        proxy.decide = lambda opening, commit: None if opening else Fault.SWALLOW
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        begun = time.monotonic()
        told = found(url) or ""
    assert re.match("the database 127.0.0.1:.* does not answer: the server is silent: ", told)
    assert time.monotonic() - begun < 5


def test_a_ui_that_sends_a_byte_now_and_then_is_told_in_five_seconds(server_uri: str) -> None:
    with dripping() as port:
        begun = time.monotonic()
        told = health.fault(settings(server_uri), "127.0.0.1", port) or ""
    assert told.startswith(f"the UI on port {port} does not answer in 3 s. Remedy: ")
    assert time.monotonic() - begun < 5


def test_after_init_alone_no_table_of_dagsters_is_missed(database: Database) -> None:
    assert found(database.url) is None


def test_a_disk_that_is_full_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(health, "MIN_FREE", 2 * free)
    told = health.fault(load_settings({"MUSHROOM_HOME": str(tmp_path)}), "127.0.0.1", free_port())
    assert (told or "").startswith(f"the disk of {tmp_path} is full: ")


def test_it_imports_nothing_that_takes_time_and_is_done_in_five_seconds(server_uri: str) -> None:
    code = (
        "import sys\n"
        "from mushroom_assets.cli.main import main\n"
        f"main(['health', '--port', '{free_port()}'], standalone_mode=False)"
    )
    check = f"print(*sorted(set({HEAVY}) & set(sys.modules)), 'psycopg' in sys.modules)"
    script = f"import sys\ntry:\n exec({code!r})\nexcept SystemExit:\n pass\n{check}"
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"DATABASE_URL": server_uri, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert time.monotonic() - begun < 5
    told, modules = done.stdout.splitlines()
    assert "the UI on port" in told
    assert modules == "True"
