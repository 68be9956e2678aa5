"""Rows of images that are older than the farm keeps them, removed in portions.

What people labelled stays, row and vector: the farm's probe is fitted on it. So do the days as
vectors (`room_days`): one a room and day, and reports look back to them however long ago they are.
"""

import datetime as dt

import sqlalchemy as sa

from mushroom_assets.storage.day_locks import lock_days
from mushroom_assets.storage.removals import Removed, record_removal
from mushroom_assets.storage.schema import daily_clip_inference as table
from mushroom_assets.storage.schema import image_embedding, image_label

_PORTION = 5000  # vectors a transaction: 10 MB of 512 dimensions


def old_days(connection: sa.Connection, before: dt.date) -> list[dt.date]:
    """The days before one that have rows which would be removed, oldest first."""
    old = sa.and_(table.c.image_date < before, ~_labelled(table.c.content_sha256))
    statement = sa.select(table.c.image_date).distinct().where(old).order_by(table.c.image_date)
    return list(connection.scalars(statement))


def remove_day(connection: sa.Connection, day: dt.date, end: dt.datetime, run_id: str) -> Removed:
    """Remove a day's rows, which ends at `end`, in the caller's transaction."""
    lock_days(connection, table, [day])
    old = sa.and_(table.c.image_date == day, ~_labelled(table.c.content_sha256))
    removed = _delete(connection, table, old)
    record_removal(connection, table.name, end, removed, run_id)
    return removed


def remove_vectors(connection: sa.Connection, before: dt.datetime, run_id: str) -> Removed:
    """Remove a portion of the vectors from before an instant that no row and no label stands for.

    A file of these bytes that comes again is computed anew.
    """
    vector = image_embedding.c
    seen = sa.exists().where(table.c.content_sha256 == vector.content_sha256)
    old = sa.and_(vector.computed_at < before, ~seen, ~_labelled(vector.content_sha256))
    keys = sa.tuple_(vector.content_sha256, vector.encoder)
    portion = sa.select(vector.content_sha256, vector.encoder).where(old).limit(_PORTION)
    removed = _delete(connection, image_embedding, keys.in_(portion))
    if removed.rows:
        record_removal(connection, image_embedding.name, before, removed, run_id)
    return removed


def _labelled(content: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether people have labelled these bytes."""
    return sa.exists().where(image_label.c.content_sha256 == content)


def _delete(connection: sa.Connection, of: sa.Table, old: sa.ColumnElement[bool]) -> Removed:
    """Delete rows; how many they were, and the bytes that they took."""
    size = sa.func.pg_column_size(sa.literal_column(f"{of.name}.*"))
    gone = sa.delete(of).where(old).returning(size.label("size")).cte("gone")
    counted = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(gone.c.size), 0))
    rows, taken = connection.execute(counted.select_from(gone)).one()
    return Removed(rows, int(taken))
