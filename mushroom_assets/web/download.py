"""Tables read out, `/export`: one download at a time, a piece in memory at a time.

What is read, and how it is written, is the business of `storage.export`.
"""

import asyncio
import codecs
import contextlib
import datetime as dt
import threading
from collections.abc import AsyncIterator, Generator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.faults.retry import Retry
from mushroom_assets.storage.connection import Database, Limits
from mushroom_assets.storage.export.reading import Form, read_out
from mushroom_assets.storage.export.selection import NotExportable, Selection, names, select
from mushroom_assets.web.place import OfPlace, Place, SpokenFarm
from mushroom_assets.web.rendering import page
from mushroom_assets.web.throttle import throttled

router = APIRouter()
# A statement lasts as long as its reader takes; then whoever reads too slowly has to begin anew
WITHIN_S = 900
LIMITS = Limits(
    pool_size=1,
    max_overflow=0,
    pool_timeout_s=2,
    connect_timeout_s=2,
    statement_timeout_s=WITHIN_S,
    answer_s=WITHIN_S + 60,
)
OFTEN = "10/minute"  # beginnings of downloads, of one address
MOST_DAYS = 31  # of samples: a room has 66,240 a day
DAYS = 7  # that the form begins with
MEDIA = {Form.CSV: "text/csv; charset=utf-8", Form.PARQUET: "application/vnd.apache.parquet"}
NOT_TAKEN = 422
TOO_MANY = 429
BUSY = 503


class Downloads:
    """The one download of the server, and its connection."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, LIMITS, Retry(attempts=1), "mushroom download")
        self._taken = threading.Lock()

    def take(self) -> bool:
        """Whether nobody else downloads; `give_back` ends it."""
        return self._taken.acquire(blocking=False)

    def give_back(self) -> None:
        """Let the next one come."""
        self._taken.release()


@router.get("/export")
def ask(
    request: Request,
    place: OfPlace,
    farm: SpokenFarm,
    table: str = "batch_day",
    room: str = "",
    since: dt.date | None = None,
    until: dt.date | None = None,
) -> HTMLResponse:
    """What may be downloaded."""
    today = place.now().astimezone(farm.zone).date()
    given = {"table": table, "room": room, "until": until or today}
    given["since"] = since or given["until"] - dt.timedelta(days=DAYS - 1)  # type: ignore[operator]
    return _page(request, farm, given)


@router.get("/export/file")
async def download(
    request: Request,
    place: OfPlace,
    farm: SpokenFarm,
    table: str,
    since: dt.date,
    until: dt.date,
    form: Form = Form.CSV,
    room: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """A table's rows of some days, as a file."""
    given = {"table": table, "room": room, "since": since, "until": until}
    try:
        selection = _selected(place, farm, table, since, until, room)
    except NotExportable as fault:
        return _page(request, farm, given, NOT_TAKEN, f"{fault}")
    if not throttled(request, OFTEN):
        return _page(request, farm, given, TOO_MANY, say("page.export_often", farm))
    downloads: Downloads = request.app.state.downloads
    if not downloads.take():
        return _page(request, farm, given, BUSY, say("page.export_busy", farm))
    pieces = read_out(downloads.database, selection, form, place.farm())
    try:
        first = await run_in_threadpool(next, pieces, b"")
    except (DatabaseUnavailable, DatabaseRefused) as fault:
        downloads.give_back()
        return _page(request, farm, given, BUSY, f"{fault}")
    except BaseException:
        downloads.give_back()
        raise
    mark = codecs.BOM_UTF8 if form is Form.CSV else b""  # without it Excel shows no Chinese
    name = "_".join(part for part in (table, room, f"{since}", f"{until}") if part)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(f'{name}.{form}', safe='')}",
        "Content-Encoding": "identity",  # not squeezed by the thread that answers everybody
        "Cache-Control": "no-store",
    }
    return Download(mark + first, pieces, downloads, media_type=MEDIA[form], headers=headers)


class Download(StreamingResponse):
    """A file that is read as it is sent; whatever ends it, the next one may come."""

    def __init__(
        self,
        first: bytes,
        pieces: Generator[bytes, None, None],
        downloads: Downloads,
        **given: Any,
    ) -> None:
        super().__init__(self._read(first), **given)
        self._pieces = pieces
        self._downloads = downloads

    async def _read(self, first: bytes) -> AsyncIterator[bytes]:
        yield first
        piece = await run_in_threadpool(next, self._pieces, None)
        while piece is not None:
            yield piece
            piece = await run_in_threadpool(next, self._pieces, None)

    async def __call__(self, *given: Any) -> None:
        """Send it, for so long at most."""
        try:
            async with asyncio.timeout(WITHIN_S):
                await super().__call__(*given)
        finally:
            with contextlib.suppress(DatabaseUnavailable, DatabaseRefused):
                await asyncio.shield(run_in_threadpool(self._close))

    def _close(self) -> None:
        try:
            self._pieces.close()
        finally:
            self._downloads.give_back()


def _selected(
    place: Place, farm: Farm, table: str, since: dt.date, until: dt.date, room: str
) -> Selection:
    """What is asked for.

    Raises:
        NotExportable: there is no such thing, or it is too much for a page.
    """
    if room and room not in farm.rooms:
        raise NotExportable(f"the farm file has no room {room!r}")
    if table == "sample" and (until - since).days >= MOST_DAYS:
        raise NotExportable(say("page.export_days", farm, days=MOST_DAYS))
    today = place.now().astimezone(farm.zone).date()
    rooms = [room] if room else []
    return select(table, farm, since=since, until=until, rooms=rooms, today=today)


def _page(
    request: Request, farm: Farm, given: dict[str, Any], status: int = 200, fault: str = ""
) -> HTMLResponse:
    shown = {"given": given, "fault": fault, "tables": names(), "refresh": 0}
    answer = page(request, farm, "export.html", status, **shown)
    if status in (TOO_MANY, BUSY):
        answer.headers["Retry-After"] = "60"
    return answer
