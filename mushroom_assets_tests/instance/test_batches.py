"""A batch of events in Dagster's tables: all of it or nothing, and as if written one by one."""

import subprocess
import sys
from collections.abc import Callable, Sequence

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.events import DagsterEventBatchMetadata

from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.instance.reporting import together
from mushroom_assets_tests.instance.events import (
    FARM,
    PLAIN,
    Open,
    check_planned,
    evaluated,
    event_storage,
    let_fail_at_once,
    materialized,
    planned,
    table,
)
from mushroom_assets_tests.kit.databases import execute

DAYS = dg.StaticPartitionsDefinition(["1", "2", "3"])
EVENTS = "SELECT partition, dagster_event_type FROM event_logs ORDER BY id"
TAGGED = """
    SELECT e.partition, t.value FROM event_logs e LEFT JOIN asset_event_tags t ON t.event_id = e.id
    WHERE e.dagster_event_type = 'ASSET_MATERIALIZATION' ORDER BY e.id"""
CHECKS = """
    SELECT check_name, partition, execution_status, evaluation_event::jsonb #>>
           '{dagster_event,event_specific_data,success}'
    FROM asset_check_executions ORDER BY partition NULLS FIRST, id"""
ASSETS = "SELECT asset_key, extract(epoch FROM last_materialization_timestamp) FROM asset_keys"
TABLES = ("event_logs", "asset_event_tags", "asset_keys")
BATCH = [materialized("a", "1"), materialized("b", "2")]
CHECKED = [evaluated("a", "1", passed=True), evaluated("a", "2", passed=False)]


def end_session_at(instance: dg.DagsterInstance, statement: str, server: str) -> None:
    """Let PostgreSQL end the session that is about to send a statement, the first time."""
    ended: list[int] = []

    def before(connection: sa.Connection, _cursor: object, text: str, *_rest: object) -> None:
        if statement in text and not ended:
            ended.append(connection.connection.dbapi_connection.info.backend_pid)  # type: ignore[union-attr]
            execute(server, f"SELECT pg_terminate_backend({ended[0]}, 10000)")

    sa.event.listen(event_storage(instance)._engine, "before_cursor_execute", before)


@pytest.mark.parametrize("statement", ["INTO asset_event_tags", "INTO asset_keys"])
def test_a_batch_whose_session_ends_half_way_leaves_nothing(
    open_on: Open, server_uri: str, statement: str
) -> None:
    instance = open_on(FARM)
    let_fail_at_once(instance)
    end_session_at(instance, statement, server_uri)
    with pytest.raises(DatabaseUnavailable):
        event_storage(instance).store_event_batch(BATCH)
    assert [table(instance, f"SELECT count(*) FROM {name}") for name in TABLES] == [[(0,)]] * 3
    event_storage(instance).store_event_batch(BATCH)
    assert table(instance, TAGGED) == [("1", "v-1"), ("2", "v-2")]


def test_a_batch_whose_session_ends_half_way_is_written_once_by_the_wait(
    open_on: Open, server_uri: str
) -> None:
    instance = open_on(FARM)
    end_session_at(instance, "INTO asset_keys", server_uri)
    event_storage(instance).store_event_batch(BATCH)
    assert table(instance, TAGGED) == [("1", "v-1"), ("2", "v-2")]


def test_evaluations_whose_session_ends_half_way_are_not_told(
    open_on: Open, server_uri: str
) -> None:
    instance = open_on(FARM)
    let_fail_at_once(instance)
    end_session_at(instance, "UPDATE asset_check_executions", server_uri)
    with pytest.raises(DatabaseUnavailable):
        event_storage(instance).store_event_batch(CHECKED)
    assert table(instance, EVENTS) == []


def test_the_retry_of_dagster_writes_no_event_twice(open_on: Open, server_uri: str) -> None:
    instance = open_on(FARM)
    end_session_at(instance, "INTO asset_event_tags", server_uri)
    for number, each in enumerate(BATCH):
        metadata = DagsterEventBatchMetadata("batch", is_end=number == len(BATCH) - 1)
        instance.handle_new_event(each, batch_metadata=metadata)
    assert table(instance, TAGGED) == [("1", "v-1"), ("2", "v-2")]


def test_after_a_batch_each_event_is_written_at_once_again(open_on: Open) -> None:
    instance = open_on(FARM)
    event_storage(instance).store_event_batch(BATCH)
    with event_storage(instance).index_connection() as connection:
        connection.execute(sa.text("DELETE FROM event_logs"))
        assert table(instance, EVENTS) == []  # another connection sees it


WRITER = """
import sys
import dagster as dg
from mushroom_assets_tests.instance.events import planned
names = "abcdef"[:: int(sys.argv[2])]
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(30):
        instance.event_log_storage.store_event_batch([planned(name, "1") for name in names])
"""


def test_two_processes_that_write_assets_in_opposite_order_do_not_lock_each_other_out(
    open_on: Open,
) -> None:
    instance = open_on(FARM)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, instance.root_directory, step],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for step in ("1", "-1")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    said = [writer.communicate(timeout=120)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], said
    assert table(instance, "SELECT count(*) FROM event_logs") == [(2 * 30 * 6,)]


@pytest.mark.parametrize(
    ("events", "query", "expected"),
    [
        pytest.param(
            [
                check_planned("a", DAYS, "1", "2", "3"),
                evaluated("a", "1", passed=True),
                evaluated("a", "1", passed=False),
                evaluated("a", "2", passed=True),
            ],
            CHECKS,
            [
                ("holds", "1", "FAILED", "false"),
                ("holds", "2", "SUCCEEDED", "true"),
                ("holds", "3", "PLANNED", None),
            ],
            id="the last evaluation of a partition counts, also of what is planned in the batch",
        ),
        pytest.param(
            [evaluated("a", "1", passed=True), evaluated("a", "1", passed=False)],
            CHECKS,
            [("holds", "1", "FAILED", "false")],
            id="the last evaluation of a partition counts, of what nobody planned",
        ),
        pytest.param(
            [evaluated("a", None, passed=False), evaluated("b", "1", passed=True)],
            CHECKS,
            [("holds", None, "FAILED", "false"), ("holds", "1", "SUCCEEDED", "true")],
            id="an evaluation of no partition is written too",
        ),
        pytest.param(
            [materialized("a", "1", 10.0), planned("a", "2", 20.0), materialized("a", "3", 30.0)],
            ASSETS,
            [('["a"]', 30.0)],
            id="an asset's time is that of its last event, a materialization",
        ),
        pytest.param(
            [materialized("a", "1", 10.0), planned("a", "2", 20.0)],
            ASSETS,
            [('["a"]', 20.0)],
            id="an asset's time is that of its last event, a plan",
        ),
    ],
)
def test_a_batch_leaves_what_its_events_leave_one_by_one(
    open_on: Open,
    events: Sequence[dg.EventLogEntry],
    query: str,
    expected: list[tuple[object, ...]],
) -> None:
    plain = open_on(PLAIN)
    for each in events:
        plain.event_log_storage.store_event(each)
    assert table(plain, query) == expected
    plain.wipe()
    farm = open_on(FARM)
    event_storage(farm).store_event_batch(events)
    assert table(farm, query) == expected


def test_a_batch_without_events_is_none(open_on: Open) -> None:
    instance = open_on(FARM)
    event_storage(instance).store_event_batch([])
    assert table(instance, EVENTS) == []


def log(storage_event: Callable[[dg.EventLogEntry], None], *partitions: str) -> None:
    for partition in partitions:
        storage_event(materialized("a", partition))


def test_events_of_a_nested_together_keep_their_order(open_on: Open) -> None:
    instance = open_on(FARM)
    store = event_storage(instance).store_event
    with together(instance):
        log(store, "1")
        with together(instance):
            log(store, "2")
        assert table(instance, EVENTS) == []
        log(store, "3")
    assert [partition for partition, _ in table(instance, EVENTS)] == ["1", "2", "3"]
    log(store, "4")
    assert len(table(instance, EVENTS)) == 4


def test_what_could_not_be_written_together_is_an_error_and_not_told(
    open_on: Open, server_uri: str
) -> None:
    instance = open_on(FARM)
    let_fail_at_once(instance)
    end_session_at(instance, "INTO asset_keys", server_uri)
    store = event_storage(instance).store_event
    with pytest.raises(DatabaseUnavailable), together(instance):
        log(store, "1", "2")
    assert table(instance, EVENTS) == []
    log(store, "3")
    assert [partition for partition, _ in table(instance, EVENTS)] == ["3"]
