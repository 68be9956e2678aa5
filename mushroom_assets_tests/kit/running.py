"""A small farm that runs as a grower runs it, `mushroom up` on a PostgreSQL of its own.

With hands for what breaks: each of its processes by name, and the server.
"""

import contextlib
import datetime as dt
import os
import signal
import subprocess
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock
from zoneinfo import ZoneInfo

import dagster as dg
import psutil
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.service.ui import ask_ui
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.kit.command import command_line
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.plant import rows
from mushroom_assets_tests.kit.server import Server
from mushroom_assets_tests.kit.servers import free_port, until

ZONE = ZoneInfo("Asia/Shanghai")
DAYS = 6  # inside the week that is caught up
# How each process is known by its command line
PROCESSES = {
    "webserver": "dagster_webserver",
    "daemon": "dagster-daemon",
    "code server": "code-server",
    "inner server": "api grpc",
    "worker": "spawn_main",
}
Rows = list[dict[str, object]]
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
DAGSTERS = ("event_logs", "asset_keys", "asset_event_tags", "runs", "run_tags", "bulk_actions")
# Asked for, the report follows; there are no images, so days of inference are empty
ASKED = ("daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference")
ASSETS = (*ASKED, "daily_room_report")


@dataclass
class Running:
    """The farm, its server, and `mushroom up` on it."""

    folder: Path
    server: Server
    farm: Farm
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    expected: dict[str, Rows] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of its commands."""
        return {
            "DATABASE_URL": self.server.uri,
            "MUSHROOM_CONFIG": str(self.folder / "farm.yaml"),
            "MUSHROOM_HOME": str(self.home),
        }

    def up(self) -> None:
        """Start it, and go on at once."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command_line("up", "--no-demo", "--port", self.port, "--page-port", 0),
                env=os.environ | self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def down(self) -> None:
        """Stop it in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def serves(self) -> bool:
        """Whether its UI answers."""
        try:
            return bool(ask_ui("127.0.0.1", self.port, "{version}", timeout_s=3))
        except (OSError, ValueError):
            return False

    def healthy(self) -> bool:
        """What `mushroom health` says."""
        done = subprocess.run(
            command_line("health", "--port", self.port),
            env=os.environ | self.environment,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def find(self, name: str) -> list[psutil.Process]:
        """Its processes of a name, as in `PROCESSES`."""
        assert self.process is not None
        words = PROCESSES[name]
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if words in " ".join(child.cmdline()):
                    found.append(child)
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return found

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Dagster's record."""
        with (
            mock.patch.dict(os.environ, self.environment),
            dg.DagsterInstance.from_config(str(self.dagster_home)) as instance,
        ):
            yield instance

    def keys(self, asset: str) -> list[str]:
        """The partitions of an asset that have closed in the days of the farm."""
        first = dt.datetime.combine(self.farm.first_day, dt.time(), ZONE)
        if asset != "hourly_setpoint_changes":
            return [f"{(first + dt.timedelta(days=n)):%Y-%m-%d}" for n in range(DAYS)]
        return [f"{(first + dt.timedelta(hours=n)):%Y-%m-%d-%H:%M}" for n in range(24 * DAYS)]

    def leave_only(self, *kept: str) -> None:
        """Switch all schedules and sensors off but some, as in the UI."""
        place = 'repositoryName: "__repository__", repositoryLocationName: "mushroom_assets"'
        for kind, stop in (("Sensor", "stopSensor"), ("Schedule", "stopRunningSchedule")):
            asked = f"{kind.lower()}sOrError(repositorySelector: {{{place}}})"
            query = f"{{{asked} {{... on {kind}s {{results {{name id}}}}}}}}"
            found = ask_ui("127.0.0.1", self.port, query, timeout_s=60)
            for each in found[f"{kind.lower()}sOrError"]["results"]:
                if each["name"] not in kept:
                    mutation = f'mutation {{{stop}(id: "{each["id"]}") {{__typename}}}}'
                    ask_ui("127.0.0.1", self.port, mutation, timeout_s=60)

    def launch(self, asset: str, *, since: str = "") -> None:
        """Launch one run for an asset's partitions, all or from one on, as a schedule does.

        While the code server starts anew the UI says so, by status 500, and is asked again.
        """
        keys = [key for key in self.keys(asset) if key >= since]
        tags = range_tags(keys[0], keys[-1]).items()
        listed = ", ".join(f'{{key: "{key}", value: "{value}"}}' for key, value in tags)
        selector = 'repositoryLocationName: "mushroom_assets", repositoryName: "__repository__"'
        query = f"""mutation {{launchRun(executionParams: {{
            selector: {{{selector}, jobName: "{asset}_job"}},
            executionMetadata: {{tags: [{listed}]}}}}) {{__typename}}}}"""

        def launched() -> bool:
            try:
                answer = ask_ui("127.0.0.1", self.port, query, timeout_s=60)["launchRun"]
            except urllib.error.HTTPError as error:
                assert "PythonError" in error.read().decode(), error
                return False
            if answer["__typename"] == "PipelineNotFoundError":  # the location is loading
                return False
            assert answer["__typename"] == "LaunchRunSuccess", answer
            return True

        until(launched)

    def terminate(self, run_id: str, policy: str = "SAFE_TERMINATE") -> str:
        """Terminate a run as the UI does; the type of the answer."""
        asked = f'runId: "{run_id}", terminatePolicy: {policy}'
        query = f"mutation {{terminateRun({asked}) {{__typename}}}}"
        answer = ask_ui("127.0.0.1", self.port, query, timeout_s=100)["terminateRun"]
        return str(answer["__typename"])

    def backfill(self, asset: str, keys: list[str]) -> str:
        """Launch one as the UI does; its id."""
        names = ", ".join(f'"{key}"' for key in keys)
        wanted = f'assetSelection: [{{path: ["{asset}"]}}], partitionNames: [{names}]'
        told = "{__typename ... on LaunchBackfillSuccess {backfillId}}"
        query = f"mutation {{launchPartitionBackfill(backfillParams: {{{wanted}}}) {told}}}"
        answer = ask_ui("127.0.0.1", self.port, query, timeout_s=60)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def rows(self, asset: str) -> Rows:
        """An asset's rows, with the runs that wrote them."""
        database = Database(self.server.uri, retry=NO_RETRY)
        found = rows(database, RESULTS[asset], provenance=True)
        database.dispose()
        return found

    def writes(self) -> bool:
        """Whether a run is at its write, which the slow writes of `faults.farm` make last."""
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        return scalar(self.server.uri, asleep) != 0

    def children(self) -> list[psutil.Process]:
        """All that `mushroom up` started, and what those started."""
        if self.process is None:
            return []
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def kill_up(self) -> list[psutil.Process]:
        """`kill -9` of `mushroom up` alone; what it had started."""
        assert self.process is not None
        started = self.children()
        self.process.kill()
        self.process.wait()
        return started

    def power_cut(self) -> None:
        """Everything dies at once, the server too, which is started again."""
        for process in self.kill_up():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.server.crash()
        self.server.start()

    def forget(self) -> None:
        """Make the farm anew while it is up: no results, and nothing in Dagster's record."""
        database = Database(self.server.uri, retry=NO_RETRY)
        with database.transaction() as connection:
            for table in (*(f"farm.{asset}" for asset in RESULTS), "farm.run_lease", *DAGSTERS):
                connection.execute(sa.text(f"DELETE FROM {table}"))
        database.dispose()


def rows_of(url: str, asset: str, keys: list[str]) -> Rows:
    """An asset's rows of the farm's days, in a database."""
    database = Database(url, retry=NO_RETRY)
    found = rows(database, RESULTS[asset])
    database.dispose()
    if asset in ("hourly_setpoint_changes", "daily_clip_inference"):
        return found
    return [row for row in found if f"{row['stat_date']}" in set(keys)]


def kill_all(running: Running) -> None:
    """Leave nothing behind, stopped processes too."""
    started = running.children()
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    running.down()
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def missing(instance: dg.DagsterInstance, running: Running, asset: str) -> set[str]:
    """The partitions of the farm's days that are not made."""
    return set(running.keys(asset)) - instance.get_materialized_partitions(dg.AssetKey(asset))


def scalar(url: str, query: str) -> object:
    """One value of a database."""
    engine = Database(url, retry=NO_RETRY)
    with engine.transaction() as connection:
        found = connection.scalar(sa.text(query))
    engine.dispose()
    return found
