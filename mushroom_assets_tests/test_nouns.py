"""Every registry knows every noun: what a step of the recipe forgets fails here, by name.

The recipe for a new noun stands in CONTRIBUTING.md; `test_recipe` follows it.
"""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

import mushroom_assets
from mushroom_assets import checks, domain
from mushroom_assets.automation.timetable import PARTITIONED, TIMETABLE, Slot
from mushroom_assets.checks.rule import Rule
from mushroom_assets.checks.standing import NAME as STANDING
from mushroom_assets.domain.texts import texts
from mushroom_assets.metadata.pages import pages
from mushroom_assets.storage.schema import ASSETS, SOURCES
from mushroom_assets_tests.kit.contract import FEEDS

ROOT = Path(mushroom_assets.__file__).parent
ROOMS = ("domain", "storage/schema", "assets", "metadata")  # each has a module of the noun's name


def name_of(slot: Slot) -> str:
    """`environment` of the module `mushroom_assets.domain.environment`."""
    assert isinstance(slot.noun, ModuleType)
    return slot.noun.__name__.rpartition(".")[2]


def modules(package: ModuleType) -> list[ModuleType]:
    """The modules of a room."""
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    # Not at the top: where a noun is half known, this fails, and the tests that need no
    # definitions say why.
    from mushroom_assets.definitions import build_definitions

    return build_definitions()


def test_every_noun_of_the_domain_stands_in_the_timetable() -> None:
    versioned = {module for module in modules(domain) if hasattr(module, "VERSION")}
    assert versioned == {slot.noun for slot in TIMETABLE.values()}


def test_every_asset_of_the_timetable_is_a_table_of_the_schema() -> None:
    assert set(TIMETABLE) == set(ASSETS) - set(SOURCES)


def test_every_asset_has_its_page() -> None:
    assert set(pages()) == set(ASSETS)


@pytest.mark.parametrize("asset", TIMETABLE)
def test_every_noun_has_its_module_in_every_room(asset: str) -> None:
    name = name_of(TIMETABLE[asset])
    rooms = (*ROOMS, "checks") if asset in PARTITIONED else ROOMS
    assert [room for room in rooms if not (ROOT / room / f"{name}.py").exists()] == []


def test_every_asset_with_partitions_can_be_compared_by_mushroom_diff() -> None:
    # Not at the top, as in `defs`
    from mushroom_assets.assets.beside import METHODS

    assert set(METHODS) == set(PARTITIONED)


def rules() -> list[Rule]:
    """Every rule that a module of the checks declares."""
    found: list[Rule] = []
    for module in modules(checks):
        found += getattr(module, "RULES", ())
    return found


@pytest.mark.parametrize("part", ["holds", "fault", "remedy"])
def test_every_rule_has_its_words(part: str) -> None:
    keys = {f"{rule.table.name}.{rule.name}.{part}" for rule in rules()}
    assert keys - texts().keys() == set()


def test_every_asset_of_the_timetable_is_in_the_definitions(defs: dg.Definitions) -> None:
    made = defs.resolve_asset_graph().materializable_asset_keys
    assert {key.to_user_string() for key in made} == set(TIMETABLE)


def test_every_rule_is_in_the_definitions(defs: dg.Definitions) -> None:
    declared = {(rule.table.name, rule.name) for rule in rules()}
    standing = {(asset, STANDING) for asset in PARTITIONED}
    loaded = defs.resolve_asset_graph().asset_check_keys
    found = {(key.asset_key.to_user_string(), key.name) for key in loaded}
    standing.add(("daily_room_report", "this_morning"))
    standing.add(("daily_clip_inference", "pictures_familiar"))
    assert found == declared | standing | FEEDS
    assert {asset for asset, _ in declared} == set(PARTITIONED)
