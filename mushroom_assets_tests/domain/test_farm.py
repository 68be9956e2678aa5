"""The farm file: what a small one takes from the reference, and mistakes by line and key."""

import datetime as dt
import re

import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import FarmFileError, parse_farm, reference_farm_text

SMALL = "timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {A: {}}\n"  # three lines


def mistakes(text: str) -> str:
    with pytest.raises(FarmFileError) as caught:
        parse_farm(text, source="plant.yaml")
    return str(caught.value)


def test_three_keys_are_enough_and_the_rest_is_the_reference() -> None:
    reference, small = parse_farm(reference_farm_text()), parse_farm(SMALL)
    assert list(small.rooms) == ["A"]
    assert (small.timezone, small.first_day) == ("Asia/Shanghai", dt.date(2026, 1, 1))
    own = {"timezone", "first_day", "rooms"}
    assert small.model_dump(exclude=own) == reference.model_dump(exclude=own)
    assert (small.max_hold_s, small.cycle_days, small.language) == (300, 27, "en")


def test_the_reference_farm_is_the_plant_of_the_contract() -> None:
    farm = parse_farm(reference_farm_text())
    assert list(farm.rooms) == ["607", "608", "611", "612"]
    assert farm.folder("607") == "7"
    assert farm.folder("611") == "611"
    assert farm.units() == {
        "temperature": "°C",
        "humidity": "%",
        "co2": "ppm",
        "vpd": "kPa",
        "dew_point": "°C",
    }
    assert farm.points["air_cooler"]["temp_set"].threshold == 0.1
    assert farm.points["fresh_air_fan"]["co2_on"].threshold == 1  # ppm: setpoints do not jitter
    assert farm.quantities["co2"].plausible == (150, 50000)
    assert {"on", "off"} <= farm.points["fresh_air_fan"].keys()


@pytest.mark.parametrize("key", ["timezone", "first_day", "rooms"])
def test_a_required_key_is_missed_by_its_name(key: str) -> None:
    text = "".join(line for line in SMALL.splitlines(keepends=True) if not line.startswith(key))
    message = mistakes(text)
    assert message.startswith("plant.yaml cannot be used:")
    assert re.search(rf"^  {key}: .*required", message, re.MULTILINE)


@pytest.mark.parametrize(
    ("addition", "line", "key", "reason"),
    [
        (
            "points:\n  cooler:\n    set:\n      change_type: analog_value\n      threshold: 0\n",
            8,
            "points.cooler.set.threshold",
            "greater than 0",
        ),
        (
            "points:\n  cooler:\n    set: {change_type: analogue}\n",
            6,
            "points.cooler.set.change_type",
            "analog_value",
        ),
        ("cycle_dyas: 30\n", 4, "cycle_dyas", "not permitted"),
        ("cycle_days: 0\n", 4, "cycle_days", "greater than 0"),
        ("language: fr\n", 4, "language", "'en' or 'zh'"),
        ("report: {min_coverage: 70}\n", 4, "report.min_coverage", "less than or equal to 1"),
        (
            "quantities:\n  co2: {device_type: e, point_alias: c, unit: ppm, plausible: [9, 1]}\n",
            5,
            "quantities.co2.plausible",
            "must not exceed",
        ),
        (
            "stages:\n  - {name: one, days: [1, 8]}\n  - {name: two, days: [8, 27]}\n",
            4,
            "stages",
            "growth day 8 belongs to two stages",
        ),
        (
            "stages:\n  - {name: one, days: [1, 8], bands: {co3: [1, 2]}}\n",
            4,
            "stages",
            "no quantity named 'co3'",
        ),
        ("stages:\n  - {name: one, days: [8, 1]}\n", 5, "stages.0.days", "must not exceed"),
        (
            "stages:\n  - {name: one, days: [1, 8]}\n"
            "  - {name: two, days: [9, 27], bands: {co2: [3, 2]}}\n",
            6,
            "stages.1.bands",
            "must not exceed",
        ),
        (
            "quantities:\n  vpd: {device_type: e, point_alias: v, unit: kPa}\n",
            4,
            "quantities",
            "'vpd' is derived",
        ),
    ],
    ids=lambda part: part.split(":")[0] if isinstance(part, str) else str(part),
)
def test_a_mistake_is_named_by_line_and_key(
    addition: str, line: int, key: str, reason: str
) -> None:
    message = mistakes(SMALL + addition)
    (found,) = (text for text in message.splitlines()[1:] if reason in text)
    assert found.startswith(f"  line {line}, {key}: ")


def test_an_unknown_time_zone_is_named_with_an_example_of_a_known_one() -> None:
    message = mistakes(SMALL.replace("Asia/Shanghai", "Asia/Peking"))
    assert "  line 1, timezone: unknown time zone 'Asia/Peking'" in message
    assert "Asia/Shanghai" in message


@pytest.mark.parametrize(
    "rooms", ["{'607': {folder: '7'}, '7': {}}", "{A: {folder: x}, B: {folder: x}}"]
)
def test_two_rooms_cannot_share_a_folder(rooms: str) -> None:
    folder = "x" if "x" in rooms else "7"
    message = mistakes(SMALL.replace("{A: {}}", rooms))
    assert f"  line 3, rooms: two rooms share the image folder '{folder}'" in message


def test_every_mistake_of_a_file_is_named_at_once() -> None:
    message = mistakes("timezone: nowhere\nfirst_day: soon\nrooms: {}\nextra: 1\n")
    starts = [line.split(":")[0] for line in message.splitlines()[1:]]
    assert sorted(starts) == [
        "  line 1, timezone",
        "  line 2, first_day",
        "  line 3, rooms",
        "  line 4, extra",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rooms: [1", "is not valid YAML"),
        ("", "must be a mapping"),
        ("- a\n- b\n", "must be a mapping"),
    ],
    ids=["torn", "empty", "list"],
)
def test_what_is_no_mapping_is_said_to_be_none(text: str, reason: str) -> None:
    assert f"plant.yaml {reason}" in mistakes(text)


def farm(addition: str = "", rooms: str = "{A: {}}") -> Farm:
    return parse_farm(SMALL.replace("{A: {}}", rooms) + addition)


def test_room_ids_are_text_also_where_yaml_reads_numbers() -> None:
    found = farm(rooms="{607: {folder: 7}, 611: }")
    assert list(found.rooms) == ["607", "611"]
    assert (found.folder("607"), found.folder("611")) == ("7", "611")


def test_unquoted_on_and_off_are_words_as_keys_and_as_labels() -> None:
    found = farm(
        "points:\n  fan:\n"
        "    on: {change_type: analog_value, threshold: 1}\n"
        "    off: {change_type: analog_value, threshold: 1}\n"
        "    power: {change_type: digital_on_off, labels: {0: off, 1: on}}\n"
    )
    assert list(found.points["fan"]) == ["on", "off", "power"]
    assert found.points["fan"]["power"].labels == {0: "off", 1: "on"}


def test_a_mistake_under_an_unquoted_on_is_found_too() -> None:
    message = mistakes(SMALL + "points:\n  fan:\n    on: {change_type: analogue}\n")
    assert "  line 6, points.fan.on.change_type: " in message


@pytest.mark.parametrize(("language", "said"), [("en", "on"), ("zh", "开")])
def test_a_text_is_said_in_the_farms_language(language: str, said: str) -> None:
    found = farm(f"language: {language}\n")
    assert found.say({"en": "on", "zh": "开"}) == said
    assert found.say("plain") == "plain"
    assert found.say(None) is None


def test_a_text_in_the_other_language_alone_is_better_than_none() -> None:
    assert farm("language: zh\n").say({"en": "on"}) == "on"
    assert farm().say({"zh": "开"}) == "开"


def test_every_watched_device_of_the_reference_has_a_name_in_both_languages() -> None:
    reference = farm()
    assert set(reference.points) <= set(reference.devices)
    assert {tuple(name) for name in reference.devices.values()} == {("en", "zh")}


def test_a_stage_holds_for_its_days_both_included() -> None:
    found = farm(
        "stages:\n  - {name: one, days: [2, 3], bands: {co2: [1, 2]}}\n"
        "  - {name: two, days: [4, 4]}\n"
    )
    assert [getattr(found.stage(day), "name", None) for day in (None, 1, 2, 3, 4, 5)] == [
        None,
        None,
        "one",
        "one",
        "two",
        None,
    ]
    assert [found.band("co2", day) for day in (None, 1, 2, 3, 4)] == [
        None,
        None,
        (1, 2),
        (1, 2),
        None,
    ]
    assert found.band("temperature", 2) is None


def test_own_quantities_come_without_the_bands_of_the_references() -> None:
    found = farm("quantities: {light: {device_type: lamp, point_alias: lux, unit: lx}}\n")
    assert found.stages == []
    assert found.units() == {"light": "lx"}  # nothing is derived without temperature and humidity


def test_a_template_needs_a_place_for_the_prompt() -> None:
    reference = reference_farm_text()
    message = mistakes(reference.replace('"a photo of {}"', '"a photo"'))
    line = next(
        n for n, text in enumerate(reference.splitlines(), 1) if text.startswith("  templates:")
    )
    assert re.search(rf"line {line}, vision\.templates: a template needs {{}}", message)


OWN_CONDITIONS = """vision:
  unknown_margin: 0.1
  templates: ["{}"]
  stages: {young: {prompts: [young]}, old: {prompts: [old]}}
  conditions: {normal: {prompts: [normal]}, mould: {prompts: [mould]}}
"""


@pytest.mark.parametrize(
    ("addition", "line", "missed"),
    [("", 4, "healthy"), ("  sound: well\n", 9, "well")],
    ids=["left out", "mistyped"],
)
def test_the_sound_condition_is_one_of_the_farms(addition: str, line: int, missed: str) -> None:
    message = mistakes(SMALL + OWN_CONDITIONS + addition)
    assert message.splitlines()[1:] == [
        f"  line {line}, vision.sound: no condition is named {missed!r}; write `sound:` with the "
        "condition that means nothing is wrong, one of normal, mould"
    ]


def test_the_sound_condition_is_healthy_unless_the_farm_has_another() -> None:
    assert farm().vision.sound == "healthy"
    assert farm(OWN_CONDITIONS + "  sound: normal\n").vision.sound == "normal"


def test_conditions_that_are_mistaken_themselves_are_told_once() -> None:
    wrong = OWN_CONDITIONS.replace(", mould: {prompts: [mould]}", "")
    (told,) = mistakes(SMALL + wrong).splitlines()[1:]
    assert told.startswith("  line 8, vision.conditions: ")


@pytest.mark.parametrize("name", ["samples_days", "image_rows_days", "events_days"])
def test_what_is_still_looked_back_at_is_kept(name: str) -> None:
    told = mistakes(f"{SMALL}cycle_days: 30\nkeep: {{{name}: 64}}\n")
    assert f"line 5, keep: {name}: at least 65 days are needed" in told
    farm = parse_farm(f"{SMALL}cycle_days: 30\nkeep: {{{name}: 65}}\n")
    assert {each: days for each, days in farm.keep if days is not None} == {name: 65}
    assert not any(days for _, days in parse_farm(SMALL).keep)
