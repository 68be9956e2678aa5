"""The figures of the month, computed by the assets' own functions, as rows of text.

Runs of Dagster would take minutes and compute the same. Floats have 9 digits: the last bits of
another processor do not matter. Who computed a row, and when, is left out.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mushroom_assets.assets import environment, report, setpoints
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.domain.sensors import find_sources, point_ids
from mushroom_assets.domain.setpoints import watched_points
from mushroom_assets.ingestion.simulated import days_between
from mushroom_assets.partitions import farm_clock, windows
from mushroom_assets.simulation import plant
from mushroom_assets.storage.batches import insert_batches
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.points import read_points, register_points
from mushroom_assets.storage.samples import insert_samples
from mushroom_assets.storage.schema import (
    daily_env_stats,
    daily_room_report,
    hourly_setpoint_changes,
)
from mushroom_assets_tests.kit.plant import PROVENANCE

SEED = 7
ROOMS = ("607", "611")
FIRST = dt.date(2026, 2, 1)
LAST = dt.date(2026, 2, 28)
TABLES = (daily_env_stats, hourly_setpoint_changes, daily_room_report)
# Of what rows are the same: as people would name them
KEYS = {
    "daily_env_stats": ("stat_date", "room_id", "quantity"),
    "hourly_setpoint_changes": ("changed_at", "room_id", "device_alias", "point_alias"),
    "daily_room_report": ("stat_date", "room_id"),
}
Row = dict[str, str]
Figures = Mapping[str, Sequence[Row]]  # by table, in the order of `KEYS`


def golden_farm() -> Farm:
    """The reference farm with two of its rooms."""
    farm = parse_farm(reference_farm_text())
    return farm.model_copy(update={"rooms": {room: farm.rooms[room] for room in ROOMS}})


def compute(database: Database) -> Figures:
    """Let the month be delivered to a database without samples, and compute it."""
    farm = golden_farm()
    every = days_between(FIRST, LAST)
    for date in every:
        _deliver(database, farm, date)
    clock = farm_clock(farm)
    days = windows(clock.daily, [f"{date}" for date in every])
    names = [f"{date}-{hour:02}:00" for date in every for hour in range(24)]
    with database.transaction() as connection:
        environment.replace_days(connection, days, farm, "golden")
        hours = windows(clock.hourly, names)
        setpoints.replace_hours(connection, hours, farm, "golden")
    for day in days:
        with database.transaction() as connection:
            report.replace_day(connection, day, farm, "golden")
    with database.transaction() as connection:
        return {table.name: _rows(connection, table) for table in TABLES}


def _deliver(database: Database, farm: Farm, date: dt.date) -> None:
    """A day's samples of those points that are read, with all that went wrong, and the batches."""
    feed = plant.simulate_day(farm, ROOMS, date, seed=SEED).samples
    with database.transaction() as connection:
        ids = register_points(connection, plant.points(farm, ROOMS)).to_numpy()
        points = read_points(connection)
        read = [*watched_points(points, farm), *point_ids(find_sources(points, farm))]
        feed = feed.assign(point_id=ids[feed["point"]])
        insert_samples(connection, feed[feed["point_id"].isin(read)])
        insert_batches(connection, plant.batches(farm, ROOMS, date, date, seed=SEED))


def _rows(connection: sa.Connection, table: sa.Table) -> list[Row]:
    columns = [column for column in table.columns if column.name not in PROVENANCE]
    order = [table.c[name] for name in KEYS[table.name]]
    found = connection.execute(sa.select(*columns).order_by(*order)).mappings()
    return [{name: written(cell) for name, cell in row.items()} for row in found]


def written(cell: Any) -> str:
    """A cell as text, the same on every machine."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.9g}"
    if isinstance(cell, dt.datetime):
        return cell.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False, sort_keys=True)
    return str(cell)
