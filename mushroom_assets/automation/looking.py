"""A look at the rooms: what begins and ends since the last one, and the message about it.

All in one transaction: what was told before, verdicts, feeds and the samples of the last hours are
read, and what is to be told is written down, with a message for each target. How that is delivered
is the business of `delivery`.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from mushroom_assets.checks.feeds import IMAGES, SAMPLES, late_s
from mushroom_assets.domain.alarms import (
    OLDEST_VERDICT,
    Open,
    Sign,
    climate_signs,
    decide,
    feed_signs,
    unseen,
    verdict_signs,
)
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.feeds import Feed
from mushroom_assets.domain.growth import growth_on
from mushroom_assets.domain.live import Part
from mushroom_assets.domain.message import Links, Message, News, at_once, lacking, morning
from mushroom_assets.domain.sensors import find_sources, neighbourhood, point_ids, room_sensors
from mushroom_assets.domain.windows import Window, to_us
from mushroom_assets.storage.alarms import (
    Reports,
    is_morning_told,
    read_open,
    read_reports,
    write_decision,
    write_morning,
)
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.feeds import read_newest
from mushroom_assets.storage.outbox import write_messages
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.samples import read_samples
from mushroom_assets.storage.setting import with_settings

# A morning without reports is told so long after its time, where a week has any; as what it is kept
PATIENCE = dt.timedelta(hours=4)
KNOWN_BEFORE = dt.timedelta(days=7)
LACKING = " lacking"


class Look(NamedTuple):
    """What a look goes by.

    Attributes:
        farm: rooms, language, alarms.
        now: when, UTC.
        links: where readers find more.
        targets: keys of who is told.
        cameras: feeds of the rooms' cameras; None where they were not looked at.
    """

    farm: Farm
    now: dt.datetime
    links: Links
    targets: Sequence[str]
    cameras: Sequence[Feed] | None = None

    @property
    def local(self) -> dt.datetime:
        """When, by the farm's clock."""
        return self.now.astimezone(self.farm.zone)


def look(connection: sa.Connection, given: Look) -> int:
    """Write down what is to be told now, in the caller's transaction.

    Returns:
        how many messages were written.
    """
    farm = with_settings(connection, given.farm)
    given = given._replace(farm=farm)
    told = read_open(connection)
    today = given.local.date()
    reports = read_reports(connection, today - OLDEST_VERDICT)
    digest = _digest(connection, reports, given)
    signs = [
        *verdict_signs(reports, told, farm, today),
        *_feeds(connection, given),
        *_climate(connection, given),
    ]
    if _waits_for_morning(connection, reports, digest, given):
        signs = [_unclear(sign) if sign.subject.kind == "act" else sign for sign in signs]
    found = decide(signs, told, farm, given.now)
    write_decision(connection, found, given.now)
    gone = {each.alarm_id for each in found.dropped} | {each.alarm_id for each, _ in found.ended}
    still = [each for each in told if each.alarm_id not in gone]
    ended = [sign for _, sign in found.ended]
    message = _message(connection, digest, still, News(found.begun, ended, given.now), given)
    return 0 if message is None else write_messages(connection, given.targets, message, given.now)


def _message(
    connection: sa.Connection, digest: Reports, still: Sequence[Open], news: News, given: Look
) -> Message | None:
    day = _yesterday(given)
    if digest:
        # The verdicts are told by the rooms' lines
        begun = [sign for sign in news.begun if sign.subject.kind != "act"]
        ended = [sign for sign in news.ended if sign.subject.kind != "act"]
        rest = News(begun, ended, given.now)
        message = morning(digest, still, rest, given.links, given.farm)
        title = "" if message is None else message.title
        write_morning(connection, f"{day}", title, given.now)
        return message
    if _is_lacking(connection, given):
        message = lacking(day, news, given.links, given.farm)
        write_morning(connection, f"{day}{LACKING}", message.title, given.now)
        return message
    return at_once(news, given.links, given.farm)


def _digest(connection: sa.Connection, reports: Reports, given: Look) -> Reports:
    """Yesterday's reports, when it is time to tell them; else none."""
    day = _yesterday(given)
    found = [row for row in reports if row["stat_date"] == day]
    if not found or not _is_after(dt.timedelta(), given):
        return []
    return [] if is_morning_told(connection, f"{day}") else found


def _is_lacking(connection: sa.Connection, given: Look) -> bool:
    """Whether it is to be told that yesterday has no report; a farm that has none at all is new."""
    if not _is_after(PATIENCE, given):
        return False
    day = _yesterday(given)
    days = {row["stat_date"] for row in read_reports(connection, day - KNOWN_BEFORE)}
    return bool(days) and day not in days and not is_morning_told(connection, f"{day}{LACKING}")


def _is_after(wait: dt.timedelta, given: Look) -> bool:
    """Whether it is so long after the time of the morning message, and no quiet hour."""
    alarms = given.farm.alarms
    since = dt.datetime.combine(given.local.date(), alarms.morning_at) + wait
    return given.local.replace(tzinfo=None) >= since and not alarms.is_quiet(given.local)


def _waits_for_morning(
    connection: sa.Connection, reports: Reports, digest: Reports, given: Look
) -> bool:
    """Whether yesterday's verdicts are there, and are told in the morning that is to come."""
    if digest or "act" in given.farm.alarms.breaks_quiet:
        return False
    day = _yesterday(given)
    is_there = any(row["stat_date"] == day for row in reports)
    return is_there and not is_morning_told(connection, f"{day}")


def _yesterday(given: Look) -> dt.date:
    return given.local.date() - dt.timedelta(days=1)


def _unclear(sign: Sign) -> Sign:
    return sign._replace(state="unclear")


def _feeds(connection: sa.Connection, given: Look) -> Iterator[Sign]:
    farm = given.farm
    samples = read_newest(connection, farm.rooms, given.now)
    yield from feed_signs(SAMPLES, samples, farm, given.now, late_s(SAMPLES, farm))
    if given.cameras is None:
        yield from unseen(IMAGES, farm)
    else:
        yield from feed_signs(IMAGES, given.cameras, farm, given.now, late_s(IMAGES, farm))


def _climate(connection: sa.Connection, given: Look) -> Iterator[Sign]:
    """Bands and movements, from the samples of the last hours of points that are quantities."""
    farm = given.farm
    sources = find_sources(read_points(connection), farm)
    batches = read_batches(connection)
    start = given.now - dt.timedelta(seconds=farm.alarms.looked_back_s())
    window = Window("", start, given.now)
    before = window.before(dt.timedelta(seconds=neighbourhood(farm).before))
    samples = read_samples(connection, point_ids(sources), before, given.now)
    columns = {name: samples[name].to_numpy() for name in ("point_id", "at", "value")}
    for room in farm.rooms:
        parts = list(_parts(room, start, batches.get(room, ()), given))
        found = room_sensors(columns, room, window, sources, parts[-1].farm)
        yield from climate_signs(room, found, parts)


def _parts(
    room: str, start: dt.datetime, in_dates: Sequence[dt.date], given: Look
) -> Iterator[Part]:
    """The last hours of a room, a part a farm day, each with its day's rules."""
    for day, first, last in _days(start, given.now, given.farm):
        rules = given.farm.on(room, day)
        growth = growth_on(day, in_dates, rules.cycle_days)
        yield Part(to_us(first), to_us(last), rules, growth)


def _days(
    start: dt.datetime, end: dt.datetime, farm: Farm
) -> Iterable[tuple[dt.date, dt.datetime, dt.datetime]]:
    """The farm days of [start, end), each with the instants of it that lie within."""
    first = start
    while first < end:
        day = first.astimezone(farm.zone).date()
        tomorrow = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), farm.zone)
        last = min(end, tomorrow.astimezone(dt.UTC))
        yield day, first, last
        first = last
