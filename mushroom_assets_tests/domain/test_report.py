"""The daily verdict at its exact thresholds, what it may be built on, and what followed a move."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mushroom_assets.domain.marks import mark
from mushroom_assets.domain.report import effects
from mushroom_assets.domain.windows import to_us
from mushroom_assets_tests.kit.room_days import DAY, change, codes, farm, image, stats, write


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
    lost = write(
        stats(humidity=free | {"coverage": 0.2}, co2=free | {"sample_count": 0}), of=untargeted
    )
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


@pytest.mark.parametrize(
    ("growth_day", "text"), [(28, "growth day 28, batch of 2026-01-10"), (None, "no batch known")]
)
def test_a_day_without_any_target_is_insufficient_data_and_says_why(
    growth_day: int | None, text: str
) -> None:
    rows = [row | {"growth_day": growth_day, "in_range": None} for row in stats()]
    row = write(rows)
    assert codes(row) == [("insufficient_data", "no_target")]
    assert text in row["reasons"][0]["text"]


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
            row["reasons"][0]["text"] == "10% of the CO2 samples look like spikes or a stuck sensor"
        )


def test_the_worst_reason_comes_first_and_decides() -> None:
    row = write(
        stats(temperature={"in_range": 0.8}, humidity={"in_range": 0.1}, co2={"coverage": 0.1})
    )
    assert [severity for severity, _ in codes(row)] == ["insufficient_data", "act", "watch"]
    assert row["verdict"] == "insufficient_data"
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
        assert row["reasons"][0]["text"] == "27% of the images show bacterial blotch"


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
    assert sick["reasons"][0]["text"] == "27% of the images show mould"
    renamed = farm(addition=OWN_CONDITIONS.replace("sound: normal", "sound: mould"))
    assert codes(write(images=[image("normal")] * 48, of=renamed)) == [("watch", "condition")]


def test_images_that_nobody_can_name_are_no_condition() -> None:
    assert write(images=[image("unknown")] * 48)["verdict"] == "good"


def test_the_share_of_a_condition_is_among_the_images_that_could_be_judged() -> None:
    broken = image(None, None, "unreadable")
    row = write(images=[broken] * 20 + [image("blotch")] * 2 + [image()] * 2)
    assert codes(row) == [("watch", "unreadable"), ("watch", "condition")]
    assert [reason["text"] for reason in row["reasons"]] == [
        "20 of 24 images could not be read",
        "50% of the images show bacterial blotch",
    ]


def test_unreadable_files_are_told_also_with_an_untrained_model() -> None:
    assert codes(write(images=[image(), image(None, None, "rejected")], trained=False)) == [
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
