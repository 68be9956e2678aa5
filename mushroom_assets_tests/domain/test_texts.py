"""What people are told: every text in both languages, no silent gap, names and numbers."""

import re
import subprocess
import sys
from importlib import resources
from typing import Any

import pytest
import yaml

from mushroom_assets.domain import environment, report
from mushroom_assets.domain.card import card
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import FarmFileError, parse_farm
from mushroom_assets.domain.report import RoomDay
from mushroom_assets.domain.texts import (
    LANGUAGES,
    at_least,
    at_most,
    decimals,
    duration_text,
    files,
    known_text,
    number_text,
    placeholders,
    quantity_name,
    say,
    share_text,
    texts,
    texts_of,
)
from mushroom_assets.domain.versions import code_version
from mushroom_assets_tests.kit.room_days import DAY, stat

FARM = "timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {A: {}}\n"
SENSOR = "device_type: sensor, point_alias: o2, unit: '%'"
CJK = re.compile("[\u4e00-\u9fff]")
# The same in both languages, on purpose
SAME = {
    "quantity.co2",
    "daily_env_stats.quantiles_in_order.holds",
    "page.day_before",
    "page.day_after",
    "page.range",
}
MARKS = {
    "by",
    "comma",
    "colon",
    "semicolon",
    "sentence_end",
    "sentence_gap",
    "unsure_label",
    "probe_fit",
    "outside",
    "alarm.act",
    "alarm.line",
}


def farm(addition: str = "", language: str = "en") -> Farm:
    return parse_farm(f"{FARM}language: {language}\n{addition}")


def with_oxygen(more: str = "", language: str = "en") -> Farm:
    return farm(f"quantities: {{o2: {{{SENSOR}{more}}}}}\n", language)


def test_a_text_is_said_in_the_farms_language_with_its_values() -> None:
    assert say("changes", farm(), count=3) == "Setpoint changes: 3"
    assert say("changes", farm(language="zh"), count=3) == "设定变更：3 次"
    assert say("in_band", farm(), share=0.934) == "93% in band"
    assert say("no_data", farm(), unneeded=1) == "no data"
    fault = say("hourly_setpoint_changes.values_chain.fault", farm())
    assert fault.startswith("changes that do not continue the one before (")


def test_an_unknown_text_is_an_error() -> None:
    with pytest.raises(KeyError, match="no_such_text"):
        say("no_such_text", farm())


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError, match="count"):
        say("changes", farm())


@pytest.mark.parametrize("key", texts())
def test_every_text_is_there_in_both_languages_with_the_same_places_for_values(key: str) -> None:
    text = texts()[key]
    assert tuple(text) == LANGUAGES == ("en", "zh")
    assert placeholders(text["en"]) == placeholders(text["zh"])
    assert not CJK.search(text["en"])
    assert CJK.search(text["zh"]) or key in MARKS or text["zh"] == text["en"]
    assert (text["zh"] == text["en"]) == (key in SAME)


@pytest.mark.parametrize("path", files(), ids="/".join)
def test_no_key_stands_twice_in_a_file(path: tuple[str, ...]) -> None:
    # YAML would take the last in silence
    source = resources.files("mushroom_assets").joinpath("metadata", *path)
    keys: list[str] = []

    def walk(node: yaml.Node | None, above: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                keys.append(f"{above}{name.value}")
                walk(value, f"{above}{name.value}.")

    walk(yaml.compose(source.read_text(encoding="utf-8")), "")
    assert len(keys) == len(set(keys)) > 5


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"a": {"en": "yes"}}, "'a' must have exactly the languages en, zh"),
        ({"a": {"en": "yes", "zh": "是", "de": "ja"}}, "'a' must have exactly the languages"),
        ({"a": "yes"}, "'a' must have exactly the languages"),
        ({"a": {"b": {"en": "yes", "zh": True}}}, "'a.b' must be text in every language"),
        ({"a": {"en": "{count}", "zh": "{counts}"}}, "'a' must have the same placeholders"),
        ({"a": {"en": "{count} {total}", "zh": "{count}"}}, "'a' must have the same placeholders"),
    ],
)
def test_a_text_that_not_every_farm_can_read_is_refused(
    document: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        dict(texts_of(document))


def test_nested_texts_have_dotted_keys() -> None:
    text = {"en": "{share:.0%} of {total}", "zh": "{total} 的 {share:.0%}"}
    with pytest.raises(ValueError, match=r"text 'a.False': YAML reads its key as no text"):
        dict(texts_of(yaml.safe_load("a: {off: {en: x, zh: x}}")))
    assert dict(texts_of({"a": {"b": {"c": text}}, "d": text})) == {"a.b.c": text, "d": text}


def test_texts_are_read_when_the_first_one_is_needed() -> None:
    code = "from mushroom_assets.domain import texts as t; print(t.texts.cache_info().currsize)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_the_farm_file_names_its_quantities_and_else_the_usual_name_is_used() -> None:
    named = ", text: {en: oxygen, zh: 氧气}"
    assert quantity_name("o2", with_oxygen()) == "o2"
    assert quantity_name("o2", with_oxygen(named)) == "oxygen"
    assert quantity_name("o2", with_oxygen(named, "zh")) == "氧气"
    assert quantity_name("vpd", farm(language="zh")) == "水汽压差"
    assert quantity_name("temperature", farm()) == "temperature"
    assert quantity_name("gone", farm()) == "gone"  # rows of a quantity that the farm file had


def test_the_farm_file_says_the_decimals_and_else_the_unit_does() -> None:
    assert decimals("o2", "%", with_oxygen()) == 1
    assert decimals("o2", "%", with_oxygen(", decimals: 3")) == 3
    assert decimals("o2", "%", with_oxygen(", decimals: 0")) == 0
    assert decimals("gone", "mbar", farm()) == 2
    with pytest.raises(FarmFileError, match=r"quantities\.o2\.decimals"):
        with_oxygen(", decimals: -1")


def test_a_report_shows_a_quantity_as_the_farm_file_says() -> None:
    of = with_oxygen(", text: oxygen, decimals: 2")
    row: Any = stat("humidity") | {"quantity": "o2", "mean": 20.946, "min": 20.0, "max": 21.0}
    summary = card(RoomDay("A", DAY, [row], [], [], None), of).parts["statistics"]
    assert "| oxygen | 20.95 % | 20.00 % | 21.00 % | 100% | 100% |" in summary


def test_a_report_depends_on_names_and_decimals_only_where_they_are_not_the_usual_ones() -> None:
    plain = with_oxygen()
    usual = with_oxygen(", text: o2, decimals: 1")
    others = [with_oxygen(", text: oxygen"), with_oxygen(", decimals: 2")]
    reports = {code_version(report, of) for of in (plain, usual, *others)}
    assert code_version(report, plain) == code_version(report, usual)
    assert len(reports) == 3
    statistics = {code_version(environment, of) for of in (plain, usual, *others)}
    assert len(statistics) == 1


def test_numbers_and_shares_in_words() -> None:
    assert number_text(18.456, 1) == "18.5"
    assert number_text(18.456, 1, "°C") == "18.5 °C"
    assert number_text(None, 1, "°C") == share_text(None) == "–"
    assert (share_text(0.624), share_text(0.9986), share_text(1.0)) == ("62%", "99%", "100%")
    assert (at_most(0.5975), at_most(0.29), at_least(0.271), at_least(0.28)) == (
        0.59, 0.29, 0.28, 0.28
    )  # fmt: skip
    assert (known_text(0.624, farm()), known_text(1.0, farm())) == ("62% known", "")
    assert known_text(0.9958, farm()) == "99% known"
    seconds = (30, 60, 3600, 25_920)
    told = [duration_text(second, farm()) for second in seconds]
    assert told == ["1 min", "1 min", "1 h 0 min", "7 h 12 min"]
