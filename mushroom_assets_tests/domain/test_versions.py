"""An edit of the farm file changes the versions of exactly the assets whose rows depend on it."""

import re

import pytest
import yaml

from mushroom_assets.automation.timetable import TIMETABLE
from mushroom_assets.domain import vision
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.domain.versions import code_version, relabelled

ENV, SETPOINTS, VISION = "daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference"
PROBE, REPORT = "clip_probe", "daily_room_report"
# Another noun has tests of its own beside its rows.
KNOWN = (ENV, SETPOINTS, VISION, PROBE, REPORT)
NOUNS = {asset: TIMETABLE[asset].noun for asset in KNOWN}
REFERENCE = yaml.safe_load(reference_farm_text())
# What is edited (path and new value), and whose rows that changes.
EDITS: list[tuple[str, object, set[str]]] = [
    ("timezone", "Europe/Brussels", {ENV, SETPOINTS, VISION, REPORT}),
    ("rooms.700", {}, {ENV, SETPOINTS, VISION, REPORT}),
    ("rooms.607.folder", "607", {VISION}),
    ("first_day", "2026-02-01", set()),
    ("cycle_days", 28, {ENV}),
    ("max_hold_s", 600, {ENV, REPORT}),
    ("pair_within_s", 60, {ENV}),
    ("language", "zh", {SETPOINTS, REPORT}),
    ("quantities.co2.plausible", [100, 50000], {ENV, VISION, REPORT}),
    ("quantities.co2.spike", 400, {ENV, REPORT}),
    ("stages.0.bands.temperature", [16, 20], {ENV, REPORT}),
    ("stages.0.days", [2, 4], {ENV, REPORT}),
    ("stages.0.name", "rest", {REPORT}),
    ("points.air_cooler.temp_set.threshold", 0.2, {SETPOINTS, REPORT}),
    ("points.air_cooler.temp_set.unit", "K", {REPORT}),
    ("devices.air_cooler.en", "cooler", {REPORT}),
    ("quantities.temperature.setpoints", {}, set()),  # drawn, in no row
    ("points.air_cooler.on_off.labels.0.en", "out", {SETPOINTS}),
    ("points.air_cooler.on_off.labels.0.zh", "停", set()),  # the farm speaks English
    ("points.air_cooler.on_off.description.en", "switch", {SETPOINTS}),
    ("report.act_below", 0.5, {REPORT}),
    ("vision.unknown_margin", 0.2, {VISION}),
    ("vision.templates", ["a picture of {}"], {VISION}),
    ("vision.stages.harvest.prompts", ["ripe mushrooms"], {VISION}),
    ("vision.stages.harvest.text.en", "picking", {REPORT}),
    ("vision.stages.resting", {"prompts": ["resting bags"]}, {VISION, PROBE, REPORT}),
    ("owners.growers", ["team:night-shift"], set()),
]


def edited(path: str, value: object) -> Farm:
    """The reference farm with another value at a place."""
    document = yaml.safe_load(reference_farm_text())
    *parents, last = [
        int(part) if part.isdigit() and len(part) == 1 else part for part in path.split(".")
    ]
    place = document
    for parent in parents:
        place = place[parent]
    place[last] = value
    return parse_farm(yaml.safe_dump(document, allow_unicode=True))


@pytest.mark.parametrize(("path", "value", "concerned"), EDITS, ids=[edit[0] for edit in EDITS])
def test_an_edit_concerns_the_assets_whose_rows_depend_on_it(
    farm: Farm, path: str, value: object, concerned: set[str]
) -> None:
    after = edited(path, value)
    assert {
        asset
        for asset, noun in NOUNS.items()
        if code_version(noun, farm) != code_version(noun, after)
    } == concerned


def test_the_order_of_the_file_is_no_edit(farm: Farm) -> None:
    backwards = {
        key: dict(reversed(value.items())) if isinstance(value, dict) and key != "vision" else value
        for key, value in reversed(REFERENCE.items())
    }
    again = parse_farm(yaml.safe_dump(backwards, allow_unicode=True, sort_keys=False))
    assert list(again.rooms) != list(farm.rooms)
    assert [code_version(noun, again) for noun in NOUNS.values()] == [
        code_version(noun, farm) for noun in NOUNS.values()
    ]


@pytest.mark.parametrize("asset", NOUNS)
def test_a_version_is_short_and_begins_with_that_of_the_code(
    farm: Farm, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noun = NOUNS[asset]
    before = code_version(noun, farm)
    assert re.fullmatch(r"\d+(-[0-9a-f]{6}){1,2}", before)
    monkeypatch.setattr(noun, "VERSION", 7)
    assert code_version(noun, farm) == "7" + before.removeprefix(before.partition("-")[0])


def test_new_labels_for_old_rows_change_the_labels_part_alone(farm: Farm) -> None:
    before, prompts = code_version(NOUNS[VISION], farm), edited("vision.templates", ["{}"])
    assert (
        relabelled(before, code_version(NOUNS[VISION], prompts))
        == code_version(NOUNS[VISION], prompts)
        != before
    )
    assert relabelled(before, code_version(NOUNS[VISION], farm)) == before
    moved = edited("rooms.607.folder", "607")  # new labels do not read images from another folder
    assert (
        relabelled(before, code_version(NOUNS[VISION], moved))
        == before
        != code_version(NOUNS[VISION], moved)
    )


def test_a_fourth_column_of_the_climate_would_make_images_stale(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load(reference_farm_text())
    document["quantities"]["o2"] = document["quantities"]["co2"] | {"point_alias": "o2"}
    with_oxygen = parse_farm(yaml.safe_dump(document, allow_unicode=True))
    assert code_version(vision, with_oxygen) == code_version(vision, farm)
    monkeypatch.setitem(vision.CLIMATE_COLUMNS, "o2", "co2_ppm")
    assert code_version(vision, with_oxygen) != code_version(vision, farm)
