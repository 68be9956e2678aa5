"""Do the rooms still deliver? What each delivered lately is observed, and a silence is a warning.

The sources `sample` and `room_images` are made elsewhere and have no partition: a schedule of its
own observes them. Each is a step, so that the trouble of one hides nothing of the other. An
observation costs a run, and its numbers are few: Dagster keeps them for long. When a feed counts as
stopped is the farm file's `feeds`.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import dagster as dg

from mushroom_assets.checks.rule import WARN
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.feeds import (
    FORGOTTEN,
    Feed,
    Sorted,
    capture_times,
    counted,
    midnight_before,
    sort,
)
from mushroom_assets.domain.image_key import day_prefixes
from mushroom_assets.domain.texts import say
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.feeds import read_feeds

NAME = "feed_alive"
SAMPLES = "sample"
IMAGES = "room_images"
SOURCES = (SAMPLES, IMAGES)
COLUMNS = ("hour", "today", "day", "newest", "age")
MINUTE = dt.timedelta(minutes=1)
Told = Iterator[dg.AssetObservation | dg.AssetCheckResult]


def clock() -> dt.datetime:
    """Now, UTC."""
    return dt.datetime.now(dt.UTC)


def sample_check(farm: Farm, retry_policy: dg.RetryPolicy) -> dg.AssetChecksDefinition:
    """The check of `sample`, which observes it; its description is in the farm's language."""
    spec = _spec(SAMPLES, farm)

    @dg.multi_asset_check(
        name=spec.get_python_identifier(), specs=[spec], retry_policy=retry_policy
    )
    def check(postgres: PostgresResource, farm_file: FarmFile) -> Told:
        farm = farm_file.read()
        now = clock()
        with permanent_faults_fail_at_once(), postgres.transaction() as connection:
            feeds = read_feeds(connection, farm.rooms, now, midnight_before(now, farm))
        yield from told(SAMPLES, feeds, farm, now)

    return check


def image_check(farm: Farm, retry_policy: dg.RetryPolicy) -> dg.AssetChecksDefinition:
    """The check of `room_images`, which observes it; its description is in the farm's language."""
    spec = _spec(IMAGES, farm)

    @dg.multi_asset_check(
        name=spec.get_python_identifier(), specs=[spec], retry_policy=retry_policy
    )
    def check(image_store: ImageStore, farm_file: FarmFile) -> Told:
        farm = farm_file.read()
        now = clock()
        with permanent_faults_fail_at_once():
            feeds = image_feeds(image_store, farm, now)
        yield from told(IMAGES, feeds, farm, now)

    return check


def _spec(asset: str, farm: Farm) -> dg.AssetCheckSpec:
    minutes = late_s(asset, farm) // 60
    holds = say(f"{asset}.feed_alive.holds", farm, days=FORGOTTEN.days, minutes=minutes)
    return dg.AssetCheckSpec(NAME, asset=asset, description=holds)


def late_s(asset: str, farm: Farm) -> int:
    """After how many seconds without anything new a source's feed has stopped."""
    return farm.feeds.samples_late_s if asset == SAMPLES else farm.feeds.images_late_s


def image_feeds(store: ImageStore, farm: Farm, now: dt.datetime) -> list[Feed]:
    """The feed of each room's cameras: today's and yesterday's folders are listed.

    Of a room that has nothing there, the days before are, until one has: since when is it silent?

    Raises:
        ImageStoreRefused, ImageStoreUnavailable: as `Images.listing`.
    """
    today = now.astimezone(farm.zone).date()
    days = [today - dt.timedelta(days=back) for back in range(FORGOTTEN.days + 1)]
    found = []
    for room in farm.rooms:
        instants: list[dt.datetime] = []
        for day in days:
            if instants and day < days[1]:
                break
            paths = store.listing(day_prefixes(farm, day)[room])
            instants += [at for at in capture_times(paths, farm) if at <= now]
        found.append(counted(room, instants, now, farm))
    return found


class Look(NamedTuple):
    """A look at the feeds of a source.

    Attributes:
        asset: the source.
        farm: whose rooms, zone and language.
        now: when, UTC.
        found: its feeds, sorted.
    """

    asset: str
    farm: Farm
    now: dt.datetime
    found: Sorted

    def age_min(self, feed: Feed) -> int | None:
        """Whole minutes since the newest was taken."""
        return None if feed.newest is None else (self.now - feed.newest) // MINUTE

    def time(self, feed: Feed) -> str:
        """When the newest was taken, in farm time."""
        if feed.newest is None:
            return say(f"{self.asset}.feed_alive.none", self.farm, days=FORGOTTEN.days)
        return f"{feed.newest.astimezone(self.farm.zone):%Y-%m-%d %H:%M}"

    def listed(self, feeds: Sequence[Feed], text: str) -> str:
        """Rooms, each with its newest, by a text."""
        each = [say(text, self.farm, room=feed.room_id, time=self.time(feed)) for feed in feeds]
        return say("comma", self.farm).join(each)


def told(asset: str, feeds: Sequence[Feed], farm: Farm, now: dt.datetime) -> Told:
    """The observation of a source, and what its check says of it."""
    found = sort(feeds, now, late_s(asset, farm))
    look = Look(asset, farm, now, found)
    yield dg.AssetObservation(asset, metadata=_observed(feeds, look))
    yield dg.AssetCheckResult(
        asset_key=asset,
        check_name=NAME,
        passed=not found.stopped,
        severity=WARN,
        description=_description(look),
        metadata={"stopped": len(found.stopped), "silent": len(found.silent)},
    )


def _observed(feeds: Sequence[Feed], look: Look) -> dict[str, Any]:
    """The rooms as a table, and the numbers that Dagster plots.

    A room without a feed has no share in the largest age: it would grow for ever.
    """
    shown: dict[str, Any] = {"rows_last_hour": sum(feed.hour for feed in feeds)}
    ages = [look.age_min(feed) for feed in (*look.found.alive, *look.found.stopped)]
    if ages:
        shown["oldest_age_min"] = max(age for age in ages if age is not None)
    keys = ("room_heading", *(f"feed.{name}" for name in COLUMNS))
    names = [say(key, look.farm) for key in keys]
    rows = [
        (feed.room_id, feed.hour, feed.today, feed.day, look.time(feed), look.age_min(feed))
        for feed in feeds
    ]
    records = [dg.TableRecord(dict(zip(names, row, strict=True))) for row in rows]
    schema = dg.TableSchema([dg.TableColumn(name) for name in names])
    shown["rooms"] = dg.MetadataValue.table(records, schema=schema)
    return shown


def _description(look: Look) -> str:
    """Which rooms stopped, since when, and what to do; then which have no feed."""
    days = FORGOTTEN.days
    sentences = []
    if look.found.stopped:
        rooms = look.listed(look.found.stopped, "feed.since")
        sentences.append(say(f"{look.asset}.feed_alive.fault", look.farm, rooms=rooms, days=days))
    if look.found.silent:
        rooms = look.listed(look.found.silent, "feed.last")
        sentences.append(say("feed.silent", look.farm, rooms=rooms, days=days))
    return say("sentence_end", look.farm).join(sentences) or say("check_holds", look.farm)
