"""The daily verdict at its exact thresholds, what it may be built on, and what followed a move."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mushroom_assets.domain.marks import mark
from mushroom_assets.domain.report import effects
from mushroom_assets.domain.verdict import reason_text
from mushroom_assets.domain.windows import to_us
from mushroom_assets_tests.kit.room_days import (
    DAY,
    RANDOM,
    RENDERS,
    change,
    codes,
    farm,
    image,
    stats,
    write,
)


def test_a_flawless_day_is_good_without_any_reason() -> None:
    row = write()
    assert (row["stat_date"], row["room_id"], row["verdict"], row["reasons"]) == (
        DAY,
        "611",
        "good",
        [],
    )
    assert "every quantity within its band for at least 90% of the known time" in row["summary_md"]


def test_a_quantity_without_samples_is_insufficient_data() -> None:
    none = {
        "sample_count": 0,
        "coverage": 0.0,
        "in_range": None,
        "mean": None,
        "min": None,
        "max": None,
    }
    row = write(stats(temperature=none))
    assert codes(row) == [("insufficient_data", "no_samples")]
    assert "| temperature | – | – | – | – | 0% |" in row["summary_md"]


@pytest.mark.parametrize(
    ("in_range", "verdict"),
    [(0.9, "good"), (0.8999, "watch"), (0.6, "watch"), (0.5999, "act"), (0.0, "act")],
)
def test_the_share_in_range_decides_at_its_thresholds(in_range: float, verdict: str) -> None:
    row = write(stats(co2={"in_range": in_range}))
    assert row["verdict"] == verdict
    assert codes(row) == ([] if verdict == "good" else [(verdict, "in_range")])
    if verdict != "good":
        (reason,) = row["reasons"]
        assert (reason["quantity"], reason["share"], reason["low"], reason["high"]) == (
            "co2",
            in_range,
            1500,
            3800,
        )


@pytest.mark.parametrize(("coverage", "verdict"), [(0.7, "good"), (0.6999, "insufficient_data")])
def test_below_70_percent_coverage_there_is_no_verdict(coverage: float, verdict: str) -> None:
    row = write(stats(humidity={"coverage": coverage}))
    assert row["verdict"] == verdict


def test_what_is_hardly_known_is_not_called_out_of_range() -> None:
    row = write(stats(humidity={"coverage": 0.5, "in_range": 0.1}))
    assert codes(row) == [("insufficient_data", "coverage")]


def test_a_quantity_without_a_target_weakens_the_day_but_does_not_void_it() -> None:
    untargeted = farm(
        addition="stages: [{name: all, days: [1, 27], bands: {temperature: [17, 19]}}]"
    )
    free = {"in_range": None}
    assert write(stats(humidity=free, co2=free), of=untargeted)["verdict"] == "good"
    lost = write(stats(humidity=free | {"coverage": 0.2}, co2=free | {"mean": None}), of=untargeted)
    assert codes(lost) == [("watch", "coverage"), ("watch", "no_samples")]


def test_a_derived_quantity_counts_only_where_it_has_a_band() -> None:
    poor = {"coverage": 0.1, "suspect_count": 1440}
    assert write(stats(vpd=poor))["verdict"] == "good"
    bands = "{vpd: [0.1, 0.3], temperature: [17, 19]}"
    banded = farm(addition=f"stages: [{{name: all, days: [1, 27], bands: {bands}}}]")
    row = write(stats(vpd={"in_range": 0.5}), of=banded)
    assert codes(row) == [("act", "in_range")]


def test_a_band_set_after_the_statistics_were_made_judges_nothing() -> None:
    row = write(stats(temperature={"in_range": None}))
    assert row["verdict"] == "good"  # by humidity and CO2
    none_left = {name: {"in_range": None} for name in ("temperature", "humidity", "co2")}
    assert codes(write(stats(**none_left))) == [("insufficient_data", "no_target")]


def test_a_day_without_any_target_is_insufficient_data_and_says_why() -> None:
    unknown = {"growth_day": None, "is_growth_phase": None, "in_range": None}
    row = write([row | unknown for row in stats()])
    assert codes(row) == [("insufficient_data", "no_target")]
    assert "no batch known" in row["reasons"][0]["text"]


@pytest.mark.parametrize(
    ("growth_day", "is_growth_phase", "why"),
    [(1, True, "day of intake: not judged by bands"), (28, False, "the batch is over")],
)
def test_the_day_of_intake_and_an_empty_room_are_not_judged_by_bands(
    growth_day: int, is_growth_phase: bool, why: str
) -> None:
    cold = {"in_range": 0.1, "out_integral": 500.0}
    age = {"growth_day": growth_day, "is_growth_phase": is_growth_phase}
    rows = [row | age for row in stats(temperature=cold)]
    bare = [image("empty_room")] * 24
    row = write(rows, images=bare)
    assert (row["verdict"], row["reasons"]) == ("good", [])
    assert why in row["summary_md"]
    assert "every quantity within its band" not in row["summary_md"]
    # A sensor that is silent is told, and so is mould on the bags
    silent = [row | age for row in stats(co2={"mean": None, "coverage": 0.0})]
    found = codes(write(silent, images=[image("green_mould")] * 24))
    assert found == [("act", "condition"), ("watch", "no_samples")]


def test_a_room_day_without_statistics_at_all_is_insufficient_data() -> None:
    row = write([])
    assert (row["verdict"], codes(row)) == (
        "insufficient_data",
        [("insufficient_data", "no_target")],
    )


@pytest.mark.parametrize(("suspect", "verdict"), [(144, "good"), (145, "watch")])
def test_more_than_a_tenth_of_suspect_samples_is_to_be_watched(suspect: int, verdict: str) -> None:
    row = write(stats(co2={"suspect_count": suspect}))
    assert row["verdict"] == verdict
    if verdict == "watch":
        assert (
            row["reasons"][0]["text"]
            == "11% of the CO2 samples are implausible, or look like spikes or a stuck sensor"
        )


def test_the_worst_reason_comes_first_and_decides() -> None:
    row = write(
        stats(temperature={"in_range": 0.8}, humidity={"in_range": 0.1}, co2={"coverage": 0.1})
    )
    assert [severity for severity, _ in codes(row)] == ["act", "insufficient_data", "watch"]
    assert row["verdict"] == "act"  # what is known to be wrong is said whatever else is unknown
    unknown = write(stats(temperature={"in_range": 0.8}, co2={"coverage": 0.1}))
    assert unknown["verdict"] == "insufficient_data"
    assert (
        write(stats(temperature={"in_range": 0.8}, humidity={"in_range": 0.1}))["verdict"] == "act"
    )


@pytest.mark.parametrize(("sick", "verdict"), [(12, "good"), (13, "watch")])
def test_more_than_a_quarter_of_images_with_one_condition_is_to_be_watched(
    sick: int, verdict: str
) -> None:
    row = write(images=[image("blotch")] * sick + [image()] * (48 - sick))
    assert row["verdict"] == verdict
    if verdict == "watch":
        assert row["reasons"][0]["text"] == "28% of the images show bacterial blotch"


@pytest.mark.parametrize(
    ("condition", "sick", "before", "verdict"),
    [
        ("blotch", 24, 0.0, "watch"),  # half of them, and contagious
        ("blotch", 25, 0.0, "act"),
        ("blotch", 13, 0.25, "watch"),
        ("blotch", 13, 0.26, "act"),  # on two days running
        ("blotch", 12, 1.0, "good"),
        ("long_stems", 48, 1.0, "watch"),  # which does not spread
    ],
)
def test_a_contagious_condition_on_most_images_or_on_two_days_running_is_to_be_acted_on(
    condition: str, sick: int, before: float, verdict: str
) -> None:
    seen = [image(condition)] * sick + [image()] * (48 - sick)
    assert write(images=seen, conditions_before={condition: before})["verdict"] == verdict


@pytest.mark.parametrize(
    ("hours", "kelvin", "verdict"),
    [
        (7.2, 10.5, "act"),  # at 30 °C, where the band of 2.5 K ends at 19.5
        (1.4, 10.5, "watch"),
        (1.5, 10.5, "act"),  # 6.3 widths times hours
        (0.2, 10.5, "good"),
        (5, 0.5, "good"),  # an hour at one width outside
        (6, 0.5, "watch"),
    ],
)
def test_how_far_and_how_long_a_room_was_outside_its_band_decides(
    hours: float, kelvin: float, verdict: str
) -> None:
    out = {"in_range": 0.91, "above": 0.09, "longest_out_s": 3600 * hours}
    row = write(stats(temperature=out | {"out_integral": kelvin * hours}))
    assert row["verdict"] == verdict


def test_the_reason_says_on_which_side_and_how_long() -> None:
    out = {"in_range": 0.7, "below": 0.0, "above": 0.3, "longest_out_s": 25_920.0}
    row = write(stats(temperature=out | {"out_integral": 75.6}))
    (reason,) = row["reasons"]
    assert reason["text"] == (
        "temperature in its band of 17 to 19.5 °C for 70% of the known time "
        "(30% above, longest 7 h 12 min)"
    )
    assert (reason["severity"], reason["out_integral"]) == ("act", 75.6)


def test_what_was_felt_outside_counts_although_little_is_known() -> None:
    cooked = {"coverage": 0.3, "in_range": 0.0, "above": 1.0, "longest_out_s": 25_920.0}
    row = write(stats(temperature=cooked | {"out_integral": 75.6}))
    assert codes(row) == [("act", "in_range"), ("insufficient_data", "coverage")]


def test_rejected_samples_are_doubtful_too() -> None:
    half = {"sample_count": 1440, "rejected_count": 1440}  # a dead sensor beside a live one
    row = write(stats(humidity=half))
    assert codes(row) == [("watch", "suspect")]
    assert row["reasons"][0]["share"] == 0.5


def test_the_card_says_how_wet_how_steep_and_how_far_apart_sensors_were() -> None:
    moved = {"steepest_rise": 1.25, "steepest_fall": 0.3, "spread": 0.44}
    summary = write(stats(temperature=moved, humidity={"wet_hours": 3.2}))["summary_md"]
    assert "Wet for 3 h 12 min (humidity of 97 % or more" in summary
    assert "Steepest in an hour: temperature +1.2 −0.3 °C" in summary
    assert "Sensors differ on average by temperature 0.4 °C" in summary
    plain = write()["summary_md"]
    assert "Wet" not in plain and "Steepest" not in plain and "differ" not in plain


# A farm with conditions of its own, of which `normal` means that nothing is wrong
OWN_CONDITIONS = """
vision:
  unknown_margin: 0.1
  templates: ["{}"]
  stages: {young: {prompts: [young]}, old: {prompts: [old]}}
  conditions: {normal: {prompts: [normal]}, mould: {prompts: [mould]}}
  sound: normal
"""


def test_the_farm_file_says_which_condition_is_sound() -> None:
    own = farm(addition=OWN_CONDITIONS)
    sound = write(images=[image("normal")] * 48, of=own)
    assert (sound["verdict"], sound["reasons"]) == ("good", [])
    sick = write(images=[image("mould")] * 13 + [image("normal")] * 35, of=own)
    assert codes(sick) == [("watch", "condition")]
    assert sick["reasons"][0]["text"] == "28% of the images show mould"
    renamed = farm(addition=OWN_CONDITIONS.replace("sound: normal", "sound: mould"))
    assert codes(write(images=[image("normal")] * 48, of=renamed)) == [("watch", "condition")]


def test_images_that_nobody_can_name_are_no_condition() -> None:
    assert write(images=[image("unknown")] * 48)["verdict"] == "good"


def test_a_model_of_drawings_does_not_judge_pictures_that_it_does_not_know() -> None:
    known = image("blotch", familiarity=0.4)
    foreign = image("unknown", "unknown", familiarity=0.01)
    assert write(images=[known] * 4 + [foreign] * 5, model_id=RENDERS)["verdict"] == "good"
    half = write(images=[known] * 5 + [foreign] * 5, model_id=RENDERS)
    assert codes(half) == [("watch", "condition")]


def test_drawings_without_a_word_on_familiarity_judge_nothing() -> None:
    assert write(images=[image("blotch")] * 48, model_id=RENDERS)["verdict"] == "good"


def test_other_weights_judge_whether_or_not_they_say_what_they_learned() -> None:
    assert write(images=[image("blotch")] * 48)["verdict"] == "act"
    assert write(images=[image("blotch", familiarity=0.2)] * 48)["verdict"] == "act"


def test_the_share_of_a_condition_is_among_the_images_that_could_be_judged() -> None:
    broken = image(None, None, "unreadable")
    row = write(images=[broken] * 20 + [image("blotch")] * 2 + [image()] * 2)
    assert codes(row) == [("watch", "unreadable"), ("watch", "condition")]
    assert [reason["text"] for reason in row["reasons"]] == [
        "20 of 24 images could not be read",
        "50% of the images show bacterial blotch",
    ]


def test_unreadable_files_are_told_also_with_an_untrained_model() -> None:
    assert codes(write(images=[image(), image(None, None, "rejected")], model_id=RANDOM)) == [
        ("watch", "unreadable")
    ]


def test_a_few_unreadable_files_are_no_reason_to_worry() -> None:
    broken = image(None, None, "unreadable")
    assert write(images=[broken] * 1 + [image()] * 9)["verdict"] == "good"  # 10 % exactly
    assert codes(write(images=[broken] * 2 + [image()] * 17)) == [("watch", "unreadable")]


def test_what_followed_a_move_is_the_mean_of_an_hour_before_and_after() -> None:
    minutes = np.arange(-90, 90)
    at = to_us(change(0)["changed_at"]) + minutes * 60_000_000
    value = np.where(minutes < 0, 18.0, np.where(minutes < 30, 17.0, 16.0))
    series = mark(pd.DataFrame({"at": at, "value": value}), farm().quantities["temperature"], 300)
    moves: list[Any] = [change(0), change(70)]
    first, later = effects(moves, {"temperature": [series]}, farm())
    assert first["temperature"] == pytest.approx((18, 16.5))
    # 24 minutes are known after it: too few
    before, after = later["temperature"]
    assert before == pytest.approx((17 * 20 + 16 * 40) / 60)
    assert after is None


BAD_DAYS: list[dict[str, Any]] = [
    {"temperature": {"in_range": 0.5975, "above": 0.4025, "longest_out_s": 5400.0}},
    {"humidity": {"mean": None, "coverage": 0.0, "in_range": None, "sample_count": 0}},
    {"co2": {"coverage": 0.5}},
    {"co2": {"suspect_count": 200, "rejected_count": 1}},
]


@pytest.mark.parametrize("changed", BAD_DAYS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_reason_is_told_anew_in_another_language_as_that_would_have_stored_it(
    changed: dict[str, Any], language: str
) -> None:
    told = farm(language)
    for stored in ("en", "zh"):
        reasons = write(stats(**changed), of=farm(stored))["reasons"]
        expected = write(stats(**changed), of=told)["reasons"]
        assert [reason_text(reason, told) for reason in reasons] == [
            reason["text"] for reason in expected
        ]
        assert reasons


def test_a_reason_that_nobody_knows_any_more_is_told_as_it_was_stored() -> None:
    assert reason_text({"code": "gone", "text": "as stored"}, farm("zh")) == "as stored"
    assert reason_text({"code": "coverage", "text": "as stored"}, farm("zh")) == "as stored"
    assert reason_text({"text": "as stored"}, farm("zh")) == "as stored"


def test_a_condition_is_named_in_the_readers_language_however_it_was_stored() -> None:
    for stored in ("green_mould", "green mould", "绿霉"):
        reason = {"code": "condition", "condition": stored, "share": 0.96, "text": ""}
        assert reason_text(reason, farm("zh")) == "96% 的图像显示绿霉"
        assert reason_text(reason, farm("en")) == "96% of the images show green mould"
