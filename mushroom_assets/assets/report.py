"""`daily_room_report`: the day of every room with a verdict."""

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets.course import Course, read_course
from mushroom_assets.assets.windows import pictured, replace_windows
from mushroom_assets.domain.card import card
from mushroom_assets.domain.environment import DailyEnvStats
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_row import DailyClipInference
from mushroom_assets.domain.report import Likeness, Peer, RoomDay, effects
from mushroom_assets.domain.ribbon import Ribbon
from mushroom_assets.domain.setpoints import HourlySetpointChanges
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.image_store import ImageStoreRefused
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.definition import definition
from mushroom_assets.metadata.report import report_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.results import (
    latest_model,
    lock_for_replace,
    read_peers,
    read_rows,
    replace_rows,
)
from mushroom_assets.storage.schema import (
    daily_clip_inference,
    daily_env_stats,
    hourly_setpoint_changes,
)
from mushroom_assets.storage.schema import daily_room_report as table
from mushroom_assets.storage.vision.search import similar_room_days


def report_asset(clock: FarmClock, farm: Farm, **policy: Any) -> dg.AssetsDefinition:
    """The asset on a farm's clock; `policy` holds its retry, backfill and automation policies."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=["daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference"],
        **definition(table, farm),
        **policy,
    )
    def daily_room_report(
        context: dg.AssetExecutionContext,
        postgres: PostgresResource,
        image_store: ImageStore,
        farm_file: FarmFile,
    ) -> dg.MaterializeResult:
        with permanent_faults_fail_at_once():
            farm = farm_file.read()

        drawn = pictured(context)

        def replace(days: Sequence[Window]) -> dict[str, Metadata]:
            (day,) = days
            with postgres.transaction(context.run.run_id) as connection:
                lock_for_replace(connection, table)
                course = read_course(connection, day, farm)
                cards = [card(room_day, farm) for room_day in _room_days(connection, course)]
                stamp = {"run_id": context.run.run_id, "computed_at": dt.datetime.now(dt.UTC)}
                replace_rows(
                    connection,
                    table,
                    table.c.stat_date == day.date,
                    [card.row() | stamp for card in cards],
                )
                newest = connection.scalar(sa.select(sa.func.max(table.c.stat_date)))
            ribbons: dict[str, list[Ribbon]] = {}
            for ribbon in course.ribbons() if day.key in drawn else ():
                ribbons.setdefault(ribbon.room_id, []).append(ribbon)
            return {
                day.key: report_metadata(
                    cards, farm, newest, ribbons, partial(_thumbnails, context, image_store)
                )
            }

        return replace_windows(context, clock.daily, replace, chunk=1)

    return daily_room_report


def _thumbnails(
    context: dg.AssetExecutionContext, store: ImageStore, paths: Sequence[str]
) -> dict[str, bytes]:
    """Small pictures by path; of a store that refuses to be read none, for the report does not
    stand on them.
    """
    from mushroom_assets.inference.thumbnails import thumbnails  # brings Pillow

    try:
        return thumbnails(paths, store.read)
    except ImageStoreRefused as refusal:
        context.log.warning(f"The report has no pictures: {refusal}")
        return {}


def _room_days(connection: sa.Connection, course: Course) -> list[RoomDay]:
    """What is known of the day, room by room."""
    day, farm = course.day, course.farm
    model = latest_model(connection, day.date)
    changed_at, images = hourly_setpoint_changes.c.changed_at, daily_clip_inference.c
    judged = (images.image_date == day.date) & (images.model_id == model)
    statistics = cast(
        "list[DailyEnvStats]",
        read_rows(connection, daily_env_stats, daily_env_stats.c.stat_date == day.date),
    )
    moved = (changed_at >= day.start) & (changed_at < day.end)
    moves = cast(
        "list[HourlySetpointChanges]", read_rows(connection, hourly_setpoint_changes, moved)
    )
    seen = cast("list[DailyClipInference]", read_rows(connection, daily_clip_inference, judged))
    growth_days = {row["room_id"]: row["growth_day"] for row in statistics}
    ages = {age for age in growth_days.values() if age is not None}
    peers = cast("list[Peer]", read_peers(connection, day.date, ages))
    climate = course.climate()

    def of(room: str) -> RoomDay:
        own = [row for row in moves if row["room_id"] == room]
        felt = {quantity: series for (place, quantity), series in climate.items() if place == room}
        return RoomDay(
            room_id=room,
            day=day.date,
            statistics=[row for row in statistics if row["room_id"] == room],
            changes=own,
            images=[row for row in seen if row["room_id"] == room],
            images_trained=model is not None and "/random-" not in model,
            alike=_alike(connection, model, room, day.date),
            effects=effects(own, felt, farm),
            peers=[row for row in peers if row["growth_day"] == growth_days.get(room)],
        )

    return [of(room) for room in farm.rooms]


def _alike(
    connection: sa.Connection, model: str | None, room: str, day: dt.date
) -> Likeness | None:
    """The past room day that the model saw as most like this one."""
    encoder = model.rsplit("/", 1)[0] if model else ""  # the prompts have no part in a vector
    for found in similar_room_days(connection, encoder, room, day, 1):
        return Likeness(found.room_id, found.day, found.similarity, found.growth_day, found.verdict)
    return None
