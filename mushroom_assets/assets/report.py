"""`daily_room_report`: the day of every room with a verdict."""

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, TypeVar, cast

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets.course import Course, read_course
from mushroom_assets.assets.windows import RunPolicy, pictured, replace_windows
from mushroom_assets.domain.card import Card, card
from mushroom_assets.domain.environment import DailyEnvStats
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_row import DailyClipInference
from mushroom_assets.domain.records import Harvest, Note
from mushroom_assets.domain.report import Likeness, RoomDay, effects, first_moves
from mushroom_assets.domain.setpoints import HourlySetpointChanges
from mushroom_assets.domain.verdict import condition_shares
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.image_store import ImageStoreRefused
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.report import report_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.harvest import read_harvests, read_pickings
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.notes import read_notes
from mushroom_assets.storage.outdated import claim
from mushroom_assets.storage.removals import require_kept
from mushroom_assets.storage.results import (
    latest_model,
    read_conditions,
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
from mushroom_assets.storage.vision.room_days import similar_room_days


def report_asset(clock: FarmClock, policy: RunPolicy) -> dg.AssetsDefinition:
    """The asset on a farm's clock; the timetable adds when its inputs call for it."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=[
            *("daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference"),
            *("note", "harvest", "batch"),
        ],
        retry_policy=policy.retry,
        backfill_policy=policy.backfill,
        pool=policy.pool,
    )
    def daily_room_report(
        context: dg.AssetExecutionContext,
        postgres: PostgresResource,
        image_store: ImageStore,
        farm_file: FarmFile,
    ) -> dg.MaterializeResult[None]:
        farm = farm_file.read()
        run_id = context.run.run_id
        drawn = pictured(context)
        pictures = partial(_thumbnails, context, image_store)

        def replace(days: Sequence[Window]) -> dict[str, Metadata]:
            (day,) = days
            follow(postgres.database(run_id), farm)
            with postgres.transaction(run_id) as connection:
                written = replace_day(connection, day, farm, run_id)
            ribbons = written.course.ribbons_by_room() if day.key in drawn else {}
            shown = report_metadata(
                written.cards, written.course.farm, written.newest, ribbons, pictures
            )
            return {day.key: shown}

        return replace_windows(context, clock.daily, replace, chunk=1)

    return daily_room_report


Record = TypeVar("Record", Note, Harvest)
Row = TypeVar("Row", DailyEnvStats, HourlySetpointChanges, DailyClipInference)


class WrittenDay(NamedTuple):
    """A day's reports as they are stored, its course, and the newest day that has any."""

    course: Course
    cards: list[Card]
    newest: dt.date


def replace_day(connection: sa.Connection, day: Window, farm: Farm, run_id: str) -> WrittenDay:
    """Write a day's reports anew, in the caller's transaction, and replace them."""
    claim(connection, table, [day])
    course, cards = write_cards(connection, day, farm)
    now = dt.datetime.now(dt.UTC)
    rows = [{**card.row(), "run_id": run_id, "computed_at": now} for card in cards]
    replace_rows(connection, table, within(day), rows)
    newest = connection.execute(sa.select(sa.func.max(table.c.stat_date))).scalar_one()
    return WrittenDay(course, cards, newest)


def write_cards(connection: sa.Connection, day: Window, farm: Farm) -> tuple[Course, list[Card]]:
    """Write a day's reports from the stored results of the day; returns its course too."""
    course = read_course(connection, day, farm)
    farm = course.farm
    found = _room_days(connection, course)
    return course, [card(each, farm.on(each.room_id, day.date)) for each in found]


def within(day: Window) -> sa.ColumnElement[bool]:
    """The rows of a day."""
    return table.c.stat_date == day.date


def _thumbnails(
    context: dg.AssetExecutionContext, store: ImageStore, paths: Sequence[str]
) -> dict[str, bytes]:
    """Small pictures by path; none of a store that refuses: the report does not stand on them."""
    from mushroom_assets.inference.thumbnails import thumbnails  # brings Pillow

    try:
        return thumbnails(paths, store.read)
    except ImageStoreRefused as refusal:
        context.log.warning(f"The report has no pictures: {refusal}")
        return {}


def _room_days(connection: sa.Connection, course: Course) -> list[RoomDay]:
    """What is known of the day, room by room."""
    day = course.day
    model = latest_model(connection, day.date)
    changed_at = hourly_setpoint_changes.c.changed_at
    within = (changed_at >= day.start) & (changed_at < day.end)
    of_day = daily_env_stats.c.stat_date == day.date
    statistics = cast("list[DailyEnvStats]", read_rows(connection, daily_env_stats, of_day))
    moved = read_rows(connection, hourly_setpoint_changes, within)
    changes = cast("list[HourlySetpointChanges]", moved)
    seen = _seen(connection, day, model)
    growth_days = {row["room_id"]: row["growth_day"] for row in statistics}
    ages = {age for age in growth_days.values() if age is not None}
    peers = cast("list[DailyEnvStats]", read_peers(connection, day.date, ages))
    climate = course.climate()
    written = _written_down(connection, day, statistics)
    before = read_conditions(connection, day.date - dt.timedelta(days=1), model)

    def of(room: str) -> RoomDay:
        own = _of_room(changes, room)
        felt = {quantity: series for (place, quantity), series in climate.items() if place == room}
        return RoomDay(
            room_id=room,
            day=day.date,
            statistics=_of_room(statistics, room),
            changes=own,
            images=_of_room(seen, room),
            model_id=model,
            alike=_alike(connection, model, room, day.date),
            effects=effects(first_moves(own), felt, course.farm),
            peers=[row for row in peers if row["growth_day"] == growth_days.get(room)],
            conditions_before=condition_shares(before.get(room, [])),
            notes=_of(written.notes, room),
            harvests=_of(written.harvests, room),
        )

    return [of(room) for room in course.farm.rooms]


def _seen(connection: sa.Connection, day: Window, model: str | None) -> list[DailyClipInference]:
    """The day's images of all rooms, as the model judged them."""
    images = daily_clip_inference.c
    # A file that no camera has named, as a video beside the pictures, is not an image of the room
    of_cameras = images.captured_at.is_not(None)
    judged = (images.image_date == day.date) & (images.model_id == model) & of_cameras
    require_kept(connection, daily_clip_inference.name, day.start)
    return cast("list[DailyClipInference]", read_rows(connection, daily_clip_inference, judged))


class _Written(NamedTuple):
    """What people wrote about a day's rooms."""

    notes: list[Note]
    harvests: list[Harvest]


def _written_down(
    connection: sa.Connection, day: Window, statistics: Sequence[DailyEnvStats]
) -> _Written:
    """The day's notes, and the kilos up to it of the batches in force and of those picked then."""
    notes = read_notes(connection, day.start, day.end)
    in_force = {(row["room_id"], row["batch_date"]) for row in statistics}
    batches = {(room, in_date) for room, in_date in in_force if in_date is not None}
    picked = read_pickings(connection, day.date, day.date)
    batches |= {(picking.room_id, picking.in_date) for picking in picked}
    return _Written(notes, list(read_harvests(connection, batches, day.date).values()))


def _of(records: Sequence[Record], room: str) -> list[Record]:
    return [record for record in records if record.room_id == room]


def _of_room(rows: Sequence[Row], room: str) -> list[Row]:
    return [row for row in rows if row["room_id"] == room]


def _alike(
    connection: sa.Connection, model: str | None, room: str, day: dt.date
) -> Likeness | None:
    """The past room day that the model saw as most like this one."""
    encoder = model.rsplit("/", 1)[0] if model else ""  # the prompts have no part in a vector
    for found in similar_room_days(connection, encoder, room, day, 1):
        return Likeness(found.room_id, found.day, found.similarity, found.growth_day)
    return None
