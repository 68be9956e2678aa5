"""This morning, `/`: the rooms, worst first."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from mushroom_assets.domain.cameras_now import camera_troubles
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.feeds import midnight_before
from mushroom_assets.domain.growth import growth_on
from mushroom_assets.domain.morning import (
    MOVES_TOLD,
    Judged,
    Morning,
    RoomMorning,
    morning,
    newest_of_room,
)
from mushroom_assets.domain.now import Instant, read_before, readings, sensors_now, troubles
from mushroom_assets.domain.sensors import find_sources, point_ids
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.page.moves import latest_moves
from mushroom_assets.storage.page.reports import newest_reports
from mushroom_assets.storage.page.sensors import newest_samples
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.samples import read_samples
from mushroom_assets.storage.setting import with_settings
from mushroom_assets.web.cameras import CamerasNow
from mushroom_assets.web.place import OfPlace, Place, SpokenFarm
from mushroom_assets.web.rendering import page

router = APIRouter()
REFRESH_S = 20


@router.get("/")
async def this_morning(request: Request, place: OfPlace, farm: SpokenFarm) -> HTMLResponse:
    """Which room needs me first, and why?"""
    seen = await place.reader.shared("rooms", lambda connection: read_rooms(connection, place))
    cameras = await place.cameras.now()
    told = with_cameras(seen, cameras, place.now(), farm)
    shown: dict[str, Any] = {
        "morning": told,
        "cameras_known": cameras is not None,
        "refresh": REFRESH_S,
    }
    return page(request, farm, "morning.html", **shown)


def read_rooms(
    connection: sa.Connection, place: Place, only: str | None = None
) -> list[RoomMorning]:
    """What the database says of each room now, or of one."""
    farm = with_settings(connection, place.farm())
    now = place.now()
    rooms = list(farm.rooms) if only is None else [only]
    found = find_sources(read_points(connection), farm)
    sources = {key: points for key, points in found.items() if key[0] in rooms}
    ids = point_ids(sources)
    samples = read_samples(connection, ids, now - read_before(farm), now)
    columns = {name: samples[name].to_numpy() for name in ("point_id", "at", "value")}
    newest = newest_samples(connection, ids, now)
    in_dates = read_batches(connection)
    judged, before = _judged(newest_reports(connection))
    yesterday = midnight_before(midnight_before(now, farm) - dt.timedelta(hours=1), farm)
    moves = latest_moves(connection, yesterday, MOVES_TOLD)
    today = now.astimezone(farm.zone).date()

    def of(room: str) -> RoomMorning:
        growth = growth_on(today, in_dates.get(room, ()), farm.cycle_days)
        at = Instant(room, now, growth.growth_day)
        own = farm.on(room, today)
        sensors = sensors_now(columns, at, sources, own)
        read = readings(sensors, at, own)
        count, latest = moves.get(room, (0, []))
        return RoomMorning(
            room_id=room,
            growth=growth,
            judged=judged.get(room),
            before=before[room].verdict if room in before else None,
            readings=read,
            troubles=troubles(read, sensors, newest, sources, at, farm),
            newest=newest_of_room(room, sources, newest),
            moves=latest,
            move_count=count,
        )

    return [of(room) for room in rooms]


def _judged(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Judged], dict[str, Judged]]:
    """The reports of the newest day and of the day before it, by room."""
    days = {row["stat_date"] for row in rows}
    of_day: dict[dt.date, dict[str, Judged]] = {day: {} for day in days}
    for row in rows:
        judged = Judged(row["stat_date"], row["verdict"], row["reasons"])
        of_day[row["stat_date"]][row["room_id"]] = judged
    if not days:
        return {}, {}
    newest = max(days)
    return of_day[newest], of_day.get(newest - dt.timedelta(days=1), {})


def with_cameras(
    rooms: Sequence[RoomMorning], cameras: CamerasNow | None, now: dt.datetime, farm: Farm
) -> Morning:
    """The morning with what the image store says of the cameras, where it is known."""
    if cameras is None:
        return morning(rooms, now, farm)
    told = []
    for room in rooms:
        stopped = camera_troubles(cameras.newest.get(room.room_id, {}), now, farm)
        told.append(replace(room, troubles=[*room.troubles, *stopped]))
    return morning(told, now, farm)
