"""Leases of runs: a row that a run's process renews, and the fence that ends with the run.

Statements only, over connections of the farm or of Dagster's storage. Who takes a lease, how often
it is renewed and when it has lapsed is the business of `instance`.
"""

import os
import socket
from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from mushroom_assets.storage.schema import run_lease as table

LAPSE_S = 18  # not renewed for so long: its process is gone, or cannot reach the database
# As Dagster's table `runs` has them. A run is in one of these for ever.
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


class RunEnded(RuntimeError):
    """The run has ended, for what it knows nothing of: its process was taken for dead."""


class Lease(NamedTuple):
    """Who runs a run, and how often that was said."""

    host: str
    pid: int
    beat: int


def take(connection: sa.Connection, run_id: str) -> bool:
    """Take a run's lease for this process; whether it has it.

    Another process that has a living lease keeps it.
    """
    row = {"run_id": run_id, "host": socket.gethostname(), "pid": os.getpid(), "beat": 0}
    statement = insert(table).values(row)
    lapsed = table.c.renewed_at < sa.func.now() - sa.func.make_interval(0, 0, 0, 0, 0, 0, LAPSE_S)
    taken = statement.on_conflict_do_update(
        index_elements=[table.c.run_id],
        set_={
            "host": statement.excluded.host,
            "pid": statement.excluded.pid,
            "beat": table.c.beat + 1,
            "taken_at": sa.func.now(),
            "renewed_at": sa.func.now(),
        },
        where=sa.or_(_mine(), lapsed),
    )
    return connection.execute(taken.returning(table.c.run_id)).first() is not None


def renew(connection: sa.Connection, run_ids: Collection[str]) -> set[str]:
    """Renew this process's leases of runs; those that it still has."""
    renewed = (
        sa.update(table)
        .where(table.c.run_id.in_(run_ids), _mine())
        .values(beat=table.c.beat + 1, renewed_at=sa.func.now())
    )
    return set(connection.execute(renewed.returning(table.c.run_id)).scalars())


def release(connection: sa.Connection, run_id: str) -> None:
    """Give this process's lease of a run back."""
    connection.execute(sa.delete(table).where(table.c.run_id == run_id, _mine()))


def leases(connection: sa.Connection) -> dict[str, Lease]:
    """All leases by run."""
    columns = (table.c.run_id, table.c.host, table.c.pid, table.c.beat)
    found = connection.execute(sa.select(*columns)).all()
    return {row.run_id: Lease(row.host, row.pid, row.beat) for row in found}


def silent_for(connection: sa.Connection, run_id: str) -> float | None:
    """Seconds since a run's lease was renewed, by the server's clock; None where there is none."""
    age = sa.func.extract("epoch", sa.func.clock_timestamp() - table.c.renewed_at)
    found = connection.scalar(sa.select(age).where(table.c.run_id == run_id))
    return None if found is None else float(found)


def revoke(connection: sa.Connection, run_id: str, lease: Lease) -> bool:
    """Take a lapsed lease away; False where it was renewed meanwhile."""
    same = sa.and_(table.c.run_id == run_id, table.c.beat == lease.beat)
    return connection.execute(sa.delete(table).where(same)).rowcount == 1


def end_sessions(connection: sa.Connection, run_id: str) -> None:
    """End what a run's process has open at the server: it may hold locks that its successor needs.

    Its connections to the farm's tables are named after the run.
    """
    sessions = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name LIKE '% ' || :run_id AND usename = current_user"
    )
    connection.execute(sessions, {"run_id": run_id})


def require_running(connection: sa.Connection, run_id: str) -> None:
    """Keep a process from committing rows of a run that has ended without it.

    Called last in a transaction. The run's row stays locked until the end: who wants to end the run
    waits for the commit.

    Raises:
        RunEnded: the run has ended.
    """
    # Not where Dagster keeps its runs elsewhere
    if connection.scalar(sa.text("SELECT to_regclass('runs') IS NULL")):
        return
    asked = sa.text("SELECT status FROM runs WHERE run_id = :run_id FOR SHARE")
    status = connection.scalar(asked, {"run_id": run_id})
    if status in ENDED:
        raise RunEnded(
            f"run {run_id} was ended as {status} while this process, pid {os.getpid()} on "
            f"{socket.gethostname()}, went on with it: its rows are not committed. Remedy: none is "
            "needed, another run makes them"
        )


def _mine() -> sa.ColumnElement[bool]:
    return sa.and_(table.c.host == socket.gethostname(), table.c.pid == os.getpid())
