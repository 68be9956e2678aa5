"""What a server answers to a statement is one message: endpoint, what happened, what to do.

Every fault is the server's own.
"""

import threading
import time
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import sqlalchemy as sa
from click.testing import Result
from sqlalchemy import exc

from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.storage.connection import Database, endpoint
from mushroom_assets_tests.instance.events import FARM
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.databases import NO_RETRY, execute
from mushroom_assets_tests.kit.servers import free_port

HEADER = "room_id,device_type,device_alias,point_alias,sampled_at,value"
ROW = "611,mushroom_env_status,env_611,temperature,2026-01-05T10:00:00Z,17.5"
RIGHTS = "Remedy: grant the role the right that this names"
AGAIN = "Remedy: do the same again: what was stored stays, and nothing is stored twice."


def as_role(url: str, role: str) -> str:
    """The same database, as another role."""
    return url.replace("postgres:@", f"{role}@")


@pytest.fixture(scope="session")
def visitor(server_uri: str) -> str:
    """A role that may log in and nothing else."""
    execute(server_uri, "CREATE ROLE visitor LOGIN")
    return "visitor"


def told_by(result: Result, url: str) -> str:
    """The command's last line: one message with the endpoint, exit code 1."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)  # no traceback
    line = result.output.splitlines()[-1]
    assert line.startswith("mushroom: ")
    assert endpoint(url) in line
    assert line.count("Remedy: ") == 1
    return line


def samples(folder: Path) -> Path:
    """A file of one sample."""
    path = folder / "s.csv"
    path.write_text(f"{HEADER}\n{ROW}\n", encoding="utf-8")
    return path


REFUSED = [
    ("CREATE EXTENSION vector2", "is not available", None),  # no word of pgvector: a fault of ours
    ("SELECT no_such_column FROM farm.batch", "no_such_column", "run `mushroom init`"),
    ("SELECT NULL::vectors", 'type "vectors" does not exist', "run `mushroom init`"),
    ("SET ROLE visitor; SELECT * FROM farm.batch", "permission denied for schema farm", RIGHTS),
    ("SET ROLE visitor; CREATE SCHEMA other", "permission denied for database", RIGHTS),
    (
        "SET transaction_read_only = on; DELETE FROM farm.batch",
        "cannot execute DELETE in a read-only transaction",
        "Remedy: connect to the primary, or switch default_transaction_read_only off",
    ),
    (
        "INSERT INTO farm.batch VALUES ((SELECT string_agg(md5(n::text), '') "
        "FROM generate_series(1, 200) AS n), '2026-01-05')",
        "exceeds btree version 4 maximum 2704",
        "Remedy: shorten the text that this speaks of",
    ),
]


@pytest.mark.parametrize(("statement", "cause", "remedy"), REFUSED, ids=[row[1] for row in REFUSED])
def test_a_refused_statement_is_told_with_endpoint_cause_and_remedy(
    database: Database, visitor: str, statement: str, cause: str, remedy: str | None
) -> None:
    expected = DatabaseRefused if remedy else exc.DBAPIError
    with pytest.raises(expected) as caught, database.transaction() as connection:
        connection.exec_driver_sql(statement)
    message = str(caught.value)
    assert cause in message
    if remedy:
        assert message.startswith(f"{database.endpoint} refused: ")
        assert remedy in message
        assert "[SQL: " not in message


def test_of_an_extension_that_the_server_lacks_the_remedy_is_to_install_it(
    database: Database,
) -> None:
    """The server has pgvector; of the others it says the same, and only the name differs."""
    with pytest.raises(DatabaseRefused) as caught, database.transaction() as connection:
        connection.exec_driver_sql('CREATE EXTENSION "no-vector"')
    assert 'extension "no-vector" is not available' in str(caught.value)
    assert "Remedy: install pgvector on the database's server" in str(caught.value)


def test_an_idle_transaction_that_the_server_ends_names_the_timeout(database: Database) -> None:
    with pytest.raises(DatabaseRefused) as caught, database.transaction() as connection:
        connection.exec_driver_sql("SET idle_in_transaction_session_timeout = '20ms'")
        time.sleep(0.2)
        connection.exec_driver_sql("SELECT 1")
    assert "due to idle-in-transaction timeout" in str(caught.value)
    assert "Remedy: raise the timeout that this names" in str(caught.value)


def test_too_many_connections_name_the_limit(server_uri: str, database_url: str) -> None:
    execute(server_uri, "CREATE ROLE single LOGIN CONNECTION LIMIT 1")
    url = as_role(database_url, "single")
    with psycopg.connect(url), pytest.raises(DatabaseUnavailable) as caught:
        Database(url, retry=NO_RETRY).connect()
    assert 'too many connections for role "single"' in str(caught.value)
    assert "Remedy: raise max_connections or the role's CONNECTION LIMIT" in str(caught.value)


def test_init_by_a_role_without_rights(
    empty_database_url: str, visitor: str, tmp_path: Path
) -> None:
    url = as_role(empty_database_url, visitor)
    line = told_by(mushroom("init", DATABASE_URL=url, MUSHROOM_HOME=tmp_path), url)
    assert "permission denied for database" in line
    assert RIGHTS in line


def test_up_by_a_role_without_rights_ends_before_anything_is_started(
    empty_database_url: str, visitor: str, tmp_path: Path
) -> None:
    """The UI could not even show the error: Dagster's tables cannot be made either."""
    url = as_role(empty_database_url, visitor)
    given = ("up", "--no-demo", "--port", free_port(), "--page-port", 0)
    line = told_by(mushroom(*given, DATABASE_URL=url, MUSHROOM_HOME=tmp_path / "home"), url)
    assert "permission denied for schema public" in line
    assert RIGHTS in line


def test_a_role_that_is_called_as_the_schema_has_dagsters_tables_in_public(
    empty_database_url: str, server_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own schema comes first in what it sees, and has a table `alembic_version`, ours."""
    execute(server_uri, "CREATE ROLE farm LOGIN SUPERUSER")
    url = as_role(empty_database_url, "farm")
    assert mushroom("init", DATABASE_URL=url, MUSHROOM_HOME=tmp_path).exit_code == 0
    monkeypatch.setenv("DATABASE_URL", url)
    (tmp_path / "dagster.yaml").write_text(f"{FARM}\ntelemetry: {{enabled: false}}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.get_runs_count() == 0
    there = "SELECT to_regclass('public.runs') IS NOT NULL AND to_regclass('farm.runs') IS NULL"
    with psycopg.connect(url) as connection:
        assert connection.execute(there).fetchone() == (True,)
    assert mushroom("init", DATABASE_URL=url, MUSHROOM_HOME=tmp_path).exit_code == 0


def test_a_role_that_may_not_make_the_extension(empty_database_url: str, visitor: str) -> None:
    database = Database(as_role(empty_database_url, visitor), retry=NO_RETRY)
    with pytest.raises(DatabaseRefused) as caught, database.transaction() as connection:
        connection.exec_driver_sql("CREATE EXTENSION vector")
    database.dispose()
    assert 'permission denied to create extension "vector"' in str(caught.value)
    assert RIGHTS in str(caught.value)


@pytest.mark.parametrize(
    "command",
    [["init"], ["load", "samples"], ["simulate", "--days", "0", "--no-images"]],
    ids=lambda command: command[0],
)
def test_a_read_only_server_is_told_by_every_command_that_writes(
    command: list[str], database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    url = empty_database_url if command == ["init"] else database_url
    url += "&options=-c%20default_transaction_read_only%3Don"
    file = [samples(tmp_path)] if command[0] == "load" else []
    result = mushroom(*command, *file, DATABASE_URL=url, MUSHROOM_HOME=tmp_path / "home")
    assert "in a read-only transaction. Remedy: connect to the primary" in told_by(result, url)


def backends(url: str, what: str) -> int:
    """End (`pg_cancel_backend`, `pg_terminate_backend`) the command's COPY, if it is at it."""
    statement = f"""
        SELECT {what}(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'mushroom'
          AND query LIKE 'COPY%%' AND state = 'active'"""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).rowcount


@pytest.mark.parametrize(
    ("what", "cause", "remedy"),
    [
        ("pg_cancel_backend", "canceling statement due to user request", AGAIN),
        ("pg_terminate_backend", "", "Remedy: see that PostgreSQL is up, then do the same again"),
    ],
)
def test_a_copy_that_is_cancelled_or_loses_its_connection_is_told_in_one_message(
    what: str,
    cause: str,
    remedy: str,
    database: Database,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = threading.Event()
    ended = threading.Event()
    write = psycopg.Copy.write

    def held(copy: psycopg.Copy, data: bytes) -> None:
        """The first half, and the other when the fault is there."""
        write(copy, data[:30])
        begun.set()
        assert ended.wait(60)
        write(copy, data[30:])

    def meddle() -> None:
        assert begun.wait(60)
        while not backends(database_url, what):
            time.sleep(0.01)
        ended.set()

    monkeypatch.setattr(psycopg.Copy, "write", held)
    meddler = threading.Thread(target=meddle)
    meddler.start()
    file = samples(tmp_path)
    where: dict[str, object] = {"DATABASE_URL": database_url, "MUSHROOM_HOME": tmp_path / "home"}
    result = mushroom("load", "samples", file, **where)
    meddler.join()
    line = told_by(result, database_url)
    assert cause in line
    assert remedy in line
    monkeypatch.undo()
    assert "1 rows read: 1 added" in mushroom("load", "samples", file, **where).output
    with database.transaction() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM farm.sample")) == 1


@pytest.mark.parametrize("command", ["load", "label"])
def test_a_database_without_tables_is_told_by_every_command_that_needs_them(
    command: str, empty_database_url: str, tmp_path: Path
) -> None:
    file = samples(tmp_path)
    if command == "label":
        file.write_text("image_path,stage\n611/1.jpg,growth\n", encoding="utf-8")
    given = ["load", "samples"] if command == "load" else ["label"]
    where = {"DATABASE_URL": empty_database_url, "MUSHROOM_HOME": tmp_path / "home"}
    line = told_by(mushroom(*given, file, **where), empty_database_url)
    assert "run `mushroom init`" in line
