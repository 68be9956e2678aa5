"""Does every room deliver? Folders, batches, fresh samples, fresh images; for `doctor`.

When a feed has stopped is said by `domain.feeds` and the farm file's `feeds`, as for the checks.
"""

import datetime as dt
from collections.abc import Sequence

from mushroom_assets.checks.feeds import IMAGES, SAMPLES, image_feeds, late_s
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.feeds import FORGOTTEN, Feed, midnight_before, sort
from mushroom_assets.resources import ImageStore
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.feeds import read_feeds


class Doubt(RuntimeError):
    """Nothing is broken, and yet a person should see it; the message says what to do."""


def folders(store: ImageStore, farm: Farm) -> str:
    """Which rooms have a folder in the image store, and what lies where no day looks.

    Raises:
        Doubt: a room has none.
    """
    images = store.images()
    present = images.folders()
    lacking = [room for room in farm.rooms if farm.folder(room) not in present]
    text = f"{images.url}: {len(farm.rooms) - len(lacking)} of {len(farm.rooms)} room folders"
    strays = images.strays(farm)
    if strays:
        path, reason = strays[0]
        text += f"; {len(strays)} where no day looks, the first {path}: {reason}"
    if lacking:
        named = ", ".join(
            room if farm.folder(room) == room else f"{room} (folder {farm.folder(room)})"
            for room in lacking
        )
        remedy = "let cameras write there, or give the room its `folder` in the farm file"
        raise Doubt(f"{text}; none for room {named}. Remedy: {remedy}")
    return text


def batches(database: Database, farm: Farm) -> str:
    """Which rooms have had a batch.

    Raises:
        Doubt: a room never had one.
    """
    with database.transaction() as connection:
        known = read_batches(connection)
    lacking = [room for room in farm.rooms if room not in known]
    if lacking:
        raise Doubt(
            f"none for room {', '.join(lacking)}: no growth day is known there, and no band. "
            "Remedy: mushroom load batches FILE"
        )
    newest = max(known[room][-1] for room in farm.rooms)
    return f"every room has one, the newest of {newest}"


def samples(database: Database, farm: Farm) -> str:
    """Which rooms deliver samples.

    Raises:
        Doubt: a room does not.
    """
    now = dt.datetime.now(dt.UTC)
    with database.transaction() as connection:
        feeds = read_feeds(connection, farm.rooms, now, midnight_before(now, farm))
    return _told(SAMPLES, feeds, farm, now, "see its collector")


def images(store: ImageStore, farm: Farm) -> str:
    """Which rooms deliver images.

    Raises:
        Doubt: a room does not.
    """
    now = dt.datetime.now(dt.UTC)
    return _told(IMAGES, image_feeds(store, farm, now), farm, now, "see its cameras")


def _told(source: str, feeds: Sequence[Feed], farm: Farm, now: dt.datetime, remedy: str) -> str:
    minutes = late_s(source, farm) // 60
    found = sort(feeds, now, late_s(source, farm))
    text = f"{len(found.alive)} of {len(feeds)} rooms delivered within {minutes} min"
    if found.stopped:
        text += f"; stopped: {', '.join(_since(feed, farm) for feed in found.stopped)}"
    if found.silent:
        rooms = ", ".join(feed.room_id for feed in found.silent)
        text += f"; nothing for {FORGOTTEN.days} days: {rooms}"
    if found.stopped or found.silent:
        raise Doubt(f"{text}. Remedy: {remedy}")
    return text


def _since(feed: Feed, farm: Farm) -> str:
    since = "" if feed.newest is None else f"{feed.newest.astimezone(farm.zone):%Y-%m-%d %H:%M}"
    return f"{feed.room_id} (since {since})"
