"""Dagster's storage while PostgreSQL is away: it waits, and writes what it has to write once."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import dagster_postgres.event_log.event_log
import pytest
import sqlalchemy as sa
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus

from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.instance import engine
from mushroom_assets.instance.patience import DEADLINE_S, TELL_S, Patience, passes
from mushroom_assets_tests.instance.events import (
    FARM,
    Open,
    event_storage,
    let_fail_at_once,
    materialized,
    table,
)
from mushroom_assets_tests.kit.clock import Clock
from mushroom_assets_tests.kit.server import Server, server_in

RUN = "6f3b8f64-9d2a-4f0e-9a59-1f0f0f1a2b3c"


def away() -> int:
    raise DatabaseUnavailable("gone")


def patient(clock: Clock, deadline_s: float = DEADLINE_S) -> Patience:
    return Patience("db:5432/farm", deadline_s, sleep=clock.sleep, clock=clock)


def test_two_minutes_and_a_half_are_waited_for_and_then_nothing_more() -> None:
    clock = Clock()
    patience = patient(clock)
    with pytest.raises(DatabaseUnavailable, match=r"db:5432/farm cannot be used.*Remedy"):
        patience.call(away)
    # Waits are at most 5 s, so the last began in the five seconds before the deadline.
    assert 145 <= clock.now <= 150
    tries = []

    def counted() -> int:
        tries.append(clock.now)
        return away()

    clock.sleep(10)
    with pytest.raises(DatabaseUnavailable):
        patience.call(counted)
    assert len(tries) == 1  # the time counts from the outage, not from the call


def test_after_an_answer_the_time_begins_anew() -> None:
    clock = Clock()
    patience = patient(clock)
    with pytest.raises(DatabaseUnavailable):
        patience.call(away)
    assert patience.call(lambda: 7) == 7
    began = clock.now
    with pytest.raises(DatabaseUnavailable):
        patience.call(away)
    assert clock.now - began >= 145


def test_an_outage_is_told_twice_a_minute_and_its_end_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    patience = patient(clock, float("inf"))

    def back_after_ten_minutes() -> str:
        return "here" if clock.now >= 600 else str(away())

    assert patience.call(back_after_ten_minutes) == "here"
    told = [record.getMessage() for record in caplog.records]
    assert 600 / (TELL_S + 5) <= len(told) - 1 <= 600 / TELL_S + 1
    assert told[-1].startswith("Dagster's storage at db:5432/farm is back after 60")


def test_a_refusal_is_no_outage_but_for_who_waits_for_ever() -> None:
    clock = Clock()
    refusals = [DatabaseRefused("password")]

    def refused_once() -> str:
        if refusals:
            raise refusals.pop()
        return "here"

    assert patient(clock, float("inf")).call(refused_once) == "here"
    refusals.append(DatabaseRefused("password"))
    with pytest.raises(DatabaseRefused):
        patient(clock).call(refused_once)
    assert clock.now < 10


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        ("SET statement_timeout = 1; SELECT pg_sleep(1)", True),
        ("SELECT 1 / 0", False),
        ("SELECT * FROM nowhere", False),
        ("INSERT INTO runs (id) VALUES (NULL)", False),
    ],
)
def test_what_passes_by_itself_of_the_faults_of_a_statement(
    open_on: Open, statement: str, expected: bool
) -> None:
    engine = event_storage(open_on(FARM))._engine
    with pytest.raises(sa.exc.DBAPIError) as caught, engine.connect() as connection:
        connection.execute(sa.text(statement))
    assert passes(caught.value) is expected


def lose_answer_to_commit(instance: dg.DagsterInstance) -> None:
    """The next COMMIT is done, but the connection ends before the answer is there."""
    engine: Any = event_storage(instance)._engine
    commit = engine.dialect.do_commit
    lost: list[bool] = []

    def committing(connection: Any) -> None:
        commit(connection)
        if not lost and not connection.dbapi_connection.autocommit:
            lost.append(True)
            raise engine.dialect.dbapi.OperationalError("server closed the connection unexpectedly")

    engine.dialect.do_commit = committing


def a_run() -> dg.DagsterRun:
    return dg.DagsterRun(job_name="job", run_id=RUN, tags={"dagster/partition": "2026-01-01"})


def test_a_run_whose_commit_was_not_answered_is_there_once_with_its_tags(open_on: Open) -> None:
    instance = open_on(FARM)
    lose_answer_to_commit(instance)
    assert instance.run_storage.add_run(a_run()).run_id == RUN
    assert table(instance, "SELECT run_id FROM runs") == [(RUN,)]
    assert table(instance, "SELECT count(*) FROM run_tags") == [(1,)]


def test_a_tick_whose_commit_was_not_answered_is_there_once(open_on: Open) -> None:
    instance = open_on(FARM)
    lose_answer_to_commit(instance)
    data = TickData("origin", "name", InstigatorType.SCHEDULE, TickStatus.STARTED, 1e9)
    tick = instance.schedule_storage.create_tick(data)  # type: ignore[union-attr]
    assert table(instance, "SELECT id FROM job_ticks") == [(tick.tick_id,)]


def test_an_event_whose_commit_was_not_answered_is_there_once(open_on: Open) -> None:
    instance = open_on(FARM)
    lose_answer_to_commit(instance)
    event_storage(instance).store_event(materialized("a", "1"))
    assert table(instance, "SELECT partition FROM event_logs") == [("1",)]
    assert table(instance, "SELECT count(*) FROM asset_event_tags") == [(1,)]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server_in("mushroom-pg-") as server:
        server.start()
        yield server


@pytest.fixture
def instance_on(
    own_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An instance on a server of its own, which can be taken away."""
    monkeypatch.setenv("DATABASE_URL", own_server.uri)
    (tmp_path / "dagster.yaml").write_text(f"{FARM}\ntelemetry: {{enabled: false}}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def test_reads_and_writes_outlive_a_server_that_is_gone_for_fifteen_seconds(
    instance_on: dg.DagsterInstance, own_server: Server
) -> None:
    instance_on.get_runs_count()
    own_server.crash()
    back = threading.Timer(15, own_server.start)  # longer than Dagster's own 11 s
    back.start()
    began = time.monotonic()
    instance_on.run_storage.add_run(a_run())
    assert instance_on.get_runs_count() == 1
    assert time.monotonic() - began > 14
    back.join()


def test_an_asset_that_succeeded_is_recorded_when_the_server_was_gone_at_that_moment(
    instance_on: dg.DagsterInstance, own_server: Server
) -> None:
    """https://github.com/dagster-io/dagster/issues/33886."""

    @dg.asset
    def made() -> None:
        own_server.crash()
        threading.Timer(3, own_server.start).start()

    result = dg.materialize([made], instance=instance_on)
    assert result.success
    assert instance_on.get_latest_materialization_event(made.key) is not None


def test_the_webserver_says_at_once_that_the_server_is_gone(
    instance_on: dg.DagsterInstance, own_server: Server
) -> None:
    instance_on.optimize_for_webserver(5000, pool_recycle=3600, max_overflow=20)
    own_server.crash()
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="Remedy: start PostgreSQL"):
        instance_on.get_runs_count()
    assert time.monotonic() - began < 5
    own_server.start()
    assert instance_on.get_runs_count() >= 0


def pid_of(connection: sa.Connection) -> int:
    driver: Any = connection.connection.driver_connection
    return int(driver.info.backend_pid)


def test_a_pooled_connection_that_never_answers_is_given_up_for_another(
    open_on: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PING_S", 0.5)
    instance = open_on(FARM)
    instance.get_runs_count()
    with event_storage(instance)._engine.connect() as connection:
        pid = pid_of(connection)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert instance.get_runs_count() == 0
        with event_storage(instance)._engine.connect() as connection:
            assert pid_of(connection) != pid
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_write_whose_connection_falls_silent_in_the_middle_is_done_once(
    open_on: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ANSWER_S", 0.5)
    instance = open_on(FARM)
    halted: list[int] = []

    def halt(connection: sa.Connection, _cursor: object, text: str, *_rest: object) -> None:
        if not halted and "INTO run_tags" in text:
            halted.append(pid_of(connection))
            os.kill(halted[0], signal.SIGSTOP)
            # Until then it holds the row that the next attempt is to write as well
            threading.Timer(1.5, os.kill, (halted[0], signal.SIGCONT)).start()

    sa.event.listen(event_storage(instance)._engine, "before_cursor_execute", halt)
    instance.run_storage.add_run(a_run())
    assert halted
    assert table(instance, "SELECT run_id FROM runs") == [(RUN,)]
    assert table(instance, "SELECT count(*) FROM run_tags") == [(1,)]


def test_what_takes_hours_is_waited_for(open_on: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration of Dagster's tables."""
    monkeypatch.setattr(engine, "ANSWER_S", 0.2)
    storage = event_storage(open_on(FARM))
    asleep = []

    def migrate(_: object, connection: sa.Connection) -> None:
        connection.exec_driver_sql("SELECT pg_sleep(0.6)")
        asleep.append(True)

    monkeypatch.setattr(dagster_postgres.event_log.event_log, "run_alembic_upgrade", migrate)
    storage.upgrade()
    assert asleep == [True]


def test_a_call_that_was_given_up_leaves_nothing_half_done(open_on: Open, server_uri: str) -> None:
    instance = open_on(FARM)
    let_fail_at_once(instance)
    engine = event_storage(instance)._engine

    def before(connection: sa.Connection, _cursor: object, text: str, *_rest: object) -> None:
        if "INTO run_tags" in text:
            raise DatabaseUnavailable("gone")

    sa.event.listen(engine, "before_cursor_execute", before)
    with pytest.raises(DatabaseUnavailable):
        instance.run_storage.add_run(a_run())
    assert table(instance, "SELECT count(*) FROM runs") == [(0,)]
