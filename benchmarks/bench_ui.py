"""The UI at scale, in a browser: three years of hourly partitions and forty rooms.

    python benchmarks/bench_ui.py        needs /usr/bin/chromium, or CHROMIUM=path

Runs the farm's jobs over three years of empty tables, so that Dagster's storage has every event that they leave; then
starts webserver and daemon as `mushroom up` does, and times pages until what a person looks for is on them. First: a
new browser and a webserver that has not shown the page yet. Again: the medians of the later visits.
"""

import datetime as dt
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from mushroom_assets.automation import range_tags
from mushroom_assets.definitions import build_definitions
from mushroom_assets.server import dagster_children, embedded_postgres, prepare_dagster_home, wait_for_ui
from mushroom_assets.settings import load_settings
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database

VISITS = 5
PORT = int(os.environ.get("PORT", "3410"))
DAYS = 3 * 365
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]
HOURLY = "hourly_setpoint_changes"


@contextmanager
def farm(folder: Path) -> Iterator[None]:
    """Three years of runs of a farm of forty rooms, and servers on top."""
    first = dt.date.today() - dt.timedelta(days=DAYS)
    rooms = ", ".join(f'"{number}": {{}}' for number in range(601, 641))
    (folder / "farm.yaml").write_text(f"{{timezone: Asia/Shanghai, first_day: {first}, rooms: {{{rooms}}}}}")
    with embedded_postgres(folder / "pg") as url:
        os.environ |= {"MUSHROOM_HOME": str(folder), "DATABASE_URL": url, "MUSHROOM_CONFIG": str(folder / "farm.yaml")}
        settings = load_settings()
        os.environ |= settings.environment()
        prepare_dagster_home(settings)
        database = Database(url)
        with database.transaction() as connection:
            migrations.upgrade(connection)
        database.dispose()
        fill()
        children = dagster_children(settings, "127.0.0.1", PORT)
        try:
            for child in children:
                child.start()
            if not wait_for_ui("127.0.0.1", PORT, children):
                raise SystemExit("the UI did not come up")
            yield
        finally:
            for child in reversed(children):
                child.stop()


def fill() -> None:
    """Every closed partition of the two assets that need samples alone, a year a run."""
    defs = build_definitions(load_settings().read_farm())
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    with dg.DagsterInstance.get() as instance:
        for asset in (HOURLY, "daily_env_stats"):
            definition = defs.resolve_assets_def(asset).partitions_def
            keys = definition.get_partition_keys() if definition else []
            started, year = time.perf_counter(), len(keys) // 3 + 1
            for first in range(0, len(keys), year):
                part = keys[first : first + year]
                tags = range_tags(part[0], part[-1])
                defs.resolve_job_def(f"{asset}_job").execute_in_process(quiet, instance=instance, tags=tags)
            print(f"{asset}: {len(keys):,} partitions in {time.perf_counter() - started:.0f} s", flush=True)
