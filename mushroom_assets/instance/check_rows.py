"""The rows of checks, many at a time: planned when a run is created, concluded by evaluations.

dagster-postgres writes the same rows one by one. Private names of Dagster: only `event_log` imports
this module. The UI's view of the rows is the business of `check_states`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as Outcome,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checks
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.dml import ReturningUpdate

WHICH_CHECK = ("asset_key", "check_name", "run_id", "partition")
NUMBER = "evaluation_event_storage_id"


class Stored(NamedTuple):
    """An event with its id, and as it was written: text, and UTC without a zone."""

    event: dg.EventLogEntry
    number: int
    text: str
    when: dt.datetime

    @property
    def kind(self) -> dg.DagsterEventType | None:
        """Its kind; None of a message."""
        return self.event.dagster_event_type

    @property
    def evaluation(self) -> dg.AssetCheckEvaluation:
        """What it says of a check."""
        return self.event.get_dagster_event().asset_check_evaluation_data

    @property
    def is_of_partition(self) -> bool:
        """Whether it evaluates a check for one partition."""
        return self.evaluation.partition is not None


def plan(connection: sa.Connection, planned: Iterable[Stored]) -> None:
    """Write a row for every partition of which a check is planned.

    The database repeats the event's text; dagster-postgres sends it anew for each row.
    """
    for stored in planned:
        check = stored.event.get_dagster_event().asset_check_planned_data
        subset = check.partitions_subset
        partitions = list(subset.get_partition_keys()) if subset else [None]
        row = {
            "asset_key": check.asset_key.to_string(),
            "check_name": check.check_name,
            "run_id": stored.event.run_id,
            "execution_status": Outcome.PLANNED.value,
            **_event(stored),
        }
        constants = [sa.literal(value, Checks.c[name].type) for name, value in row.items()]
        rows = sa.select(*constants, sa.func.unnest(sa.cast(partitions, ARRAY(sa.Text))))
        connection.execute(Checks.insert().from_select([*row, "partition"], rows))


def conclude(connection: sa.Connection, evaluated: Iterable[Stored]) -> None:
    """Turn planned rows into outcomes, by evaluations of one partition each.

    What was not planned becomes a row. Of several evaluations of the same the last counts.
    """
    last = {}
    for stored in evaluated:
        row = _outcome(stored)
        last[tuple(row[name] for name in WHICH_CHECK)] = row
    rows = list(last.values())
    if not rows:
        return
    done = set(connection.execute(_update(rows)).scalars())
    unplanned = [row for row in rows if row[NUMBER] not in done]
    if unplanned:
        connection.execute(Checks.insert(), unplanned)


def _outcome(stored: Stored) -> dict[str, Any]:
    target = stored.evaluation.target_materialization_data
    status = Outcome.SUCCEEDED if stored.evaluation.passed else Outcome.FAILED
    return {
        "asset_key": stored.evaluation.asset_key.to_string(),
        "check_name": stored.evaluation.check_name,
        "run_id": stored.event.run_id,
        "partition": stored.evaluation.partition,
        "execution_status": status.value,
        **_event(stored),
        "materialization_event_storage_id": target.storage_id if target else None,
    }


def _event(stored: Stored) -> dict[str, Any]:
    return {
        "evaluation_event": stored.text,
        "evaluation_event_timestamp": stored.when,
        NUMBER: stored.number,
    }


def _array(rows: Sequence[Mapping[str, Any]], name: str) -> sa.Cast[Any]:
    """A column of the rows as an array of the server."""
    return sa.cast([row[name] for row in rows], ARRAY(Checks.c[name].type))


def _update(rows: Sequence[Mapping[str, Any]]) -> ReturningUpdate[tuple[int]]:
    """The statement that writes outcomes over planned rows and gives the numbers of those found."""
    names = list(rows[0])
    # Arrays: SQLAlchemy takes 0.4 ms to write a row of VALUES into a statement.
    arrays = [_array(rows, name) for name in names]
    found = sa.func.unnest(*arrays).table_valued(*names, name="found").render_derived().c
    planned = [Checks.c[name] == found[name] for name in WHICH_CHECK]
    outcome = {name: found[name] for name in names if name not in WHICH_CHECK}
    return Checks.update().where(*planned).values(outcome).returning(Checks.c[NUMBER])
