"""Strays: what lies in the image store where no day will ever look, and what to do about it.

Pure: the entries of folders come in, reasons go out. Listing is the door's business
(`image_store`). What lies in a day's folder is no stray, whatever it is: that day's run makes a row
of it. Nor is a day before the farm's first: the farm file says that it is not wanted.
"""

import datetime as dt
import re
from collections.abc import Iterable
from typing import NamedTuple

from mushroom_assets.domain.farm import Farm

# .DS_Store, .snapshot: made by systems, not by cameras
SYSTEM_NAMES = re.compile(r"\..*|lost\+found")
# Path relative to the root, of a folder with a `/` at its end; what is wrong and what to do
Stray = tuple[str, str]


class Entry(NamedTuple):
    """What a folder holds: a name, and whether it is itself a folder."""

    name: str
    is_folder: bool


def root_strays(entries: Iterable[Entry], farm: Farm) -> list[Stray]:
    """Files right under the root, and folders that belong to no room.

    A folder is one stray, whatever it holds. Of a room's folder of several parts (`north/611`) only
    the first is asked for.
    """
    folders = [farm.folder(room) for room in farm.rooms]
    known = {folder.split("/")[0] for folder in folders}
    found = []
    for name, is_folder in _made_by_cameras(entries):
        if not is_folder:
            remedy = "move it into its day, <room>/<YYYYMMDD>/"
            found.append((name, f"a file right under the root. Remedy: {remedy}"))
        elif name not in known:
            reason = f"no room has the folder {name}; the rooms' folders are {', '.join(folders)}"
            remedy = (
                f"give its room `folder: {name}` in the farm file, "
                "or move its days into a room's folder"
            )
            found.append((f"{name}/", f"{reason}. Remedy: {remedy}"))
    return found


def room_strays(folder: str, entries: Iterable[Entry]) -> list[Stray]:
    """Files right under a room's folder, and folders in it that are no day."""
    found = []
    for name, is_folder in _made_by_cameras(entries):
        path = f"{folder}/{name}"
        if not is_folder:
            remedy = f"move it into {folder}/<YYYYMMDD>/, the day of its capture"
            found.append((path, f"a file right under a room's folder. Remedy: {remedy}"))
        elif not is_day(name):
            remedy = "rename it to the day of its images"
            found.append((f"{path}/", f"the folder's name is no day as YYYYMMDD. Remedy: {remedy}"))
    return found


def is_day(name: str) -> bool:
    """Whether a folder's name is a day of the calendar, as YYYYMMDD."""
    if not re.fullmatch("[0-9]{8}", name):
        return False
    try:
        dt.date(int(name[:4]), int(name[4:6]), int(name[6:]))
    except ValueError:
        return False
    return True


def _made_by_cameras(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entry for entry in entries if not SYSTEM_NAMES.fullmatch(entry.name))
