"""Result tables: replace a window's rows in one go, and read them back. No computing."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import JSONB

from mushroom_assets.domain.peers import PEER_DAYS, RoomAge
from mushroom_assets.storage.schema import (
    SCHEMA,
    daily_clip_inference,
    daily_env_stats,
)

Rows = Iterable[Mapping[str, Any]]
# Who computed a row, and when, says nothing of it. A vector follows from the image's bytes and the
# model, within what its precision allows, and takes longer to read than all the rest.
NOT_COMPARED = {"run_id", "computed_at", "detected_at", "fitted_at", "embedding", "precision"}


class Change(NamedTuple):
    """A row before and after: nothing before, it came; nothing after, it went."""

    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def replace_rows(
    connection: sa.Connection,
    table: sa.Table,
    window: sa.ColumnElement[bool],
    rows: Sequence[Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
    """Delete the window's rows and insert `rows`, inside the caller's transaction.

    Args:
        connection: a connection in a transaction that holds the window's lock (`day_locks`).
        table: a result table.
        window: which rows the new ones replace.
        rows: mappings with every column of the table.

    Returns:
        what really changed, as it was and as it is: rows that came or went, and both versions of
        those that differ in more than who computed them.
    """
    compared = [column for column in table.columns if column.name not in NOT_COMPARED]
    gone = connection.execute(sa.delete(table).where(window).returning(*compared))
    before = [dict(row) for row in gone.mappings()]
    columns = list(table.columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(SCHEMA, table.name),
        sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
    )
    with connection.connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row([_cell(column, row[column.name]) for column in columns])
    found = changes(before, rows, table)
    return [version for change in found for version in change if version is not None]


def changes(before: Rows, after: Rows, table: sa.Table) -> list[Change]:
    """What differs between two versions of some rows of a table, in the order of the key.

    `NOT_COMPARED` counts for nothing. Numbers are compared exactly.
    """
    key_of = itemgetter(*(column.name for column in table.primary_key.columns))
    names = [column.name for column in table.columns if column.name not in NOT_COMPARED]
    old = {key_of(row): row for row in before}
    new = {key_of(row): row for row in after}
    changed = []
    for key in sorted(old.keys() | new.keys()):
        change = Change(old.get(key), new.get(key))
        if change.before is None or change.after is None:
            changed.append(change)
        elif any(change.before[name] != change.after[name] for name in names):
            changed.append(change)
    return changed


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

    They reach back `PEER_DAYS` at most.
    """
    row = daily_env_stats.c
    within = row.stat_date.between(day - PEER_DAYS, day - dt.timedelta(days=1))
    statement = sa.select(daily_env_stats).where(within, row.growth_day.in_(growth_days))
    ordered = statement.order_by(row.stat_date.desc(), row.room_id, row.quantity)
    return [dict(found) for found in connection.execute(ordered).mappings()]


def read_room_ages(connection: sa.Connection, ages: Collection[RoomAge]) -> list[RoomAge]:
    """Room days that may quote some others, or be quoted in their place: those of their ages.

    `PEER_DAYS` to both sides.
    """
    if not ages:
        return []
    row = daily_env_stats.c
    growth_days = {age.growth_day for age in ages} - {None}
    first = min(age.day for age in ages) - PEER_DAYS
    last = max(age.day for age in ages) + PEER_DAYS
    statement = sa.select(row.stat_date, row.room_id, row.growth_day, row.batch_date).distinct()
    within = row.stat_date.between(first, last) & row.growth_day.in_(growth_days)
    return [RoomAge(*found) for found in connection.execute(statement.where(within))]


def read_conditions(
    connection: sa.Connection, day: dt.date, model: str | None
) -> dict[str, list[str | None]]:
    """What a model saw wrong on a day's usable images, by room."""
    image = daily_clip_inference.c
    statement = sa.select(image.room_id, image.condition).where(
        image.image_date == day, image.model_id == model, image.status == "ok"
    )
    found: dict[str, list[str | None]] = {}
    for room, condition in connection.execute(statement):
        found.setdefault(room, []).append(condition)
    return found


def latest_model(connection: sa.Connection, day: dt.date) -> str | None:
    """The model that last judged a day's images, None where no images were judged."""
    columns = daily_clip_inference.c
    statement = sa.select(columns.model_id).where(columns.image_date == day)
    return connection.scalar(
        statement.order_by(columns.computed_at.desc(), columns.model_id).limit(1)
    )
