"""`daily_room_report`: the day of every room with a verdict."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets.windows import replace_windows
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.report import Likeness, RoomDay, Rows, report
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults import permanent_faults_fail_at_once
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.definition import definition
from mushroom_assets.metadata.report import report_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.results import latest_model, lock_for_replace, read_rows, replace_rows
from mushroom_assets.storage.schema import daily_clip_inference, daily_env_stats, hourly_setpoint_changes
from mushroom_assets.storage.schema import daily_room_report as table
from mushroom_assets.storage.search import similar_room_days


def report_asset(clock: FarmClock, farm: Farm, **policy: Any) -> dg.AssetsDefinition:
    """The asset on a farm's clock; `policy` holds its retry, backfill and automation policies."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=["daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference"],
        **definition(table, farm),
        **policy,
    )
    def daily_room_report(
        context: dg.AssetExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.MaterializeResult:
        with permanent_faults_fail_at_once():
            farm = farm_file.read()

        def replace(days: Sequence[Window]) -> dict[str, Metadata]:
            (day,) = days
            with postgres.transaction(context.run.run_id) as connection:
                lock_for_replace(connection, table)
                model = latest_model(connection, day.date)
                changes = hourly_setpoint_changes.c.changed_at
                images = daily_clip_inference.c
                of_day = images.image_date == day.date
                statistics = read_rows(connection, daily_env_stats, daily_env_stats.c.stat_date == day.date)
                moves = read_rows(connection, hourly_setpoint_changes, (changes >= day.start) & (changes < day.end))
                judged = read_rows(connection, daily_clip_inference, of_day & (images.model_id == model))
                stamp = {"run_id": context.run.run_id, "computed_at": dt.datetime.now(dt.UTC)}
                trained = model is not None and "/random-" not in model
                rows = []
                for room in farm.rooms:
                    alike = _alike(connection, model, room, day.date)
                    rows.append(report(_room_day(room, day, statistics, moves, judged, trained, alike), farm) | stamp)
                replace_rows(connection, table, table.c.stat_date == day.date, rows)
            return {day.key: report_metadata(rows)}

        return replace_windows(context, clock.daily, replace, chunk=1)

    return daily_room_report


def _room_day(
    room: str, day: Window, statistics: Rows, moves: Rows, judged: Rows, trained: bool, alike: Likeness | None
) -> RoomDay:
    def own(rows: Rows) -> Rows:
        return [row for row in rows if row["room_id"] == room]

    return RoomDay(room, day.date, own(statistics), own(moves), own(judged), trained, alike)


def _alike(connection: sa.Connection, model: str | None, room: str, day: dt.date) -> Likeness | None:
    """The past room day that the model saw as most like this one."""
    encoder = model.rsplit("/", 1)[0] if model else ""  # the prompts have no part in a vector
    for found in similar_room_days(connection, encoder, room, day, 1):
        return Likeness(found.room_id, found.day, found.similarity, found.growth_day, found.verdict)
    return None
