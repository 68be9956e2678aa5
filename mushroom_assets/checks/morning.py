"""`this_morning`: does a room need somebody, by the newest day that has reports?

Dagster adds up the evaluations of all partitions of a check: one bad day keeps it amber for good.
This one has no partition, so that its light is today's. The runs of its asset evaluate it, and so
does the schedule of the standing checks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.checks.rule import WARN
from mushroom_assets.checks.standing import Told, Watched, unpartitioned_check
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.report import SEVERITY
from mushroom_assets.domain.texts import say
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.resources import PostgresResource
from mushroom_assets.storage.schema import daily_room_report as table

NAME = "this_morning"
ASSET = table.name
NEEDY = {"act", "insufficient_data"}  # `watch` is told, and turns no light on


def morning_check(
    watched: Watched, farm: Farm, retry_policy: dg.RetryPolicy
) -> dg.AssetChecksDefinition:
    """The check of `daily_room_report`; its description is in the farm's language."""

    def judge(_: dg.DagsterInstance, postgres: PostgresResource, farm: Farm) -> Told:
        newest = sa.select(sa.func.max(table.c.stat_date)).scalar_subquery()
        reports = sa.select(table).where(table.c.stat_date == newest)
        with permanent_faults_fail_at_once(), postgres.transaction() as connection:
            rows = [dict(row) for row in connection.execute(reports).mappings()]
        return told(rows, farm)

    return unpartitioned_check(NAME, watched, say("this_morning.holds", farm), retry_policy, judge)


def told(rows: Sequence[Mapping[str, Any]], farm: Farm) -> Told:
    """What the check says of a day's reports: the rooms that are not well, worst first."""
    if not rows:
        return {"passed": True, "description": say("this_morning.nothing", farm)}
    places = {room: place for place, room in enumerate(farm.rooms)}

    def rank(row: Mapping[str, Any]) -> tuple[int, int]:
        return -SEVERITY.index(row["verdict"]), places.get(row["room_id"], len(places))

    unwell = sorted((row for row in rows if row["verdict"] != "good"), key=rank)
    needy = [row for row in unwell if row["verdict"] in NEEDY]
    day = rows[0]["stat_date"]
    lines = [f"- {_line(row, farm)}" for row in unwell]
    key = "this_morning.fault" if needy else "this_morning.well"
    return {
        "passed": not needy,
        "severity": WARN,
        "description": say(key, farm, day=day, count=len(needy)),
        "metadata": {"rooms": dg.MetadataValue.md("\n".join(lines) or say("good", farm))},
    }


def _line(row: Mapping[str, Any], farm: Farm) -> str:
    """`611: act: temperature in its band ... for 40 % of the known time`."""
    colon = say("colon", farm)
    reason = row["reasons"][0]["text"] if row["reasons"] else ""
    return colon.join([row["room_id"], say(row["verdict"], farm), reason])
