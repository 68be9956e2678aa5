"""A rule about a table's rows, and the means to write one.

What comes of it is the business of `evaluation`. Its words stand in `metadata/rules/`.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.windows import Window

ERROR = dg.AssetCheckSeverity.ERROR
WARN = dg.AssetCheckSeverity.WARN


@dataclass(frozen=True)
class Rule:
    """What must hold of a table's rows.

    Attributes:
        name: the check's name.
        table: the asset's table.
        severity: ERROR blocks what comes after.
        offenders: selects what breaks the rule in a window; the first column says when, as date or
            instant. A column `quantity` is shown by its name, `share` in per cent.
        values: for the placeholders of its texts.
    """

    name: str
    table: sa.Table
    severity: dg.AssetCheckSeverity
    offenders: Callable[[Window, Farm], sa.Select[Any] | sa.CompoundSelect[Any]]
    values: Mapping[str, Any] = field(default_factory=dict)

    def say(self, part: Literal["holds", "fault", "remedy"], farm: Farm) -> str:
        """The rule in words, what its offending rows are (after their count), what to do."""
        return say(f"{self.table.name}.{self.name}.{part}", farm, **self.values)


def of_days(column: sa.ColumnElement[dt.date], window: Window) -> sa.ColumnElement[bool]:
    """Whether a date lies in a window of whole days."""
    return sa.and_(column >= window.start.date(), column < window.end.date())


def in_force(
    key: str,
    of_file: float,
    window: Window,
    farm: Farm,
    place: tuple[sa.ColumnElement[str], sa.ColumnElement[dt.date]],
    end: int | None = None,
) -> sa.ColumnElement[float]:
    """A limit as it is in force for each row.

    Args:
        key: of the farm file.
        of_file: its value there.
        window: whole days.
        farm: with the settings.
        place: the rows' columns of room and day.
        end: of a band the low (0) or the high end (1).
    """
    room, day = place
    last = window.end.date() - dt.timedelta(days=1)
    cases = []
    for stretch in farm.stretches(key, window.start.date(), last):
        there = sa.and_(room == stretch.room_id, day.between(stretch.first, stretch.last))
        value = stretch.value if end is None or stretch.value is None else stretch.value[end]
        cases.append((there, sa.literal(value, sa.Double)))
    of_all = sa.literal(of_file, sa.Double)
    return sa.case(*cases, else_=of_all) if cases else of_all


def days_of(window: Window) -> sa.Subquery:
    """The days of a window, a row each: column `day`."""
    count = (window.end.date() - window.start.date()).days
    day = sa.literal(window.start.date(), sa.Date) + sa.func.generate_series(0, count - 1)
    return sa.select(day.label("day")).subquery("days")


def listed(name: str, values: Iterable[str]) -> sa.Subquery:
    """Texts as rows of one column."""
    each = sa.func.unnest(sa.cast(list(values), ARRAY(sa.Text)))
    return sa.select(each.label(name)).subquery(f"{name}s")


def pairs(first: str, second: str, values: Mapping[str, str]) -> sa.Subquery:
    """A mapping of texts as rows of two columns."""
    texts = ARRAY(sa.Text)
    keys = sa.func.unnest(sa.cast(list(values), texts))
    others = sa.func.unnest(sa.cast(list(values.values()), texts))
    return sa.select(keys.label(first), others.label(second)).subquery("pairs")


def rows_missing(
    table: sa.Table, date: sa.ColumnElement[dt.date], window: Window, **keys: Iterable[str]
) -> sa.Select[Any]:
    """The days of a window with values of the other keys for which the table has no row.

    Args:
        table: where the rows should be.
        date: its column of the day.
        window: whole days.
        keys: the values that every day should have, by name of the key column.
    """
    days = days_of(window)
    lists = {name: listed(name, values) for name, values in keys.items()}
    combined: sa.FromClause = days
    for values in lists.values():
        combined = combined.join(values, sa.true())
    wanted = [values.c[name] for name, values in lists.items()]
    there = sa.and_(date == days.c.day, *(table.c[value.name] == value for value in wanted))
    missing = sa.select(days.c.day, *wanted).select_from(combined)
    return missing.where(~sa.exists().where(there)).order_by(days.c.day, *wanted)
