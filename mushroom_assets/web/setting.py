"""Settings of a room, `/rooms/{room}/settings`: what is in force, and another value from a day on.

What a form holds is `setting_words`', what it makes `setting_change`'s. A change that reaches back
says first which days it computes anew.
"""

import datetime as dt
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import quote, urlencode

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.growth import Growth, growth_on
from mushroom_assets.domain.in_force import Setting, Settings
from mushroom_assets.domain.settable import UnusableSetting, settable
from mushroom_assets.domain.texts import say
from mushroom_assets.ingestion.setting import ChangedMeanwhile, set_value, undo
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.setting import read_settings
from mushroom_assets.web.access import TOKEN, Author
from mushroom_assets.web.place import OfPlace, Place, SpokenFarm
from mushroom_assets.web.rendering import page
from mushroom_assets.web.setting_change import (
    REASONS,
    WHY_UNDONE,
    Made,
    OnlyAsked,
    Where,
    changes,
    flash,
    line,
    make,
    meanwhile,
    reason,
    told,
    valued,
)
from mushroom_assets.web.setting_words import Part, key_name, keys_of, rows

router = APIRouter()
changing = APIRouter()
NO_PAGE = 404
MEANWHILE = 409
NOT_TAKEN = 422
AFTER_POST = 303
TOLD = "told"  # of the session: what has just been set
LISTED = 100  # versions of the history that are shown, the newest


class Seen(NamedTuple):
    """What the database says of a room's settings."""

    found: Settings
    growth: Growth

    @property
    def newest(self) -> int:
        """The newest version."""
        return max((each.version for each in self.found.all), default=0)


@router.get("/rooms/{room:path}/settings")
async def settings(
    request: Request,
    place: OfPlace,
    farm: SpokenFarm,
    room: str,
    part: Part | Literal["history"] = "bands",
    stage: str = "",
) -> HTMLResponse:
    """What is set in a room, and the form to set something else."""
    _require_room(room, farm)
    kept = request.session.pop(TOLD, None)
    if part == "history":
        seen = await _seen(place, farm, room)
        return page(request, farm, "setting_history.html", **_history(seen, farm, room, kept))
    return await _form(request, place, farm, Where(room, part, stage), kept=kept)


async def typed(request: Request) -> FormData:
    """The fields of the form; the keys are names of inputs."""
    return await request.form()


Typed = Annotated[FormData, Depends(typed)]
Word = Annotated[str, Form()]


@changing.post("/rooms/{room:path}/settings")
async def change(
    request: Request,
    place: OfPlace,
    farm: SpokenFarm,
    form: Typed,
    author: Author,
    room: str,
    valid_from: Annotated[dt.date, Form()],
    seen: Annotated[int, Form(ge=0)],
    part: Annotated[Part, Form()] = "bands",
    stage: Word = "",
    confirmed: Word = "",
) -> Response:
    """Set what was typed anew, all of it or nothing."""
    _require_room(room, farm)
    today = _today(place, farm)
    at = Where(room, part, stage)
    try:
        asked = changes(form, farm, at, author, valid_from, seen)
        if not asked:
            raise UnusableSetting(say("page.set_nothing", farm))

        def add(connection: sa.Connection) -> list[Setting]:
            return [set_value(connection, each, place.farm(), today) for each in asked]

        made = await run_in_threadpool(
            make, place, room, add, only_asked=valid_from <= today and not confirmed
        )
    except OnlyAsked as would:
        return _ask(request, farm, at, form, would.made)
    except ChangedMeanwhile as fault:
        place.reader.forget()  # the form shows what came meanwhile
        newer = meanwhile(fault.newer, farm)
        return await _form(request, place, farm, at, MEANWHILE, fault=newer, form=form)
    except UnusableSetting as fault:
        return await _form(request, place, farm, at, NOT_TAKEN, fault=f"{fault}", form=form)
    request.session[TOLD] = flash(made)
    return _to(room, part=part, stage=stage)


@changing.post("/rooms/{room:path}/settings/undo")
async def take_back(
    request: Request,
    place: OfPlace,
    farm: SpokenFarm,
    form: Typed,
    author: Author,
    room: str,
    version: Annotated[int, Form(ge=1)],
    confirmed: Word = "",
) -> Response:
    """Make as if a version had never been set."""
    _require_room(room, farm)
    why = reason(form, farm)

    def add(connection: sa.Connection) -> list[Setting]:
        return [undo(connection, version, author, why, place.farm())]

    try:
        made = await run_in_threadpool(make, place, room, add, only_asked=not confirmed)
    except OnlyAsked as would:
        if would.made.touched:
            return _ask(request, farm, Where(room, "bands", ""), form, would.made)
        made = await run_in_threadpool(make, place, room, add, only_asked=False)
    except UnusableSetting as fault:
        seen = await _seen(place, farm, room)
        shown = _history(seen, farm, room, None) | {"fault": f"{fault}"}
        return page(request, farm, "setting_history.html", NOT_TAKEN, **shown)
    request.session[TOLD] = flash(made)
    return _to(room, part="history")


async def _seen(place: Place, farm: Farm, room: str) -> Seen:
    tomorrow = _today(place, farm) + dt.timedelta(days=1)

    def read(connection: sa.Connection) -> Seen:
        in_dates = read_batches(connection).get(room, ())
        found = read_settings(connection, place.farm())
        return Seen(found, growth_on(tomorrow, in_dates, farm.cycle_days))

    return await place.reader.shared(("settings", room, tomorrow), read)


async def _form(
    request: Request,
    place: Place,
    farm: Farm,
    at: Where,
    status: int = 200,
    *,
    kept: Any = None,
    fault: str = "",
    form: FormData | None = None,
) -> HTMLResponse:
    """The page with the form; what was typed stands in it again."""
    seen = await _seen(place, farm, at.room)
    today = _today(place, farm)
    stages = [stage.name for stage in farm.stages]
    now = farm.stage(seen.growth.growth_day)
    stage = at.stage if at.stage in stages else now.name if now else (stages or [""])[0]
    shown = rows(seen.found, farm, at.room, today, keys_of(at.part, stage, farm))
    given = form or FormData()
    values: dict[str, Any] = {
        "room": at.room,
        "part": at.part,
        "stage": stage,
        "stages": stages,
        "growth": seen.growth,
        "rows": shown,
        "typed": {row.key: given.getlist(f"value.{row.key}") for row in shown},
        "given": given,
        "newest": seen.newest,
        "today": today,
        "tomorrow": today + dt.timedelta(days=1),
        "reasons": REASONS,
        "told": told(kept, seen.found, farm),
        "fault": fault,
        "refresh": 0,
        "valued": partial(valued, farm=farm),
    }
    return page(request, farm, "setting.html", status, **values)


def _history(seen: Seen, farm: Farm, room: str, kept: Any) -> dict[str, Any]:
    """Every version that is meant for the room, the newest first."""
    own = [each for each in seen.found.all if each.room_id in (None, room)]
    keys = settable(farm)
    versions = [
        {
            "setting": each,
            "name": key_name(each.key, keys[each.key], farm) if each.key in keys else each.key,
            "value": valued(each, farm),
            "undone_by": seen.found.undone_by(each.version),
        }
        for each in reversed(own[-LISTED:])
    ]
    return {
        "room": room,
        "part": "history",
        "stage": "",
        "growth": seen.growth,
        "versions": versions,
        "left_out": max(len(own) - LISTED, 0),
        "reasons": WHY_UNDONE,
        "told": told(kept, seen.found, farm),
        "fault": "",
        "refresh": 0,
    }


def _ask(request: Request, farm: Farm, at: Where, form: FormData, made: Made) -> HTMLResponse:
    """What a change would compute anew: whether it is meant."""
    again = [
        (name, str(value)) for name, value in form.multi_items() if name not in (TOKEN, "confirmed")
    ]
    shown: dict[str, Any] = {
        "room": at.room,
        "action": request.url.path,
        "again": again,
        "changes": [line(each, farm) for each in made.settings],
        "touched": made.touched,
        "back": _address(at.room, part=at.part, stage=at.stage),
        "refresh": 0,
    }
    return page(request, farm, "setting_ask.html", **shown)


def _require_room(room: str, farm: Farm) -> None:
    if room not in farm.rooms:
        raise HTTPException(NO_PAGE)


def _today(place: Place, farm: Farm) -> dt.date:
    return place.now().astimezone(farm.zone).date()


def _address(room: str, **asked: str) -> str:
    known = {name: value for name, value in asked.items() if value}
    return f"/rooms/{quote(room, safe='')}/settings?{urlencode(known)}"


def _to(room: str, **asked: str) -> RedirectResponse:
    return RedirectResponse(_address(room, **asked), AFTER_POST)
