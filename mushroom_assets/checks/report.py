"""Rules of `daily_room_report`."""

from typing import Any

import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, WARN, Rule, of_days, rows_missing
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.schema import daily_room_report as table

row = table.c


def _rows_missing(window: Window, farm: Farm) -> sa.Select[Any]:
    return rows_missing(table, row.stat_date, window, room_id=farm.rooms)


def _days_unjudged(window: Window, farm: Farm) -> sa.Select[Any]:
    reason = row.reasons[0]["text"].astext.label("reason")
    unjudged = sa.and_(of_days(row.stat_date, window), row.verdict == "insufficient_data")
    return (
        sa.select(row.stat_date, row.room_id, reason)
        .where(unjudged)
        .order_by(row.stat_date, row.room_id)
    )


RULES = (
    Rule(
        "rows_complete",
        table,
        ERROR,
        holds={
            "en": "one report for every room of the farm; the primary key keeps it unique",
            "zh": "农场的每个库房各有一份报告；唯一性由主键保证",
        },
        fault={"en": "reports missing", "zh": "份报告缺失"},
        remedy={
            "en": "materialize the day again: the farm file has got rooms since, or rows were deleted",
            "zh": "重新物化当天：此后农场文件增加了库房，或有行被删除",
        },
        offenders=_rows_missing,
    ),
    Rule(
        "days_judged",
        table,
        WARN,
        holds={
            "en": "the data suffice for a verdict on every room",
            "zh": "每个库房的数据都足以给出结论",
        },
        fault={
            "en": "rooms without a verdict (insufficient data)",
            "zh": "个库房因数据不足没有结论",
        },
        remedy={
            "en": "see the reason: load missing samples or batches, or give the growth day its target bands; then "
            "materialize the day again, its statistics first",
            "zh": "按原因处理：补录缺失的采样或批次，或为该生长日补上目标区间；"
            "然后先重新物化当天的统计，再重新物化报告",
        },
        offenders=_days_unjudged,
    ),
)
