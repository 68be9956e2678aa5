"""The product against the second implementation: every numeric column, to 1e-9, counts exactly."""

import ast
import datetime as dt
from pathlib import Path

import pytest

from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets_tests.oracle import real
from mushroom_assets_tests.oracle.compare import Difference, compare_day, compare_seed

FARMS = range(100)
FIGURES = 20_000  # null on both sides is none; so many the random farms bring at least
OWN = ("judged", "statistics", "environment")  # the second implementation


@pytest.mark.long
def test_the_days_of_100_random_farms_agree() -> None:
    figures = 0
    differences: list[Difference] = []
    for seed in FARMS:
        found = compare_seed(seed)
        figures += found.figures
        differences += found.differences
    assert not differences, differences[:10]
    assert figures >= FIGURES


@pytest.mark.long
@pytest.mark.parametrize(
    ("day", "seed"),
    [
        (dt.date(2026, 2, 10), 1),
        (dt.date(2026, 2, 25), 7),
    ],
)
def test_days_of_the_simulated_plant_agree(day: dt.date, seed: int) -> None:
    farm = parse_farm(reference_farm_text())
    found = compare_day(str(day), real.plant_day(farm, list(farm.rooms), day, seed), farm)
    assert not found.differences
    assert found.figures >= 4 * 5 * 14  # rooms, quantities, columns that every delivering row has


def test_the_days_of_a_real_room_agree() -> None:
    found = [compare_day(str(day.day), day, farm) for day, farm in real.office_days()]
    assert not [difference for one in found for difference in one.differences]
    assert sum(one.figures for one in found) >= 7 * 5 * 12


def test_the_second_implementation_imports_nothing_of_the_first() -> None:
    for name in OWN:
        tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text())
        found = {
            node.module if isinstance(node, ast.ImportFrom) else alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        standard = {"bisect", "collections.abc", "dataclasses", "datetime", "itertools", "math"}
        own = {f"mushroom_assets_tests.oracle.{module}" for module in OWN}
        assert found <= standard | own | {"typing"}, name
