"""The work under test, done while faults happen, and what must hold once they have stopped.

The work is the real thing: files loaded by `ingestion.samples`, the assets made by their jobs.
Where it happens is the business of `ground`.
"""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from mushroom_assets.automation import timetable
from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.faults.retry import Retry
from mushroom_assets.ingestion.samples import load_samples
from mushroom_assets.instance.outstanding import UNFINISHED, range_tags, ranges
from mushroom_assets.partitions import farm_clock
from mushroom_assets.storage.connection import Database, Limits
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.kit.runs import failures

if TYPE_CHECKING:
    from mushroom_assets_tests.faults.ground import Ground

DAYS = ("2026-01-05", "2026-01-06")
ASSETS = tuple(asset for asset in RESULTS if asset in timetable.PARTITIONED)
FIRST = 8  # hours; each has three checks, whose events take Dagster longer than our work
# Waits as short as the test can bear them. libpq takes 2 s for the shortest connect.
HASTY = Retry(attempts=6, base_s=0.01, cap_s=0.02)
CONNECT_S = 2
ANSWER_S = 1.0
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Trial:
    """One trial on the ground."""

    def __init__(
        self, ground: "Ground", instance: dg.DagsterInstance, assets: Sequence[str]
    ) -> None:
        self.ground = ground
        self.assets = assets
        limits = Limits(connect_timeout_s=CONNECT_S, answer_s=ANSWER_S)
        self.database = Database(ground.url, limits, HASTY)
        self.instance = instance
        self.clock = farm_clock(ground.farm)
        self.broken: list[str] = []
        self.failures: list[str] = []
        self.unloaded = list(ground.files)

    def work(self) -> None:
        """Load every file, then make every asset; a failure is noted, and work goes on."""
        self.load()
        for asset in self.assets:
            keys = self.keys(asset)
            self.make(asset, keys[0], keys[-1])

    def again(self) -> None:
        """Ask once more for all that failed, and for all that was made without it."""
        before = len(self.failures)
        stale = bool(self.unloaded)
        self.load()
        for asset in self.assets:
            wanted = set(self.keys(asset)) if stale else self.missing(asset)
            for first, last in ranges(self.keys(asset), wanted):
                self.make(asset, first, last)
            stale = stale or bool(wanted)
        self.broken += [f"without a fault: {text}" for text in self.failures[before:]]

    def load(self) -> None:
        """Load the files that are not loaded yet."""
        for path in list(self.unloaded):
            try:
                with self.database.transaction() as connection:
                    load_samples(connection, path, self.ground.farm)
                self.unloaded.remove(path)
            except (DatabaseUnavailable, DatabaseRefused) as error:
                self.note(str(error))

    def keys(self, asset: str) -> list[str]:
        """The partitions of an asset in the two days: all of them, or the first hours."""
        definition = timetable.PARTITIONED[asset].partitions(self.clock)
        zone = self.ground.farm.zone
        end = dt.datetime.fromisoformat(DAYS[-1]).replace(tzinfo=zone) + dt.timedelta(days=1)
        return list(definition.get_partition_keys(current_time=end))[:FIRST]

    def missing(self, asset: str) -> set[str]:
        """The partitions that Dagster's record lacks."""
        done = self.instance.get_materialized_partitions(dg.AssetKey(asset))
        return set(self.keys(asset)) - done

    def make(self, asset: str, first: str, last: str) -> None:
        """Run an asset's job over a range."""
        result = self.ground.jobs[asset].execute_in_process(
            QUIET,
            instance=self.instance,
            tags=range_tags(first, last),
            raise_on_error=False,
        )
        if not result.success:
            self.note("\n".join(failures(result)))

    def note(self, message: str) -> None:
        """Keep what failed; it must say where and what to do."""
        self.failures.append(message)
        if self.database.endpoint not in message or "Remedy: " not in message:
            self.broken.append(f"no endpoint or no remedy: {message}")

    def examine(self) -> None:
        """What must hold once no fault is left."""
        self.database.dispose()
        found = self.ground.found()
        for asset in self.assets:
            if self.missing(asset):
                self.broken.append(f"{asset} lacks {sorted(self.missing(asset))}")
        endless = self.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        self.broken += [f"run {run.run_id} has no end: {run.status}" for run in endless]
        for name in ("sample", *self.assets):
            if self.ground.expected and found[name] != self.ground.expected[name]:
                self.broken.append(f"the rows of {name} are not those of a clean trial")
