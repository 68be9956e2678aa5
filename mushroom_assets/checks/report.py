"""Rules of `daily_room_report`: queries and severities; their words are in rules/report.yaml."""

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
    found = sa.select(row.stat_date, row.room_id, reason)
    return found.where(unjudged).order_by(row.stat_date, row.room_id)


RULES = (
    Rule("rows_complete", table, ERROR, _rows_missing),
    Rule("days_judged", table, WARN, _days_unjudged),
)
