"""The product's rows beside the second implementation's, figure by figure.

`python -m mushroom_assets_tests.oracle.compare --figures 100000` compares more than the tests do.
"""

import argparse
import datetime as dt
import math
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd
import yaml

from mushroom_assets.domain import environment as product
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.sensors import find_sources
from mushroom_assets.domain.windows import Window, to_us
from mushroom_assets_tests.oracle.environment import growth, room_day
from mushroom_assets_tests.oracle.feeds import CYCLE_DAYS, FarmDay, draw

COUNTS = ("sample_count", "rejected_count", "suspect_count", "sensor_count")
GROWTH = ("batch_date", "growth_day", "is_growth_phase")
NEAR = 1e-9  # absolute or relative
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
    stages = [
        {
            "name": f"from_{first}",
            "days": [first, last],
            "bands": {name: list(band) for name, band in bands.items()},
        }
        for first, last, bands in day.stages
    ]
    said_of_farm = {
        "timezone": day.zone,
        "first_day": dt.date(2026, 1, 1),
        "cycle_days": CYCLE_DAYS,
        "max_hold_s": day.max_hold_s,
        "pair_within_s": day.pair_within_s,
        "rooms": {room: {} for room in day.rooms},
        "quantities": quantities,
        "stages": stages,
    }
    return yaml.safe_dump(said_of_farm, allow_unicode=True)


def product_rows(day: FarmDay, farm: Farm) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Rows by room and quantity, as the product computes them."""
    points: list[Point] = []
    frames = [pd.DataFrame({"at": [], "value": [], "point_id": []})]
    for room, sensors in day.rooms.items():
        for sensor in sensors:
            kind = farm.quantities[sensor.quantity]
            number = len(points) + 1
            points.append(Point(number, room, kind.device_type, sensor.device, kind.point_alias))
            frame = pd.DataFrame(sensor.samples, columns=["at", "value"])
            frames.append(frame.assign(point_id=number))
    types = {"at": "int64", "value": "float64", "point_id": "int64"}
    samples = pd.concat([frame.astype(types) for frame in frames])
    window = Window(day.day.isoformat(), *day.window)
    sources = find_sources(points, farm)
    found = product.summarise_day(samples, window, sources, farm, day.in_dates)
    return {(row["room_id"], row["quantity"]): dict(row) for row in found.rows}


def compare_seed(seed: int) -> Comparison:
    """All figures of a random farm's day."""
    day = draw(seed)
    return compare_day(f"seed {seed}", day, parse_farm(farm_file(day)))


def compare_day(name: str, day: FarmDay, farm: Farm) -> Comparison:
    """All figures of a farm's day; the farm file says the same as the day's rules and stages."""
    rows = product_rows(day, farm)
    start, end = [to_us(instant) for instant in day.window]
    figures = 0
    differences: list[Difference] = []
    for room, sensors in day.rooms.items():
        place = growth(day.day, day.in_dates.get(room, ()), CYCLE_DAYS)
        bands = day.bands(place["growth_day"])
        expected = room_day(sensors, day.rules, day.pair_within_s, start, end, bands)
        for quantity, columns in expected.items():
            where = f"{name} {room} {quantity}"
            one = compare_row(where, rows[room, quantity], columns | place)
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
    if column in COUNTS + GROWTH:
        return bool(one == other)
    return math.isclose(one, other, rel_tol=NEAR, abs_tol=NEAR)


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
        one = compare_seed(seed)
        figures += one.figures
        wrong += len(one.differences)
        seed += 1
        for difference in one.differences:
            sys.stdout.write(f"{difference}\n")
    sys.stdout.write(f"{figures} figures of {seed - said.seed} farms' days, {wrong} differ\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
