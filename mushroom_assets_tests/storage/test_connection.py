"""The connect: when it tries again, what it never retries, what it tells, what is in force after.

Waits are recorded by an injected `sleep`, never slept.
"""

import contextlib
import itertools
import logging
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable, is_transient
from mushroom_assets.faults.retry import Retry
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage.connection import Database, Limits, endpoint
from mushroom_assets_tests.kit.databases import execute, uri_of


def longest(low: float, high: float) -> float:
    return high


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:  # bound but not listening: nobody else gets it, and it refuses
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def closed_url(closed_port: int) -> str:
    return f"postgresql://grower:chanterelle@127.0.0.1:{closed_port}/farm"


@pytest.fixture(scope="session")
def guarded(server_uri: str) -> str:
    """The server's URI without a user.

    `keeper` needs the password `t0adstool`, `outcast` is let in from nowhere.
    """
    execute(server_uri, "CREATE ROLE keeper LOGIN PASSWORD 't0adstool'")
    execute(server_uri, "CREATE ROLE outcast LOGIN")
    with psycopg.connect(server_uri) as connection:
        (path,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        rules = Path(path).read_text(encoding="utf-8")
        own = "local all keeper scram-sha-256\nlocal all outcast reject\n"
        Path(path).write_text(own + rules, encoding="utf-8")
        connection.execute("SELECT pg_reload_conf()")
        as_outcast = server_uri.replace("postgres:@", "outcast@")
        for _ in range(200):  # the postmaster rereads its files when it comes to it
            try:
                psycopg.connect(as_outcast).close()
            except psycopg.OperationalError:
                return server_uri.replace("postgres:@", "{}@")
            connection.execute("SELECT pg_sleep(0.05)")
    raise AssertionError("the server did not reread pg_hba.conf")


def test_the_default_jitter_draws_anew_within_the_bound(closed_url: str) -> None:
    waits: list[float] = []
    with pytest.raises(DatabaseUnavailable):
        Database(
            closed_url, retry=Retry(attempts=40, base_s=8, cap_s=8), sleep=waits.append
        ).connect()
    assert all(0 <= wait <= 8 for wait in waits)
    assert len(set(waits)) == 39


def test_a_refusing_port_is_retried_and_then_reported_with_endpoint_attempts_and_remedy(
    closed_url: str, closed_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[float] = []
    database = Database(
        closed_url, retry=Retry(attempts=5, base_s=2, cap_s=10), sleep=waits.append, jitter=longest
    )
    with caplog.at_level(logging.INFO), pytest.raises(DatabaseUnavailable) as caught:
        database.connect()
    assert waits == [2, 4, 8, 10]
    message = str(caught.value)
    assert f"grower@127.0.0.1:{closed_port}/farm" in message
    assert "after 5 attempts" in message
    assert "Connection refused" in message
    assert "Remedy: start PostgreSQL, or correct DATABASE_URL" in message
    told = re.findall(r"attempt (\d) of 5, next in ([\d.]+) s", caplog.text)
    assert told == [("1", "2.0"), ("2", "4.0"), ("3", "8.0"), ("4", "10.0")]
    assert "chanterelle" not in message + caplog.text + repr(caught.value.__cause__)
    assert is_transient(caught.value)


def test_fixed_waits_are_all_alike(closed_url: str) -> None:
    waits: list[float] = []
    retry = Retry(attempts=5, fixed_s=10, deadline_s=float("inf"))
    with pytest.raises(DatabaseUnavailable, match="after 5 attempts"):
        Database(closed_url, retry=retry, sleep=waits.append).connect()
    assert waits == [10, 10, 10, 10]


def test_no_wait_begins_that_would_end_after_the_deadline(closed_url: str) -> None:
    now = [1000.0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    retry = Retry(attempts=100, fixed_s=7, deadline_s=21)
    database = Database(closed_url, retry=retry, sleep=sleep, clock=lambda: now[0])
    with pytest.raises(DatabaseUnavailable, match="after 4 attempts in 21 s"):
        database.connect()
    assert waits == [7, 7, 7]


def test_a_server_that_comes_up_late_is_reached(caplog: pytest.LogCaptureFixture) -> None:
    home = Path(tempfile.mkdtemp(prefix="mushroom-pg-"))  # short: a socket's path holds 107 bytes
    waits: list[float] = []
    try:
        with contextlib.ExitStack() as running:

            def sleep(seconds: float) -> None:
                waits.append(seconds)
                if len(waits) == 3:
                    running.enter_context(embedded_postgres(home / "late"))

            url = f"postgresql://postgres@/postgres?host={home / 'late'}"
            database = Database(url, retry=Retry(base_s=1), sleep=sleep, jitter=longest)
            with database.transaction() as connection:
                assert connection.scalar(sa.text("SELECT 6 * 7")) == 42
            database.dispose()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    assert waits == [1, 2, 4]
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [f"attempt {n} of 6" in text for n, text in enumerate(warned, 1)] == [True, True, True]


def refusal(url: str) -> str:
    """The message of a connect that must be refused at once."""
    waits: list[float] = []
    database = Database(url, sleep=waits.append)
    with pytest.raises(DatabaseRefused) as caught:
        database.connect()
    assert waits == []
    assert not is_transient(caught.value)
    return str(caught.value)


def test_a_missing_database_is_refused_at_once(server_uri: str) -> None:
    message = refusal(uri_of(server_uri, "no_such_farm"))
    assert 'database "no_such_farm" does not exist' in message
    assert message.endswith("Remedy: create the database, or correct its name in DATABASE_URL.")


def test_an_unknown_role_is_refused_at_once(server_uri: str) -> None:
    message = refusal(server_uri.replace("postgres:@", "nobody_here@"))
    assert 'role "nobody_here" does not exist' in message
    assert message.endswith("Remedy: create the role, or correct the user in DATABASE_URL.")


@pytest.mark.parametrize("login", ["keeper:wr0ng-secret", "keeper"], ids=["wrong", "none"])
def test_a_wrong_or_missing_password_is_refused_at_once_and_not_repeated(
    guarded: str, login: str
) -> None:
    message = refusal(guarded.format(login))
    assert message.endswith("Remedy: check the user name and password in DATABASE_URL.")
    assert message.startswith("keeper@")
    assert "wr0ng-secret" not in message


def test_the_right_password_gets_in(guarded: str) -> None:
    database = Database(guarded.format("keeper:t0adstool"), retry=Retry(attempts=1))
    with database.transaction() as connection:
        assert connection.scalar(sa.text("SELECT current_user")) == "keeper"
    database.dispose()


def test_a_host_that_pg_hba_rejects_is_refused_at_once(guarded: str) -> None:
    assert refusal(guarded.format("outcast")).endswith(
        "Remedy: let this host in with a line in the server's pg_hba.conf."
    )


@pytest.mark.parametrize(
    "url",
    [
        "mysql://grower:chanterelle@db/farm",
        "postgresql+psycopg2://grower:chanterelle@db/farm",
        "postgresql://grower:chanterelle@db/farm?no_such_option=1",
        "postgresql://grower:chant%zzerelle@db/farm",
        "postgresql://grower:chant/erelle@db:5432/farm",
        "postgresql://grower:chant@erelle@db:5432/farm",
        "postgresql://grower:chanterelle@db:port/farm",
        "postgresql://grower:chanterelle@[::1/farm",
    ],
)
def test_a_malformed_url_is_refused_without_quoting_it(url: str) -> None:
    waits: list[float] = []
    with pytest.raises(DatabaseRefused) as caught:
        Database(url, sleep=waits.append).connect()
    assert waits == []
    told = f"{caught.value}{caught.value.__cause__}"
    assert "DATABASE_URL cannot be read. Remedy: write it as postgresql://" in told
    assert "chant" not in told
    assert "erelle" not in told


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (
            "postgresql://grower:secret@db.farm:5433/plant?sslmode=require",
            "grower@db.farm:5433/plant",
        ),
        ("postgresql://grower:se%40cr%2Fet@db/plant", "grower@db:5432/plant"),
        ("postgresql://postgres:@/plant?host=/run/pg", "postgres@/run/pg:5432/plant"),
        ("postgresql://postgres@/plant?host=/run/pg&port=6000", "postgres@/run/pg:6000/plant"),
        ("postgresql://grower@", "grower@localhost:5432/"),
        ("postgresql://grower:secret@[::1]:5433/plant", "grower@::1:5433/plant"),
        ("host=db user=grower password=secret dbname=plant", "grower@db:5432/plant"),
    ],
)
def test_the_endpoint_names_user_host_port_and_database(url: str, name: str) -> None:
    assert endpoint(url) == name


def test_nothing_connects_before_the_first_transaction() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        database = Database(f"postgresql://grower@127.0.0.1:{server.getsockname()[1]}/farm")
        assert database.endpoint.startswith("grower@127.0.0.1:")
        assert database.engine.dialect.name == "postgresql"
        database.dispose()
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def show(connection: sa.Connection, name: str) -> Any:
    return connection.scalar(sa.text("SELECT current_setting(:name)"), {"name": name})


def test_timeout_time_zone_and_name_are_in_force(database_url: str) -> None:
    database = Database(
        database_url, Limits(statement_timeout_s=77), application_name="mushroom_assets run-4711"
    )
    with database.transaction() as connection:
        assert show(connection, "statement_timeout") == "77s"
        assert show(connection, "timezone") == "UTC"
        assert show(connection, "application_name") == "mushroom_assets run-4711"
    database.dispose()


def test_a_name_that_is_too_long_is_cut_and_options_of_the_url_are_kept(database_url: str) -> None:
    url = f"{database_url}&options=-c%20work_mem%3D7MB&application_name=from_the_url"
    with Database(url).transaction() as connection:
        assert show(connection, "work_mem") == "7MB"
        assert show(connection, "statement_timeout") == "5min"
        assert show(connection, "application_name") == "from_the_url"
    with Database(database_url, application_name="n" * 100).transaction() as connection:
        assert show(connection, "application_name") == "n" * 63


def test_the_statement_timeout_ends_a_statement(database_url: str) -> None:
    database = Database(database_url, Limits(statement_timeout_s=1))
    with pytest.raises(DatabaseUnavailable) as caught, database.transaction() as connection:
        connection.execute(sa.text("SELECT pg_sleep(60)"))
    assert isinstance(drivers_error(caught.value), psycopg.errors.QueryCanceled)
    assert is_transient(caught.value)
    database.dispose()


def test_the_pool_has_the_limits_given(database_url: str) -> None:
    pool: Any = Database(
        database_url, Limits(3, 4, pool_recycle_s=900, pool_timeout_s=11)
    ).engine.pool
    assert (pool.size(), pool._max_overflow, pool._recycle, pool._timeout, pool._pre_ping) == (
        3,
        4,
        900,
        11,
        True,
    )
    default: Any = Database(database_url).engine.pool
    assert (default.size(), default._max_overflow, default._recycle, default._timeout) == (
        5,
        10,
        1800,
        30,
    )


def test_an_exhausted_pool_is_transient_and_reported_after_its_timeout(database_url: str) -> None:
    limits = Limits(pool_size=1, max_overflow=0, pool_timeout_s=0.05)
    database = Database(database_url, limits, retry=Retry(attempts=1))
    with database.transaction(), pytest.raises(DatabaseUnavailable) as caught:
        database.connect()
    assert is_transient(caught.value)
    database.dispose()


def test_libpq_is_told_to_notice_a_peer_that_is_gone(database_url: str) -> None:
    database = Database(
        database_url, Limits(connect_timeout_s=7, tcp_user_timeout_ms=12_345, keepalives_idle_s=21)
    )
    with database.transaction() as connection:
        told = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    expected = {"connect_timeout": "7", "tcp_user_timeout": "12345", "keepalives_idle": "21"}
    assert {name: told.get(name) for name in expected} == expected
    database.dispose()


def backend(connection: sa.Connection) -> int:
    number: int = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    return number


def terminate(url: str, pid: int) -> None:
    """End a backend and wait until it is gone."""
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT pg_terminate_backend(%s, 30000)", (pid,)).fetchone() == (
            True,
        )


def test_a_connection_killed_in_the_pool_is_replaced_unnoticed(database_url: str) -> None:
    waits: list[float] = []
    database = Database(database_url, Limits(pool_size=1, max_overflow=0), sleep=waits.append)
    with database.transaction() as connection:
        first = backend(connection)
    with database.transaction() as connection:
        assert backend(connection) == first  # it is the pooled one that dies
    terminate(database_url, first)
    with database.transaction() as connection:
        assert backend(connection) != first
    assert waits == []
    database.dispose()


def test_a_connection_killed_within_a_transaction_is_transient_and_leaves_no_rows(
    database: Database,
) -> None:
    insert = sa.text("INSERT INTO farm.batch (room_id, in_date) VALUES (:room, '2026-01-05')")
    with pytest.raises(DatabaseUnavailable) as caught, database.transaction() as connection:
        connection.execute(insert, {"room": "611"})
        terminate(database.url, backend(connection))
        connection.execute(insert, {"room": "612"})
    assert is_transient(caught.value)
    with database.transaction() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM farm.batch")) == 0


def test_an_error_rolls_the_transaction_back_and_success_commits_it(database: Database) -> None:
    insert = sa.text("INSERT INTO farm.batch (room_id, in_date) VALUES (:room, '2026-01-05')")
    with database.transaction() as connection:
        connection.execute(insert, {"room": "607"})
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        connection.execute(insert, {"room": "608"})
        raise ZeroDivisionError
    with database.transaction() as connection:
        assert connection.scalars(sa.text("SELECT room_id FROM farm.batch")).all() == ["607"]


class Interrupt(BaseException):
    """As Dagster's, of which a cancelled run ends."""


@pytest.mark.parametrize(
    "statement", ["SELECT pg_sleep(600)", "COPY (SELECT pg_sleep(600)) TO STDOUT"]
)
def test_an_interrupt_within_a_statement_stands_and_ends_what_the_server_does(
    database: Database, statement: str
) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupt

    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(Interrupt), database.transaction() as connection:
            connection.exec_driver_sql(
                "INSERT INTO farm.batch (room_id, in_date) VALUES ('607', '2026-01-05')"
            )
            number = backend(connection)
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            if statement.startswith("COPY"):
                with connection.connection.cursor().copy(statement) as copy:
                    copy.read()
            else:
                connection.exec_driver_sql(statement)
    finally:
        signal.signal(signal.SIGALRM, handler)
    alive = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :number")
    with database.transaction() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM farm.batch")) == 0
    deadline = time.monotonic() + 60
    while number and time.monotonic() < deadline:
        with database.transaction() as connection:
            number *= connection.scalar(alive, {"number": number}) or 0
    assert number == 0, "the server is still at it"


def drivers_error(error: BaseException | None) -> psycopg.Error:
    """The driver's own error behind what was raised."""
    while not isinstance(error, psycopg.Error):
        assert error is not None
        error = error.__cause__
    return error


def provoke(database: Database, statement: str) -> Exception:
    faults = (exc.DBAPIError, DatabaseUnavailable, DatabaseRefused)
    with pytest.raises(faults) as caught, database.transaction() as connection:
        connection.exec_driver_sql(statement)
    return caught.value


PROVOKED = [
    ("42P01", "SELECT * FROM farm.no_such_table", False),
    ("42703", "SELECT no_such_column FROM farm.batch", False),
    ("42601", "SELEKT 1", False),
    ("22P02", "SELECT 'eleven'::int", False),
    ("22012", "SELECT 1 / 0", False),
    ("23502", "INSERT INTO farm.batch (room_id) VALUES ('611')", False),
    ("23505", "INSERT INTO farm.batch VALUES ('611', '2026-01-05'), ('611', '2026-01-05')", False),
    ("57014", "SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(60)", True),
    ("57P01", "SELECT pg_terminate_backend(pg_backend_pid())", True),
]


@pytest.mark.parametrize(
    ("code", "statement", "transient"), PROVOKED, ids=[row[0] for row in PROVOKED]
)
def test_errors_of_the_server_are_transient_or_not(
    database: Database, code: str, statement: str, transient: bool
) -> None:
    error = provoke(database, statement)
    assert drivers_error(error).sqlstate == code
    assert is_transient(error) is transient


def test_a_lock_that_is_not_available_is_transient(database: Database) -> None:
    with database.transaction() as holder:
        holder.exec_driver_sql("LOCK TABLE farm.batch IN ACCESS EXCLUSIVE MODE")
        error = provoke(database, "LOCK TABLE farm.batch IN ACCESS SHARE MODE NOWAIT")
    assert isinstance(drivers_error(error), psycopg.errors.LockNotAvailable)
    assert is_transient(error)


def test_a_serialization_failure_is_transient(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO farm.batch VALUES ('611', '2026-01-05', 1)")
    with pytest.raises(DatabaseUnavailable) as caught, database.transaction() as late:
        late.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        late.exec_driver_sql("SELECT * FROM farm.batch")
        with database.transaction() as early:
            early.exec_driver_sql("UPDATE farm.batch SET bag_count = 2")
        late.exec_driver_sql("UPDATE farm.batch SET bag_count = 3")
    assert isinstance(drivers_error(caught.value), psycopg.errors.SerializationFailure)
    assert is_transient(caught.value)


def test_a_deadlock_is_transient_for_its_victim_and_the_other_goes_on(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO farm.batch VALUES ('611', '2026-01-05', 0), ('612', '2026-01-05', 0)"
        )
    both_hold_one = threading.Barrier(2, timeout=60)
    errors: list[DatabaseUnavailable] = []

    def take(first: str, second: str) -> None:
        add = "UPDATE farm.batch SET bag_count = bag_count + 1 WHERE room_id = '{}'"
        try:
            with database.transaction() as connection:
                connection.exec_driver_sql(add.format(first))
                both_hold_one.wait()
                connection.exec_driver_sql(add.format(second))
        except DatabaseUnavailable as error:
            errors.append(error)

    threads = [
        threading.Thread(target=take, args=rooms)
        for rooms in itertools.permutations(("611", "612"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (victim,) = errors
    assert isinstance(drivers_error(victim), psycopg.errors.DeadlockDetected)
    assert is_transient(victim)
    with database.transaction() as connection:
        assert connection.scalars(sa.text("SELECT bag_count FROM farm.batch")).all() == [1, 1]


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (psycopg.errors.TooManyConnections("too many clients"), True),
        (psycopg.errors.CannotConnectNow("the database system is starting up"), True),
        (psycopg.errors.ConnectionFailure("connection failure"), True),
        (psycopg.errors.CrashShutdown("crash of another server process"), True),
        (psycopg.errors.InsufficientPrivilege("permission denied for table sample"), False),
        (psycopg.errors.InvalidPassword("password authentication failed"), False),
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg.OperationalError('FATAL:  database "x" does not exist'), False),
        (psycopg.DataError("cannot dump lists of mixed types"), False),
        (ValueError("not about the database"), False),
        (ConnectionError("of another kind"), False),
    ],
)
def test_errors_that_cannot_be_provoked_here_are_told_apart_too(
    error: Exception, transient: bool
) -> None:
    assert is_transient(error) is transient
    assert is_transient(exc.DBAPIError("SELECT 1", None, error)) is transient
