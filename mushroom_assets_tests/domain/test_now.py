"""The last minutes of a room: value, age, trend, and what has gone silent."""

import datetime as dt
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.now import (
    Instant,
    Newest,
    Reading,
    Trouble,
    lately,
    readings,
    sensors_now,
    troubles,
)
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.series import SECOND, Series
from mushroom_assets.domain.windows import to_us

NOW = dt.datetime(2026, 1, 20, 4, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
POINTS = [
    Point(1, "611", "mushroom_env_status", "left", "temperature"),
    Point(2, "611", "mushroom_env_status", "right", "temperature"),
    Point(3, "611", "mushroom_env_status", "left", "humidity"),
]
SOURCES = {("611", "temperature"): POINTS[:2], ("611", "humidity"): POINTS[2:], ("611", "co2"): []}


@pytest.fixture
def farm() -> Farm:
    return parse_farm("timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {'611': {}}\n")


def samples(values: Mapping[int, Sequence[tuple[int, float]]]) -> dict[str, np.ndarray]:
    """Columns of samples given as (minutes ago, value) by point, oldest first."""
    rows = [
        (point, to_us(NOW) - ago * 60 * SECOND, value)
        for point in sorted(values)
        for ago, value in values[point]
    ]
    ids, at, value = zip(*rows, strict=True)
    return {"point_id": np.array(ids), "at": np.array(at), "value": np.array(value, float)}


def read(values: Mapping[int, Sequence[tuple[int, float]]], farm: Farm) -> dict[str, Reading]:
    at = Instant("611", NOW, 11)
    sensors = sensors_now(samples(values), at, SOURCES, farm)
    return {reading.quantity: reading for reading in readings(sensors, at, farm)}


def minutes(first: int, last: int, value: float) -> list[tuple[int, float]]:
    return [(ago, value) for ago in range(first, last - 1, -1)]


def test_the_value_is_the_median_of_the_last_minutes_and_has_an_age(farm: Farm) -> None:
    last = [(6, 99.0), (5, 18.0), (4, 18.2), (3, 18.4), (2, 18.6)]
    told = read({1: last}, farm)["temperature"]
    # 6 minutes ago is more than 5 minutes before the newest, which is 2 minutes ago
    assert told.value == pytest.approx(18.3)  # of 18.0, 18.2, 18.4, 18.6
    assert (told.age_s, told.at) == (120, NOW - 2 * MINUTE)
    assert (told.band, told.side) == ((17, 19.5), "inside")


def test_a_spike_among_the_last_minutes_does_not_show(farm: Farm) -> None:
    last = [*minutes(60, 2, 18.0), (1, 40.0), (0, 41.0)]
    assert read({1: last}, farm)["temperature"].value == 18.0


def test_several_sensors_are_told_by_their_mean_without_those_that_are_silent(farm: Farm) -> None:
    both = read({1: minutes(10, 0, 18.0), 2: minutes(10, 0, 19.0)}, farm)["temperature"]
    assert both.value == 18.5
    silent = read({1: minutes(10, 0, 18.0), 2: minutes(60, 30, 25.0)}, farm)["temperature"]
    assert silent.value == 18.0


def test_the_trend_is_the_difference_to_an_hour_before(farm: Farm) -> None:
    moved = read({1: [*minutes(70, 31, 17.5), *minutes(30, 0, 19.0)]}, farm)["temperature"]
    assert moved.change == 1.5
    assert read({1: minutes(20, 0, 19.0)}, farm)["temperature"].change is None


@pytest.mark.parametrize(("value", "side"), [(16.9, "below"), (17.0, "inside"), (19.6, "above")])
def test_the_side_is_told_by_the_band_of_the_growth_day(
    value: float, side: str, farm: Farm
) -> None:
    assert read({1: minutes(5, 0, value)}, farm)["temperature"].side == side


def test_what_is_old_or_unknown_is_said_so(farm: Farm) -> None:
    told = read({1: minutes(90, 20, 30.0)}, farm)  # 20 minutes; late from 15 on
    assert told["temperature"].side == "old"
    assert (told["humidity"].side, told["humidity"].value) == ("unknown", None)


def found(
    values: Mapping[int, Sequence[tuple[int, float]]], newest: Newest, farm: Farm
) -> list[Trouble]:
    at = Instant("611", NOW, 11)
    sensors = sensors_now(samples(values), at, SOURCES, farm)
    return troubles(readings(sensors, at, farm), sensors, newest, SOURCES, at, farm)


def test_outside_for_half_an_hour_is_trouble_and_a_minute_is_not(farm: Farm) -> None:
    newest = {1: NOW, 3: NOW}
    well = {3: minutes(70, 0, 90.0)}
    long = well | {1: [*minutes(70, 31, 18.0), *minutes(30, 0, 22.0)]}
    # 90 % and then 90.1 %: a sensor that moves is not stuck
    assert [(one.code, one.quantity, one.side) for one in found(long, newest, farm)] == [
        ("out", "temperature", "above")
    ]
    short = well | {1: [*minutes(70, 20, 18.0), *minutes(19, 0, 22.0)]}
    assert found(short, newest, farm) == []


def test_one_silent_sensor_is_named_and_all_of_them_are_the_rooms_feed(farm: Farm) -> None:
    ago = {minute: NOW - minute * MINUTE for minute in (0, 15, 16, 40)}
    values = {1: minutes(70, 0, 18.0), 3: minutes(70, 0, 90.0)}
    one = found(values, {1: ago[0], 2: ago[16], 3: ago[0]}, farm)
    assert one == [Trouble("silent", "watch", ago[16], "temperature", "right")]
    late = found(values, {1: ago[15], 2: ago[15], 3: ago[15]}, farm)
    assert late == []  # 900 s are allowed
    blind = found(values, {1: ago[0], 2: ago[0], 3: ago[40]}, farm)
    assert blind == [Trouble("silent", "insufficient_data", ago[40], "humidity", "left")]
    stopped = found(values, {1: ago[40], 2: ago[40], 3: ago[16]}, farm)
    assert stopped == [Trouble("stopped", "insufficient_data", ago[16])]


def test_what_has_been_silent_for_a_week_is_not_waited_for(farm: Farm) -> None:
    values = {1: minutes(70, 0, 18.0), 3: minutes(70, 0, 90.0)}
    week = dt.timedelta(days=7)
    assert found(values, {1: NOW, 2: NOW - week - MINUTE, 3: NOW}, farm) == []
    assert [one.code for one in found(values, {1: NOW, 2: NOW - week, 3: NOW}, farm)] == ["silent"]
    assert found(values, dict.fromkeys((1, 2, 3), NOW - week - MINUTE), farm) == []
    assert found(values, {}, farm) == []


def test_a_stuck_sensor_is_named(farm: Farm) -> None:
    # Four hours of one value: `stuck_s` of the temperature is 14400
    values = {1: minutes(241, 0, 18.0), 3: minutes(70, 0, 90.0)}
    assert found(values, {1: NOW, 3: NOW}, farm) == [
        Trouble("stuck", "watch", None, "temperature", "left")
    ]


def test_nothing_before_an_instant_is_nothing() -> None:
    none = np.zeros(1, dtype=bool)
    series = Series(np.array([10 * SECOND]), np.array([18.0]), none, none, none)
    assert lately([series], 9 * SECOND) == (None, None)
    assert lately([series], 10 * SECOND) == (18.0, 10 * SECOND)
    assert lately([], 10 * SECOND) == (None, None)
