"""Rules of `hourly_setpoint_changes`: their queries and severities.

Their words are in rules/setpoints.yaml.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, WARN, Rule
from mushroom_assets.domain.farm import Farm, WatchedPoint
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.schema import hourly_setpoint_changes as table
from mushroom_assets.storage.schema import point, sample

row = table.c
POINT = (row.changed_at, row.room_id, row.device_alias, row.point_alias)
ROUNDED = 1e-6  # of `delta` as it is stored
NOISE = 3e-7  # of an analog value: two 4-byte floats beside each other are 1.2e-7 apart at most
DECIMALS = 4  # of an analog value, as it is shown
HOUR = dt.timedelta(hours=1)


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
    """Hours at whose end a point has another value than at their start, and than the rows say."""
    known = _known_at_ends(window, farm)
    own = known.c
    made = sa.and_(
        row.point_id == own.point_id, row.changed_at >= own.since, row.changed_at < own.until
    )
    moved = (
        sa.select(
            sa.func.coalesce(sa.func.sum(row.current_value - row.previous_value), 0).label("by"),
            (sa.func.count() + 1).label("steps"),
        )
        .where(made)
        .lateral("moved")
    )
    recorded = own.before + moved.c.by
    shown = (own.sampled_at, own.room_id, own.device_alias, own.point_alias)
    values = (_shown(recorded, "recorded"), _shown(own.value, "value"))
    return (
        sa.select(*shown, *values)
        .select_from(known.join(moved, sa.true()))
        .where(own.value != own.before, _are_apart(recorded, own.value, moved.c.steps))
        .order_by(own.sampled_at)
    )


def _known_at_ends(window: Window, farm: Farm) -> sa.Subquery:
    """The last value in each hour of points with a threshold, and the one that was known before.

    Before a point's first sample ever that one is. It takes a step in the primary key for each
    point and hour: the samples between are not read.
    """
    start = sa.literal(window.start, sa.DateTime(timezone=True))
    ever = sa.cast("-infinity", sa.DateTime(timezone=True))
    each = sa.func.generate_series(start, window.end - HOUR, HOUR).column_valued("since")
    hours = sa.union_all(
        sa.select(ever.label("since"), start.label("until")), sa.select(each, each + HOUR)
    ).subquery("hours")
    watched = sa.select(point).where(_has_threshold(farm)).subquery("watched")
    value = sample.c.value
    own = sa.and_(
        sample.c.point_id == watched.c.point_id,
        sample.c.sampled_at >= hours.c.since,
        sample.c.sampled_at < hours.c.until,
        value.not_in([float("nan"), float("inf"), float("-inf")]),
    )
    found = sa.select(sample.c.sampled_at, value).where(own).limit(1)
    last = found.order_by(sample.c.sampled_at.desc()).lateral("last")
    first = sa.select(value).where(own).order_by(sample.c.sampled_at).limit(1).scalar_subquery()
    hour_before = sa.func.lag(last.c.value).over(
        partition_by=watched.c.point_id, order_by=hours.c.since
    )
    before = sa.func.coalesce(hour_before, first).label("before")
    joined = watched.join(hours, sa.true()).join(last, sa.true())
    return sa.select(watched, hours, last, before).select_from(joined).subquery("known")


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
