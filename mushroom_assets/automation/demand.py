"""Which partitions of an asset are asked for now, and in what portions: the law of trying again.

What was never tried is asked for at once. What failed is asked for again after 1, 2, 4, 8, 16, 24,
24 ... hours since its last failure, whoever asked the last time. After an outage (database or image
store away, process dead, retry not launched: `instance.attempts`) the waits are shorter: none, then
5, 10, 20 ... minutes, at most 24 hours, counted over the outages in a row. So what was lost is made
in the minute after everything is back, and what dies each time is tried 9 times in the first day.
A cancelled run counts like a fault of its own.

Schedules and the sensor both ask here; only they know when. All is derived from Dagster's record.
"""

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import dagster as dg

from mushroom_assets.automation.timetable import HOUR, LOOKBACK
from mushroom_assets.instance.attempts import (
    BACKFILL,
    Attempt,
    attempts,
    awaits_retry,
    failed_runs,
    is_outage,
    left_failed,
)
from mushroom_assets.instance.outstanding import closed, keys_of, made, makes, on_their_way, ranges
from mushroom_assets.instance.stale import Stale

LONGEST_WAIT = 24 * HOUR
AFTER_OUTAGE = dt.timedelta(minutes=5)
# Failures of a partition of the lookback lie within it, but for one whose day has just left it.
HISTORY = LOOKBACK + dt.timedelta(days=1)
# How long what an outage took is looked after where it lies before the lookback
REMEMBERED = dt.timedelta(days=2)
# Partitions that failed, in a run: no more than it gives up after (assets.windows), so that each is
# tried and no bad one holds up a good one
FAILED_TOGETHER = 10
MADE_FOR = "mushroom/version"  # tag of a run: the version that it was asked for
WEEK_OF_HOURS = 7 * 24
Range = tuple[str, str]  # first and last key
Judge = Callable[[Attempt], bool]


class Lack(NamedTuple):
    """What an asset lacks: the partitions to be made, and the failures behind them.

    Attributes:
        keys: all partitions from the first one that is lacking, in order.
        lacking: those that are neither made nor on their way.
        failures: by partition, oldest first.
    """

    keys: Sequence[str]
    lacking: set[str]
    failures: Mapping[str, Sequence[Attempt]]


class Past:
    """What went wrong of late, read once for all assets of a tick."""

    def __init__(self, instance: dg.DagsterInstance, now: dt.datetime) -> None:
        self.instance = instance
        self.now = now.astimezone(dt.UTC)
        self.records = failed_runs(instance, now - HISTORY)
        self._outages: dict[str, bool] = {}
        self._open: dict[str, bool] = {}

    def of(self, asset: dg.AssetKey, definition: dg.PartitionsDefinition) -> list[Attempt]:
        """Failed attempts at partitions of an asset."""
        return list(attempts(self.records, asset, definition, self.now))

    def promised(self, asset: dg.AssetKey, definition: dg.PartitionsDefinition) -> set[str]:
        """Partitions whose failed run Dagster is about to retry."""
        runs = [each.dagster_run for each in self.records if awaits_retry(each, self.now)]
        own = (keys_of(run, definition) for run in runs if makes(run, asset))
        return set(itertools.chain.from_iterable(own))

    def is_outage(self, attempt: Attempt) -> bool:
        """Whether it failed by an outage."""
        run = attempt.run
        if run.run_id not in self._outages:
            self._outages[run.run_id] = is_outage(self.instance, run)
        return self._outages[run.run_id]

    def lost(self, found: Sequence[Attempt]) -> Iterator[Attempt]:
        """Those that an outage ended within `REMEMBERED`, and for which nobody else will ask.

        A backfill that goes on, was cancelled, or failed itself has its runs in its own hands.
        """
        for attempt in found:
            recent = attempt.ended > self.now - REMEMBERED
            if recent and self.is_outage(attempt) and not self._is_in_other_hands(attempt.run):
                yield attempt

    def _is_in_other_hands(self, run: dg.DagsterRun) -> bool:
        backfill_id = run.tags.get(BACKFILL)
        if backfill_id is None:
            return False
        if backfill_id not in self._open:
            backfill = self.instance.get_backfill(backfill_id)
            status = backfill.status.name if backfill else "COMPLETED"
            self._open[backfill_id] = not status.startswith("COMPLETED")
        return self._open[backfill_id]


def wanted(
    past: Past,
    asset: dg.AssetKey,
    definition: dg.TimeWindowPartitionsDefinition,
    due_by: dt.datetime,
    *,
    also: int = 0,
    anew: Collection[str] = (),
    untried: bool = True,
    older: bool = False,
) -> list[Range]:
    """Ranges to ask for, first those never tried, then those that failed; each oldest first.

    Args:
        past: what went wrong of late, and the instance and the hour of this.
        asset: the key.
        definition: its partitions.
        due_by: partitions whose windows closed later are not due.
        anew: partitions of the lookback that are made, and out of date: asked for besides.
        also: so many of the newest ones are asked for even where they are made.
        untried: whether what nobody ever tried is asked for.
        older: whether what an outage took is asked for where it lies before the lookback, too.
    """
    lack = _lack(past, asset, definition, due_by, also=also, older=older)
    fresh = (lack.lacking - lack.failures.keys()).union(anew)
    again: dict[int, set[str]] = defaultdict(set)
    for key, failures in lack.failures.items():
        due_again, size = try_again(failures, past.is_outage)
        if due_again <= past.now:
            again[size].add(key)
    found = list(ranges(lack.keys, fresh)) if untried else []
    for size in sorted(again, reverse=True):
        found += ranges(lack.keys, again[size], size)
    return found


def triable(
    past: Past,
    asset: dg.AssetKey,
    definition: dg.TimeWindowPartitionsDefinition,
    found: Mapping[str, Stale],
    version: str,
) -> set[str]:
    """Those partitions out of date that may be computed anew now.

    Not those on their way, nor those that failed since and wait: since an input changed, or when
    they were asked for because they are of another `version`.
    """
    keys = set(found) - on_their_way(past.instance, asset, definition, past.now)
    keys -= past.promised(asset, definition)
    failures: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in past.of(asset, definition):
        for key in keys.intersection(attempt.keys):
            latest = found[key].latest
            if latest is None:
                is_since = attempt.run.tags.get(MADE_FOR) == version
            else:
                is_since = attempt.ended > latest
            if is_since:
                failures[key].append(attempt)
    for key, failed in failures.items():
        due_again, _ = try_again(failed, past.is_outage)
        if due_again > past.now:
            keys.remove(key)
    return keys


def _lack(
    past: Past,
    asset: dg.AssetKey,
    definition: dg.TimeWindowPartitionsDefinition,
    due_by: dt.datetime,
    *,
    also: int,
    older: bool,
) -> Lack:
    keys = [window.key for window in closed(definition, LOOKBACK, due_by)]
    lacking = set(keys) - made(past.instance, asset, keys[: len(keys) - also])
    found = past.of(asset, definition)
    if older:
        lost = set(itertools.chain.from_iterable(each.keys for each in past.lost(found)))
        lacking |= left_failed(past.instance, asset, definition, sorted(lost - lacking))
        if not lacking.issubset(keys):
            keys = _between(definition, lacking.union(keys))
    lacking -= on_their_way(past.instance, asset, definition, past.now)
    lacking -= past.promised(asset, definition)
    failures: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in found:
        for key in lacking.intersection(attempt.keys):
            failures[key].append(attempt)
    return Lack(keys, lacking, failures)


def _between(definition: dg.TimeWindowPartitionsDefinition, keys: set[str]) -> list[str]:
    """All partitions from the first to the last of some: a range has all in between."""
    in_order = sorted(keys, key=lambda key: definition.time_window_for_partition_key(key).start)
    span = dg.PartitionKeyRange(in_order[0], in_order[-1])
    return list(definition.get_partition_keys_in_range(span))


def try_again(failures: Sequence[Attempt], is_outage: Judge) -> tuple[dt.datetime, int]:
    """When a partition may be tried again, and with how many others that failed like it.

    What an outage took goes together again, in halves of a week of hours after each that it met in
    a row: a partition at which the process dies soon stands alone.
    """
    last = failures[-1]
    outages = len(list(itertools.takewhile(is_outage, reversed(failures))))
    if outages:
        size = max(1, WEEK_OF_HOURS >> (outages - 1))
        return last.ended + wait_after_outages(outages), size
    return last.ended + wait_after_failures(len(failures)), FAILED_TOGETHER


def wait_after_failures(count: int) -> dt.timedelta:
    """1, 2, 4, 8, 16, 24, 24 ... hours."""
    return min(LONGEST_WAIT, HOUR * 2.0 ** (min(count, 10) - 1))


def wait_after_outages(count: int) -> dt.timedelta:
    """0, 5, 10, 20, 40 ... minutes, at most 24 hours."""
    if count == 1:
        return dt.timedelta()
    return min(LONGEST_WAIT, AFTER_OUTAGE * 2.0 ** (min(count, 20) - 2))
