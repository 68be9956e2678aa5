"""The work under test, done while faults happen, and what must hold once they have stopped.

The work is the real thing: files loaded by `ingestion.samples`, the assets made by their jobs.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets import environment, report
from mushroom_assets.automation import timetable
from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.faults.retry import Retry
from mushroom_assets.ingestion.samples import SAMPLE_COLUMNS, load_samples
from mushroom_assets.instance.outstanding import UNFINISHED, range_tags, ranges
from mushroom_assets.partitions import farm_clock
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.connection import Database, Limits
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.faults.schedule import Planned, Schedule
from mushroom_assets_tests.faults.site import RECORD_DATABASE, Site, open_site
from mushroom_assets_tests.kit.cameras import picture
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.plant import put_batch, rows, write_farm
from mushroom_assets_tests.kit.runs import failure
from mushroom_assets_tests.kit.small import FARM, without
from mushroom_assets_tests.kit.tcp_proxy import Proxy

DAYS = ("2026-01-05", "2026-01-06")
ASSETS = tuple(asset for asset in RESULTS if asset in timetable.PARTITIONED)
# Waits as short as the test can bear them. libpq takes 2 s for the shortest connect.
HASTY = Retry(attempts=6, base_s=0.01, cap_s=0.02)
CONNECT_S = 2
ANSWER_S = 1.0
AT_ONCE = dg.RetryPolicy(max_retries=timetable.RETRY.max_retries)
FIRST = 8  # hours; each has three checks, whose events take Dagster longer than our work
LIMIT_S = 60.0  # of a trial that takes one
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
LOADED = """
    SELECT room_id, device_alias, point_alias, sampled_at, value
    FROM farm.sample JOIN farm.point USING (point_id) ORDER BY 1, 2, 3, 4"""
# Opens a Dagster instance for a trial; the database of its storage comes through the proxy
Instances = Callable[[str], AbstractContextManager[dg.DagsterInstance]]


@dataclass
class Outcome:
    """What became of a trial: what happened, what broke (nothing, it is to be hoped), seconds."""

    happened: list[str]
    broken: list[str]
    messages: int
    spent_s: float
    failures: list[str] = field(default_factory=list)  # what the faults made fail, before the end


@contextmanager
def ephemeral(url: str) -> Iterator[dg.DagsterInstance]:
    """Dagster's record in the memory of this process."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@contextmanager
def disposing(url: str) -> Iterator[Database]:
    """A database that no fault reaches."""
    database = Database(url, retry=NO_RETRY)
    yield database
    database.dispose()


@contextmanager
def ground(server_uri: str, folder: Path, instances: Instances = ephemeral) -> Iterator["Ground"]:
    """A ground on a server; runs draw no pictures, which take nine tenths of a trial."""
    with (
        open_site(server_uri) as site,
        Proxy(site.socket) as proxy,
        mock.patch.object(environment, "PICTURED", 0),
        mock.patch.object(report, "pictured", lambda context: frozenset[str]()),
    ):
        yield Ground(site, proxy, folder, instances)


class Ground:
    """A small farm of two rooms and two days behind a proxy, and the results of a clean trial."""

    def __init__(self, site: Site, proxy: Proxy, folder: Path, instances: Instances) -> None:
        self.site = site
        self.proxy = proxy
        self.url = site.url(proxy.port)
        self.instances = instances
        text = FARM.format(timezone="Asia/Shanghai").replace("2025-01-01", DAYS[0])
        self.farm = write_farm(folder / "farm.yaml", text)
        self.files = write_samples(folder)
        self.jobs = self._jobs(folder / "farm.yaml", write_image(folder / "images"))
        self.expected: dict[str, Any] = {}
        clean = self.run([])
        assert clean.broken == [], clean
        self.messages = clean.messages
        self.expected = self.found()

    def _jobs(self, farm_file: Path, images: Path) -> dict[str, dg.JobDefinition]:
        """The assets' jobs on the proxy, retried without a wait."""
        from mushroom_assets.definitions import build_definitions

        doors = {
            "postgres": PostgresResource(
                url=self.url,
                connect_attempts=HASTY.attempts,
                connect_base_s=HASTY.base_s,
                connect_cap_s=HASTY.cap_s,
                connect_timeout_s=CONNECT_S,
                answer_s=ANSWER_S,
            ),
            "image_store": ImageStore(root=str(images)),
            "clip": ClipResource(),
            "farm_file": FarmFile(path=str(farm_file)),
        }
        with mock.patch.object(timetable, "RETRY", AT_ONCE):
            definitions = build_definitions(self.farm, doors)
        return {asset: definitions.resolve_job_def(f"{asset}_job") for asset in ASSETS}

    def found(self) -> dict[str, Any]:
        """The samples and the rows of all results."""
        with disposing(self.site.direct) as database:
            result: dict[str, Any] = {}
            for asset in ASSETS:
                # A load that was undone has used up numbers of points; names tell which one it is
                result[asset] = [without(row, "point_id") for row in rows(database, RESULTS[asset])]
            with database.transaction() as connection:
                result["sample"] = [tuple(row) for row in connection.execute(sa.text(LOADED))]
        return {name: repr(value) for name, value in result.items()}

    def run(self, faults: int | Sequence[Planned]) -> Outcome:
        """A trial under the faults of a seed, or under these."""
        self.site.empty()
        with disposing(self.site.direct) as database:
            put_batch(database, "A", dt.date(2026, 1, 1))
        if isinstance(faults, int):
            schedule = Schedule.drawn(self.site, faults, self.messages)
        else:
            schedule = Schedule(self.site, list(faults))
        self.proxy.decide = schedule.decide
        started = time.monotonic()
        with self.instances(self.site.url(self.proxy.port, RECORD_DATABASE)) as instance:
            trial = Trial(self, instance)
            try:
                trial.work()
            finally:
                schedule.end()
            trial.again()
            trial.examine()
        spent_s = time.monotonic() - started
        if spent_s > LIMIT_S:
            trial.broken.append(f"it took {spent_s:.0f} s")
        return Outcome(schedule.happened, trial.broken, schedule.messages, spent_s, trial.failures)


def write_samples(folder: Path) -> list[Path]:
    """A file a room: a temperature every half hour of two days, and a setpoint that moves."""
    zone = ZoneInfo("Asia/Shanghai")
    midnight = dt.datetime.fromisoformat(DAYS[0]).replace(tzinfo=zone)
    paths = []
    for room in "AB":
        lines = [",".join(SAMPLE_COLUMNS)]
        for half in range(96):
            at = (midnight + dt.timedelta(minutes=30 * half)).isoformat()
            lines.append(f"{room},env,env_{room},t,{at},{18 + half % 9 / 10}")
            lines.append(f"{room},env,env_{room},h,{at},{90 + half % 5}")
            lines.append(f"{room},cooler,cooler_{room},set,{at},{17 + half // 5}")
        paths.append(folder / f"{room}.csv")
        paths[-1].write_text("\n".join(lines), encoding="utf-8")
    return paths


def write_image(root: Path) -> Path:
    """An image store with one picture."""
    path = root / "A" / "20260105" / "A_cam1_202611_20260105080130.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(picture(1))
    return root


class Trial:
    """One trial on the ground."""

    def __init__(self, ground: Ground, instance: dg.DagsterInstance) -> None:
        self.ground = ground
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
        for asset in ASSETS:
            keys = self.keys(asset)
            self.make(asset, keys[0], keys[-1])

    def again(self) -> None:
        """Ask once more for all that failed, and for all that was made without it."""
        before = len(self.failures)
        stale = bool(self.unloaded)
        self.load()
        for asset in ASSETS:
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
            self.note(failure(result))

    def note(self, message: str) -> None:
        """Keep what failed; it must say where and what to do."""
        self.failures.append(message)
        if self.database.endpoint not in message or "Remedy: " not in message:
            self.broken.append(f"no endpoint or no remedy: {message}")

    def examine(self) -> None:
        """What must hold once no fault is left."""
        self.database.dispose()
        found = self.ground.found()
        for asset in ASSETS:
            if self.missing(asset):
                self.broken.append(f"{asset} lacks {sorted(self.missing(asset))}")
        endless = self.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        self.broken += [f"run {run.run_id} has no end: {run.status}" for run in endless]
        for name, expected in self.ground.expected.items():
            if found[name] != expected:
                self.broken.append(f"the rows of {name} are not those of a clean trial")
