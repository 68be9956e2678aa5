"""The flood of `bench_following.py`: a farm whose partitions are all made, and a million late rows.

How it is filled, made, run and looked at; what is told of it and its limits are there.
"""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
from bench_dagster import Event, dagster, times

from mushroom_assets.automation import backfill
from mushroom_assets.automation.demand import Past
from mushroom_assets.automation.following import REASON, find
from mushroom_assets.automation.timetable import PARTITIONED
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.instance.outstanding import UNFINISHED, closed
from mushroom_assets.partitions import FarmClock, farm_clock
from mushroom_assets.service.ui import ask_ui
from mushroom_assets.settings import load_settings
from mushroom_assets.simulation import plant
from mushroom_assets.storage.batches import insert_batches
from mushroom_assets.storage.connection import Database, Limits
from mushroom_assets.storage.months import ensure_months
from mushroom_assets.storage.points import register_points
from mushroom_assets.storage.samples import insert_samples

DAYS = 31
LATE_DAYS = 30
LATE = 1_000_000
LATE_HOURS = range(9, 12)  # 33,120 samples of four rooms
PORT = int(os.environ.get("PORT", "3420"))
HOURLY = "hourly_setpoint_changes"
TEXT = """
timezone: Asia/Shanghai
first_day: {first}
rooms: {{"601": {{}}, "602": {{}}, "603": {{}}, "604": {{}}}}
"""
LAUNCH = """mutation {{launchRun(executionParams: {{
    selector: {{repositoryLocationName: "mushroom_assets", repositoryName: "__repository__",
        jobName: "{asset}_job"}},
    executionMetadata: {{tags: [{{key: "dagster/partition", value: "{key}"}}]}}}})
    {{__typename ... on LaunchRunSuccess {{run {{runId}}}}}}}}"""
# Far from the hourly schedule's tick, which does a part of the work itself
QUIET_MINUTES = range(9, 55)
GIVEN_UP_S = 900
EACH_S = 15  # an hour is launched so often


@dataclass
class Flood:
    """The farm on its database, and the rows that are held back.

    Attributes:
        hours: what is held back of a day is three whole hours; else it lies anywhere in it.
        launched: the hours' runs.
    """

    farm: Farm
    database: Database
    hours: bool = False
    late: list[pd.DataFrame] = field(default_factory=list)
    launched: list[str] = field(default_factory=list)

    @property
    def clock(self) -> FarmClock:
        """Its partitions."""
        return farm_clock(self.farm)

    def fill(self) -> int:
        """Load the days but for what is late; returns how many samples."""
        rooms = list(self.farm.rooms)
        days = [self.farm.first_day + dt.timedelta(days=number) for number in range(DAYS)]
        with self.database.transaction() as connection:
            ids = register_points(connection, plant.points(self.farm, rooms)).to_numpy()
            insert_batches(connection, plant.batches(self.farm, rooms, days[0], days[-1], seed=0))
            ensure_months(connection, days[0], days[-1] + dt.timedelta(days=2))
        added = 0
        for day in days:
            feed = plant.simulate_day(self.farm, rooms, day, seed=0).samples
            feed = feed.drop_duplicates(["point", "sampled_at"])
            feed = feed.assign(point_id=ids[feed["point"]])
            if day in days[-LATE_DAYS:]:
                self.late.append(self._of_day(feed, day))
                feed = feed.drop(self.late[-1].index)
            with self.database.transaction() as connection:
                added += insert_samples(connection, feed)[0]
        return added

    def _of_day(self, feed: pd.DataFrame, day: dt.date) -> pd.DataFrame:
        """What is held back of a day's samples."""
        if self.hours:
            local = feed["sampled_at"].dt.tz_convert(self.farm.timezone)
            return feed[local.dt.hour.isin(LATE_HOURS)]
        return feed.sample(-(-LATE // LATE_DAYS), random_state=day.toordinal())

    def make(self, instance: dg.DagsterInstance) -> None:
        """Make every partition that has closed."""
        now = dt.datetime.now(self.farm.zone)
        defs = build_definitions(self.farm)
        first_day = self.farm.first_day
        failures = backfill.materialize_missing(defs, instance, first_day, now, progress_bar)
        if failures:
            raise RuntimeError("\n".join(failures))

    def load_late(self) -> int:
        """The million, in one transaction; returns how many came."""
        with self.database.transaction() as connection:
            return insert_samples(connection, pd.concat(self.late)[:LATE])[0]

    def out_of_date(self, instance: dg.DagsterInstance) -> dict[str, int]:
        """How many partitions are, by asset; -1 where the log is not looked at yet."""
        with self.database.transaction() as connection:
            if connection.exec_driver_sql("SELECT count(*) FROM farm.input_change").scalar():
                return {"changes": -1}
        past = Past(instance, dt.datetime.now(dt.UTC))
        span = dt.timedelta(days=self.farm.follow_days)
        found = {
            asset: len(find(past, asset, span, self.database, self.clock, self.farm))
            for asset in PARTITIONED
        }
        return {asset: count for asset, count in found.items() if count}

    def launch_hour(self) -> None:
        """An hour as the schedule launches it; while the UI is not there, nothing."""
        now = dt.datetime.now(self.farm.zone)
        key = closed(self.clock.hourly, dt.timedelta(hours=3), now)[-1].key
        try:
            told = ask_ui("127.0.0.1", PORT, LAUNCH.format(asset=HOURLY, key=key))["launchRun"]
        except (OSError, ValueError):
            return
        if "run" in told:
            self.launched.append(told["run"]["runId"])


@contextmanager
def prepared(*, hours: bool) -> Iterator[tuple[Flood, dg.DagsterInstance, Path]]:
    """The farm, all made, down."""
    with dagster(before=False) as home:
        today = dt.datetime.now(dt.UTC) + dt.timedelta(hours=8)
        first = today.date() - dt.timedelta(days=DAYS)
        (home / "farm.yaml").write_text(TEXT.format(first=first), encoding="utf-8")
        os.environ["MUSHROOM_CONFIG"] = str(home / "farm.yaml")
        limits = Limits(statement_timeout_s=3600)
        database = Database(load_settings().require_database_url(), limits=limits)
        flood = Flood(parse_farm(TEXT.format(first=first)), database, hours)
        with dg.DagsterInstance.get() as instance:
            yield flood, instance, home
        database.dispose()


@contextmanager
def up(home: Path) -> Iterator[None]:
    """`mushroom up` on it."""
    command = [sys.executable, "-m", "mushroom_assets.cli.main", "up", "--no-demo"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603
            [*command, "--port", str(PORT), "--page-port", "0"], stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for_a_quiet_hour() -> None:
    """Until the timetable does not tick soon."""
    while dt.datetime.now(dt.UTC).minute not in QUIET_MINUTES:
        time.sleep(5)


def following(instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """The runs that follow inputs, oldest first."""
    records = instance.get_run_records()
    return [each for each in reversed(records) if REASON in each.dagster_run.tags]


def wait_until_up_to_date(flood: Flood, instance: dg.DagsterInstance) -> None:
    """Launch an hour each 15 s until nothing is out of date and no run of the sensor is left."""
    began = time.monotonic()
    launched = began
    while time.monotonic() - began < GIVEN_UP_S:
        time.sleep(2)
        if time.monotonic() - launched > EACH_S:
            launched = time.monotonic()
            flood.launch_hour()
        busy = any(each.dagster_run.status in UNFINISHED for each in following(instance))
        if not busy and not flood.out_of_date(instance):
            return
    raise TimeoutError(f"out of date after {GIVEN_UP_S} s: {flood.out_of_date(instance)}")


def queued_s(instance: dg.DagsterInstance, run_id: str) -> float:
    """From the queue to the launch."""
    at: dict[Any, float] = times(instance, run_id)
    return at[Event.RUN_STARTING, None] - at[Event.RUN_ENQUEUED, None]
