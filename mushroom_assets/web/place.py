"""What every page stands on: the farm, the database's reader, the camera images, the language.

One object for the whole server, made by `app`; requests reach it through `place_of`.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Annotated, cast, get_args

from fastapi import Depends, Request

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Language
from mushroom_assets.image_store.store import RETRY, Images
from mushroom_assets.settings import Settings
from mushroom_assets.web.cameras import Cameras
from mushroom_assets.web.reading import Reader

FARM_S = 5.0  # a change of the farm file shows after so long
COOKIE = "mushroom_language"


class Place:
    """The farm's settings and doors."""

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.settings = settings
        self.reader = Reader(settings.require_database_url())
        self.images = Images(settings.image_root, RETRY, may_lack=settings.owns_image_root)
        self.now = now
        self.cameras = Cameras(self.images, self.farm, now)
        self._lock = threading.Lock()
        self._farm: tuple[float, Farm] | None = None

    def farm(self) -> Farm:
        """The farm file, read anew every few seconds.

        Raises:
            FarmFileError: it has a mistake.
        """
        with self._lock:
            if self._farm is None or time.monotonic() - self._farm[0] > FARM_S:
                self._farm = (time.monotonic(), self.settings.read_farm())
            return self._farm[1]


def place_of(request: Request) -> Place:
    """The server's place; as a dependency of a route."""
    place: Place = request.app.state.place
    return place


def language_of(request: Request, farm: Farm) -> Language:
    """The reader's language: asked for, remembered, the browser's, else the farm's."""
    asked = (request.query_params.get("lang"), request.cookies.get(COOKIE))
    for language in asked:
        if language in get_args(Language):
            return cast("Language", language)
    for wanted in request.headers.get("accept-language", "").lower().split(","):
        for language in get_args(Language):
            if wanted.strip().startswith(language):
                return cast("Language", language)
    return farm.language


def spoken_farm(request: Request) -> Farm:
    """The farm in the reader's language; as a dependency of a route."""
    farm = place_of(request).farm()
    return farm.spoken(language_of(request, farm))


OfPlace = Annotated[Place, Depends(place_of)]
SpokenFarm = Annotated[Farm, Depends(spoken_farm)]
