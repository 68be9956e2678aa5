"""Rules of `hourly_setpoint_changes`: their queries and severities.

Their words are in rules/setpoints.yaml.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, WARN, Rule
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import WatchedPoint
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.schema import hourly_setpoint_changes as table
from mushroom_assets.storage.schema import point, removal, sample

row = table.c
POINT = (row.changed_at, row.room_id, row.device_alias, row.point_alias)
ROUNDED = 1e-6  # of `delta` as it is stored
NOISE = 3e-7  # of an analog value: two 4-byte floats beside each other are 1.2e-7 apart at most
DECIMALS = 4  # of an analog value, as it is shown
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def _within(window: Window) -> sa.ColumnElement[bool]:
    return sa.and_(row.changed_at >= window.start, row.changed_at < window.end)


def _steps_inconsistent(window: Window, farm: Farm) -> sa.Select[Any]:
    step = row.current_value - row.previous_value
    consistent = sa.and_(step != 0, sa.func.abs(row.delta - step) <= ROUNDED)
    columns = (*POINT, row.previous_value, row.current_value, row.delta)
    return sa.select(*columns).where(_within(window), ~consistent)


def _chains_broken(window: Window, farm: Farm) -> sa.Select[Any]:
    earlier = table.alias("earlier")
    last = (
        sa.select(earlier.c.current_value)
        .where(earlier.c.point_id == row.point_id, earlier.c.changed_at < row.changed_at)
        .order_by(earlier.c.changed_at.desc())
        .limit(1)
        .scalar_subquery()  # a step in the primary key, however long ago it was
    )
    columns = (*POINT, row.change_type, row.previous_value, last.label("last"))
    changes = sa.select(*columns).where(_within(window)).subquery("changes")
    own = changes.c
    differ = sa.case(
        (own.change_type == "analog_value", _are_apart(own.last, own.previous_value)),
        else_=sa.func.round(own.last) != sa.func.round(own.previous_value),  # states, not noise
    )
    shown = (own.changed_at, own.room_id, own.device_alias, own.point_alias)
    values = (_shown(own.last, "last"), _shown(own.previous_value, "previous_value"))
    return sa.select(*shown, *values).where(differ).order_by(own.changed_at)


def _moves_unrecorded(window: Window, farm: Farm) -> sa.Select[Any]:
    """Hours at whose end a point has another value than their changes say.

    Days are looked at first, then the hours of those that differ: an hour takes two steps in the
    primary key for each point. In a range, what small steps moved and moved back within a day is
    passed over.
    """
    start = sa.literal(window.start, sa.DateTime(timezone=True))
    day = sa.func.generate_series(start, window.end - HOUR, DAY).label("since")
    until = sa.func.least(day + DAY, window.end).label("until")
    days = sa.select(point, day, until).where(_has_threshold(farm))
    found = _unrecorded(days).cte("found")
    hour = sa.func.generate_series(found.c.since, found.c.until - HOUR, HOUR).label("since")
    names = [found.c[column.name] for column in point.c]
    hours = sa.select(*names, hour, (hour + HOUR).label("until"))
    own = _unrecorded(hours).subquery("own").c
    shown = (own.sampled_at, own.room_id, own.device_alias, own.point_alias)
    values = (_shown(own.recorded, "recorded"), _shown(own.value, "value"))
    gone = sa.select(removal.c.removed_before).where(removal.c.table_name == sample.name)
    there = sa.func.coalesce(own.since >= gone.scalar_subquery(), sa.true())
    return sa.select(*shown, *values).where(there).order_by(own.sampled_at)


def _unrecorded(spans: sa.Select[Any]) -> sa.Select[Any]:
    """Of points and stretches of time, `since` and `until`, those whose changes do not add up.

    `recorded` is the value before, or the first one ever, with all changes of the stretch.
    """
    span = spans.subquery()
    own = span.c
    value = sample.c.value
    finite = value.not_in([float("nan"), float("inf"), float("-inf")])
    of_point = sa.select(sample.c.sampled_at, value).where(sample.c.point_id == own.point_id)
    ascending = of_point.where(finite).order_by(sample.c.sampled_at).limit(1)
    descending = ascending.order_by(None).order_by(sample.c.sampled_at.desc())
    inside = sa.and_(sample.c.sampled_at >= own.since, sample.c.sampled_at < own.until)
    last = descending.where(inside).lateral("last")
    earlier = descending.with_only_columns(value).where(sample.c.sampled_at < own.since)
    # Without a bound every month is looked into: 13 for a year, where mostly one will do
    near = earlier.where(sample.c.sampled_at >= own.since - DAY)
    before = sa.func.coalesce(near.scalar_subquery(), earlier.scalar_subquery())
    first = ascending.where(inside).lateral("first")
    moved = _sum_of_changes(span).lateral("moved")
    joined = span.join(last, sa.true()).join(first, sa.true()).join(moved, sa.true())
    recorded = sa.func.coalesce(before, first.c.value) + moved.c.by
    return (
        sa.select(*own, *last.c, recorded.label("recorded"))
        .select_from(joined)
        .where(_are_apart(recorded, last.c.value, moved.c.steps))
    )


def _sum_of_changes(span: sa.Subquery) -> sa.Select[Any]:
    """By how much a point moved in a stretch of time, by its changes, and in how many steps."""
    by = sa.func.coalesce(sa.func.sum(row.current_value - row.previous_value), 0).label("by")
    steps = (sa.func.count() + 1).label("steps")
    within = sa.and_(row.changed_at >= span.c.since, row.changed_at < span.c.until)
    return sa.select(by, steps).where(row.point_id == span.c.point_id, within)


def _has_threshold(farm: Farm) -> sa.ColumnElement[bool]:
    """Whether small steps of a point of the plant are no changes."""
    kinds = [
        sa.and_(point.c.device_type == kind, point.c.point_alias.in_(_thresholds(points)))
        for kind, points in farm.points.items()
    ]
    return sa.and_(point.c.room_id.in_(farm.rooms), sa.or_(sa.false(), *kinds))


def _thresholds(points: Mapping[str, WatchedPoint]) -> list[str]:
    return [
        alias
        for alias, rule in points.items()
        if rule.change_type == "analog_value" and rule.threshold
    ]


def _are_apart(
    one: sa.ColumnElement[float],
    other: sa.ColumnElement[float],
    steps: sa.ColumnElement[int] | int = 1,
) -> sa.ColumnElement[bool]:
    """Whether two analog values differ by more than the noise of so many steps between them."""
    largest = sa.func.greatest(sa.func.abs(one), sa.func.abs(other))
    return sa.func.abs(one - other) > NOISE * steps * largest


def _shown(value: sa.ColumnElement[float], name: str) -> sa.ColumnElement[Any]:
    """A value with the decimals that it has: 18.05, 3080."""
    rounded = sa.func.round(sa.cast(value, sa.Numeric), DECIMALS)
    return sa.func.trim_scale(rounded).label(name)


def _points_unknown(window: Window, farm: Farm) -> sa.Select[Any]:
    known = []
    nameless = []
    for kind, points in farm.points.items():
        for alias, rule in points.items():
            known.append(_is(kind, alias))
            nameless.append(sa.and_(_is(kind, alias), _unnamed(rule)))
    stranger = ~sa.and_(row.room_id.in_(farm.rooms), sa.or_(sa.false(), *known))
    reason = sa.case((stranger, say("not_watched", farm)), else_=say("no_label", farm))
    columns = (*POINT, row.previous_value, row.current_value, reason.label("reason"))
    return sa.select(*columns).where(_within(window), sa.or_(stranger, *nameless))


def _is(device_type: str, point_alias: str) -> sa.ColumnElement[bool]:
    return sa.and_(row.device_type == device_type, row.point_alias == point_alias)


def _unnamed(point: WatchedPoint) -> sa.ColumnElement[bool]:
    """Whether one of a change's states has no label.

    An analog value needs none, nor does a point without any.
    """
    if point.change_type == "analog_value" or not point.labels:
        return sa.false()
    states = (sa.func.round(value) for value in (row.previous_value, row.current_value))
    return sa.or_(*(state.not_in(list(point.labels)) for state in states))


RULES = (
    Rule("steps_consistent", table, ERROR, _steps_inconsistent),
    Rule("values_chain", table, WARN, _chains_broken),
    Rule("points_known", table, WARN, _points_unknown),
    Rule("moves_recorded", table, WARN, _moves_unrecorded),
)
