"""`room_notification`: the sensor that tells people of their rooms, each morning and at once.

It looks each minute. What there is to tell is the business of `looking`, how it reaches people that
of `delivery`.
"""

import datetime as dt
import logging
from typing import NamedTuple

import dagster as dg

from mushroom_assets.automation.delivery import Memory, Post
from mushroom_assets.automation.looking import Look, look
from mushroom_assets.automation.targets import NotDelivered, Target
from mushroom_assets.checks.feeds import image_feeds
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.feeds import Feed
from mushroom_assets.domain.message import Links
from mushroom_assets.domain.texts import say
from mushroom_assets.faults.image_store import ImageStoreRefused, ImageStoreUnavailable
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
from mushroom_assets.settings import UI_URL, Settings, load_settings
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.outbox import count_waiting

NAME = "room_notification"
EVERY_S = 60
CAMERAS_EVERY = dt.timedelta(minutes=10)  # to list their folders takes requests, and hours of delay
log = logging.getLogger(__name__)


def clock() -> dt.datetime:
    """Now, UTC."""
    return dt.datetime.now(dt.UTC)


def room_sensor(farm: Farm, *, on: bool) -> dg.SensorDefinition:
    """The sensor; off until there is somebody to be told."""
    off = say("notification_off", farm)
    memory = Memory()

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description=say("rooms_on", farm) if on else off,
    )
    def tick(
        context: dg.SensorEvaluationContext,
        postgres: PostgresResource,
        image_store: ImageStore,
        farm_file: FarmFile,
    ) -> dg.SkipReason:
        settings = load_settings()
        if not settings.notify:
            return dg.SkipReason(off)
        doors = _Doors(postgres.database(), image_store, farm_file.read())
        return dg.SkipReason(_tell(doors, settings, memory))

    return tick


class _Doors(NamedTuple):
    """What a tick reads from."""

    database: Database
    images: ImageStore
    farm: Farm


def _tell(doors: _Doors, settings: Settings, memory: Memory) -> str:
    """Look, write down what is to be told, and deliver what waits; what was done, in words.

    Raises:
        NotDelivered: at least one target did not take its message, which waits for its next try.
    """
    farm = doors.farm
    targets = [Target(url) for url in settings.notify]
    keys = list(dict.fromkeys(target.key for target in targets))
    with permanent_faults_fail_at_once():
        post = Post(doors.database, farm, memory, clock)
        post.remember()
        cameras = _cameras(doors.images, farm, memory)
        with doors.database.transaction() as connection:
            count = look(connection, Look(farm, clock(), links(settings), keys, cameras))
        taken, faults = post.deliver(targets)
        if faults:
            with doors.database.transaction() as connection:
                waiting = count_waiting(connection, keys)
    if faults:
        told = "; ".join(str(fault) for fault in faults)
        raise NotDelivered(f"{told} ({waiting} messages wait, and are sent until taken)")
    if not count and not taken:
        return say("rooms_quiet", farm)
    return say("rooms_told", farm, count=count, taken=taken)


def links(settings: Settings) -> Links:
    """Where readers find more."""
    return Links(settings.page_url, settings.ui_url or UI_URL)


def _cameras(store: ImageStore, farm: Farm, memory: Memory) -> list[Feed] | None:
    """The cameras' feeds, if it is time to look; of a store that is away nothing is known."""
    now = clock()
    if memory.cameras_seen is not None and now - memory.cameras_seen < CAMERAS_EVERY:
        return None
    memory.cameras_seen = now
    try:
        return image_feeds(store, farm, now)
    except (ImageStoreUnavailable, ImageStoreRefused) as fault:
        log.warning("the cameras were not looked at: %s", fault)  # `feed_alive` fails by it
        return None
