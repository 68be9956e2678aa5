"""A room, `/rooms/{room}`: the last 24 hours, a day, or its batch.

What is read for it is `room_reading`'s.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse

from mushroom_assets.domain.batch_course import DayOfGood
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.room_chart import day_window, last_hours
from mushroom_assets.web.morning import read_rooms, with_cameras
from mushroom_assets.web.place import OfPlace, Place, SpokenFarm
from mushroom_assets.web.records import at_default
from mushroom_assets.web.rendering import page
from mushroom_assets.web.room_reading import Batch, read_batch, read_good_days, read_while
from mushroom_assets.web.room_words import days_from, of_batch, of_while

router = APIRouter()
REFRESH_S = 30
GOOD_FRESH_S = 3600.0  # what good days had changes once a day, and is read from all of them
BATCH_FRESH_S = 60.0
NO_PAGE = 404
Span = Literal["live", "day", "cycle"]


@router.get("/rooms/{room:path}")
async def a_room(
    request: Request,
    place: OfPlace,
    farm: SpokenFarm,
    room: str,
    span: Span = "live",
    day: dt.date | None = None,
    hour: int | None = None,
    camera: str | None = None,
) -> HTMLResponse:
    """What goes on in a room, what happened there on a day, how its batch does."""
    if room not in farm.rooms:
        raise HTTPException(NO_PAGE)
    today = place.now().astimezone(farm.zone).date()
    shown: dict[str, Any] = {"room": room, "today": today, "day_shown": day, "span": span}
    shown["days_from"] = days_from
    shown["at_default"] = at_default(day, place.now(), farm)
    if span == "cycle":
        seen, good = await _cycle(place, farm, room, day or today)
        shown |= {"seen": seen, **of_batch(seen, good, hour, camera, farm)}
        return page(request, farm, "cycle.html", refresh=0, **shown)
    if day is not None:
        if not farm.first_day <= day <= today:
            raise HTTPException(NO_PAGE)
        shown |= await _day(place, farm, room, day)
        return page(request, farm, "day.html", refresh=0, **shown | {"span": "day"})
    shown |= await _live(place, farm, room)
    return page(request, farm, "day.html", refresh=REFRESH_S, **shown)


async def _day(place: Place, farm: Farm, room: str, day: dt.date) -> dict[str, Any]:
    window = day_window(day, farm)
    seen = await place.reader.shared(
        ("day", room, day, farm.language),
        lambda connection: read_while(connection, farm, room, window),
    )
    cameras = await place.cameras.now()
    shots = cameras.today.get(room, []) if cameras else []
    return {"seen": seen, "morning": None, **of_while(seen, shots, None, farm)}


async def _live(place: Place, farm: Farm, room: str) -> dict[str, Any]:
    while_ = place.reader.shared(
        ("live", room, farm.language),
        # A look is kept, and looks again later: its window goes on
        lambda connection: read_while(connection, farm, room, last_hours(place.now())),
    )
    now_ = place.reader.shared(
        ("now", room), lambda connection: read_rooms(connection, place, room)
    )
    seen, rooms, cameras = await asyncio.gather(while_, now_, place.cameras.now())
    told = with_cameras(rooms, cameras, place.now(), farm)
    (now,) = (one for one in [*told.rooms, *told.empty] if one.room_id == room)
    shots = cameras.today.get(room, []) if cameras else []
    return {"seen": seen, "morning": told, "now": now, **of_while(seen, shots, told, farm)}


async def _cycle(
    place: Place, farm: Farm, room: str, day: dt.date
) -> tuple[Batch | None, Sequence[DayOfGood]]:
    today = place.now().astimezone(farm.zone).date()
    good = await place.reader.shared(
        ("good", today), lambda connection: read_good_days(connection, today), GOOD_FRESH_S
    )
    seen = await place.reader.shared(
        ("cycle", room, day, today),
        lambda connection: read_batch(connection, farm, room, day, today),
        BATCH_FRESH_S,
    )
    return seen, good
