"""Result tables: replace a window's rows in one go, and read them back. No computing."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import JSONB

from mushroom_assets.storage.schema import (
    SCHEMA,
    daily_clip_inference,
    daily_env_stats,
    daily_room_report,
)

PEER_DAYS = dt.timedelta(days=400)  # every season, 13 batches a room


def replace_rows(
    connection: sa.Connection,
    table: sa.Table,
    window: sa.ColumnElement[bool],
    rows: Sequence[Mapping[str, Any]],
) -> int:
    """Delete the window's rows and insert `rows`, inside the caller's transaction.

    Args:
        connection: a connection in a transaction that holds the window's lock (`day_locks`).
        table: a result table.
        window: which rows the new ones replace.
        rows: mappings with every column of the table.

    Returns:
        How many rows were inserted.
    """
    connection.execute(sa.delete(table).where(window))
    columns = list(table.columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(SCHEMA, table.name),
        sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
    )
    with connection.connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row([_cell(column, row[column.name]) for column in columns])
    return len(rows)


def _cell(column: sa.Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, JSONB):
        return Jsonb(value)
    if column.name == "embedding":  # pgvector's text form
        numbers = ",".join(format(float(number), ".9g") for number in value)
        return f"[{numbers}]"  # 9 digits keep a float32 exact
    return value


def read_rows(
    connection: sa.Connection, table: sa.Table, window: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    """The window's rows in key order, every column but the vectors."""
    columns = [column for column in table.columns if column.name != "embedding"]
    statement = sa.select(*columns).where(window).order_by(*table.primary_key.columns)
    return [dict(row) for row in connection.execute(statement).mappings()]


def read_peers(
    connection: sa.Connection, day: dt.date, growth_days: Collection[int]
) -> list[dict[str, Any]]:
    """Rows of `daily_env_stats` of earlier days at some growth days, latest first.

    Each has the `verdict` of its report too. They reach back `PEER_DAYS` at most.
    """
    row = daily_env_stats.c
    report = daily_room_report.c
    written = sa.and_(report.room_id == row.room_id, report.stat_date == row.stat_date)
    statement = (
        sa.select(daily_env_stats, report.verdict)
        .outerjoin(daily_room_report, written)
        .where(
            row.stat_date < day, row.stat_date >= day - PEER_DAYS, row.growth_day.in_(growth_days)
        )
        .order_by(row.stat_date.desc(), row.room_id, row.quantity)
    )
    return [dict(found) for found in connection.execute(statement).mappings()]


def latest_model(connection: sa.Connection, day: dt.date) -> str | None:
    """The model that last judged a day's images, None where no images were judged."""
    columns = daily_clip_inference.c
    statement = sa.select(columns.model_id).where(columns.image_date == day)
    return connection.scalar(
        statement.order_by(columns.computed_at.desc(), columns.model_id).limit(1)
    )
