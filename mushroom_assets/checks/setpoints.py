"""Rules of `hourly_setpoint_changes`: their queries and severities.

Their words are in rules/setpoints.yaml.
"""

from typing import Any

import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, WARN, Rule
from mushroom_assets.domain.farm import Farm, WatchedPoint
from mushroom_assets.domain.setpoints import LOOKBACK
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.schema import hourly_setpoint_changes as table

row = table.c
POINT = (row.changed_at, row.room_id, row.device_alias, row.point_alias)
ROUNDED = 1e-6  # of `delta` as it is stored


def _within(window: Window) -> sa.ColumnElement[bool]:
    return sa.and_(row.changed_at >= window.start, row.changed_at < window.end)


def _steps_inconsistent(window: Window, farm: Farm) -> sa.Select[Any]:
    step = row.current_value - row.previous_value
    consistent = sa.and_(step != 0, sa.func.abs(row.delta - step) <= ROUNDED)
    columns = (*POINT, row.previous_value, row.current_value, row.delta)
    return sa.select(*columns).where(_within(window), ~consistent)


def _chains_broken(window: Window, farm: Farm) -> sa.Select[Any]:
    before = sa.func.lag(row.current_value).over(partition_by=row.point_id, order_by=row.changed_at)
    since = window.before(LOOKBACK)  # the change before may be of an earlier hour
    states = sa.and_(
        row.changed_at >= since, row.changed_at < window.end, row.change_type != "analog_value"
    )
    chained = sa.select(*POINT, row.previous_value, before.label("before")).where(states).subquery()
    # states, not noise
    differ = sa.func.round(chained.c.before) != sa.func.round(chained.c.previous_value)
    return sa.select(chained).where(chained.c.changed_at >= window.start, differ)


def _points_unknown(window: Window, farm: Farm) -> sa.Select[Any]:
    known = []
    nameless = []
    for kind, points in farm.points.items():
        for alias, point in points.items():
            known.append(_is(kind, alias))
            nameless.append(sa.and_(_is(kind, alias), _unnamed(point)))
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
)
