"""Where trials happen: a small farm behind a proxy, Dagster's record, the rows of a clean trial.

What is done there under faults is the business of `trial`.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets import environment, report
from mushroom_assets.automation import timetable
from mushroom_assets.definitions import build_definitions
from mushroom_assets.ingestion.samples import SAMPLE_COLUMNS
from mushroom_assets.instance import engine, patience
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.faults.schedule import Planned, Schedule
from mushroom_assets_tests.faults.site import Site, open_site
from mushroom_assets_tests.faults.trial import ANSWER_S, ASSETS, CONNECT_S, DAYS, HASTY, Trial
from mushroom_assets_tests.kit.cameras import picture
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.plant import put_batch, rows, write_farm
from mushroom_assets_tests.kit.small import FARM, without
from mushroom_assets_tests.kit.tcp_proxy import Proxy

AT_ONCE = dg.RetryPolicy(max_retries=timetable.RETRY.max_retries)
LIMIT_S = 90.0  # of a trial that takes two
LOADED = """
    SELECT room_id, device_alias, point_alias, sampled_at, value
    FROM farm.sample JOIN farm.point USING (point_id) ORDER BY 1, 2, 3, 4"""
STORAGE = """
storage:
  custom:
    module: mushroom_assets.instance.storage
    class: FarmStorage
    config: {{postgres_url: "{url}"}}
telemetry: {{enabled: false}}
"""
# Opens Dagster's instance on a folder; the database of its storage is the farm's, behind the proxy
Instances = Callable[[Path, str], AbstractContextManager[dg.DagsterInstance]]


@dataclass
class Outcome:
    """What became of a trial: what happened, what broke (nothing, it is to be hoped), seconds."""

    happened: list[str]
    broken: list[str]
    messages: int
    spent_s: float
    failures: list[str] = field(default_factory=list)  # what the faults made fail, before the end


@contextmanager
def in_memory(folder: Path, url: str) -> Iterator[dg.DagsterInstance]:
    """Dagster's record in the memory of this process, where no fault reaches it."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@contextmanager
def behind_the_proxy(folder: Path, url: str) -> Iterator[dg.DagsterInstance]:
    """Dagster's record in a database that meets the faults too; empty at first."""
    (folder / "dagster.yaml").write_text(STORAGE.format(url=url), encoding="utf-8")
    hasty = replace(patience.WAITS, base_s=HASTY.base_s, cap_s=HASTY.cap_s)
    with (
        mock.patch.object(patience, "WAITS", hasty),
        mock.patch.object(engine, "ANSWER_S", ANSWER_S),
        mock.patch.object(engine, "PING_S", ANSWER_S),
        mock.patch.dict(engine.TIMEOUTS, connect_timeout=CONNECT_S),
    ):
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            instance.wipe()
            yield instance


@contextmanager
def disposing(url: str) -> Iterator[Database]:
    """A database that no fault reaches."""
    database = Database(url, retry=NO_RETRY)
    yield database
    database.dispose()


@contextmanager
def ground(server_uri: str, folder: Path, instances: Instances = in_memory) -> Iterator["Ground"]:
    """A ground on a server; runs draw no pictures, which take nine tenths of a trial."""
    with (
        open_site(server_uri) as site,
        Proxy(site.socket) as proxy,
        mock.patch.object(environment, "PICTURED", 0),
        mock.patch.object(report, "pictured", lambda context: frozenset[str]()),
    ):
        made = Ground(site, proxy, folder, instances)
        yield made
        made.worker.shutdown()


class Ground:
    """A small farm of two rooms and two days behind a proxy, and the results of a clean trial."""

    def __init__(self, site: Site, proxy: Proxy, folder: Path, instances: Instances) -> None:
        self.site = site
        self.proxy = proxy
        self.url = site.url(proxy.port)
        self.folder = folder
        self.instances = instances
        self.worker = ThreadPoolExecutor(1)
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
                # A load that was undone has used up numbers of points: the names tell which one
                # it is, and the order is another.
                found = [without(row, "point_id") for row in rows(database, RESULTS[asset])]
                result[asset] = sorted(map(repr, found))
            with database.transaction() as connection:
                result["sample"] = [tuple(row) for row in connection.execute(sa.text(LOADED))]
        return result

    def run(self, faults: Sequence[Planned], assets: Sequence[str] = ASSETS) -> Outcome:
        """A trial under faults; all assets are made, or these."""
        self.site.empty()
        with disposing(self.site.direct) as database:
            put_batch(database, "A", dt.date(2026, 1, 1))
        schedule = Schedule(self.site, list(faults))
        started = time.monotonic()
        with self.instances(self.folder, self.url) as record:
            trial = Trial(self, record, assets)
            self.proxy.decide = schedule.decide
            self._step(trial.work, trial)
            schedule.end()
            self._step(trial.again, trial)
            self._step(trial.examine, trial)
        spent_s = time.monotonic() - started
        return Outcome(schedule.happened, trial.broken, schedule.messages, spent_s, trial.failures)

    def _step(self, step: Callable[[], None], trial: Trial) -> None:
        """A step of a trial; what it raises has broken the trial, and a step without an end."""
        future = self.worker.submit(step)
        try:
            fault = future.exception(LIMIT_S)
        except TimeoutError:
            trial.broken.append(f"{step.__name__} had no end after {LIMIT_S:.0f} s")
            self.proxy.decide = lambda opening, commit: None
            self.site.mend()
            self.site.terminate()  # silent connections end with it
            fault = future.exception(LIMIT_S)
        if fault is not None:
            trial.broken.append(f"{step.__name__} raised {type(fault).__name__}: {fault}")


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
