"""One day and one hour of the reference farm: the asset's body, the plain way, the bare read.

    make bench

All three in the same run. The plain way is pandas.read_sql, pandas' own statistics and to_sql,
without weights, coverage, flags or lookback. Each figure is the median of the runs; the ratio says
more than the seconds, machines differ.
"""

import datetime as dt
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.domain.sensors import find_sources, point_ids
from mushroom_assets.domain.setpoints import watched_points
from mushroom_assets.ingestion import simulated
from mushroom_assets.resources import PostgresResource
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.samples import read_samples

RUNS = 7
DAY = dt.date(2026, 1, 10)
TARGETS = {"daily_env_stats": 1.0, "hourly_setpoint_changes": 0.5}  # seconds
FARM = parse_farm(reference_farm_text())


def median_s(work: Callable[[], Any]) -> float:
    """Median wall seconds of `RUNS` calls."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def body_s(asset: str, key: str, url: str) -> tuple[float, float]:
    """Median seconds of the asset's body, and of the whole run with its checks."""
    defs = build_definitions(FARM, {"postgres": PostgresResource(url=url)})
    job = defs.resolve_job_def(f"{asset}_job")
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    bodies = []
    runs = []
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(RUNS):
            started = time.perf_counter()
            result = job.execute_in_process(quiet, instance=instance, partition_key=key)
            runs.append(time.perf_counter() - started)
            (success,) = [
                event for event in result.get_step_success_events() if event.step_key == asset
            ]
            bodies.append(success.step_success_data.duration_ms / 1000)
    return statistics.median(bodies), statistics.median(runs)


def plain_way(engine: sa.Engine, points: list[int], start: dt.datetime, end: dt.datetime) -> None:
    """What a notebook would do: read, group, append."""
    query = sa.text(
        "SELECT * FROM farm.sample"
        " WHERE point_id = ANY(:points) AND sampled_at >= :start AND sampled_at < :end"
    )
    frame = pd.read_sql(query, engine, params={"points": points, "start": start, "end": end})
    grouped = frame.groupby("point_id")["value"]
    table = grouped.describe().join(
        grouped.apply(lambda values: (values.diff().abs() > 0).sum()).rename("changes")
    )
    table.to_sql("plain", engine, schema="public", if_exists="append")


def bare_read(database: Database, points: list[int], start: dt.datetime, end: dt.datetime) -> None:
    """The needed rows, and nothing done with them."""
    with database.transaction() as connection:
        read_samples(connection, points, start, end)


def measure(
    database: Database,
    asset: str,
    key: str,
    points: list[int],
    span: tuple[dt.datetime, dt.datetime],
) -> None:
    """One row of the table."""
    body, run = body_s(asset, key, database.url)
    plain = median_s(lambda: plain_way(database.engine, points, *span))
    read = median_s(lambda: bare_read(database, points, *span))
    figures = (
        f"{body:8.3f}{TARGETS[asset]:8.1f}{plain:8.3f}{read:8.3f}{body / plain:12.2f}{run:8.2f}"
    )
    print(f"{asset:26}{len(points):7}{figures}")


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        embedded_postgres(Path(home) / "pg") as url,
    ):
        database = Database(url)
        with database.transaction() as connection:
            migrations.upgrade(connection)
        now = dt.datetime.combine(DAY + dt.timedelta(days=1), dt.time(), FARM.zone)
        state = simulated.Demo.begin(0, DAY - dt.timedelta(days=2), None)
        for day in simulated.days_between(state.first_day, DAY):
            simulated.deliver_day(database, FARM, list(FARM.rooms), day, state, now)
        with database.transaction() as connection:
            connection.execute(sa.text("ANALYZE farm.sample"))
            points = read_points(connection)
        start = dt.datetime.combine(DAY, dt.time(), FARM.zone)
        sensors = point_ids(find_sources(points, FARM))
        setpoints = list(watched_points(points, FARM))
        hour = dt.timedelta(hours=1)
        print(f"4 rooms, embedded PostgreSQL, medians of {RUNS} runs, seconds")
        names = f"{'body':>8}{'target':>8}{'plain':>8}{'read':>8}{'body/plain':>12}{'run':>8}"
        print(f"{'asset':26}{'points':>7}{names}")
        measure(database, "daily_env_stats", f"{DAY}", sensors, (start, start + 24 * hour))
        ten = start + 10 * hour
        measure(database, "hourly_setpoint_changes", f"{DAY}-10:00", setpoints, (ten, ten + hour))
        database.dispose()


if __name__ == "__main__":
    main()
