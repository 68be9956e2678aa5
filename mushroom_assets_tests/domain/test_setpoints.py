"""Setpoint changes: decimal arithmetic, and a loop over neighbours, decide what counts as one."""

import datetime as dt
import itertools
import math
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.domain.farm_parts import WatchedPoint
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.setpoints import (
    HourlySetpointChanges,
    change_id,
    change_text,
    detect,
    device_text,
    records,
    watched_points,
)
from mushroom_assets.domain.windows import Window, to_us

MINUTE = 60_000_000
YEAR = 365 * 24 * 60 * MINUTE
START = dt.datetime(2026, 1, 10, 9, tzinfo=dt.UTC)  # 17 o'clock in Shanghai
FARM = """
timezone: Asia/Shanghai
first_day: 2026-01-01
language: {language}
rooms: {{"611": {{}}}}
points:
  air_cooler:
    temp_set: {{change_type: analog_value, threshold: 0.1, description: {{en: setpoint, zh: 设定}}}}
    on_off:
      change_type: digital_on_off
      labels: {{0: {{en: "off", zh: 关}}, 1: {{en: "on", zh: 开}}}}
    mode: {{change_type: enum_state, labels: {{0: idle, 2: manual}}}}
"""
COOLER = "air_cooler_611"
POINTS = [
    Point(1, "611", "air_cooler", COOLER, "temp_set"),
    Point(2, "611", "air_cooler", COOLER, "on_off"),
    Point(3, "611", "air_cooler", COOLER, "mode"),
    Point(4, "611", "air_cooler", COOLER, "temp"),  # not listed
    Point(5, "999", "air_cooler", "air_cooler_999", "temp_set"),  # no room of the farm
    Point(6, "611", "humidifier", "humidifier_611", "mode"),  # listed for another kind of device
]


def farm(language: str = "en") -> Farm:
    return parse_farm(FARM.format(language=language))


def analog(threshold: float | None = None) -> dict[int, WatchedPoint]:
    return {1: WatchedPoint(change_type="analog_value", threshold=threshold)}


DIGITAL = {1: WatchedPoint(change_type="digital_on_off")}
ENUM = {1: WatchedPoint(change_type="enum_state")}


def frame(values: list[float], point: int = 1, every: int = MINUTE, first: int = 0) -> pd.DataFrame:
    at = first + every * np.arange(len(values), dtype=np.int64)
    return pd.DataFrame(
        {"point_id": np.full(len(values), point, dtype=np.int32), "at": at, "value": values}
    )


def steps(values: list[float], watched: dict[int, WatchedPoint]) -> list[tuple[float, float]]:
    found = detect(frame(values), watched)
    return list(zip(found["previous_value"], found["current_value"], strict=True))


@pytest.mark.parametrize("threshold", [0.1, None])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("first", [-20, 10, 500, 3000, 8150, 32_700])
def test_every_tenth_counts(kind: Any, direction: int, first: int, threshold: float | None) -> None:
    tenths = [float(kind(number / 10)) for number in range(10 * first, 10 * first + 600)]
    assert steps(tenths[::direction], analog(threshold)) == list(
        itertools.pairwise(tenths[::direction])
    )


thousandths = st.integers(-50_000, 50_000).map(lambda number: Decimal(number) / 1000)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["0.1", "0.5", "1", "50"]),
    thousandths,
    st.sampled_from([-1, 1]),
    st.integers(-40, 40),
)
def test_a_step_counts_if_it_does_in_decimal(
    threshold: str, before: Decimal, sign: int, off_by: int
) -> None:
    after = before + sign * Decimal(threshold) + Decimal(off_by) / 1000
    counts = abs(after - before) >= Decimal(threshold)
    assert len(steps([float(before), float(after)], analog(float(threshold)))) == counts


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["0.1", "0.5", "1", "50"]), thousandths, thousandths)
def test_any_two_values_compare_as_decimals(
    threshold: str, before: Decimal, after: Decimal
) -> None:
    counts = abs(after - before) >= Decimal(threshold)
    assert len(steps([float(before), float(after)], analog(float(threshold)))) == counts


def four_bytes(decimal: Decimal, side: int = 0) -> float:
    """As a feed of 4-byte floats says it: the nearest, or the one on a side of the decimal."""
    nearest = np.float32(float(decimal))
    off = (Decimal(float(nearest)) > decimal) - (Decimal(float(nearest)) < decimal)
    if side * off >= 0:
        return float(nearest)
    return float(np.nextafter(nearest, np.float32(math.copysign(math.inf, side))))


sides = st.sampled_from([-1, 0, 1])


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(["0.1", "0.5", "1", "50"]),
    st.integers(-32_000, 32_000),
    st.integers(0, 99),
    st.sampled_from([-1, 1]),
    st.integers(-15, 15),
    sides,
    sides,
)
def test_a_step_between_4_byte_floats_counts_if_it_does_in_decimal(
    threshold: str, whole: int, hundredth: int, sign: int, off_by: int, first: int, second: int
) -> None:
    # In digits of a tenth of the threshold
    before = whole + hundredth * Decimal(threshold) / 10
    after = before + sign * Decimal(threshold) + off_by * Decimal(threshold) / 10
    counts = abs(after - before) >= Decimal(threshold)
    values = [four_bytes(before, first), four_bytes(after, second)]
    assert len(steps(values, analog(float(threshold)))) == counts


@settings(max_examples=500, deadline=None)
@given(st.integers(-3_000_000, 3_000_000), st.integers(-300, 300), sides, sides, st.booleans())
def test_without_a_threshold_every_difference_in_decimal_counts(
    hundredths: int, by: int, first: int, second: int, mixed: bool
) -> None:
    before = Decimal(hundredths) / 100
    after = before + Decimal(by) / 100
    values = [float(before) if mixed else four_bytes(before, first), four_bytes(after, second)]
    assert len(steps(values, analog())) == (by != 0)
    assert len(steps([float(before), float(after)], analog())) == (by != 0)


def test_noise_of_binary_floats_is_no_difference() -> None:
    summed = 17.5 + 0.1 + 0.1 + 0.1 + 0.1
    assert summed != 17.9
    assert steps([17.9, summed, float(np.float32(17.9)), 17.9], analog()) == []
    assert steps([126 * 0.1, 12.6, float(np.float32(126) * np.float32(0.1))], analog()) == []
    assert steps([17.9, 17.901, 17.9], analog()) == [(17.9, 17.901), (17.901, 17.9)]
    # Whole numbers are what they are
    large = [16_777_216.0, 16_777_217.0, 16_777_218.0, 33_554_432.0, 33_554_436.0]
    assert steps(large, analog()) == list(itertools.pairwise(large))
    assert steps([1e308, -1e308, 5e-324, 0.0], analog()) == [
        (1e308, -1e308),
        (-1e308, 5e-324),
        (5e-324, 0.0),
    ]


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize(("threshold", "step"), [(0.1, 0.09), (0.5, 0.4), (1, 0.9), (50, 49)])
@pytest.mark.parametrize("first", [10, 4000, 32_000])
def test_a_ramp_of_steps_below_the_threshold_never_counts(
    threshold: float, step: float, first: int, kind: Any
) -> None:
    ramp = [float(kind(first + number * step)) for number in range(200 if step < 1 else 15)]
    assert steps(ramp, analog(threshold)) == []


def test_of_states_every_change_counts_and_noise_around_a_state_does_not() -> None:
    for watched in (DIGITAL, ENUM):
        assert steps([0, 0, 1, 1, 0], watched) == [(0, 1), (1, 0)]
        assert steps([1.0, 0.9999, 1.0001, 1.4], watched) == []
    assert steps([0, 2, 1, 3, 3], ENUM) == [(0, 2), (2, 1), (1, 3)]


def test_a_value_that_is_no_number_is_passed_over() -> None:
    assert steps([17.0, math.nan, 17.0, math.inf, -math.inf, 17.0], analog(0.1)) == []
    found = detect(frame([17.0, math.nan, 17.5]), analog(0.1))
    assert found[["previous_at", "changed_at"]].to_numpy().tolist() == [[0, 2 * MINUTE]]


def test_the_first_sample_ever_is_no_change() -> None:
    assert steps([17.0], analog(0.1)) == []
    assert steps([], analog(0.1)) == []
    two_points = pd.concat([frame([1.0, 1.0], point=1), frame([9.0, 9.0], point=2)])
    assert detect(two_points, {1: ENUM[1], 2: ENUM[1]}).empty


@pytest.mark.parametrize("gap", [YEAR // 52, 10 * YEAR])
def test_a_gap_however_long_is_bridged(gap: int) -> None:
    assert len(detect(frame([17.0, 18.0], every=gap), analog(0.1))) == 1


def test_points_that_are_not_watched_are_ignored() -> None:
    assert detect(frame([1.0, 2.0], point=7), analog(0.1)).empty
    assert detect(frame([1.0, 2.0]), {}).empty


def test_watched_are_the_listed_points_of_the_farms_rooms() -> None:
    found = watched_points(POINTS, farm())
    assert {key: rule.change_type for key, rule in found.items()} == {
        1: "analog_value",
        2: "digital_on_off",
        3: "enum_state",
    }


def hour(first: dt.datetime = START) -> Window:
    return Window(f"{first:%Y-%m-%d-%H:%M}", first, first + dt.timedelta(hours=1))


def rows_of(
    samples: pd.DataFrame, language: str = "en", **options: Any
) -> list[HourlySetpointChanges]:
    known = farm(language)
    changes = detect(samples, watched_points(POINTS, known))
    window = options.get("window", hour())
    return records(changes, [window], POINTS, known, options.get("in_dates", {}))[window.key]


def test_a_record_says_all_about_its_change() -> None:
    (row,) = rows_of(
        frame([17.8, 17.7], first=to_us(START)), in_dates={"611": [dt.date(2026, 1, 2)]}
    )
    assert row == {
        "change_id": change_id(POINTS[0], START + dt.timedelta(minutes=1)),
        "point_id": 1,
        "changed_at": START + dt.timedelta(minutes=1),
        "previous_at": START,
        "room_id": "611",
        "device_type": "air_cooler",
        "device_alias": COOLER,
        "point_alias": "temp_set",
        "point_description": "setpoint",
        "change_type": "analog_value",
        "previous_value": 17.8,
        "current_value": 17.7,
        "previous_label": None,
        "current_label": None,
        "delta": -0.1,  # not -0.10000000000000142
        "growth_day": 9,
        "batch_date": dt.date(2026, 1, 2),
        "settings_version": 0,
    }


def test_the_growth_day_is_that_of_the_farms_local_date() -> None:
    first = dt.datetime(2026, 1, 10, 15, 59, tzinfo=dt.UTC)  # 23:59 in Shanghai
    late = frame([17.0, 18.0, 19.0], first=to_us(first) - MINUTE)
    window = Window("key", first, first + dt.timedelta(hours=1))
    found = rows_of(late, window=window, in_dates={"611": [dt.date(2026, 1, 11)]})
    assert [row["growth_day"] for row in found] == [None, 1]


@pytest.mark.parametrize(("language", "labels"), [("en", ("on", "off")), ("zh", ("开", "关"))])
def test_states_carry_their_labels_in_the_farms_language(
    language: str, labels: tuple[str, str]
) -> None:
    (row,) = rows_of(frame([1.0, 0.0], point=2, first=to_us(START)), language)
    assert (row["previous_label"], row["current_label"]) == labels
    assert (row["delta"], row["point_description"]) == (-1, None)


def test_a_state_without_a_label_has_none() -> None:
    (row,) = rows_of(frame([1.0, 2.0], point=3, first=to_us(START)))
    assert (row["previous_label"], row["current_label"]) == (None, "manual")


def test_a_change_at_the_first_instant_is_inside_and_one_at_the_end_is_not() -> None:
    samples = frame([17.0, 18.0, 19.0], every=60 * MINUTE, first=to_us(START) - 60 * MINUTE)
    (row,) = rows_of(samples)
    assert (row["changed_at"], row["previous_at"]) == (START, START - dt.timedelta(hours=1))
    assert (row["previous_value"], row["current_value"]) == (17, 18)


def test_a_change_has_one_id_wherever_and_whenever_it_is_found() -> None:
    name = f"611/{COOLER}/temp_set@2026-01-10T09:00:00.000000+00:00"
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, "mushroom_assets/hourly_setpoint_changes")
    expected = uuid.uuid5(namespace, name)
    assert expected.version == 5
    shanghai = START.astimezone(dt.timezone(dt.timedelta(hours=8)))
    renumbered = Point(4711, "611", "air_cooler", COOLER, "temp_set")
    assert {
        change_id(POINTS[0], START),
        change_id(POINTS[0], shanghai),
        change_id(renumbered, START),
    } == {expected}
    others = {change_id(point, START) for point in POINTS} | {
        change_id(POINTS[0], START + dt.timedelta.resolution)
    }
    assert len(others) == len(POINTS) + 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 2, 3]),
            st.integers(0, 179),
            st.sampled_from([0.0, 1.0, 2.0, 0.05, math.nan]),
        ),
        unique_by=lambda sample: sample[:2],
        max_size=60,
    )
)
def test_consecutive_hours_put_together_are_one_pass(samples: list[tuple[int, int, float]]) -> None:
    known = farm()
    ordered = sorted(samples)
    table = pd.DataFrame(ordered, columns=["point_id", "at", "value"])
    table = table.astype({"point_id": "int32", "at": "int64", "value": "float64"})
    table["at"] = to_us(START) + table["at"] * MINUTE
    expected = []
    last: dict[int, float] = {}
    for point, minute, value in ordered:
        if math.isnan(value):
            continue
        if point in last and (
            abs(value - last[point]) > 0.09 if point == 1 else round(value) != round(last[point])
        ):
            expected.append((point, START + dt.timedelta(minutes=minute), last[point], value))
        last[point] = value
    changes = detect(table, watched_points(POINTS, known))
    hours = [hour(START + dt.timedelta(hours=later)) for later in range(3)]
    found = []
    for rows in records(changes, hours, POINTS, known, {}).values():
        for row in rows:
            values = (row["previous_value"], row["current_value"])
            found.append((row["point_id"], row["changed_at"], *values))
    assert sorted(found) == sorted(expected)


def reference(language: str) -> Farm:
    return parse_farm(reference_farm_text().replace("\nlanguage: en", f"\nlanguage: {language}"))


def moved(
    device: str, alias: str, point: str, before: float, after: float, **changed: Any
) -> dict[str, Any]:
    """A row of the reference farm's room 611, without description and labels."""
    row = {
        "room_id": "611", "device_type": device, "device_alias": alias, "point_alias": point,
        "point_description": None, "previous_value": before, "current_value": after,
        "previous_label": None, "current_label": None, "changed_at": START,
    }  # fmt: skip
    return row | changed


COOLED = moved(
    "air_cooler", "air_cooler_611", "temp_set", 18.0, 17.5, point_description="temperature setpoint"
)


@pytest.mark.parametrize(
    ("language", "change", "said"),
    [
        ("en", COOLED, "air cooler: temperature setpoint 18.0 → 17.5 °C"),
        ("zh", COOLED | {"point_description": "温度设定"}, "空调：温度设定 18.0 → 17.5 °C"),
        ("en", COOLED | {"point_description": None}, "air cooler: temp_set 18.0 → 17.5 °C"),
        ("en", COOLED | {"point_alias": "gone"}, "air cooler: temperature setpoint 18.0 → 17.5"),
        (
            "en",
            moved("fresh_air_fan", "fresh_air_fan_611", "co2_on", 3000, 2500),
            "fresh air fan: co2_on 3000 → 2500 ppm",
        ),
        (
            "zh",
            moved(
                "humidifier",
                "left_humidifier_611",
                "mode",
                1,
                2,
                previous_label="自动",
                current_label="手动",
            ),
            "左加湿器：mode 自动 → 手动",
        ),
        (
            "en",
            moved("humidifier", "right_humidifier_611", "mode", 1, 7, previous_label="auto"),
            "right humidifier: mode auto → 7",
        ),
    ],
)
def test_a_change_is_said_in_the_farms_language(
    language: str, change: dict[str, Any], said: str
) -> None:
    assert change_text(change, reference(language)) == said


@pytest.mark.parametrize(
    ("point", "before", "after", "said"),
    [
        ("temp_set", 18.0, 17.5, "18.0 → 17.5 °C"),
        ("temp_set", 17.799999237060547, 18.0, "17.8 → 18.0 °C"),  # a 4-byte float
        # Finer than the threshold: rounding would invent 17.2 or 17.3
        ("temp_set", 17.25, 17.75, "17.25 → 17.75 °C"),
        ("temp_set", -0.5, 0.0, "-0.5 → 0.0 °C"),
        ("temp_set", 4000.10009765625, 4000.2, "4000.1 → 4000.2 °C"),
        ("cyc_on_time", 10.0, 12.0, "10 → 12 min"),
        ("cyc_on_time", 10.0, 12.5, "10.0 → 12.5 min"),
    ],
)
def test_numbers_have_the_points_decimals_and_more_only_where_they_need_them(
    point: str, before: float, after: float, said: str
) -> None:
    change = moved("air_cooler", "air_cooler_611", point, before, after)
    assert change_text(change, reference("en")) == f"air cooler: {point} {said}"


@pytest.mark.parametrize(
    ("device", "alias", "english", "chinese"),
    [
        ("humidifier", "left_humidifier_611", "left humidifier", "左加湿器"),
        ("humidifier", "humidifier_611", "humidifier", "加湿器"),
        (
            "humidifier",
            "third_humidifier_611",
            "humidifier (third_humidifier)",
            "加湿器 (third_humidifier)",
        ),
        ("heater", "heater_611", "heater", "heater"),  # not in the farm file
        # No room's suffix
        ("air_cooler", "air_cooler_6110", "air cooler (air_cooler_6110)", "空调 (air_cooler_6110)"),
    ],
)
def test_a_device_goes_by_what_people_call_it(
    device: str, alias: str, english: str, chinese: str
) -> None:
    row = moved(device, alias, "mode", 0, 1)
    assert [device_text(row, reference(language)) for language in ("en", "zh")] == [
        english,
        chinese,
    ]
