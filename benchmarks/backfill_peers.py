"""One pass each over a case's samples: the asset's own work, and what it is held against.

A process apiece.

`plain` is what a notebook would do, day by day, without weights, coverage, flags or lookback. `sql`
is one bare pass of the window or quantile function, `duckdb` the same over a Parquet file, `limit`
reads the needed rows and does nothing.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from backfill_data import Case

from mushroom_assets.storage.connection import Database, Limits

# The tables hold the needed rows alone, so that bare SQL need not name the points.
SQL = {
    "environment": """
        SELECT point_id, (sampled_at AT TIME ZONE 'Asia/Shanghai')::date AS day,
            count(*), avg(value), min(value), max(value),
            percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY value) AS quartiles
        FROM farm.sample WHERE sampled_at >= %(start)s AND sampled_at < %(end)s
        GROUP BY point_id, day""",
    "setpoints": """SELECT * FROM (
        SELECT point_id, sampled_at, value,
            lag(value) OVER (PARTITION BY point_id ORDER BY sampled_at) AS previous
        FROM farm.sample WHERE sampled_at >= %(start)s AND sampled_at < %(end)s) AS pair
        WHERE value <> previous""",
}
DUCKDB = {
    "environment": """
        SELECT point_id, (sampled_at + INTERVAL 8 HOUR)::DATE AS day,
            count(*), avg(value), min(value), max(value),
            quantile_cont(value, [0.25, 0.5, 0.75]) AS quartiles
        FROM read_parquet(?) GROUP BY point_id, day""",
    "setpoints": """SELECT * FROM (
        SELECT point_id, sampled_at, value,
            lag(value) OVER (PARTITION BY point_id ORDER BY sampled_at) AS previous
        FROM read_parquet(?)) AS pair WHERE value <> previous""",
}
LIMIT = (
    "SELECT count(value) FROM farm.sample WHERE sampled_at >= %(start)s AND sampled_at < %(end)s"
)
PLAIN = """SELECT * FROM farm.sample
    WHERE point_id = ANY(:points) AND sampled_at >= :start AND sampled_at < :end"""
Work = Callable[[], float | None]


@dataclass(frozen=True)
class Figure:
    """What a process measured, and an answer that all peers must agree on."""

    seconds: float
    peak_mb: float
    answer: float | None = None  # the sum of all medians, or the number of changes


def measure(peer: str, case: Case, url: str, parquet: Path, plain_days: int) -> Figure:
    """One pass in this process, which must be fresh."""
    database = Database(url, limits=Limits(statement_timeout_s=3600))
    # connected, with everything imported that comes at the first use
    with database.transaction() as connection:
        start, end = case.bounds
        bounds = {"start": start, "end": end, "points": case.point_ids(connection)}
    work = PEERS[peer](database, case, bounds, parquet, plain_days)
    started = time.perf_counter()
    answer = work()
    seconds = time.perf_counter() - started
    database.dispose()
    status = Path("/proc/self/status").read_text().splitlines()
    peak_kb = next(line for line in status if line.startswith("VmHWM"))
    return Figure(seconds, int(peak_kb.split()[1]) / 1024, answer)


def ours(
    database: Database,
    case: Case,
    bounds: dict[str, Any],
    parquet: Path,
    plain_days: int,
    *,
    pictures: bool = False,
) -> Work:
    """Chunk by chunk in a transaction each, with every partition's metadata, as a run does.

    The partitions are those from `bounds`' start to its end. The `pictures` of the newest days are
    as many for a month as for ten years: only whole runs are compared with them.
    """
    from mushroom_assets.assets import environment, setpoints
    from mushroom_assets.assets.course import read_ribbons
    from mushroom_assets.metadata.environment import environment_metadata
    from mushroom_assets.metadata.setpoints import setpoint_metadata
    from mushroom_assets.partitions import farm_clock, windows

    farm = case.farm
    clock = farm_clock(farm)

    def asked(definition: Any) -> list[Any]:
        keys = definition.get_partition_keys(current_time=bounds["end"])
        return [found for found in windows(definition, keys) if found.start >= bounds["start"]]

    def days() -> float:
        total = 0.0
        everything = asked(clock.daily)
        keys = [day.key for day in everything]
        drawn = environment.drawn_days(keys, farm) if pictures else frozenset[str]()
        for chunk in chunks(everything, environment.CHUNK_DAYS):
            with database.transaction() as connection:
                found = environment.replace_days(connection, chunk, farm, "benchmark")
                ribbons = read_ribbons(connection, chunk, drawn, farm)
            for key, day in found.items():
                environment_metadata(day, farm, ribbons.get(key))
                measured = [row for row in day.rows if row["quantity"] in farm.quantities]
                total += sum(row["median"] for row in measured)
        return total

    def hours() -> float:
        total = 0
        for chunk in chunks(asked(clock.hourly), setpoints.chunk_hours(farm)):
            with database.transaction() as connection:
                rows = setpoints.replace_hours(connection, chunk, farm, "benchmark")
            shown = {key: setpoint_metadata(part, farm) for key, part in rows.items()}
            total += sum(metadata["dagster/partition_row_count"] for metadata in shown.values())
        return total

    return days if case.kind == "environment" else hours


def chunks(windows: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """At most `size` at a time."""
    return [windows[first : first + size] for first in range(0, len(windows), size)]


def plain(
    database: Database, case: Case, bounds: dict[str, Any], parquet: Path, plain_days: int
) -> Work:
    """The first `plain_days` days."""

    def work() -> None:
        for number in range(plain_days):
            start = bounds["start"] + dt.timedelta(days=number)
            day = {"points": bounds["points"], "start": start, "end": start + dt.timedelta(days=1)}
            frame = pd.read_sql(sa.text(PLAIN), database.engine, params=day)
            if case.kind == "environment":
                result = frame.groupby("point_id")["value"].describe().assign(day=start)
            else:
                ordered = frame.sort_values(["point_id", "sampled_at"])
                result = ordered[ordered.groupby("point_id")["value"].diff().fillna(0) != 0]
            result.to_sql(
                f"plain_{case.kind}", database.engine, schema="public", if_exists="append"
            )

    return work


def sql(
    database: Database, case: Case, bounds: dict[str, Any], parquet: Path, plain_days: int
) -> Work:
    """One pass of the server over the whole span; its rows are taken in and kept nowhere.

    Without index scans: the planner takes one for a year of setpoints, with each sample on another
    page: 174 s.
    """

    def work() -> float:
        with database.transaction() as connection:
            connection.exec_driver_sql("SET LOCAL enable_indexscan = off")
            rows = connection.exec_driver_sql(SQL[case.kind], bounds).all()
        return sum(row.quartiles[1] for row in rows) if case.kind == "environment" else len(rows)

    return work


def duckdb(
    database: Database, case: Case, bounds: dict[str, Any], parquet: Path, plain_days: int
) -> Work:
    """The same over the Parquet file, with as many threads as there are cores."""
    import duckdb

    def work() -> float:
        rows = duckdb.execute(DUCKDB[case.kind], [str(parquet)]).fetchall()
        return sum(row[-1][1] for row in rows) if case.kind == "environment" else len(rows)

    return work


def limit(
    database: Database, case: Case, bounds: dict[str, Any], parquet: Path, plain_days: int
) -> Work:
    """The server reads every needed row and returns their number."""

    def work() -> None:
        with database.transaction() as connection:
            connection.exec_driver_sql(LIMIT, bounds).scalar_one()

    return work


PEERS: dict[str, Callable[..., Work]] = {
    "ours": ours,
    "sql": sql,
    "limit": limit,
    "duckdb": duckdb,
    "plain": plain,
}
