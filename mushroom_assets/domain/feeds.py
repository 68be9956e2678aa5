"""Feeds: what each room delivered lately, and whether it has stopped.

Pure: instants come in. Whoever reads samples or lists images is the business of `checks.feeds`.
"""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_key import ImageKeyError, parse_image_key

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(hours=24)
# Silent for longer, a room is empty or its sensors are dismantled: nobody waits for them
FORGOTTEN = dt.timedelta(days=7)


class Feed(NamedTuple):
    """What a room delivered until an instant.

    Attributes:
        room_id: the room.
        newest: when the newest was taken, UTC; None where there is none.
        hour: how many of the last hour.
        today: how many since the farm's midnight.
        day: how many of the last 24 hours.
    """

    room_id: str
    newest: dt.datetime | None
    hour: int
    today: int
    day: int


class Sorted(NamedTuple):
    """Feeds by what is to be done: nothing, see why they stopped, nothing but to tell."""

    alive: list[Feed]
    stopped: list[Feed]
    silent: list[Feed]


def sort(feeds: Iterable[Feed], now: dt.datetime, late_s: int) -> Sorted:
    """Feeds of which nothing is newer than `late_s` have stopped; after `FORGOTTEN`, no feed."""
    found = Sorted([], [], [])
    for feed in feeds:
        if feed.newest is None or now - feed.newest > FORGOTTEN:
            found.silent.append(feed)
        elif now - feed.newest > dt.timedelta(seconds=late_s):
            found.stopped.append(feed)
        else:
            found.alive.append(feed)
    return found


def counted(room_id: str, instants: Iterable[dt.datetime], now: dt.datetime, farm: Farm) -> Feed:
    """The feed of a room from the instants of all that it delivered, UTC.

    What is of the future is not there: a clock that is wrong hides no silence.
    """
    past = [at for at in instants if at <= now]
    midnight = midnight_before(now, farm)
    return Feed(
        room_id,
        max(past, default=None),
        hour=sum(at > now - HOUR for at in past),
        today=sum(at >= midnight for at in past),
        day=sum(at > now - DAY for at in past),
    )


def midnight_before(now: dt.datetime, farm: Farm) -> dt.datetime:
    """The farm's last midnight, UTC."""
    day = now.astimezone(farm.zone).date()
    return dt.datetime.combine(day, dt.time(), farm.zone).astimezone(dt.UTC)


def capture_times(paths: Iterable[str], farm: Farm) -> list[dt.datetime]:
    """When images were taken, UTC, by their names; the day's run tells of names without a time."""
    found = []
    for path in paths:
        try:
            key = parse_image_key(path, farm)
        except ImageKeyError:
            continue
        found.append(key.captured_at.astimezone(dt.UTC))
    return found
