"""What it costs that results follow their inputs: the log of changes, and a million late rows.

    python benchmarks/bench_following.py log                 in make bench
    python benchmarks/bench_following.py flood [--hours]     ten minutes

`log` loads days of a room (46 points, 66,240 samples) as `mushroom load` does, and inserts minutes
of four rooms (184 samples) as a collector does, in turn with the triggers and without.

`flood` fills a farm of four rooms with 31 simulated days but for a million rows of the last 30, and
makes all partitions. Then the million comes in one transaction, and `mushroom up` starts: counted
are the runs until nothing is out of date. The rows lie anywhere in a day, so that every hour is out
of date; by `--hours` they are three whole hours of each day. Meanwhile an hour is launched again
and again as the timetable does it: it may wait in the queue no longer than the longest of those
runs takes. Around the timetable's own ticks nothing is measured: the schedules would do a part of
the work.
"""

import argparse
import datetime as dt
import statistics
import time
import warnings
from collections.abc import Callable

import dagster as dg
import numpy as np
import pandas as pd
import sqlalchemy as sa
from bench_dagster import FARM, dagster
from following_flood import (
    following,
    prepared,
    queued_s,
    up,
    wait_for_a_quiet_hour,
    wait_until_up_to_date,
)

from mushroom_assets.automation.following import REASON
from mushroom_assets.instance.outstanding import RANGE_END, RANGE_START
from mushroom_assets.settings import load_settings
from mushroom_assets.simulation import plant
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months
from mushroom_assets.storage.points import register_points
from mushroom_assets.storage.samples import insert_samples

RUNS = 7
MINUTES = 100  # a way
MONTH = dt.date(2026, 1, 1)
LOAD_LIMIT = 1.3  # times the load without triggers
MINUTE_LIMIT_MS = 2.0
RUNS_LIMIT = 10
WHOLE_LIMIT_S = 300
SWITCH = "ALTER TABLE farm.sample {state} TRIGGER USER"
INSERT = """
    INSERT INTO farm.sample (point_id, sampled_at, value)
    SELECT unnest(%s::int[]), %s, unnest(%s::float8[])"""
INSERT_ONE = "INSERT INTO farm.sample (point_id, sampled_at, value) VALUES (%s, %s, %s)"


def log() -> None:
    """Print the figures of loads and of minutes, with the triggers and without."""
    with dagster(before=False):
        database = Database(load_settings().require_database_url())
        with database.transaction() as connection:
            points = register_points(connection, plant.points(FARM, list(FARM.rooms)))
            ensure_months(connection, MONTH, MONTH)
        print(f"{'':44}{'without':>10}{'with':>10}{'':>12}{'limit':>8}")
        _tell_loads(database, points.to_numpy()[: len(points) // len(FARM.rooms)])
        _tell_minutes(database, points.tolist())
        database.dispose()


def _tell_loads(database: Database, points: np.ndarray) -> None:
    days = iter(range(2 * RUNS))

    def load() -> float:
        frame = _day(points, next(days))
        return _seconds(database, lambda connection: insert_samples(connection, frame))

    without, logged = _in_turn(database, load, RUNS)
    what = f"load of {len(points) * 1440:,} samples, s (medians of {RUNS})"
    print(f"{what:44}{without:10.2f}{logged:10.2f}{logged / without:11.2f}x{LOAD_LIMIT:8.1f}")


def _day(points: np.ndarray, number: int) -> pd.DataFrame:
    """A day of some points, minute by minute."""
    begin = pd.Timestamp(MONTH, tz="UTC") + pd.Timedelta(days=number)
    minutes = pd.date_range(begin, periods=1440, freq="min").as_unit("us")
    values = np.round(18 + np.random.default_rng(number).random(1440 * len(points)), 1)
    at = pd.Series(np.repeat(minutes, len(points)))
    ids = np.tile(points, 1440)
    return pd.DataFrame({"point_id": ids, "sampled_at": at, "value": values, "received_at": at})


def _tell_minutes(database: Database, points: list[int]) -> None:
    begin = dt.datetime.combine(MONTH, dt.time(), dt.UTC) + dt.timedelta(days=20)
    instants = (begin + dt.timedelta(minutes=number) for number in range(4 * MINUTES))

    def at_once() -> float:
        given = (points, next(instants), [18.0] * len(points))
        return _seconds(database, lambda connection: connection.exec_driver_sql(INSERT, given))

    def one_by_one() -> float:
        at = next(instants)
        rows = [(point, at, 18.0) for point in points]
        return _seconds(database, lambda connection: connection.exec_driver_sql(INSERT_ONE, rows))

    ways = {"in a statement": at_once, "a statement each": one_by_one}
    for name, insert in ways.items():
        without, logged = (1000 * each for each in _in_turn(database, insert, MINUTES))
        what = f"a minute, {len(points)} samples {name}, ms"
        limit = f"{MINUTE_LIMIT_MS:8.1f}" if insert is at_once else ""
        print(f"{what:44}{without:10.2f}{logged:10.2f}{logged - without:+12.2f}{limit}")


def _in_turn(database: Database, once: Callable[[], float], times: int) -> tuple[float, float]:
    """Medians of seconds, without the triggers and with them; who is first takes turns."""
    seconds: dict[str, list[float]] = {"DISABLE": [], "ENABLE": []}
    for number in range(times):
        for state in sorted(seconds, reverse=number % 2 == 1):
            with database.transaction() as connection:
                connection.exec_driver_sql(SWITCH.format(state=state))
            seconds[state].append(once())
    return statistics.median(seconds["DISABLE"]), statistics.median(seconds["ENABLE"])


def _seconds(database: Database, work: Callable[[sa.Connection], object]) -> float:
    """Of a transaction, its commit included."""
    started = time.perf_counter()
    with database.transaction() as connection:
        work(connection)
    return time.perf_counter() - started


def flood(*, hours: bool) -> None:
    """Print runs, seconds and waits of the flood."""
    with prepared(hours=hours) as (farm, instance, home):
        there = farm.fill()
        farm.make(instance)
        wait_for_a_quiet_hour()
        began = time.monotonic()
        late = farm.load_late()
        loaded = time.monotonic()
        print(f"{late:,} late rows beside {there:,}, loaded in {loaded - began:.0f} s", flush=True)
        with up(home):
            wait_until_up_to_date(farm, instance)
            whole = time.monotonic() - loaded
            runs = [_of_run(record) for record in following(instance)]
            queued = [queued_s(instance, run_id) for run_id in farm.launched]
    for what, took in runs:
        print(f"  {what:72}{took:6.1f} s")
    longest = max(took for _, took in runs)
    print(f"{'runs':44}{len(runs):10}{RUNS_LIMIT:8}")
    print(f"{'start of mushroom up until all is up to date, s':44}{whole:10.0f}{WHOLE_LIMIT_S:8}")
    what = f"longest wait of {len(queued)} hours in the queue, s"
    print(f"{what:44}{max(queued):10.1f}{longest:8.1f}")


def _of_run(record: dg.RunRecord) -> tuple[str, float]:
    """What a run made, and how long it took from its launch to its end."""
    run = record.dagster_run
    tags = run.tags
    key = tags.get("dagster/partition")
    first = key or tags[RANGE_START]
    last = key or tags[RANGE_END]
    seconds = (record.end_time or 0) - (record.start_time or 0)
    return f"{run.job_name} {first} to {last}: {tags[REASON]}", seconds


def main() -> None:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["log", "flood"])
    parser.add_argument("--hours", action="store_true")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    if given.what == "log":
        log()
    else:
        flood(hours=given.hours)


if __name__ == "__main__":
    main()
