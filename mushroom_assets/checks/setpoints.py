"""Rules of `hourly_setpoint_changes`."""

from typing import Any

import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, WARN, Rule
from mushroom_assets.domain.farm import Farm, WatchedPoint
from mushroom_assets.domain.setpoints import LOOKBACK
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
    since = window.before(LOOKBACK)  # the change before is as a rule of an earlier hour
    states = sa.and_(
        row.changed_at >= since, row.changed_at < window.end, row.change_type != "analog_value"
    )
    chained = sa.select(*POINT, row.previous_value, before.label("before")).where(states).subquery()
    # states, not noise
    differ = sa.func.round(chained.c.before) != sa.func.round(chained.c.previous_value)
    return sa.select(chained).where(chained.c.changed_at >= window.start, differ)


def _points_unknown(window: Window, farm: Farm) -> sa.Select[Any]:
    watched = [
        (kind, alias, point)
        for kind, points in farm.points.items()
        for alias, point in points.items()
    ]
    known = sa.or_(sa.false(), *(_is(kind, alias) for kind, alias, _ in watched))
    nameless = sa.or_(
        sa.false(), *(sa.and_(_is(kind, alias), _unnamed(point)) for kind, alias, point in watched)
    )
    stranger = ~sa.and_(row.room_id.in_(farm.rooms), known)
    reason = sa.case(
        (stranger, farm.say({"en": "not watched", "zh": "未监视"})),
        else_=farm.say({"en": "a state without label", "zh": "状态没有标签"}),
    )
    columns = (*POINT, row.previous_value, row.current_value, reason.label("reason"))
    return sa.select(*columns).where(_within(window), sa.or_(stranger, nameless))


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
    Rule(
        "steps_consistent",
        table,
        ERROR,
        holds={
            "en": "a change leads to another value, and delta is the difference; the primary key keeps it unique",
            "zh": "变更前后的值不同，delta 等于两者之差；唯一性由主键保证",
        },
        fault={"en": "changes whose numbers contradict each other", "zh": "次变更的数值自相矛盾"},
        remedy={
            "en": "materialize the hour again; if it stays so, a fault of this software: report these rows",
            "zh": "重新物化该小时；若仍如此则是软件缺陷，请反馈这些行",
        },
        offenders=_steps_inconsistent,
    ),
    Rule(
        "values_chain",
        table,
        WARN,
        holds={
            "en": "an on/off or enumerated point changes from the value that its previous change led to",
            "zh": "开关量和枚举量的每次变更都从上一次变更后的值开始",
        },
        fault={"en": "changes that do not continue the one before", "zh": "次变更与上一次不衔接"},
        remedy={
            "en": "samples came late or an hour before is missing: materialize the hours since the change before again",
            "zh": "采样迟到，或之前某个小时缺失：重新物化上一次变更以来的各小时",
        },
        offenders=_chains_broken,
    ),
    Rule(
        "points_known",
        table,
        WARN,
        holds={
            "en": "the farm file watches the point, in a room of the farm, and has a label for each of its states",
            "zh": "该点位在农场文件的监视列表中，属于农场的库房，且每个状态都有标签",
        },
        fault={
            "en": "changes that the farm file does not know",
            "zh": "次变更在农场文件中没有定义",
        },
        remedy={
            "en": "complete `rooms`, `points` or their `labels` in the farm file, then materialize the hours again: "
            "new labels are written, and the changes of a point that is no longer watched go",
            "zh": "在农场文件中补全 rooms、points 或其 labels，再重新物化这些小时："
            "新标签会写入，不再监视的点位的变更会移除",
        },
        offenders=_points_unknown,
    ),
)
