"""A small farm with few points, its database, and Dagster runs over both."""

import datetime as dt
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import RESULTS, metadata
from mushroom_assets_tests.kit.plant import materialize, put_samples, rows

FARM = """
timezone: {timezone}
first_day: 2025-01-01
max_hold_s: 900
rooms: {{A: {{}}, B: {{}}}}
quantities:
  temperature:
    {{device_type: env, point_alias: t, unit: "°C", plausible: [-20, 60], spike: 2, stuck_s: 14400}}
  humidity:
    {{device_type: env, point_alias: h, unit: "%", plausible: [0, 100]}}
points:
  cooler:
    set: {{change_type: analog_value, threshold: 0.1, unit: "°C", description: setpoint}}
    power: {{change_type: digital_on_off, labels: {{0: off, 1: on}}}}
stages: [{{name: all, days: [1, 27], bands: {{temperature: [17, 19]}}}}]
"""
DEVICES = {"t": "env", "h": "env", "set": "cooler", "power": "cooler"}
Sample = tuple[str, str, dt.datetime, float]  # room, point, instant, value


@dataclass
class SmallFarm:
    """A farm, its database, and a Dagster instance that remembers its runs."""

    farm: Farm
    path: Path
    database: Database
    instance: dg.DagsterInstance

    def at(self, day: str, hour: float = 0) -> dt.datetime:
        """An instant, by the hours since the farm's midnight."""
        midnight = dt.datetime.fromisoformat(day).replace(tzinfo=self.farm.zone)
        return midnight.astimezone(dt.UTC) + dt.timedelta(hours=hour)

    def put(self, samples: list[Sample]) -> None:
        put_samples(
            self.database,
            [
                (room, DEVICES[point], f"{DEVICES[point]}_{room}", point, at, value)
                for room, point, at, value in samples
            ],
        )

    def run(
        self, asset: str, first: str, last: str | None = None, **options: Any
    ) -> dg.ExecuteInProcessResult:
        options = dict[str, Any](farm_file=self.path, instance=self.instance) | options
        return materialize(asset, self.database.url, self.farm, first, last, **options)

    def rows(self, asset: str, *, provenance: bool = False) -> list[dict[str, Any]]:
        return rows(self.database, RESULTS[asset], provenance=provenance)

    def done(self, asset: str) -> set[str]:
        return self.instance.get_materialized_partitions(dg.AssetKey(asset))

    def execute(self, statement: str) -> None:
        with self.database.transaction() as connection:
            connection.exec_driver_sql(statement)

    def empty(self) -> None:
        """No samples, no points, no results; point numbers begin anew. Settings stay.

        That all went is no change to follow: it would mark every hour from the first day to now.
        """
        tables = ", ".join(name for name in metadata.tables if name != "farm.setting")
        with self.database.transaction() as connection:
            connection.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY"))
            connection.execute(sa.text("DELETE FROM farm.input_change"))


Build = Callable[..., SmallFarm]


def feed(small: SmallFarm, first: str, days: int, chance: random.Random) -> list[Sample]:
    """Every ten minutes or so, off the full minute; setpoints that move.

    There are holes, glitches and runs of one value.
    """
    rows: list[Sample] = []
    for room in "AB":
        levels = {"t": 18.0, "h": 90.0, "set": 17.0, "power": 1.0}
        for tenth in range(-40, 144 * days):
            at = small.at(first, tenth / 6) + dt.timedelta(seconds=chance.choice([0, 0, 1, -1, 20]))
            if chance.random() < 0.02:
                levels["set"] = chance.choice([17.0, 17.05, 17.5, 18.0])
                levels["power"] = float(chance.random() < 0.5)
            for point, level in levels.items():
                if point in "th" and tenth % 90 > 30:
                    level += chance.choice([0, 0, 0, 0.1, 9.0])
                if chance.random() < 0.9:
                    value = chance.choice([level] * 30 + [float("nan"), 999.0])
                    rows.append((room, point, at, value))
    return rows


def without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
