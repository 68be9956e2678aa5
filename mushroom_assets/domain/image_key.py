"""What a path in the image store says: room, camera, capture, and the batch's day in the name.

No store and no pixels here. What the picture shows is the business of `vision`.
"""

import contextlib
import datetime as dt
import re
from dataclasses import dataclass

from mushroom_assets.domain.farm import Farm

MAX_AGE_DAYS = 120  # a batch is in its room for 27 days; an in-date further back is a misreading
FILE_NAME = re.compile(
    r"[^_]+_(?P<camera>[^_]+)_(?P<in_date>[^_]*)_(?P<stamp>[0-9]{14})\.(?:jpe?g|png)", re.IGNORECASE
)


class ImageKeyError(ValueError):
    """A path in the image store that does not follow the naming; the message says where."""


@dataclass(frozen=True)
class ImageKey:
    """What a path says: `<folder>/<YYYYMMDD>/<room>_<camera>_<inDate>_<YYYYMMDDHHMMSS>.jpg`.

    Attributes:
        room_id: from the folder. The room in the file's name is not asked; where it is another of
            the farm's, a check says so (`names_of_rooms`).
        camera: the camera's name.
        captured_at: aware, in the farm's zone. A local time that occurs twice means its first
            occurrence.
        in_date: the batch's day as the name has it, None where it has none. The batch table knows
            better.
        path: the path itself.
    """

    room_id: str
    camera: str
    captured_at: dt.datetime
    in_date: dt.date | None
    path: str


def parse_image_key(path: str, farm: Farm) -> ImageKey:
    """Read a path, relative to the image store's root, with `/` between its parts.

    Raises:
        ImageKeyError: no room has that folder, or the name, the day or the time cannot be read.
    """
    if path.endswith("/"):
        raise ImageKeyError(
            f"{path}: a folder inside a day's folder is not opened; its images belong beside it"
        )
    folder, day, name = ["", "", *path.rsplit("/", 2)][-3:]
    room_id = next((room for room in farm.rooms if farm.folder(room) == folder), None)
    if room_id is None:
        known = ", ".join(farm.folder(room) for room in farm.rooms)
        raise ImageKeyError(
            f"{path}: no room has the folder {folder!r}; the rooms' folders are {known}"
        )
    parts = FILE_NAME.fullmatch(name)
    if parts is None:
        raise ImageKeyError(
            f"{path}: the name is not <room>_<camera>_<inDate>_<YYYYMMDDHHMMSS>.jpg"
        )
    try:
        stamp = dt.datetime.strptime(parts["stamp"], "%Y%m%d%H%M%S").replace(tzinfo=farm.zone)
    except ValueError as error:
        raise ImageKeyError(f"{path}: {parts['stamp']} is no date and time") from error
    # A run replaces a day's rows; an image of another day would be outside its window
    if day != f"{stamp:%Y%m%d}":
        raise ImageKeyError(f"{path}: the folder's day is {day}, the name's {stamp:%Y%m%d}")
    in_date = read_in_date(parts["in_date"], stamp.date())
    return ImageKey(room_id, parts["camera"], stamp, in_date, path)


def read_in_date(
    digits: str, captured_on: dt.date, max_age_days: int = MAX_AGE_DAYS
) -> dt.date | None:
    """The day that `202615` (2026-01-05), `2025124` (12-04 or 01-24) or `20260210` stands for.

    Month and day are written without leading zeros, or all eight digits are there.

    Returns:
        The latest reading that is not after the capture and at most `max_age_days` before it; None
        if there is none.
    """
    if not re.fullmatch("[0-9]{6,8}", digits):
        return None
    year = int(digits[:4])
    rest = digits[4:]
    readings = []
    for split in (1, 2):
        month = rest[:split]
        day = rest[split:]
        if not 1 <= len(day) <= 2:
            continue
        if len(rest) < 4 and "0" in (month[0], day[0]):
            continue
        with contextlib.suppress(ValueError):  # no such month or day: not a reading
            readings.append(dt.date(year, int(month), int(day)))
    recent = [date for date in readings if 0 <= (captured_on - date).days <= max_age_days]
    return max(recent, default=None)


def names_of_rooms(farm: Farm) -> dict[str, str]:
    """What a file's name may call a room, its id or its folder, and the room's id.

    A word that is one room's id and another's folder stands for neither.
    """
    ids = {room: room for room in farm.rooms}
    folders = {farm.folder(room): room for room in farm.rooms}
    both = ids | folders
    return {word: room for word, room in both.items() if ids.get(word, room) == room}


def day_prefixes(farm: Farm, day: dt.date) -> dict[str, str]:
    """Where each room's images of a farm day lie: room id -> "<folder>/<YYYYMMDD>"."""
    return {room: f"{farm.folder(room)}/{day:%Y%m%d}" for room in farm.rooms}
