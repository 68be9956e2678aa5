"""What growers write down: notes of a room, the kilos of a batch. Each is a form of a room's page.

What is taken is told by `domain.records`, and why not; that is shown as it is.
"""

import datetime as dt
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.records import Picking, RecordError
from mushroom_assets.storage.harvest import remove_harvest, write_harvest
from mushroom_assets.storage.notes import remove_note, write_note
from mushroom_assets.web.access import Author
from mushroom_assets.web.place import OfPlace

changing = APIRouter()
AFTER_POST = 303
NOON = dt.time(12)
Typed = Annotated[str, Form()]
Room = Annotated[str, Form(alias="room")]


@changing.post("/notes")
def note(
    place: OfPlace, room: Room, text: Typed, at: Typed, author: Author, day: Typed = ""
) -> RedirectResponse:
    """Write a note of a room at an hour."""
    farm = place.farm()
    noted_at = _local(at, farm)
    place.reader.write(
        lambda connection: write_note(connection, farm, room, noted_at, text, author)
    )
    shown = noted_at.astimezone(farm.zone).date()
    return _to(room, f"{shown}" if day else "", "notes")


@changing.post("/notes/remove")
def take_note_away(
    place: OfPlace, room: Room, note: Annotated[int, Form()], day: Typed = ""
) -> RedirectResponse:
    """Take a note away."""
    place.reader.write(lambda connection: remove_note(connection, note))
    return _to(room, day, "notes")


@changing.post("/harvest")
def harvest(
    place: OfPlace,
    room: Room,
    batch: Annotated[dt.date, Form()],
    picked: Annotated[dt.date, Form()],
    weight: Annotated[float, Form()],
    correct: Typed = "",
) -> RedirectResponse:
    """Write the kilos of a batch on a day."""
    farm = place.farm()
    picking = Picking(room, batch, picked, weight)
    place.reader.write(
        lambda connection: write_harvest(connection, farm, picking, correct=bool(correct))
    )
    return _to(room, f"{batch}", "harvest", span="cycle")


@changing.post("/harvest/remove")
def take_harvest_away(
    place: OfPlace,
    room: Room,
    batch: Annotated[dt.date, Form()],
    picked: Annotated[dt.date, Form()],
) -> RedirectResponse:
    """Take away what was picked of a batch on a day."""
    place.reader.write(lambda connection: remove_harvest(connection, room, batch, picked))
    return _to(room, f"{batch}", "harvest", span="cycle")


def at_default(day: dt.date | None, now: dt.datetime, farm: Farm) -> str:
    """The time that a form begins with: now, or noon of a day that is over."""
    local = now.astimezone(farm.zone)
    if day is not None and day != local.date():
        local = dt.datetime.combine(day, NOON)
    return f"{local:%Y-%m-%dT%H:%M}"


def _local(typed: str, farm: Farm) -> dt.datetime:
    """A time of the farm's clock, as browsers send it."""
    try:
        return dt.datetime.fromisoformat(typed).replace(tzinfo=farm.zone)
    except ValueError as error:
        raise RecordError("no_time", typed=typed) from error


def _to(room: str, day: str, part: str, span: str = "") -> RedirectResponse:
    """Back to the room's page; a day that is none is left out."""
    asked = [f"span={span}"] if span else []
    if day:
        asked.append(f"day={quote(day)}")
    address = f"/rooms/{quote(room, safe='')}?{'&'.join(asked)}#{part}"
    return RedirectResponse(address, AFTER_POST)
