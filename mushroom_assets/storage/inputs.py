"""What came, changed or went in the source tables, as triggers have logged it.

The log is looked at by `follow`, which marks the partitions that each change touches and takes the
change from the log, in one transaction: a change that commits meanwhile stays for the next look.
How far a change reaches is told by `domain.reach`, what becomes of the marks by `outdated`.

What a change touches is looked up when it is looked at, not when it was written: the sample that
follows a late one may itself have changed since, and then its own change is in the log, too.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain import names, reach
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.in_force import Settings
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.reach import Span, Touched
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.day_locks import lock_table
from mushroom_assets.storage.harvest import read_pickings
from mushroom_assets.storage.outdated import mark
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.schema import input_change
from mushroom_assets.storage.setting import read_settings

HOUR_US = 3600 * 1_000_000
SOURCES = ("sample", "point", "batch", "note", "harvest", "setting")
_TAKE = "WITH changes AS (DELETE FROM farm.input_change RETURNING *)"
# What this transaction itself has logged
_OWN = """
    WITH changes AS (
        SELECT * FROM farm.input_change WHERE xmin = pg_current_xact_id_if_assigned()::xid)"""
_SUMMED = """
    SELECT source, version, point_id, room_id, device_type, point_alias, in_date, picked_on,
           extract(epoch FROM min(first_at)) * 1000000, extract(epoch FROM max(last_at)) * 1000000
    FROM changes
    GROUP BY source, version, point_id, room_id, device_type, point_alias, in_date, picked_on,
             date_bin('1 hour', first_at, '2000-01-01 00:00+00')"""
# One step in the primary key for each
_NEXT = """
    SELECT c.number, extract(epoch FROM s.sampled_at) * 1000000
    FROM unnest(%s::int[], %s::int[], %s::timestamptz[]) AS c (number, point_id, last_at)
    CROSS JOIN LATERAL (
        SELECT sampled_at FROM farm.sample
        WHERE point_id = c.point_id AND sampled_at > c.last_at
          AND value NOT IN ('NaN', 'Infinity', '-Infinity')
        ORDER BY sampled_at LIMIT 1) AS s"""
_EDGES = """
    SELECT extract(epoch FROM min(sampled_at)) * 1000000,
           extract(epoch FROM max(sampled_at)) * 1000000
    FROM farm.sample WHERE point_id = %s"""


def follow(database: Database, farm: Farm) -> list[Touched]:
    """Mark what the logged changes touch, and take them from the log, in a transaction of its own.

    A run calls it before its own transaction. Whoever comes second waits for the first, for the
    milliseconds that it takes: after it every change that was committed before is marked.
    """
    with database.transaction() as connection:
        # Two that take a long log begin at different ends, and would wait for each other's rows
        lock_table(connection, input_change)
        touched = _touched(connection, _TAKE, farm)
        for each in touched:
            mark(connection, each)
    return touched


def own_reach(connection: sa.Connection, farm: Farm) -> list[Touched]:
    """What the changes of the caller's transaction touch; they stay in the log."""
    return _touched(connection, _OWN, farm)


class _Change(NamedTuple):
    """A row of the log, or several: hours of a point are one for each."""

    source: str
    version: int | None
    point_id: int | None
    room_id: str | None
    device_type: str | None
    point_alias: str | None
    in_date: dt.date | None
    picked_on: dt.date | None
    first: Decimal | None  # microseconds since 1970 UTC
    last: Decimal | None


def _touched(connection: sa.Connection, changes_of: str, farm: Farm) -> list[Touched]:
    known = read_points(connection)  # before the log: what they become meanwhile is in it
    changes = [_Change(*row) for row in connection.exec_driver_sql(changes_of + _SUMMED)]
    of: dict[str, list[_Change]] = {source: [] for source in SOURCES}
    for each in changes:
        of[each.source].append(each)
    now = dt.datetime.now(dt.UTC)
    always = reach.always(now, farm)
    points = [*known, *_as_they_were(of["point"])]
    touched = [
        *_by_samples(connection, of["sample"], points, always, farm),
        *_by_points(connection, of["point"], always, farm),
        *_by_batches(connection, of["batch"], now, farm),
        *_by_settings(connection, of["setting"], always, farm),
        *_by_notes(of["note"], always, farm),
        *_by_pickings(connection, of["harvest"], now, farm),
    ]
    return list(_within(touched, always))


def _as_they_were(changes: Iterable[_Change]) -> list[Point]:
    """What points were, or are since: samples that went before are no more under another name."""
    return [
        Point(each.point_id, each.room_id or "", each.device_type or "", "", each.point_alias or "")
        for each in changes
        if each.point_id is not None
    ]


def _by_samples(
    connection: sa.Connection,
    changes: Sequence[_Change],
    points: Sequence[Point],
    always: Span,
    farm: Farm,
) -> list[Touched]:
    if not changes:
        return []
    if any(each.point_id is None for each in changes):
        return reach.of_span(always, reach.ASSETS, "sample", farm)
    columns = ["point_id", "first", "last"]
    rows = [(each.point_id, each.first, each.last) for each in changes]
    samples = pd.DataFrame(rows, columns=columns).astype("int64")
    samples = samples.sort_values(["point_id", "first"], ignore_index=True)
    return reach.of_samples(_with_next(connection, samples, points, farm), points, farm)


def _with_next(
    connection: sa.Connection, samples: pd.DataFrame, points: Sequence[Point], farm: Farm
) -> pd.DataFrame:
    """With `next`, as `reach.of_samples` wants it.

    Where the point's next change comes within an hour, the next sample lies in the hour of the one
    or the other, whatever the zone, or is what comes after both: it is looked up once for all.
    """
    goes_on = samples["point_id"].diff(-1) == 0
    goes_on &= samples["first"].shift(-1) - samples["last"] <= HOUR_US
    asked = samples[~goes_on & samples["point_id"].isin(reach.watched(points, farm))]
    instants = pd.DatetimeIndex(asked["last"].to_numpy().astype("datetime64[us]"), tz="UTC")
    given = (asked.index.tolist(), asked["point_id"].tolist(), instants.to_pydatetime().tolist())
    found = dict(connection.exec_driver_sql(_NEXT, given).tuples().all())
    following = samples["last"].copy()
    following.loc[list(found)] = np.array(list(found.values()), dtype=np.int64)
    return samples.assign(next=following)


def _by_points(
    connection: sa.Connection, changes: Sequence[_Change], always: Span, farm: Farm
) -> list[Touched]:
    touched = []
    for each in changes:
        if each.point_id is None:
            return reach.of_span(always, reach.ASSETS, "point", farm)
        first, last = connection.exec_driver_sql(_EDGES, (each.point_id,)).one()
        if first is not None:
            kind = (each.room_id, each.device_type, each.point_alias)
            span = _clipped(Span(int(first), int(last)), always)
            touched += reach.of_point(kind, span, farm)
    return touched


def _by_batches(
    connection: sa.Connection, changes: Sequence[_Change], now: dt.datetime, farm: Farm
) -> list[Touched]:
    batches = read_batches(connection)
    always = reach.always(now, farm)
    touched = []
    for each in changes:
        if each.room_id is None or each.in_date is None:
            return reach.of_span(always, reach.OF_BATCHES, "batch", farm)
        if each.room_id in farm.rooms:
            following = _following(batches, each.room_id, each.in_date)
            span = reach.of_batch(each.in_date, following, now, farm)
            touched += reach.of_span(_clipped(span, always), reach.OF_BATCHES, "batch", farm)
    return touched


def _by_settings(
    connection: sa.Connection, changes: Sequence[_Change], always: Span, farm: Farm
) -> list[Touched]:
    """What each new setting changes, one after the other: a run may have read any of them."""
    if not changes:
        return []
    new = {each.version for each in changes}
    found = read_settings(connection, farm)
    batches = read_batches(connection)
    known = Settings([each for each in found.all if each.version not in new], farm, batches)
    touched = []
    for setting in found.all:
        if setting.version in new:
            after = known.plus(setting)
            touched += reach.of_setting(known, after, setting, always, farm)
            known = after
    return touched


def _by_notes(changes: Sequence[_Change], always: Span, farm: Farm) -> list[Touched]:
    spans = []
    for each in changes:
        if each.first is None or each.last is None:
            return reach.of_span(always, [names.REPORT], "note", farm)
        if each.room_id in farm.rooms:
            spans.append(Span(int(each.first), int(each.last)))
    return _told_by_reports(spans, "note", always, farm)


def _by_pickings(
    connection: sa.Connection, changes: Sequence[_Change], now: dt.datetime, farm: Farm
) -> list[Touched]:
    if not changes:
        return []
    batches = read_batches(connection)
    picked: dict[tuple[str, dt.date], list[dt.date]] = defaultdict(list)
    for one in read_pickings(connection, dt.date.min, dt.date.max):
        picked[one.room_id, one.in_date].append(one.picked_on)
    always = reach.always(now, farm)
    spans: list[Span] = []
    for each in changes:
        if each.room_id is None or each.in_date is None or each.picked_on is None:
            return reach.of_span(always, [names.REPORT], "harvest", farm)
        if each.room_id in farm.rooms:
            following = _following(batches, each.room_id, each.in_date)
            key = (each.room_id, each.in_date)
            spans += reach.of_picking(each.picked_on, following, picked[key], now, farm)
    return _told_by_reports(spans, "harvest", always, farm)


def _told_by_reports(spans: Sequence[Span], source: str, always: Span, farm: Farm) -> list[Touched]:
    """The reports of many spans at once: a file of pickings has hundreds."""
    found = []
    for span in set(spans):
        found += reach.of_span(_clipped(span, always), [names.REPORT], source, farm)
    if not found:
        return []
    return [
        found[0]._replace(instants=np.unique(np.concatenate([each.instants for each in found])))
    ]


def _following(
    batches: Mapping[str, Sequence[dt.date]], room_id: str, in_date: dt.date
) -> dt.date | None:
    """When the room's next batch came in, if one did."""
    return min((day for day in batches.get(room_id, []) if day > in_date), default=None)


def _clipped(span: Span, always: Span) -> Span:
    """One sample or batch may lie centuries off."""
    return Span(max(span.first, always.first), min(span.last, always.last))


def _within(touched: Iterable[Touched], always: Span) -> Iterable[Touched]:
    """Without what lies before the farm's first day, or ahead: there are no partitions."""
    for each in touched:
        inside = (each.instants >= always.first) & (each.instants <= always.last)
        if inside.any():
            yield each._replace(instants=each.instants[inside])
