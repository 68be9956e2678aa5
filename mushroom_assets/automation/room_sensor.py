"""`room_notification`: the sensor that tells people of their rooms, each morning and at once.

It looks each minute. What there is to tell is the business of `looking`, how it reaches people that
of `delivery`.
"""

import datetime as dt
import logging
from collections.abc import Sequence

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
        farm = farm_file.read()
        targets = [Target(url) for url in settings.notify]
        with permanent_faults_fail_at_once():
            database = postgres.database()
            post = Post(database, farm, memory, clock)
            post.remember()
            cameras = _cameras(image_store, farm, memory)
            given = Look(farm, clock(), links(settings), _keys(targets), cameras)
            with database.transaction() as connection:
                count = look(connection, given)
            taken, faults = post.deliver(targets)
        if faults:
            raise NotDelivered("; ".join(str(fault) for fault in faults))
        if not count and not taken:
            return dg.SkipReason(say("rooms_quiet", farm))
        return dg.SkipReason(say("rooms_told", farm, count=count, taken=taken))

    return tick


def links(settings: Settings) -> Links:
    """Where readers find more."""
    return Links(settings.page_url, settings.ui_url or UI_URL)


def _keys(targets: Sequence[Target]) -> list[str]:
    return list(dict.fromkeys(target.key for target in targets))


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
