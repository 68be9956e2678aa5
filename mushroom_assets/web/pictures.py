"""Camera pictures, small and large: of the image store's root, by paths that a camera has named.

A path is one that `image_key` reads: a room's folder, a day, a file's name; nothing else is opened,
and no link is followed out of the root.
"""

import asyncio
import hashlib
import threading
from typing import Annotated, Literal

from fastapi import APIRouter, Header, HTTPException, Response
from starlette.concurrency import run_in_threadpool

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_key import ImageKeyError, parse_image_key
from mushroom_assets.domain.image_row import MAX_BYTES
from mushroom_assets.faults.image_store import ImageStoreRefused, ImageStoreUnavailable
from mushroom_assets.web.place import OfPlace, Place

router = APIRouter()
SIDES = {"small": 480, "large": 1600}  # px of the longer side
KEPT = "private, max-age=3600"  # a file may be replaced; then its mark is another
DRAWERS = threading.Semaphore(2)  # a frame of 5 million pixels takes 30 ms of a core
# Threads that wait for a store, which may take 30 s; all pages have 40 together
READERS = asyncio.Semaphore(8)
LONGEST_NAME = 255  # bytes: no file has a longer one
NOT_THERE = 404
NO_STORE = 503
SAME = 304


@router.get("/pictures/{size}/{path:path}")
async def picture(
    place: OfPlace,
    size: Literal["small", "large"],
    path: str,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A camera's picture as JPEG."""
    async with READERS:
        return await run_in_threadpool(_picture, place, size, path, if_none_match)


def _picture(place: Place, size: str, path: str, known: str | None) -> Response:
    data = _file(place, place.farm(), path)
    mark = f'"{hashlib.sha256(data).hexdigest()[:16]}-{size}"'
    headers = {"Cache-Control": KEPT, "ETag": mark}
    if known == mark:
        return Response(status_code=SAME, headers=headers)
    # Brings Pillow and numpy: not for who asks for no picture
    from mushroom_assets.inference.images import ImageFault, preview

    try:
        with DRAWERS:
            drawn = preview(data, SIDES[size])
    except ImageFault as fault:
        raise HTTPException(NOT_THERE) from fault
    return Response(drawn, media_type="image/jpeg", headers=headers)


def _file(place: Place, farm: Farm, path: str) -> bytes:
    """The bytes of a camera's file.

    Raises:
        HTTPException: no camera's path, not there, or the store is away.
    """
    # No system call takes a NUL, nor a name that is too long
    if not path.isprintable() or max(map(len, path.encode().split(b"/"))) > LONGEST_NAME:
        raise HTTPException(NOT_THERE)
    try:
        parse_image_key(path, farm)
        if not place.images.holds(path):
            raise HTTPException(NOT_THERE)
        data = place.images.read(path, MAX_BYTES + 1)
    except (ImageKeyError, FileNotFoundError, PermissionError) as fault:
        raise HTTPException(NOT_THERE) from fault
    except (ImageStoreRefused, ImageStoreUnavailable) as fault:
        raise HTTPException(NO_STORE) from fault
    if len(data) > MAX_BYTES:
        raise HTTPException(NOT_THERE)
    return data
