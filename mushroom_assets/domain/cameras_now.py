"""Which cameras still deliver: what their files' names say now.

Listing the store is the business of `image_store`; when a feed counts as stopped is the farm
file's `feeds`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.feeds import FORGOTTEN
from mushroom_assets.domain.image_key import ImageKeyError, parse_image_key
from mushroom_assets.domain.now import Trouble


class Shot(NamedTuple):
    """An image of a camera: its path, and when it was taken, UTC."""

    camera: str
    taken: dt.datetime
    path: str


def shots(paths: Iterable[str], now: dt.datetime, farm: Farm) -> list[Shot]:
    """The images that cameras have named, oldest first; none of the future."""
    found = []
    for path in paths:
        try:
            key = parse_image_key(path, farm)
        except ImageKeyError:
            continue
        taken = key.captured_at.astimezone(dt.UTC)
        if taken <= now:
            found.append(Shot(key.camera, taken, path))
    return sorted(found, key=lambda shot: (shot.taken, shot.camera))


def newest_of_cameras(taken: Iterable[Shot]) -> dict[str, Shot]:
    """The newest image of each camera."""
    return {shot.camera: shot for shot in taken}  # they come oldest first


def camera_troubles(newest: Mapping[str, Shot], now: dt.datetime, farm: Farm) -> list[Trouble]:
    """The cameras of a room that have stopped; of one long gone, nothing is waited for."""
    late = dt.timedelta(seconds=farm.feeds.images_late_s)
    stopped = {
        name: shot.taken for name, shot in newest.items() if late < now - shot.taken <= FORGOTTEN
    }
    if stopped and len(stopped) == len(newest):
        return [Trouble("cameras", "watch", max(stopped.values()))]
    return [Trouble("camera", "watch", since, device=name) for name, since in stopped.items()]
