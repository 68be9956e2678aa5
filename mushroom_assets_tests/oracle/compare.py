"""The product's rows beside the second implementation's, figure by figure.

`python -m mushroom_assets_tests.oracle.compare --figures 100000` compares more than the tests do.
"""

import argparse
import datetime as dt
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import yaml

from mushroom_assets.domain import environment as product
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.sensors import find_sources
from mushroom_assets.domain.windows import Window, to_us

from .environment import room_day
from .feeds import BANDS, FarmDay, draw
from .judged import Sensor

COUNTS = ("sample_count", "rejected_count", "suspect_count", "sensor_count")
NEAR = 1e-9  # absolute or relative
CYCLE_DAYS = 27
UNITS = {"temperature": "°C", "humidity": "%", "co2": "ppm"}


class Difference(NamedTuple):
    """A figure on which the two disagree."""

    where: str
    column: str
    product: Any
    oracle: Any


class Comparison(NamedTuple):
    """How many figures were compared (null on both sides is none), and where they differ."""

    figures: int
    differences: list[Difference]


def farm_file(day: FarmDay) -> str:
    """The farm file of a random farm."""
    quantities = {}
    for name, rule in day.rules.items():
        said = {"spike": rule.spike, "stuck_s": rule.stuck_s, "full_scale": rule.full_scale}
        quantities[name] = {
            "device_type": "env",
            "point_alias": name,
            "unit": UNITS[name],
            "plausible": [rule.low, rule.high],
            **{key: value for key, value in said.items() if value is not None},
        }
    bands = {name: list(band) for name, band in BANDS.items()}
    said_of_farm = {
        "timezone": day.zone,
        "first_day": dt.date(2026, 1, 1),
        "cycle_days": CYCLE_DAYS,
        "max_hold_s": day.max_hold_s,
        "pair_within_s": day.pair_within_s,
        "rooms": {room: {} for room in day.rooms},
        "quantities": quantities,
        "stages": [{"name": "growing", "days": [1, CYCLE_DAYS], "bands": bands}],
    }
    return yaml.safe_dump(said_of_farm, allow_unicode=True)


def product_rows(
    rooms: Mapping[str, Sequence[Sensor]],
    farm: Farm,
    window: Window,
    in_dates: Mapping[str, Sequence[dt.date]],
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Rows by room and quantity, as the product computes them."""
    points = []
    frames = []
    for room, sensors in rooms.items():
        for sensor in sensors:
            rule = farm.quantities[sensor.quantity]
            number = len(points) + 1
            names = (rule.device_type, sensor.device, rule.point_alias)
            points.append(Point(number, room, *names))
            frame = pd.DataFrame(sensor.samples, columns=["at", "value"])
            frames.append(frame.assign(point_id=number))
    empty = pd.DataFrame({"at": [], "value": [], "point_id": []})
    types = {"at": "int64", "value": "float64", "point_id": "int64"}
    samples = pd.concat([empty, *frames]).astype(types)
    sources = find_sources(points, farm)
    found = product.summarise_day(samples, window, sources, farm, in_dates)
    return {(row["room_id"], row["quantity"]): dict(row) for row in found.rows}


def compare_day(seed: int) -> Comparison:
    """All figures of a random farm's day."""
    day = draw(seed)
    start, end = day.window
    in_dates = {room: [date] for room, date in day.in_dates.items() if date}
    window = Window(day.day.isoformat(), start, end)
    rows = product_rows(day.rooms, parse_farm(farm_file(day)), window, in_dates)
    figures = 0
    differences: list[Difference] = []
    for room, sensors in day.rooms.items():
        in_date = day.in_dates[room]
        growth_day = None if in_date is None else (day.day - in_date).days + 1
        bands = BANDS if growth_day is not None and growth_day <= CYCLE_DAYS else {}
        bounds = (to_us(start), to_us(end))
        expected = room_day(sensors, day.rules, day.pair_within_s, *bounds, bands)
        for quantity, columns in expected.items():
            columns["growth_day"] = growth_day
            one = compare_row(f"seed {seed} {room} {quantity}", rows[room, quantity], columns)
            figures += one.figures
            differences += one.differences
    return Comparison(figures, differences)


def compare_row(where: str, row: Mapping[str, Any], expected: Mapping[str, Any]) -> Comparison:
    """Every numeric column of a row."""
    said = {name for name in expected if row[name] is not None or expected[name] is not None}
    wrong = sorted(name for name in said if not same(name, row[name], expected[name]))
    return Comparison(
        len(said), [Difference(where, name, row[name], expected[name]) for name in wrong]
    )


def same(column: str, one: Any, other: Any) -> bool:
    """Equal to 1e-9, absolute or relative; counts exactly."""
    if one is None or other is None:
        return one is other
    if column in COUNTS:
        return bool(one == other)
    return math.isclose(one, other, rel_tol=NEAR, abs_tol=NEAR)


def compare_days(seeds: range) -> Iterator[Comparison]:
    """One comparison a seed."""
    return (compare_day(seed) for seed in seeds)


def main() -> int:
    """Compare until so many figures are, and say where they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="the first of the farms")
    said = parser.parse_args()
    figures = 0
    wrong = 0
    seed = said.seed
    while figures < said.figures:
        one = compare_day(seed)
        figures += one.figures
        wrong += len(one.differences)
        seed += 1
        for difference in one.differences:
            sys.stdout.write(f"{difference}\n")
    sys.stdout.write(f"{figures} figures of {seed - said.seed} farms' days, {wrong} differ\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
