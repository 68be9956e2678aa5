"""The farm whose processes meet faults: its samples, its rows by a clean run, slow writes.

How it is run and its processes found is the business of `kit.running`, which faults meet it that of
`processes`.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import dagster as dg

from mushroom_assets.domain.farm import Farm
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months
from mushroom_assets.storage.schema import RESULTS
from mushroom_assets_tests.kit.databases import NO_RETRY, execute, uri_of
from mushroom_assets_tests.kit.plant import materialize, put_samples, write_farm
from mushroom_assets_tests.kit.running import ASSETS, DAYS, ZONE, Rows, Running, kill_all, rows_of
from mushroom_assets_tests.kit.server import server_in
from mushroom_assets_tests.kit.small import DEVICES, FARM

SLOW = """
    CREATE FUNCTION farm.slow() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_sleep(4); RETURN NULL; END $$"""


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
    """What one clean run over another database with the same samples makes, but for pictures."""
    with (
        dg.DagsterInstance.ephemeral() as instance,
        mock.patch("mushroom_assets.assets.environment.PICTURED", 0),
        mock.patch("mushroom_assets.assets.report.pictured", lambda context: frozenset()),
    ):
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
