"""The application: all routers, and what a page says when it has nothing to show.

Routers that only read and those that change something are apart: `READING` and `CHANGING`.
"""

import datetime as dt
from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware

from mushroom_assets.domain.farm_file import FarmFileError
from mushroom_assets.domain.records import RecordError
from mushroom_assets.service.watching import Watching
from mushroom_assets.web import (
    access,
    download,
    labels,
    login,
    morning,
    pictures,
    records,
    room,
    setting,
)
from mushroom_assets.web.access import Access, Refused, may_change
from mushroom_assets.web.place import Place, spoken_farm
from mushroom_assets.web.reading import NotThere
from mushroom_assets.web.rendering import page
from mushroom_assets.web.shell import TOO_LARGE, Shell
from mushroom_assets.web.throttle import Throttle
from mushroom_assets.web.watch import watch_router

# The settings before the rooms: a room's name may have a slash in it
READING = (
    morning.router,
    labels.router,
    pictures.router,
    download.router,
    setting.router,
    room.router,
)
CHANGING = (labels.changing, records.changing, setting.changing)
AWAY = 503
FORBIDDEN = 403
NO_PAGE = 404  # also where a page is asked for by what makes no sense
REFUSED = 422
RETRY_S = 5  # the page that tells of an outage asks again after so long
FOR_EVER = (
    "public, max-age=31536000, immutable"  # a static file's address has a mark of its content
)


class Kept(StaticFiles):
    """Static files, which browsers may keep for ever."""

    def file_response(self, *given: object, **named: object) -> Response:
        """The file, with how long it may be kept."""
        answer: Response = super().file_response(*given, **named)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = FOR_EVER
        return answer


def build_app(place: Place, watching: Watching, guard: Access) -> Shell:
    """The application over a farm's place and watch; `guard` says who may change something."""
    app = FastAPI(title="mushroom_assets", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.place = place
    app.state.access = guard
    app.state.throttle = Throttle()
    app.state.downloads = download.Downloads(place.settings.require_database_url())
    app.include_router(watch_router(watching))
    for router in READING:
        app.include_router(router)
    for router in CHANGING:
        app.include_router(router, dependencies=[Depends(may_change)])
    app.include_router(login.router)
    app.mount("/static", Kept(packages=[("mushroom_assets.web", "static")]))
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(
        SessionMiddleware, guard.key, access.COOKIE, max_age=access.SESSION_S, same_site="lax"
    )
    app.exception_handler(FarmFileError)(_farm_file_fault)
    told = {
        NotThere: _not_there,
        Refused: _refused,
        RecordError: _not_taken,
        HTTPException: _no_page,
        RequestValidationError: _no_page,
    }
    for fault, tell in told.items():
        app.exception_handler(fault)(partial(_tell, tell))
    return Shell(app)


async def _tell(
    tell: Callable[[Request, Exception], Awaitable[Response]], request: Request, fault: Exception
) -> Response:
    """What tells of a fault; a page needs the farm file, which may have a mistake too."""
    try:
        return await tell(request, fault)
    except FarmFileError as mistake:
        return await _farm_file_fault(request, mistake)


async def _not_there(request: Request, fault: Exception) -> HTMLResponse:
    """The database is away: since when, and that the page comes back by itself."""
    assert isinstance(fault, NotThere)  # noqa: S101 - the handler of this one
    farm = spoken_farm(request)
    today = dt.datetime.now(farm.zone).date()
    told = {"away": fault.away, "today": today, "refresh": RETRY_S}
    answer = page(request, farm, "away.html", AWAY, **told)
    answer.headers["Retry-After"] = str(RETRY_S)
    return answer


async def _not_taken(request: Request, fault: Exception) -> HTMLResponse:
    """What somebody typed is not taken: why, and the way back to it."""
    assert isinstance(fault, RecordError)  # noqa: S101 - the handler of this one
    farm = spoken_farm(request)
    told = fault.told(farm.language)
    return page(request, farm, "refused.html", REFUSED, told=told, refresh=0)


async def _farm_file_fault(request: Request, fault: Exception) -> PlainTextResponse:
    """The farm file has a mistake: nothing is known, not even the language."""
    return PlainTextResponse(f"{fault}", AWAY)


async def _refused(request: Request, fault: Exception) -> HTMLResponse:
    """A change that who asks may not make: why, and what helps."""
    assert isinstance(fault, Refused)  # noqa: S101 - the handler of this one
    return page(request, spoken_farm(request), "may_not.html", FORBIDDEN, refresh=0, why=fault.why)


async def _no_page(request: Request, fault: Exception) -> HTMLResponse:
    """There is no such page, or it may not be asked so."""
    status = fault.status_code if isinstance(fault, HTTPException) else NO_PAGE
    farm = spoken_farm(request)
    if status == TOO_LARGE:
        return page(request, farm, "may_not.html", status, refresh=0, why="too_large")
    answer = page(request, farm, "nothing.html", status, refresh=0)
    answer.headers.update(getattr(fault, "headers", None) or {})  # `Allow`, say
    return answer
