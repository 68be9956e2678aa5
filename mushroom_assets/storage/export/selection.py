"""What is to be read out: which table, which farm days, which rooms; and the statements for it.

A statement reads one farm day: so each is short, its rows are in order without sorting a year, and
who waits sees how far it is.
"""

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from psycopg import sql

from mushroom_assets.domain.farm import Farm
from mushroom_assets.storage.schema import RESULTS, SCHEMA, TABLES
from mushroom_assets.storage.schema.batch_day import VIEW, batch_day
from mushroom_assets.storage.schema.dictionary import Role, day_column

DAY = dt.timedelta(days=1)
# Days that can be named: a clock and PostgreSQL agree on them
FIRST = dt.date(1970, 1, 1)
LAST = dt.date(2200, 1, 1)

Bound = dt.date | dt.datetime | None  # a day, the instant at which it begins, or no bound


class NotExportable(ValueError):
    """What was asked for cannot be read out; the message says what can."""


@dataclass(frozen=True)
class Selection:
    """Rows of a table.

    Attributes:
        table: the table or view.
        spans: half-open stretches of its day column, one after the other; a statement each.
        rooms: only of these rooms; of all where there are none.
    """

    table: sa.Table
    spans: Sequence[tuple[Bound, Bound]]
    rooms: Sequence[str] = ()

    def statement(self, span: tuple[Bound, Bound], read: Sequence[sql.Composable]) -> sql.Composed:
        """The query of a span, in key order; `read` are the expressions to select."""
        keys = [sql.Identifier(column.name) for column in self.table.primary_key.columns]
        query = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {}")
        comma = sql.SQL(", ")
        return query.format(comma.join(read), self.source, self._condition(span), comma.join(keys))

    def whole(self) -> sql.Composed:
        """The condition that all its rows pass."""
        return self._condition((self.spans[0][0], self.spans[-1][1]))

    @property
    def source(self) -> sql.Identifier:
        """The table's name."""
        return sql.Identifier(SCHEMA, self.table.name)

    def _condition(self, span: tuple[Bound, Bound]) -> sql.Composed:
        column = day_column(self.table)
        conditions: list[sql.Composable] = [sql.SQL("true")]
        for sign, bound in zip((">=", "<"), span, strict=True):
            if column is not None and bound is not None:
                name = sql.Identifier(column.name)
                conditions.append(sql.SQL(f"{{}} {sign} {{}}").format(name, sql.Literal(bound)))
        if self.rooms:
            rooms = sql.Literal(list(self.rooms))
            conditions.append(sql.SQL(_of_rooms(self.table)).format(rooms))
        return sql.SQL(" AND ").join(conditions)


def names() -> list[str]:
    """All tables that can be read out: results, the view, then all but what runs work with."""
    others = [name for name, table in TABLES.items() if table.info["role"] is not Role.WORK]
    return [*RESULTS, VIEW, *(name for name in others if name not in RESULTS)]


def select(
    name: str,
    farm: Farm,
    *,
    since: dt.date | None = None,
    until: dt.date | None = None,
    rooms: Sequence[str] = (),
    today: dt.date,
) -> Selection:
    """The rows of a table from one farm day to another, both included; unset: without bound.

    Args:
        name: one of `names()`.
        farm: says when its days begin, and which quantities the view has.
        since: first day.
        until: last day.
        rooms: only of these; unset: of all, of those that the farm file does not list too.
        today: the farm's; rows of later days come in one piece.

    Raises:
        NotExportable: there is no such table, it has no days or rooms, or these are none.
    """
    if name not in names():
        raise NotExportable(f"there is no table {name!r}: choose one of {', '.join(names())}")
    table = batch_day(farm.units()) if name == VIEW else TABLES[name]
    column = day_column(table)
    _require_days(table, since, until)
    if rooms:
        _of_rooms(table)
    if column is None:
        return Selection(table, [(None, None)], rooms)
    edges = _edges(farm, since, until, today)
    bounds: list[Bound] = [*edges]
    if isinstance(column.type, sa.DateTime):
        bounds = [_begin(day, farm) for day in edges]
    return Selection(table, list(itertools.pairwise(bounds)), rooms)


def _begin(day: dt.date | None, farm: Farm) -> dt.datetime | None:
    """The day's first instant."""
    return None if day is None else dt.datetime.combine(day, dt.time(), farm.zone)


def _require_days(table: sa.Table, since: dt.date | None, until: dt.date | None) -> None:
    given = [day for day in (since, until) if day is not None]
    if given and day_column(table) is None:
        raise NotExportable(
            f"rows of {table.name} belong to no day: it is written as a whole, without days"
        )
    for day in given:
        if not FIRST <= day < LAST:
            raise NotExportable(f"{day} is no day of a farm: choose one from {FIRST} on")
    if since is not None and until is not None and until < since:
        raise NotExportable(f"the last day, {until}, lies before the first, {since}")


def _edges(
    farm: Farm, since: dt.date | None, until: dt.date | None, today: dt.date
) -> list[dt.date | None]:
    """Where a statement ends and the next begins: each day of the farm's, up to today's end."""
    last = None if until is None else until + DAY
    days = [farm.first_day + number * DAY for number in range((today - farm.first_day).days + 2)]
    within = [
        day for day in days if (since is None or since < day) and (last is None or day < last)
    ]
    return [since, *within, last]


def _of_rooms(table: sa.Table) -> str:
    """The condition that a row is of some rooms.

    Raises:
        NotExportable: rows of the table are of no room.
    """
    if "room_id" in table.columns:
        return "room_id = ANY({})"
    if "point_id" in table.columns:
        return "point_id IN (SELECT point_id FROM farm.point WHERE room_id = ANY({}))"
    raise NotExportable(f"rows of {table.name} are of no room: leave the rooms out")
