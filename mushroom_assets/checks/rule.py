"""A rule about a table's rows, and the means to write one.

What comes of it is the business of `evaluation`.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from mushroom_assets.domain.farm import Farm, Language
from mushroom_assets.domain.windows import Window

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
Said = dict[Language, str]


@dataclass(frozen=True)
class Rule:
    """What must hold of a table's rows.

    Attributes:
        name: the check's name.
        table: the asset's table.
        severity: ERROR blocks what comes after.
        holds: the rule in words.
        fault: what the offending rows are, after their count.
        remedy: what to do about them.
        offenders: selects what breaks the rule in a window; the first column says when, as date or
            instant. A column `quantity` is shown by its name, `share` in per cent.
    """

    name: str
    table: sa.Table
    severity: dg.AssetCheckSeverity
    holds: Said
    fault: Said
    remedy: Said
    offenders: Callable[[Window, Farm], sa.Select[Any] | sa.CompoundSelect[Any]]


def of_days(column: sa.ColumnElement[dt.date], window: Window) -> sa.ColumnElement[bool]:
    """Whether a date lies in a window of whole days."""
    return sa.and_(column >= window.start.date(), column < window.end.date())


def days_of(window: Window) -> sa.Subquery:
    """The days of a window, a row each: column `day`."""
    count = (window.end.date() - window.start.date()).days
    day = sa.literal(window.start.date(), sa.Date) + sa.func.generate_series(0, count - 1)
    return sa.select(day.label("day")).subquery("days")


def listed(name: str, values: Iterable[str]) -> sa.Subquery:
    """Texts as rows of one column."""
    return sa.select(sa.func.unnest(sa.cast(list(values), ARRAY(sa.Text))).label(name)).subquery(
        f"{name}s"
    )


def rows_missing(
    table: sa.Table, date: sa.ColumnElement[dt.date], window: Window, **keys: Iterable[str]
) -> sa.Select[Any]:
    """The days of a window with the values of the other key columns for which the table has no row."""
    days, lists = days_of(window), {name: listed(name, values) for name, values in keys.items()}
    combined: sa.FromClause = days
    for values in lists.values():
        combined = combined.join(values, sa.true())
    wanted = [values.c[name] for name, values in lists.items()]
    there = sa.and_(date == days.c.day, *(table.c[value.name] == value for value in wanted))
    return (
        sa.select(days.c.day, *wanted)
        .select_from(combined)
        .where(~sa.exists().where(there))
        .order_by(days.c.day, *wanted)
    )
