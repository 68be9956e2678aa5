"""An instance of Dagster for runs in a test's process; its own tables, and rows in them.

The tables are in a database of a test's, the rows as Dagster's processes write them.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psycopg
import pytest

STORAGE = "storage: {postgres: {postgres_url: {env: DATABASE_URL}}}\ntelemetry: {enabled: false}\n"
IN_MEMORY = {"module": "dagster._core.storage.event_log", "class": "InMemoryEventLogStorage"}


@contextmanager
def quick_instance() -> Iterator[dg.DagsterInstance]:
    """An instance in which sensors tick, and whose runs need no other process.

    Its events stay in memory. Dagster's own file waits for the disk four times an event, which took
    nine tenths of a run of some days' hours. A schedule's context opens an instance anew: to it
    this one is empty.
    """
    with dg.instance_for_test(overrides={"event_log_storage": IN_MEMORY}) as instance:
        yield instance


def make_dagsters_tables(url: str, home: Path) -> None:
    """Make them, by an instance with its home in an empty folder."""
    (home / "dagster.yaml").write_text(STORAGE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            instance.get_runs_count()


def add_run(
    connection: psycopg.Connection,
    status: str,
    age_s: float,
    *,
    started: bool = False,
    ended: bool = False,
) -> str:
    """A run in a status since `age_s`."""
    run_id = str(uuid.uuid4())
    since = time.time() - age_s
    connection.execute(
        "INSERT INTO runs"
        " (run_id, status, create_timestamp, update_timestamp, start_time, end_time)"
        " VALUES (%s, %s, to_timestamp(%s), to_timestamp(%s), %s, %s)",
        [run_id, status, since, since, since if started else None, since if ended else None],
    )
    return run_id


def beat(
    connection: psycopg.Connection, daemon: str, age_s: float, daemon_id: str = "aaaaaaaa-1"
) -> None:
    """A heartbeat of one of the daemon's kinds; it replaces the one before."""
    connection.execute(
        "INSERT INTO daemon_heartbeats (daemon_type, daemon_id, timestamp)"
        " VALUES (%s, %s, localtimestamp - %s * interval '1 s') ON CONFLICT (daemon_type)"
        " DO UPDATE SET daemon_id = excluded.daemon_id, timestamp = excluded.timestamp",
        [daemon, daemon_id, age_s],
    )
