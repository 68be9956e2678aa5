"""Rules of `daily_energy`: queries and severities; their words are in rules/energy.yaml."""

from typing import Any

import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, Rule, rows_missing
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.schema import daily_energy as table


def _rows_missing(window: Window, farm: Farm) -> sa.Select[Any]:
    return rows_missing(table, table.c.stat_date, window, room_id=farm.rooms)


RULES = (Rule("rows_complete", table, ERROR, _rows_missing),)
