"""Who asks between the ticks of the schedules: one look at all assets, every minute.

A day whose run was lost at 01:03 must not wait for the next 01:03. Asked for is what `demand` finds
due: of an asset with a schedule everything whose hour in the timetable has passed; of one that
follows its inputs what failed, since only `timetable`'s condition knows when it is due at first.
What an outage took of older partitions is asked for too, and backfills that an outage ended go on.
An asset whose schedule (or condition) is switched off in the UI is left alone.

A schedule and this may look in the same second, when neither sees yet what the other is about to
ask for. So what is lacking is noted, and asked for only when the next look finds it lacking too;
and around its own tick an asset is left to its schedule. There are no run keys: a sensor's key
counts for ever, and the same range must be asked for again after its next failure. Dagster itself
resumes a tick that was cut short.
"""

import datetime as dt
import json
from typing import NamedTuple

import dagster as dg

from mushroom_assets.automation.demand import Past, Range, wanted
from mushroom_assets.automation.timetable import PARTITIONED, Slot
from mushroom_assets.domain.farm import Farm
from mushroom_assets.partitions import FarmClock

EVERY_S = 60
AT_ONCE = 20  # runs of an asset a look asks for; more come with the next
# Around a schedule's tick: it has asked, and its runs are visible
BEFORE_TICK = dt.timedelta(seconds=30)
AFTER_TICK = dt.timedelta(minutes=2)
OFF = "STOPPED"  # of a switch in the UI; one that nobody touched is on
Lacking = dict[str, list[Range]]  # by asset


class Look(NamedTuple):
    """What a look found: ranges to ask for now, and all that is lacking, to be noted."""

    asked: Lacking
    lacking: Lacking

    @property
    def note(self) -> str:
        """For the next look."""
        return json.dumps(self.lacking)


def look(
    instance: dg.DagsterInstance, clock: FarmClock, farm: Farm, now: dt.datetime, note: str | None
) -> Look:
    """What to ask for at `now`, with the note of the look before."""
    past = Past(instance, now)
    off = switched_off(instance)
    before = json.loads(note or "{}")
    lacking: Lacking = {}
    asked: Lacking = {}
    for asset, slot in PARTITIONED.items():
        if switch(asset, slot) in off or is_near_its_tick(slot, farm, now):
            continue
        due_by = last_tick(slot.cron, farm, now) if slot.cron else now
        ticks = slot.cron is not None
        definition = slot.partitions(clock)
        found = wanted(past, dg.AssetKey(asset), definition, due_by, untried=ticks, older=True)
        known = {(first, last) for first, last in before.get(asset, [])}
        confirmed = [span for span in found if span in known]
        if found:
            lacking[asset] = found
        if confirmed:
            asked[asset] = confirmed[:AT_ONCE]
    return Look(asked, lacking)


def switch(asset: str, slot: Slot) -> str:
    """The schedule or sensor that has the say over an asset."""
    return f"{asset}_automation" if slot.follows_inputs else f"{asset}_schedule"


def switched_off(instance: dg.DagsterInstance) -> set[str]:
    """Schedules and sensors that somebody switched off in the UI."""
    return {each.name for each in instance.all_instigator_state() if each.status.name == OFF}


def last_tick(cron: str, farm: Farm, now: dt.datetime) -> dt.datetime:
    """When a schedule ticked last."""
    span = _spans(cron, farm).get_prev_partition_window(now, respect_bounds=False)
    if span is None:
        raise ValueError(f"{cron} has no tick before {now}")
    return span.end


def next_tick(cron: str, farm: Farm, now: dt.datetime) -> dt.datetime:
    """When a schedule ticks next."""
    span = _spans(cron, farm).get_next_partition_window(now, respect_bounds=False)
    if span is None:
        raise ValueError(f"{cron} has no tick after {now}")
    return span.start


def _spans(cron: str, farm: Farm) -> dg.TimeWindowPartitionsDefinition:
    """From tick to tick: Dagster reads cron itself, but by private names; these are public."""
    start = f"{farm.first_day - dt.timedelta(days=2)}"
    return dg.TimeWindowPartitionsDefinition(
        start=start, fmt="%Y-%m-%d", cron_schedule=cron, timezone=farm.timezone
    )


def is_near_its_tick(
    slot: Slot, farm: Farm, now: dt.datetime, after: dt.timedelta = AFTER_TICK
) -> bool:
    """Whether a schedule is about to ask, or has asked and its runs may not be visible yet."""
    if slot.cron is None:
        return False
    instant = now.astimezone(dt.UTC)
    return instant - last_tick(slot.cron, farm, instant + BEFORE_TICK) < after
