"""What was removed for good, and the refusal to compute anything from it.

`months`, `vision.removal` and Dagster's room remove; here is written down what, and asked. A
partition whose inputs are gone keeps its rows: computed anew it would become "no data".
"""

import datetime as dt
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from mushroom_assets.storage.schema import removal as table


class RowsRemoved(RuntimeError):
    """What is to be computed needs rows that were removed: which, when, and what to do."""


class Removed(NamedTuple):
    """Rows that were removed, and the bytes that they took."""

    rows: int
    size: int


def record_removal(
    connection: sa.Connection, name: str, before: dt.datetime, removed: Removed, run_id: str
) -> None:
    """Write down that a table's rows of before an instant are gone, in the same transaction."""
    row = {
        "table_name": name,
        "removed_before": before,
        "row_count": removed.rows,
        "byte_count": removed.size,
        "run_id": run_id,
        "removed_at": sa.func.now(),
    }
    statement = insert(table).values(row)
    new = statement.excluded
    updated = {
        "removed_before": sa.func.greatest(table.c.removed_before, new.removed_before),
        "row_count": table.c.row_count + new.row_count,
        "byte_count": table.c.byte_count + new.byte_count,
        "run_id": new.run_id,
        "removed_at": new.removed_at,
    }
    keys = [table.c.table_name]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=updated))


def removed_before(connection: sa.Connection, name: str) -> dt.datetime | None:
    """The instant before which a table's rows are gone; None where all are there."""
    statement = sa.select(table.c.removed_before).where(table.c.table_name == name)
    return connection.scalar(statement)


def require_kept(connection: sa.Connection, name: str, since: dt.datetime) -> None:
    """Make sure that nothing was removed of a table's rows from an instant on.

    Called after reading them, in the same transaction: a removal that came before the reading is
    seen, and one that comes later waits.

    Raises:
        RowsRemoved: some were.
    """
    statement = sa.select(table.c.removed_before, table.c.removed_at)
    found = connection.execute(statement.where(table.c.table_name == name)).first()
    if found is None or found.removed_before <= since:
        return
    needed = since.astimezone(dt.UTC)
    raise RowsRemoved(
        f"rows of farm.{name} from {needed:%Y-%m-%d %H:%M} UTC on are needed, but those of before "
        f"{found.removed_before:%Y-%m-%d %H:%M} UTC were removed on {found.removed_at:%Y-%m-%d} "
        "(`keep` of the farm file); what was computed from them stays as it is. Remedy: choose "
        "partitions that begin at least a day later; what lies before can be computed from a "
        "backup alone"
    )
