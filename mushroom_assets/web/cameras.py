"""What lies in the image store now: a look of its own, since a store may be slow or away.

No page waits for it longer than a moment; what a silence means is the business of `domain`.
"""

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mushroom_assets.domain.cameras_now import Shot, newest_of_cameras, shots
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.feeds import FORGOTTEN
from mushroom_assets.domain.image_key import day_prefixes
from mushroom_assets.faults.image_store import ImageStoreRefused, ImageStoreUnavailable
from mushroom_assets.image_store.store import Images
from mushroom_assets.service.looks import Look

log = logging.getLogger(__name__)
FRESH_S = 60.0  # cameras take an image an hour
KEPT_S = 600.0  # what a store said before it became slow
WAIT_S = 0.5


class CamerasNow(NamedTuple):
    """The images of the last days.

    Attributes:
        newest: of each room's cameras, by room and camera.
        today: each room's images since yesterday's midnight, oldest first.
    """

    newest: Mapping[str, Mapping[str, Shot]]
    today: Mapping[str, list[Shot]]


class Cameras:
    """Looks at the image store."""

    def __init__(
        self, images: Images, farm: Callable[[], Farm], now: Callable[[], dt.datetime]
    ) -> None:
        self._images = images
        self._farm = farm
        self._now = now
        self._look = Look(self._list, fresh_s=FRESH_S, kept_s=KEPT_S)

    async def now(self) -> CamerasNow | None:
        """The images of the last days; None where the store does not tell."""
        seen = await self._look.seen(WAIT_S)
        return None if seen is None else seen.value

    def _list(self) -> CamerasNow | None:
        farm = self._farm()
        now = self._now()
        try:
            found = {room: self._of_room(room, farm, now) for room in farm.rooms}
        except (ImageStoreRefused, ImageStoreUnavailable) as error:
            log.warning("the pages show no cameras: %s", error)
            return None
        newest = {room: newest_of_cameras(taken) for room, taken in found.items()}
        return CamerasNow(newest, found)

    def _of_room(self, room: str, farm: Farm, now: dt.datetime) -> list[Shot]:
        """Today's and yesterday's images; where there are none, the days before until one has."""
        today = now.astimezone(farm.zone).date()
        found: list[Shot] = []
        for back in range(FORGOTTEN.days + 1):
            if found and back > 1:
                break
            day = today - dt.timedelta(days=back)
            folder = day_prefixes(farm, day)[room]
            found = shots(self._images.paths(folder), now, farm) + found
        return found
