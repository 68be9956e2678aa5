"""Marks: which partitions are out of date, since when and by which input.

A mark is never changed. It is made in the transaction in which an input changes, or in which a
logged change is looked at (`inputs`); and the transaction that computes its partition takes it
away. So what is rolled back is as it was, and a row that commits while its partition is being
computed keeps its mark. Whether a partition is computed anew is the business of `automation`.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from mushroom_assets.domain.reach import Instants, Touched
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.day_locks import lock_days
from mushroom_assets.storage.removals import removed_before
from mushroom_assets.storage.schema import RESULTS, sample
from mushroom_assets.storage.schema import outdated as table
from mushroom_assets.storage.schema.dictionary import upstream

# A mark this old gets another one beside it: what failed since may be tried anew at once
YOUNG = dt.timedelta(hours=1)
# What people change one by one, perhaps to mend what failed: each change is a mark
BY_HAND = {"setting"}


class Outdated(NamedTuple):
    """The marks of one instant: by which inputs, and when the first and the last were made."""

    at: dt.datetime
    sources: Sequence[str]
    since: dt.datetime
    latest: dt.datetime


class Marks(NamedTuple):
    """What is marked of an asset, oldest instant first.

    Partitions that begin before `kept_since` are left as they are: inputs of theirs were removed.
    """

    found: Sequence[Outdated] = ()
    kept_since: dt.datetime | None = None


def mark(connection: sa.Connection, touched: Touched) -> None:
    """Mark partitions, in the caller's transaction; what has such a mark needs no second one.

    Unless a run is about to take it away, which has read before this change: its mark is locked and
    does not count. A run that comes later waits for this transaction, and reads what it changed.
    """
    same = (table.c.asset == touched.asset) & (table.c.source == touched.source)
    young = table.c.marked_at > sa.func.now() - YOUNG
    if touched.source in BY_HAND:
        young = sa.false()
    there = sa.select(table.c.at).where(same, young, table.c.at == sa.func.any(_instants(touched)))
    kept = there.with_for_update(key_share=True, read=True, skip_locked=True).cte("kept")
    instants = sa.func.unnest(_instants(touched)).column_valued("at")
    rows = sa.select(sa.literal(touched.asset), instants, sa.literal(touched.source))
    rows = rows.where(instants.not_in(sa.select(kept.c.at)))
    connection.execute(sa.insert(table).from_select(["asset", "at", "source"], rows))


def settle(connection: sa.Connection, touched: Touched) -> None:
    """Take marks of one source away, for a job that makes good what they stand for and no more.

    As with `claim`, it is called before the input is read.
    """
    same = (table.c.asset == touched.asset) & (table.c.source == touched.source)
    connection.execute(sa.delete(table).where(same, table.c.at == sa.func.any(_instants(touched))))


def _instants(touched: Touched) -> sa.ColumnElement[Any]:
    at = pd.DatetimeIndex(touched.instants.astype("datetime64[us]"), tz="UTC").to_pydatetime()
    return sa.literal(list(at), ARRAY(table.c.at.type))


def claim(connection: sa.Connection, result: sa.Table, windows: Sequence[Window]) -> None:
    """Have the windows' days for oneself, and take their marks away.

    Called before the inputs are read: what is read then holds at least every change whose mark is
    taken. A change whose mark commits later is marked still, if it was read or not.

    Args:
        connection: in the transaction that replaces the windows' rows.
        result: whose rows are replaced.
        windows: consecutive.
    """
    lock_days(connection, result, [window.date for window in windows])
    own = (table.c.asset == result.name) & (table.c.at >= windows[0].start)
    connection.execute(sa.delete(table).where(own, table.c.at < windows[-1].end))


def read_marks(connection: sa.Connection, asset: str) -> Marks:
    """What is marked of an asset, and what of it can be made anew."""
    first = sa.func.min(table.c.marked_at)
    last = sa.func.max(table.c.marked_at)
    statement = (
        sa.select(table.c.at, sa.func.array_agg(sa.distinct(table.c.source)), first, last)
        .where(table.c.asset == asset)
        .group_by(table.c.at)
        .order_by(table.c.at)
    )
    found = [Outdated(*row) for row in connection.execute(statement)]
    inputs = [sample.name, *upstream(RESULTS[asset])]
    removed = [removed_before(connection, name) for name in inputs]
    # What is carried into a window, and what a report says of the hour before, lies before it
    ends = [end + dt.timedelta(days=1) for end in removed if end is not None]
    return Marks(found, max(ends, default=None))


def places(marks: Sequence[Outdated], windows: Sequence[Window]) -> list[list[Outdated]]:
    """The marks of each of some windows, which are in order."""
    starts = np.array([window.start_us for window in windows], dtype=np.int64)
    ends = np.array([window.end_us for window in windows], dtype=np.int64)
    found: list[list[Outdated]] = [[] for _ in windows]
    at: Instants = np.array([each.at.timestamp() * 1e6 for each in marks], dtype=np.int64)
    for each, place in zip(marks, np.searchsorted(starts, at, side="right") - 1, strict=True):
        if place >= 0 and each.at.timestamp() * 1e6 < ends[place]:
            found[place].append(each)
    return found
