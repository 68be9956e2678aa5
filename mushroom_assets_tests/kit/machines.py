"""Many machines on one: workers of Celery, each with a Dagster home of its own, and their farm."""

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import dagster as dg
import psutil
import sqlalchemy as sa
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from mushroom_assets.settings import Settings, load_settings
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months
from mushroom_assets_tests.kit.broker import Broker, broker_running
from mushroom_assets_tests.kit.cameras import picture
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.plant import write_farm
from mushroom_assets_tests.kit.running import Running, kill_all
from mushroom_assets_tests.kit.server import Server, server_in
from mushroom_assets_tests.kit.small import FARM

DEPLOYED = Path(__file__).parents[2] / "deploy" / "celery" / "dagster.yaml"
SPAN = 11  # days with pictures
HOURS = (8, 9)  # at which a room has one


@dataclass
class Machine:
    """A worker with one slot, started as the guide says."""

    name: str
    folder: Path
    environment: dict[str, str]
    dagster_yaml: str
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self, *options: str) -> None:
        home = self.folder / self.name
        home.mkdir(exist_ok=True)
        self.starts += 1
        (home / "dagster.yaml").write_text(self.dagster_yaml, encoding="utf-8")
        app = ["--app", "mushroom_assets.instance.worker"]
        asked = ["worker", "--concurrency", "1", "--loglevel", "INFO", *options]
        asked += ["--hostname", f"{self.name}@%h"]
        with (home / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", *app, *asked],
                env=os.environ | self.environment | {"DAGSTER_HOME": str(home)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return (self.folder / self.name / "log").read_text(encoding="utf-8")

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        return self.log.count(" ready.") == self.starts

    def processes(self) -> list[psutil.Process]:
        """Its own, and those of its runs."""
        if self.process is None or self.process.poll() is not None:
            return []
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def took(self, runs: Iterable[dg.DagsterRun]) -> set[str]:
        """Those of some runs that it was given, by their ids."""
        log = self.log
        tasks = {run.run_id: run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) for run in runs}
        return {run_id for run_id, task in tasks.items() if f"[{task}] received" in log}

    def executing(self, instance: dg.DagsterInstance) -> set[str]:
        """The runs that it is at, by Dagster's record."""
        started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
        return self.took(instance.get_runs(started))

    def freeze(self) -> None:
        """Let it stand still, as a machine that swaps or sleeps."""
        for process in self.processes():
            process.suspend()

    def thaw(self) -> None:
        """Let it go on."""
        for process in self.processes():
            process.resume()

    def kill(self) -> None:
        """`kill -9` of all, as when the machine loses its power."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process is not None:
            self.process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it in order, when its run has ended."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(120)


@dataclass
class Spread(Running):
    """A farm whose runs go to other machines, two at once."""

    broker: Broker = field(kw_only=True)
    machines: list[Machine] = field(default_factory=list)

    @property
    def dagster_home(self) -> Path:
        """One of its own: `mushroom up` leaves what lies there alone."""
        return self.folder / "dagster"

    @property
    def dagster_yaml(self) -> str:
        """As it is deployed, for two slots."""
        text = DEPLOYED.read_text(encoding="utf-8")
        return text.replace("dagster/backfill, limit: 1", "dagster/backfill, limit: 2")

    @property
    def environment(self) -> dict[str, str]:
        """The settings of its commands, and of its machines."""
        return super().environment | {
            "DAGSTER_HOME": str(self.dagster_home),
            "CELERY_BROKER_URL": self.broker.url,
            "FARM_COMPUTE_LOGS": str(self.folder / "logs"),
            "MUSHROOM_IMAGE_ROOT": str(self.folder / "images"),
        }

    @contextmanager
    def settings(self) -> Iterator[Settings]:
        """Its settings, for what is done in this process."""
        with mock.patch.dict(os.environ, self.environment):
            yield load_settings()

    def all_ready(self) -> bool:
        """Whether each of its machines takes runs."""
        return all(machine.ready() for machine in self.machines)

    def writing(self) -> set[str]:
        """The runs that are at their write, which takes some seconds."""
        database = Database(self.server.uri, retry=NO_RETRY)
        with database.transaction() as connection:
            asleep = "SELECT application_name FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            names = connection.scalars(sa.text(asleep)).all()
        database.dispose()
        return {name.split()[-1] for name in names}

    def days(self) -> list[str]:
        """Those with pictures."""
        return [f"{self.farm.first_day + dt.timedelta(days=n)}" for n in range(SPAN)]

    def pictures(self, days: Collection[str]) -> list[str]:
        """The paths of the pictures of some days."""
        found = []
        for day in days:
            date = day.replace("-", "")
            for room in self.farm.rooms:
                names = [f"{room}_cam1_{date}_{date}{hour:02}0130.jpg" for hour in HOURS]
                found += [f"{room}/{date}/{name}" for name in names]
        return found

    def shoot(self) -> None:
        """Store its pictures."""
        for number, path in enumerate(self.pictures(self.days())):
            target = self.folder / "images" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(picture(number))


def _prepare(server: Server, first: dt.date) -> None:
    database = Database(server.uri, retry=NO_RETRY)
    with database.transaction() as connection:
        migrations.upgrade(connection)
        ensure_months(connection, first - dt.timedelta(days=31), first + dt.timedelta(days=90))
    database.dispose()


@contextmanager
def farm_on_machines(folder: Path) -> Iterator[Spread]:
    """A farm with pictures, its broker, and the machines A and B, not yet started."""
    first = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=SPAN + 20)
    text = FARM.format(timezone="Asia/Shanghai").replace("2025-01-01", f"{first}")
    farm = write_farm(folder / "farm.yaml", text)
    with server_in("mushroom-pg-") as server, broker_running() as broker:
        server.start()
        _prepare(server, first)
        spread = Spread(folder, server, farm, broker=broker)
        spread.shoot()
        spread.dagster_home.mkdir()
        (spread.dagster_home / "dagster.yaml").write_text(spread.dagster_yaml, encoding="utf-8")
        for name in ("A", "B"):
            spread.machines.append(Machine(name, folder, spread.environment, spread.dagster_yaml))
        try:
            yield spread
        finally:
            kill_all(spread)
            for machine in spread.machines:
                machine.kill()
