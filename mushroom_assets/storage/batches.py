"""The plant's batches: read them, add them, correct them."""

import datetime as dt

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from mushroom_assets.storage.schema import batch


def read_batches(connection: sa.Connection) -> dict[str, list[dt.date]]:
    """In-dates by room, ascending."""
    batches: dict[str, list[dt.date]] = {}
    statement = sa.select(batch.c.room_id, batch.c.in_date).order_by(batch.c.in_date)
    for room_id, in_date in connection.execute(statement):
        batches.setdefault(room_id, []).append(in_date)
    return batches


def insert_batches(
    connection: sa.Connection, batches: pd.DataFrame, *, correct: bool = False
) -> tuple[int, int]:
    """Add the batches that are not there yet; one that is stays as it is, or is corrected.

    Args:
        connection: in a transaction.
        batches: columns room_id, in_date and bag_count.
        correct: give those that are stored with another bag_count this one; none says nothing.

    Returns:
        rows added, and rows that are, or until they were corrected were, stored with another count.
    """
    bags = [None if pd.isna(count) else int(count) for count in batches["bag_count"].tolist()]
    rows = zip(batches["room_id"], batches["in_date"], bags, strict=True)
    added = 0
    different = 0
    for room_id, in_date, count in rows:
        given = {"room_id": room_id, "in_date": in_date, "bag_count": count}
        new = insert(batch).values(given).on_conflict_do_nothing().returning(batch.c.room_id)
        is_new = connection.scalar(new) is not None
        added += is_new
        if not is_new and count is not None:
            same = (batch.c.room_id == room_id) & (batch.c.in_date == in_date)
            other = same & batch.c.bag_count.is_distinct_from(count)
            if correct:
                change = sa.update(batch).where(other).values(bag_count=count)
                different += connection.execute(change).rowcount
            else:
                found = connection.scalar(sa.select(sa.func.count()).where(other))
                different += found or 0
    return added, different
