"""The plant's batches: read them, add and correct them."""

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


def insert_batches(connection: sa.Connection, batches: pd.DataFrame) -> int:
    """Add or correct batches; returns how many rows are new or changed.

    `batches` has the columns room_id, in_date and bag_count.
    """
    if batches.empty:
        return 0
    bags = [None if pd.isna(count) else int(count) for count in batches["bag_count"].tolist()]
    rows = [
        {"room_id": room, "in_date": day, "bag_count": count}
        for room, day, count in zip(batches["room_id"], batches["in_date"], bags, strict=True)
    ]
    new = insert(batch)
    statement = new.on_conflict_do_update(
        index_elements=[batch.c.room_id, batch.c.in_date],
        set_={"bag_count": new.excluded.bag_count},
        where=batch.c.bag_count.is_distinct_from(new.excluded.bag_count),
    ).returning(batch.c.room_id)
    return sum(len(connection.execute(statement, row).all()) for row in rows)
