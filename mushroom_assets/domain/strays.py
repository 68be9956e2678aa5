"""Strays: what lies in the image store where no day will ever look, and what to do about it.

Pure: the entries of folders come in, reasons go out. Listing is the door's business
(`image_store`). Nothing in a day's folder is a stray: that day's run makes a row of it. A day
before the farm's first is not a stray either: the farm file says that it is not wanted.
"""

import datetime as dt
import re
from collections.abc import Iterable
from typing import NamedTuple

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Language
from mushroom_assets.domain.texts import say_in

# .DS_Store, .snapshot: made by systems, not by cameras
SYSTEM_NAMES = re.compile(r"\..*|lost\+found")
STORED: Language = "en"  # of the reasons in rows, on every farm
# Path relative to the root (a folder's ends with `/`); what is wrong and what to do
Stray = tuple[str, str]


class Entry(NamedTuple):
    """What a folder holds: a name, and whether it is itself a folder."""

    name: str
    is_folder: bool


def root_strays(entries: Iterable[Entry], farm: Farm) -> list[Stray]:
    """Files right under the root, and folders of no room: one stray a folder, whatever it holds.

    Only the first part of a nested room folder (`north/611`) is examined.
    """
    tops = {folder.split("/")[0] for folder in _folders(farm)}
    found = []
    for name, is_folder in _made_by_cameras(entries):
        path = f"{name}/" if is_folder else name
        if name not in tops or not is_folder:
            found.append((path, _root_text(path, farm, STORED)))
    return found


def room_strays(folder: str, entries: Iterable[Entry]) -> list[Stray]:
    """Files right under a room's folder, and folders in it that are not a day."""
    found = []
    for name, is_folder in _made_by_cameras(entries):
        path = f"{folder}/{name}/" if is_folder else f"{folder}/{name}"
        if not is_day(name) or not is_folder:
            found.append((path, _room_text(path, STORED)))
    return found


def stray_text(path: str, farm: Farm) -> str:
    """What is wrong with a stray and what to do about it, in the farm's language, by its path."""
    in_room = "/" in path.removesuffix("/")
    return _room_text(path, farm.language) if in_room else _root_text(path, farm, farm.language)


def _root_text(path: str, farm: Farm, language: Language) -> str:
    if not path.endswith("/"):
        return say_in(language, "stray_root_file")
    known = ", ".join(_folders(farm))
    return say_in(language, "stray_root_folder", folder=path.removesuffix("/"), known=known)


def _room_text(path: str, language: Language) -> str:
    if path.endswith("/"):
        return say_in(language, "stray_room_folder")
    return say_in(language, "stray_room_file", room=path.rpartition("/")[0])


def is_day(name: str) -> bool:
    """Whether a folder's name is a day of the calendar, as YYYYMMDD."""
    if not re.fullmatch("[0-9]{8}", name):
        return False
    try:
        dt.date(int(name[:4]), int(name[4:6]), int(name[6:]))
    except ValueError:
        return False
    return True


def _folders(farm: Farm) -> list[str]:
    return [farm.folder(room) for room in farm.rooms]


def _made_by_cameras(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entry for entry in entries if not SYSTEM_NAMES.fullmatch(entry.name))
