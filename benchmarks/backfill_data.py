"""The samples that the backfill benchmark runs over, in the months of `farm.sample` and as Parquet.

Minute by minute, all points of a minute together, as a plant delivers them. What is measured over
them is not here.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.sensors import find_sources, point_ids
from mushroom_assets.domain.setpoints import watched_points
from mushroom_assets.simulation.batch import batches
from mushroom_assets.simulation.plant import points
from mushroom_assets.storage import migrations
from mushroom_assets.storage.batches import insert_batches
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.points import read_points, register_points
from mushroom_assets.storage.samples import read_samples

FIRST_DAY = dt.date(2025, 1, 1)
# Sensors wander around the day's and the week's curve in their resolution; a setpoint stands for
# eight hours, then stays or takes one of four levels (a state one of two): three chances a day, two
# changes.
VALUES = {
    "environment": """CASE point_alias
        WHEN 'temperature' THEN round((18 + 1.5 * wave + 0.2 * random())::numeric, 1)
        WHEN 'humidity' THEN round((90 + 4 * wave + random())::numeric, 2)
        ELSE round((2500 + 800 * wave + 40 * random())::numeric) END""",
    "setpoints": """CASE
        WHEN point_alias IN ('temp_set', 'temp_diffset') THEN 17 + 0.5 * (level & 3)
        WHEN point_alias IN ('co2_on', 'co2_off') THEN 2000 + 500 * (level & 3)
        WHEN point_alias IN ('on', 'off') OR point_alias ~ '_(time|mset)$' THEN 5 + 5 * (level & 3)
        ELSE level & 1 END""",
}
FILL = """
    INSERT INTO farm.{month} (point_id, sampled_at, value, received_at)
    SELECT point_id, sampled_at, ({value})::float8, sampled_at + interval '2 s'
    FROM generate_series(%(start)s::timestamptz, %(end)s - interval '1 min', interval '1 min')
            AS sampled_at,
        LATERAL (SELECT extract(epoch FROM sampled_at)::bigint / 60 AS minute) AS clock,
        (SELECT * FROM farm.point WHERE point_id = ANY(%(points)s)) AS point,
        LATERAL (
            SELECT sin(minute / 229.0) * 0.7 + sin(point_id + minute / 1605.0) * 0.3 AS wave,
                hashint8((minute + 97 * point_id) / 480 * 1009 + point_id) AS level
        ) AS shape"""


@dataclass(frozen=True)
class Case:
    """One data set: `kind` of points of so many rooms over so many days."""

    kind: str
    rooms: int
    days: int

    @property
    def name(self) -> str:
        """As the table calls it."""
        return f"{self.kind}, {self.rooms} room{'s' * (self.rooms > 1)}, {self.days} days"

    @property
    def farm_file(self) -> str:
        """The reference farm with so many rooms."""
        rooms = "".join(f'  "{number}": {{}}\n' for number in range(601, 601 + self.rooms))
        return f"timezone: Asia/Shanghai\nfirst_day: {FIRST_DAY}\nrooms:\n{rooms}"

    @property
    def farm(self) -> Farm:
        """The same, read."""
        return parse_farm(self.farm_file)

    @property
    def bounds(self) -> tuple[dt.datetime, dt.datetime]:
        """First instant, and first instant after it."""
        start = dt.datetime.combine(FIRST_DAY, dt.time(), self.farm.zone)
        return start, start + dt.timedelta(days=self.days)

    def point_ids(self, connection: sa.Connection) -> list[int]:
        """The points that the asset reads."""
        known = read_points(connection)
        if self.kind == "setpoints":
            return list(watched_points(known, self.farm))
        return point_ids(find_sources(known, self.farm))


def fill(database: Database, case: Case) -> int:
    """Make the tables, register all points of the rooms, fill the months; returns the samples."""
    farm = case.farm
    start, end = case.bounds
    with database.transaction() as connection:
        migrations.upgrade(connection)
        register_points(connection, points(farm, list(farm.rooms)))
        last = FIRST_DAY + dt.timedelta(days=case.days)
        insert_batches(connection, batches(farm, list(farm.rooms), FIRST_DAY, last, seed=0))
        ids = case.point_ids(connection)
    first_month = pd.Timestamp(start).tz_convert(None)
    last_month = pd.Timestamp(end - dt.timedelta(minutes=1)).tz_convert(None)
    months = pd.period_range(first_month, last_month, freq="M")
    made = sum(_fill_month(database, month, case, ids) for month in months)
    with database.session() as connection:
        connection.exec_driver_sql("VACUUM ANALYZE farm.sample")
        connection.exec_driver_sql("CHECKPOINT")
    return made


def _fill_month(database: Database, month: pd.Period, case: Case, ids: Sequence[int]) -> int:
    """A month as `ensure_months` makes it.

    Its index is built after the rows, which takes half the time.
    """
    name = f"sample_{month:%Y_%m}"
    start, end = case.bounds
    lower = month.start_time.tz_localize("UTC")
    upper = (month + 1).start_time.tz_localize("UTC")
    bounds = {"start": max(start, lower), "end": min(end, upper), "points": list(ids)}
    with database.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        connection.exec_driver_sql(
            f"CREATE TABLE farm.{name} (LIKE farm.sample INCLUDING DEFAULTS)"
        )
        made = connection.exec_driver_sql(
            FILL.format(month=name, value=VALUES[case.kind]), bounds
        ).rowcount
        connection.exec_driver_sql(
            f"ALTER TABLE farm.{name} ADD PRIMARY KEY (point_id, sampled_at)"
        )
        connection.exec_driver_sql(
            f"ALTER TABLE farm.sample ATTACH PARTITION farm.{name}"
            f" FOR VALUES FROM ('{lower}') TO ('{upper}')"
        )
    return made


def export(database: Database, case: Case, path: Path) -> None:
    """The same samples as one Parquet file, in order of time, a row group a week."""
    start, end = case.bounds
    with database.transaction() as connection:
        ids = case.point_ids(connection)
        writer = None
        for first in pd.date_range(start, end, freq="7D", inclusive="left"):
            until = min(first + pd.Timedelta(days=7), pd.Timestamp(end))
            week = read_samples(connection, ids, first, until)
            week = week.iloc[np.argsort(week["at"].to_numpy(), kind="stable")]
            columns = {
                "point_id": week["point_id"].to_numpy(),
                "sampled_at": pa.array(week["at"].to_numpy(), pa.timestamp("us")),
                "value": week["value"].to_numpy(),
            }
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table, row_group_size=len(table))
        if writer:
            writer.close()
