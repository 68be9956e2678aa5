"""Results follow their inputs: which partitions out of date are asked for now, in what portions.

Once for many rows: an asset has one such run at a time, over the oldest stretch of partitions that
are out of date, and it goes behind all other runs. Of many stretches those that lie a day apart at
most are one, and what lies between is computed besides. A report waits until nothing that it is
made of is out of date, `PATIENCE` at most. Where a run failed, the law of `demand` says when to try
again.

What is looked back over is the farm file's `follow_days`: what lies before is told by the standing
checks, and left to a backfill. A result that has never been made is not out of date: `demand` has
it. An asset whose schedule (or condition) is switched off in the UI is left alone, and around its
tick an asset is left to its schedule.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import dagster as dg

from mushroom_assets.automation.catching_up import is_near_its_tick, switch, switched_off
from mushroom_assets.automation.demand import MADE_FOR, Past, triable, wait_after_failures
from mushroom_assets.automation.timetable import LOOKBACK, PARTITIONED
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.names import PROBE, VISION
from mushroom_assets.domain.reach import of_days
from mushroom_assets.domain.versions import code_version
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.image_store.store import Images
from mushroom_assets.instance.attempts import ended
from mushroom_assets.instance.outstanding import (
    closed,
    made,
    makes,
    on_their_way,
    ranges,
    unfinished,
    with_gaps,
)
from mushroom_assets.instance.reporting import made_in
from mushroom_assets.instance.stale import VERSION, Stale, reasons, stale
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import PostgresResource
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.outdated import mark, read_marks
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets.storage.schema.dictionary import upstream
from mushroom_assets.storage.vision.listings import digest, read_listings

EVERY_S = 30
# A report is made anew once for all that it is made of, but not never
PATIENCE = dt.timedelta(minutes=10)
# A late row must not wait longer; a run too many does no harm
AFTER_TICK = dt.timedelta(minutes=1)
# An hour lost on each of 30 days is 30 stretches, a run each half minute. More than so many are
# joined: a run costs 4 s, a day or a day's hours that are computed besides 0.5 s
STRETCHES = 5
BETWEEN = dt.timedelta(days=1)
REASON = "mushroom/follows"  # tag of a run: the inputs that changed
IMAGES = "room_images"
RELABEL_JOB = "relabel_images_job"
BEHIND_ALL = {"dagster/priority": "-5"}
# Of the days whose images are all there already, so many are listed in a look
LISTED = 3


class Asked(NamedTuple):
    """A run to ask for: a job, an asset's partitions from first to last, and why."""

    job: str
    first: str
    last: str
    tags: Mapping[str, str]


def find(
    past: Past,
    asset: str,
    span: dt.timedelta,
    database: Database,
    clock: FarmClock,
    farm: Farm,
) -> dict[str, Stale]:
    """The partitions of an asset that are out of date, of those that began within `span`."""
    slot = PARTITIONED[asset]
    with database.transaction() as connection:
        marks = read_marks(connection, asset)
    windows = closed(slot.partitions(clock), span, past.now.astimezone(farm.zone))
    version = code_version(slot.noun, farm)
    return stale(past.instance, dg.AssetKey(asset), windows, marks, version)


def out_of_date(past: Past, asset: str, clock: FarmClock) -> set[str]:
    """The partitions of the lookback that a tick asks for because an input of theirs changed.

    What is of another version is left to the sensor, which knows what it asked for in vain.
    """
    settings = load_settings()
    if settings.database_url is None:  # definitions that are looked at without a farm
        return set()
    farm = settings.read_farm()
    database = PostgresResource().database()
    try:
        with permanent_faults_fail_at_once():
            follow(database, farm)
            found = find(past, asset, LOOKBACK, database, clock, farm)
    finally:
        database.dispose()
    changed = {key: each for key, each in found.items() if each.sources != {VERSION}}
    version = code_version(PARTITIONED[asset].noun, farm)
    partitions = PARTITIONED[asset].partitions(clock)
    return triable(past, dg.AssetKey(asset), partitions, changed, version)


def look(past: Past, database: Database, clock: FarmClock, farm: Farm) -> Iterator[Asked]:
    """The runs to ask for now: one an asset at most, in the order of the lineage."""
    now = past.now.astimezone(farm.zone)
    span = dt.timedelta(days=farm.follow_days)
    off = switched_off(past.instance)
    busy: set[str] = set()  # what is out of date, and is being made or asked for
    for asset, slot in PARTITIONED.items():
        found = find(past, asset, span, database, clock, farm)
        if switch(asset, slot) in off or is_near_its_tick(slot, farm, now, AFTER_TICK):
            continue
        if _is_on_its_way(past, asset):
            busy.add(asset)
        elif not (slot.follows_inputs and _waits(asset, found, busy, now)):
            windows = closed(slot.partitions(clock), span, now)
            version = code_version(slot.noun, farm)
            for asked in _asked(past, asset, slot.partitions(clock), windows, found, version):
                busy.add(asset)
                yield asked


def _asked(
    past: Past,
    asset: str,
    definition: dg.TimeWindowPartitionsDefinition,
    windows: Sequence[Window],
    found: Mapping[str, Stale],
    version: str,
) -> Iterator[Asked]:
    """The run for the oldest stretch, if there is one."""
    due = triable(past, dg.AssetKey(asset), definition, found, version)
    due -= _made_in_vain(past.instance, asset, found, version)
    tags = {**BEHIND_ALL, REASON: reasons(found), MADE_FOR: version}
    if due and all(found[key].sources == {PROBE} for key in due):
        if _may_relabel(past):  # which reads no image
            yield Asked(RELABEL_JOB, min(due), max(due), tags)
        return
    keys = [window.key for window in windows]
    if len(list(ranges(keys, due))) > STRETCHES:
        due = with_gaps(windows, due, _free(past, asset, definition, keys, found), BETWEEN)
    for first, last in islice(ranges(keys, due, PARTITIONED[asset].partitions_a_run), 1):
        yield Asked(f"{asset}_job", first, last, tags)


def _free(
    past: Past,
    asset: str,
    definition: dg.TimeWindowPartitionsDefinition,
    keys: Sequence[str],
    found: Mapping[str, Stale],
) -> set[str]:
    """What is made, up to date and in nobody's hands."""
    there = made(past.instance, dg.AssetKey(asset), keys)
    busy = on_their_way(past.instance, dg.AssetKey(asset), definition, past.now)
    return there - found.keys() - busy


def _is_on_its_way(past: Past, asset: str) -> bool:
    """Whether a run of this kind is queued or running."""
    for run in unfinished(past.instance, past.now):
        is_relabelling = asset == VISION and run.job_name == RELABEL_JOB
        if REASON in run.tags and (is_relabelling or makes(run, dg.AssetKey(asset))):
            return True
    return False


def _may_relabel(past: Past) -> bool:
    """Whether no such run has failed of late, or its wait is over: it is not one of partitions."""
    failed = [each for each in past.records if each.dagster_run.job_name == RELABEL_JOB]
    mine = [ended(each) for each in failed if REASON in each.dagster_run.tags]
    return not mine or mine[-1] + wait_after_failures(len(mine)) <= past.now


def _waits(asset: str, found: Mapping[str, Stale], busy: set[str], now: dt.datetime) -> bool:
    """Whether what an asset without an hour of its own is made of is about to change.

    What is out of date and waits after a failure, or is switched off, holds nothing up.
    """
    if busy.isdisjoint(upstream(RESULTS[asset])):
        return False
    since = [each.since for each in found.values() if each.since is not None]
    return min(since, default=now) > now - PATIENCE


def _made_in_vain(
    instance: dg.DagsterInstance, asset: str, found: Mapping[str, Stale], version: str
) -> set[str]:
    """What a run was asked to make for this version, and made by another: it has other files.

    To ask again would ask for ever; the standing checks tell it.
    """
    suspects = [key for key, each in found.items() if each.sources == {VERSION}]
    if not suspects:
        return set()
    runs = made_in(instance, dg.AssetKey(asset), suspects)
    asked = {run.run_id[:8] for run in instance.get_runs(dg.RunsFilter(tags={MADE_FOR: version}))}
    return {key for key in suspects if runs.get(key) in asked}


def mark_changed_images(
    database: Database, store: Images, clock: FarmClock, farm: Farm, now: dt.datetime
) -> None:
    """Mark the days whose folders hold other files than their rows were made of.

    The two newest days are listed in each look, `LISTED` of the others in turn. It has a sensor of
    its own: nothing else waits for a store that does not answer.

    Raises:
        ImageStoreRefused, ImageStoreUnavailable: as `Images.listing`.
    """
    span = dt.timedelta(days=farm.follow_days)
    days = [window.date for window in closed(clock.daily, span, now)]
    with database.transaction() as connection:
        stored = read_listings(connection, days[0]) if days else {}
        marks = read_marks(connection, VISION)
    of_images = [each.at for each in marks.found if IMAGES in each.sources]
    marked = {at.astimezone(farm.zone).date() for at in of_images}
    candidates = [day for day in _in_turn(days, now) if day in stored and day not in marked]
    changed = [day for day in candidates if digest(store.of_day(day, farm)) != stored[day]]
    if changed:
        with database.transaction() as connection:
            mark(connection, of_days(VISION, changed, IMAGES, farm))


def _in_turn(days: Sequence[dt.date], now: dt.datetime) -> list[dt.date]:
    """The two newest days, and `LISTED` of the others: other ones in each look."""
    others = days[:-2]
    turns = -(-len(others) // LISTED)
    turn = int(now.timestamp() // EVERY_S) % turns if turns else 0
    return [*days[-2:], *others[turn * LISTED : (turn + 1) * LISTED]]
