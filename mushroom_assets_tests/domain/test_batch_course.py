"""A batch beside the ones before and the good days."""

import datetime as dt

import pytest

from mushroom_assets.domain.batch_course import Course, DayOfBatch, DayOfGood, courses, drawn
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm

BATCHES = [dt.date(2025, month, 1) for month in (7, 8, 9, 10, 11)]


@pytest.fixture
def farm() -> Farm:
    return parse_farm("timezone: Asia/Shanghai\nfirst_day: 2025-01-01\nrooms: {'611': {}}\n")


def temperature(
    days: list[DayOfBatch], good: list[DayOfGood], farm: Farm, batch: int = 4
) -> Course:
    found = courses("611", BATCHES[batch], days, good, farm)
    assert [course.quantity for course in found] == ["temperature", "humidity", "co2", "vpd"]
    return found[0]


def test_each_batch_is_a_line_by_growth_day_and_the_last_three_are_beside(farm: Farm) -> None:
    days = [
        DayOfBatch(batch, 2, "temperature", 10.0 + place, 1.0)
        for place, batch in enumerate(BATCHES)
    ]
    days.append(DayOfBatch(BATCHES[4], 4, "temperature", 19.0, 1.0))
    days.append(DayOfBatch(BATCHES[4], 5, "temperature", 30.0, 0.69))  # 0.7 must be known
    days.append(DayOfBatch(BATCHES[4], 6, "humidity", 90.0, 1.0))
    made = temperature(days, [], farm)
    assert made.own == [None, 14.0, None, 19.0, *[None] * 23]
    assert [(batch, line[1]) for batch, line in made.others] == [
        (BATCHES[3], 13.0), (BATCHES[2], 12.0), (BATCHES[1], 11.0)
    ]  # fmt: skip
    earlier = temperature(days, [], farm, batch=1)  # what came later is not beside it
    assert [batch for batch, _ in earlier.others] == [BATCHES[0]]


def test_growth_days_of_which_few_good_days_are_known_say_nothing(farm: Farm) -> None:
    good = [
        DayOfGood("temperature", 1, 5, 17.0, 18.0, 19.0),
        DayOfGood("temperature", 2, 4, 1.0, 2.0, 3.0),
    ]
    low, middle, high = temperature([], good, farm).good
    assert [line[:2] for line in (low, middle, high)] == [[17.0, None], [18.0, None], [19.0, None]]


def test_the_band_is_that_of_each_stage(farm: Farm) -> None:
    # Recovery 1 to 4; budding and fruiting have one band of temperature
    assert temperature([], [], farm).bands == [(1, 4, 17, 20), (5, 27, 17, 19.5)]


def test_lines_are_drawn_to_one_decimal_more_than_is_shown(farm: Farm) -> None:
    days = [DayOfBatch(BATCHES[4], 1, "temperature", 18.123456, 1.0)]
    told = drawn(temperature(days, [], farm), "temperature", [], own="this batch")
    assert told["own"][:2] == [18.12, None]
    assert told["stages"] == [(1, 4, 17, 20), (5, 27, 17, 19.5)]
