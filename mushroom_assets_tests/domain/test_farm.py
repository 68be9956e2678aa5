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
        ("cycle_dyas: 30\n", 4, "cycle_dyas", "unknown key; did you mean cycle_days?"),
        ("xyz: 30\n", 4, "xyz", "unknown key; known are timezone, first_day, language, "),
        (
            "points:\n  cooler:\n    set: {change_type: enum_state, treshold: 1}\n",
            6,
            "points.cooler.set.treshold",
            "unknown key; did you mean threshold?",
        ),
        ("keep: {sample_days: 99}\n", 4, "keep.sample_days", "did you mean samples_days?"),
        (
            "stages:\n  - {name: one, days: [1, 8], band: {}}\n",
            5,
            "stages.0.band",
            "unknown key; did you mean bands?",
        ),
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
    ("zone", "first_day", "told"),
    [
        ("Australia/Lord_Howe", "2026-01-01", "by -30 minutes on 2026-04-05"),
        ("Asia/Pyongyang", "2017-01-01", "by +30 minutes on 2018-05-05"),
        ("Asia/Pyongyang", "2018-05-06", ""),
        ("America/Caracas", "2016-05-01", "by +30 minutes on 2016-05-01"),
        ("America/Caracas", "2016-05-02", ""),
        ("Pacific/Apia", "2011-01-01", "skips or repeats a whole day on 2011-12-31"),
        ("Pacific/Apia", "2011-12-31", ""),
        ("Antarctica/Troll", "2020-01-01", ""),  # by two hours
        ("Asia/Kathmandu", "2020-01-01", ""),  # 5:45, for ever
        ("Africa/Casablanca", "2019-01-01", ""),  # for each Ramadan
    ],
)
def test_a_zone_needs_hours_and_days_that_a_clock_can_tell_apart(
    zone: str, first_day: str, told: str
) -> None:
    text = SMALL.replace("Asia/Shanghai", zone).replace("2026-01-01", first_day)
    if told:
        assert f"  line 1, timezone: the clock of {zone} " in mistakes(text)
        assert told in mistakes(text)
    else:
        assert parse_farm(text).timezone == zone


def test_a_first_day_that_the_zone_skipped_is_refused() -> None:
    text = SMALL.replace("Asia/Shanghai", "Pacific/Apia").replace("2026-01-01", "2011-12-30")
    assert "  line 2, first_day: Pacific/Apia has no 2011-12-30, " in mistakes(text)


@pytest.mark.parametrize(
    "written", ["10.10.2026", "20261010", "1767225600", "2026-13-01", "2026-01", "soon", "[]", ""]
)
def test_a_first_day_that_is_none_is_told_with_an_example(written: str) -> None:
    message = mistakes(SMALL.replace("2026-01-01", written))
    assert "  line 2, first_day: " in message
    assert "is no day; write it as year-month-day, such as 2026-01-31" in message


def test_a_first_day_needs_no_zeros() -> None:
    assert parse_farm(SMALL.replace("2026-01-01", "2026-1-2")).first_day == dt.date(2026, 1, 2)


@pytest.mark.parametrize(
    "rooms", ["{'607': {folder: '7'}, '7': {}}", "{A: {folder: x}, B: {folder: x}}"]
)
def test_two_rooms_cannot_share_a_folder(rooms: str) -> None:
    folder = "x" if "x" in rooms else "7"
    message = mistakes(SMALL.replace("{A: {}}", rooms))
    assert f"  line 3, rooms: two rooms share the image folder '{folder}'" in message


@pytest.mark.parametrize(
    ("rooms", "told"),
    [
        ('{"": {}}', "rooms: '' is empty or has blanks around it"),
        ('{" 611": {}}', "rooms: ' 611' is empty or has blanks around it"),
        ('{A: {folder: ".."}}', "rooms: A: '..' names no folder in the image store"),
        ('{A: {folder: "a/"}}', "rooms: A: 'a/' names no folder in the image store"),
        ('{A: {folder: "a/../b"}}', "rooms: A: 'a/../b' names no folder in the image store"),
    ],
)
def test_rooms_and_folders_have_names_that_can_be_found(rooms: str, told: str) -> None:
    assert f"  line 3, {told}" in mistakes(SMALL.replace("{A: {}}", rooms))


@pytest.mark.parametrize(
    ("was", "written", "told"),
    [
        ("2026-01-01", "9999-12-31", "line 2, first_day: Input should be less than"),
        ("2026-01-01", "0001-01-01", "line 2, first_day: Input should be greater than"),
        ("Asia/Shanghai", "localtime", "unknown time zone 'localtime'"),
        ("Asia/Shanghai", "Factory", "unknown time zone 'Factory'"),
    ],
)
def test_a_day_or_a_zone_that_no_farm_has_is_refused(was: str, written: str, told: str) -> None:
    assert told in mistakes(SMALL.replace(was, written))


@pytest.mark.parametrize("number", ["nan", "inf", ".nan"])
def test_what_is_no_number_is_none(number: str) -> None:
    added = f"max_hold_s: 99999999999\nreport: {{min_coverage: {number}}}\n"
    message = mistakes(SMALL + added)
    assert "max_hold_s: Input should be less than or equal to" in message
    assert "report.min_coverage: Input should be a " in message


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


@pytest.mark.parametrize(
    "name",
    "07 010 012 08 1_0 0x1F 0o17 12:30 6.10 1e3 on off yes no true null ~ 2026-01-01 .inf".split(),
)
def test_names_are_texts_as_they_are_written(name: str) -> None:
    value = f'"{name}"' if name in ("null", "~") else name  # which is nothing where a value stands
    found = farm(
        "quantities:\n"
        f"  {name}: {{device_type: {value}, point_alias: {value}, unit: {value}, "
        f"setpoints: {{{name}: [{value}]}}}}\n"
        "points:\n"
        f"  {name}:\n"
        f"    {name}: {{change_type: enum_state, description: {value}, labels: {{0: {value}}}}}\n"
        f"devices: {{{name}: {value}}}\n"
        "stages:\n"
        f"  - {{name: one, days: [1, 2], bands: {{{name}: [1, 2]}}}}\n",
        rooms=f"{{{name}: {{folder: {name}x}}, {name}y: }}",
    )
    assert list(found.rooms) == [name, f"{name}y"]
    assert [found.folder(room) for room in found.rooms] == [f"{name}x", f"{name}y"]
    measured = found.quantities[name]
    assert (measured.device_type, measured.point_alias, measured.unit) == (name, name, name)
    assert measured.setpoints == {name: [name]}
    watched = found.points[name][name]
    assert (watched.description, watched.labels, found.devices) == (name, {0: name}, {name: name})
    assert found.band(name, 1) == (1, 2)


def test_an_unquoted_null_is_nothing_where_a_value_stands() -> None:
    found = farm("points: {null: {~: {change_type: enum_state, unit: null}}}\n")
    assert found.points["null"]["~"].unit is None
    assert "line 4, devices.a.str: " in mistakes(SMALL + "devices: {a: null}\n")


def test_rooms_with_leading_zeros_have_folders_with_them() -> None:
    found = farm(rooms="{01: {}, 07: {folder: 07}, 08: {}, 010: {folder: 0010}, 8: {}}")
    folders = {room: found.folder(room) for room in found.rooms}
    assert folders == {"01": "01", "07": "07", "08": "08", "010": "0010", "8": "8"}


def test_numbers_are_numbers_still() -> None:
    found = farm(
        "cycle_days: 30\nmax_hold_s: 1_000\n"
        "quantities:\n"
        "  co2: {device_type: e, point_alias: c, unit: ppm, plausible: [-1e3, .5], spike: 1.5}\n"
        "points: {fan: {on: {change_type: analog_value, threshold: 0.1, labels: {0: off}}}}\n"
        "keep: {samples_days: 90, events_days: null}\n"
    )
    assert (found.cycle_days, found.max_hold_s) == (30, 1000)
    assert found.quantities["co2"].plausible == (-1000.0, 0.5)
    assert found.quantities["co2"].spike == 1.5
    assert found.points["fan"]["on"].threshold == 0.1
    assert found.points["fan"]["on"].labels == {0: "off"}
    assert (found.keep.samples_days, found.keep.events_days) == (90, None)
    told = mistakes(f"{SMALL}cycle_days: 0x10\nmax_hold_s: 5 min\n")
    assert told.count("valid integer") == 2


def test_anchors_and_merges_are_followed_and_are_no_doubled_keys() -> None:
    found = farm(
        "points:\n"
        "  a: &a\n"
        "    x: &x {change_type: digital_on_off, labels: {0: off, 1: on}}\n"
        "  b:\n"
        "    <<: *a\n"
        "    y: {<<: *x, labels: {0: no}}\n"
        "  c: *a\n"
    )
    labels = {0: "off", 1: "on"}
    assert found.points["b"]["x"].labels == labels
    assert found.points["b"]["y"].labels == {0: "no"}
    assert found.points["c"] == found.points["a"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            SMALL.replace("{A: {}}", '\n  607: {folder: 7}\n  611: {}\n  "607": {}'),
            ["line 6, rooms.607: stands twice, first in line 4"],
        ),
        (SMALL + "rooms: {B: {}}\n", ["line 4, rooms: stands twice, first in line 3"]),
        (
            f"{SMALL}points:\n  fan:\n    on: {{threshold: 1, threshold: 2}}\n    on: {{}}\n",
            [
                "line 6, points.fan.on.threshold: stands twice, first in line 6",
                "line 7, points.fan.on: stands twice, first in line 6",
            ],
        ),
        (
            f"{SMALL}stages:\n  - {{name: a,\n     bands: {{t: [1, 2], t: [2, 3]}}}}\n",
            ["line 6, stages.0.bands.t: stands twice, first in line 6"],
        ),
    ],
    ids=["rooms", "top", "several", "list"],
)
def test_a_key_that_stands_twice_is_named_with_both_lines(text: str, told: list[str]) -> None:
    expected = [f"  {line}; keep one" for line in told]
    assert sorted(mistakes(text).splitlines()[1:]) == expected


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
