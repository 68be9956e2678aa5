"""A small farm that runs as a grower runs it, `mushroom up` on a PostgreSQL of its own.

With hands for what breaks: each of its processes by name, and the server.
"""

import contextlib
import datetime as dt
import os
import signal
import subprocess
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
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.kit.command import command_line
from mushroom_assets_tests.kit.databases import NO_RETRY, execute, uri_of
from mushroom_assets_tests.kit.plant import materialize, put_samples, rows, write_farm
from mushroom_assets_tests.kit.server import Server, server_in
from mushroom_assets_tests.kit.servers import free_port
from mushroom_assets_tests.kit.small import DEVICES, FARM

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
SLOW = """
    CREATE FUNCTION farm.slow() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_sleep(4); RETURN NULL; END $$"""
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
                command_line("up", "--no-demo", "--port", self.port),
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
            mock.patch.dict(os.environ, {"DATABASE_URL": self.server.uri}),
            dg.DagsterInstance.from_config(str(self.home / "dagster")) as instance,
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

    def launch(self, asset: str) -> None:
        """Launch one run for all of an asset's partitions, as a schedule does."""
        keys = self.keys(asset)
        tags = range_tags(keys[0], keys[-1]).items()
        listed = ", ".join(f'{{key: "{key}", value: "{value}"}}' for key, value in tags)
        selector = 'repositoryLocationName: "mushroom_assets", repositoryName: "__repository__"'
        query = f"""mutation {{launchRun(executionParams: {{
            selector: {{{selector}, jobName: "{asset}_job"}},
            executionMetadata: {{tags: [{listed}]}}}}) {{__typename}}}}"""
        answer = ask_ui("127.0.0.1", self.port, query, timeout_s=60)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer

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
        """Whether a run is at its write, which `slow_down` makes last."""
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


def fill(database: Database, farm: Farm) -> None:
    """The samples of the farm's days: climate each half hour, a setpoint each three hours."""
    start = dt.datetime.combine(farm.first_day, dt.time(), ZONE)
    samples = []
    for room in farm.rooms:
        for step in range(48 * DAYS):
            at = start + dt.timedelta(minutes=30 * step)
            values = {"t": 17 + step % 5 / 2, "h": 88 + step % 7, "set": 17 + step // 6 % 3 / 2}
            for point, value in values.items():
                device = DEVICES[point]
                samples.append((room, device, f"{device}_{room}", point, at, value))
    put_samples(database, samples)


def slow_down(url: str) -> None:
    """Let every write of results take some seconds, so that faults meet runs at work."""
    database = Database(url, retry=NO_RETRY)
    with database.transaction() as connection:
        connection.exec_driver_sql(SLOW)
        for asset in RESULTS:
            connection.exec_driver_sql(
                f"CREATE TRIGGER slow BEFORE INSERT ON farm.{asset} "
                "FOR EACH STATEMENT EXECUTE FUNCTION farm.slow()"
            )
    database.dispose()


def clean_rows(url: str, running: Running) -> dict[str, Rows]:
    """What one clean run over another database with the same samples makes."""
    with dg.DagsterInstance.ephemeral() as instance:
        for asset in ASSETS:
            keys = running.keys(asset)
            path = running.folder / "farm.yaml"
            span = (running.farm, keys[0], keys[-1])
            materialize(asset, url, *span, farm_file=path, instance=instance)
    return {asset: rows_of(url, asset, running.keys(asset)) for asset in ASSETS}


@contextmanager
def small_farm_running(folder: Path) -> Iterator[Running]:
    """A farm with samples, not yet up, and the rows that it should come to."""
    first = dt.datetime.now(ZONE).date() - dt.timedelta(days=DAYS)
    text = FARM.format(timezone="Asia/Shanghai").replace("2025-01-01", f"{first}")
    farm = write_farm(folder / "farm.yaml", text)
    with server_in("mushroom-pg-") as server:
        server.start()
        running = Running(folder, server, farm)
        database = Database(server.uri, retry=NO_RETRY)
        with database.transaction() as connection:
            migrations.upgrade(connection)
            ensure_months(connection, first - dt.timedelta(days=31), first + dt.timedelta(days=60))
        fill(database, farm)
        database.dispose()
        execute(uri_of(server.uri, "template1"), "CREATE DATABASE clean TEMPLATE postgres")
        running.expected = clean_rows(uri_of(server.uri, "clean"), running)
        slow_down(server.uri)
        try:
            yield running
        finally:
            kill_all(running)


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
