"""Statistics of a room's day.

They are held against sums on paper, a second-by-second integration, pandas and PsychroLib.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import psychrolib  # type: ignore[import-untyped]  # it has no stubs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mushroom_assets.domain import environment, psychrometrics
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.farm_parts import Quantity
from mushroom_assets.domain.held import hold
from mushroom_assets.domain.marks import mark
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.psychrometrics import derive
from mushroom_assets.domain.sensors import find_sources, neighbourhood
from mushroom_assets.domain.series import SECOND, Series, last_known
from mushroom_assets.domain.statistics import count, spread_out
from mushroom_assets.domain.wetness import wet_hours
from mushroom_assets.domain.windows import Window, to_us

HOLD = 300
psychrolib.SetUnitSystem(psychrolib.SI)

FARM = """
timezone: Asia/Shanghai
first_day: 2026-01-01
rooms: {A: {}, B: {}}
quantities:
  temperature:
    {device_type: env, point_alias: t, unit: "°C", plausible: [-20, 60], spike: 2, stuck_s: 1800}
  humidity:
    {device_type: env, point_alias: h, unit: "%", plausible: [0, 100], spike: 5, stuck_s: 3600}
  co2: {device_type: env, point_alias: c, unit: ppm, plausible: [150, 50000]}
stages:
  - {name: fruiting, days: [8, 27], bands: {temperature: [17, 19.5], vpd: [0.1, 0.3]}}
"""


def quantity(
    plausible: tuple[float, float] = (-1e300, 1e300),
    spike: float | None = None,
    stuck_s: int | None = None,
    full_scale: float | None = None,
) -> Quantity:
    return Quantity(
        device_type="d",
        point_alias="p",
        unit="u",
        plausible=plausible,
        spike=spike,
        stuck_s=stuck_s,
        full_scale=full_scale,
    )


# Values by second
Samples = Mapping[int, float] | Mapping[float, float]


def frame(samples: Samples) -> pd.DataFrame:
    """Samples by second."""
    at = np.array([round(second * SECOND) for second in samples], dtype=np.int64)
    return pd.DataFrame({"at": at, "value": np.array(list(samples.values()), dtype=np.float64)})


def series(samples: Samples, **rules: Any) -> Series:
    return mark(frame(samples), quantity(**rules), HOLD)


def statistics(
    samples: Samples,
    length: float = 3600,
    *,
    band: tuple[float, float] | None = None,
    **rules: Any,
) -> SimpleNamespace:
    """Of the window [0, length) in seconds."""
    return of_sensors([series(samples, **rules)], length, band=band)


def of_sensors(
    sensors: Sequence[Series],
    length: float = 3600,
    *,
    band: tuple[float, float] | None = None,
    max_hold_s: int = HOLD,
) -> SimpleNamespace:
    """What several sensors say of the window [0, length) in seconds."""
    end = round(length * SECOND)
    held = hold(sensors, 0, end, max_hold_s)
    own = [series.within(0, end) for series in sensors]
    counts = count(own)
    beside = None if band is None else held.beside(band)
    return SimpleNamespace(
        **vars(spread_out(own)),
        sample_count=counts.samples,
        rejected_count=counts.rejected,
        suspect_count=counts.suspect,
        sensor_count=counts.sensors,
        coverage=held.coverage,
        longest_gap_s=held.longest_gap() / SECOND,
        mean=held.mean(),
        spread=held.mean_spread(),
        in_range=beside and beside.inside,
        beside=beside,
        steepest=held.steepest(),
    )


# By hand: 10 is carried in and known 0-200, 20 200-260, 30 260-560 (its hold ends), 40 1000-1300,
# 50 3500-3600.
PAPER = {-100: 10.0, 200: 20.0, 260: 30.0, 1000: 40.0, 3500: 50.0}


def test_the_mean_weighs_each_value_by_the_time_it_is_known() -> None:
    found = statistics(PAPER, band=(20, 40))
    assert found.mean == pytest.approx(
        (10 * 200 + 20 * 60 + 30 * 300 + 40 * 300 + 50 * 100) / 960, rel=1e-12
    )
    assert found.coverage == pytest.approx(960 / 3600, rel=1e-12)
    assert found.longest_gap_s == 2200  # 1300 to 3500
    # Both ends of the band count
    assert found.in_range == pytest.approx((60 + 300 + 300) / 960, rel=1e-12)


def test_the_carried_in_value_is_in_the_mean_but_not_among_the_windows_own_samples() -> None:
    found = statistics(PAPER)
    assert (found.sample_count, found.min, found.max) == (4, 20, 50)
    assert (found.q25, found.median, found.q75) == (27.5, 35, 42.5)
    assert found.in_range is None


@pytest.mark.parametrize(
    ("before", "known"),
    [(0.000001, 300), (1, 299), (299, 1), (300, 0), (301, 0)],
    ids=lambda number: f"{number:g}",
)
def test_a_value_is_carried_in_for_what_is_left_of_its_hold(before: float, known: float) -> None:
    found = statistics({-before: 10.0, 3000: 20.0})
    assert found.coverage * 3600 == pytest.approx(known + 300, abs=1e-5)
    assert found.mean == pytest.approx((10 * known + 20 * 300) / (known + 300), rel=1e-6)


def test_a_rejected_sample_ends_what_was_known() -> None:
    found = statistics({-100: 10.0, -50: math.nan, 3000: 20.0})
    assert found.coverage * 3600 == pytest.approx(300)
    assert found.rejected_count == 0  # the rejected one lies before the window
    found = statistics({0: 10.0, 60: math.nan, 3000: 20.0}, band=(15, 25))
    assert found.coverage * 3600 == pytest.approx(60 + 300)
    assert found.mean == pytest.approx((10 * 60 + 20 * 300) / 360)
    assert found.in_range == pytest.approx(300 / 360)


def test_of_a_sensor_of_which_4_of_5_samples_are_rejected_a_fifth_is_known() -> None:
    minutes = {60 * minute: 18.0 if minute % 5 == 0 else math.nan for minute in range(1440)}
    found = statistics(minutes, 86400)
    assert (found.sample_count, found.rejected_count) == (288, 1152)
    assert found.coverage == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("seconds", "gap"),
    [
        ([1000, 1250, 1500, 1750, 2000, 2250, 2500, 2750, 3000, 3300], 1000),
        ([0, 300, 600, 3000, 3300], 2100),
        ([0, 300, 600, 900], 2400),
        ([0, 300, 600, 900, 1200, 1500, 1800, 2100, 2400, 2700, 3000, 3300], 0),
        ([0, 300, 600, 900, 1200, 1500, 1800, 2100, 2400, 2700, 3000, 3299], 1),
        ([-301, 3599], 3599),
    ],
    ids=["start", "middle", "end", "none", "one-second-at-the-end", "before-the-only-one"],
)
def test_the_longest_gap_is_found_wherever_it_lies(seconds: list[int], gap: float) -> None:
    assert statistics(dict.fromkeys(seconds, 5.0)).longest_gap_s == gap


def test_a_day_without_samples_is_one_gap_and_has_no_statistics() -> None:
    found = statistics({}, 86400, band=(0, 1))
    assert (found.sample_count, found.rejected_count, found.suspect_count) == (0, 0, 0)
    assert (found.sensor_count, found.coverage, found.longest_gap_s) == (0, 0, 86400)
    numbers = (found.mean, found.spread, found.beside, found.steepest, found.min, found.median)
    assert numbers == (None,) * 6


def test_a_day_known_only_through_a_held_value_has_its_mean_and_no_quantiles() -> None:
    found = statistics({-100: 5.0}, band=(0, 10))
    assert (found.sample_count, found.median, found.min) == (0, None, None)
    assert (found.mean, found.in_range) == (5.0, 1.0)
    assert found.coverage == pytest.approx(200 / 3600)
    assert found.longest_gap_s == 3400


def test_the_first_instant_belongs_to_the_window_and_its_end_does_not() -> None:
    found = statistics({0: 1.0, 3600: 100.0})
    assert (found.sample_count, found.max) == (1, 1)


def test_rejected_samples_are_counted_and_are_in_no_number() -> None:
    good = {0: 400.0, 60: 401.0, 120: 402.0, 300: 403.0}
    bad = {30: 0.0, 90: math.nan, 150: math.inf, 180: -math.inf, 210: 149.999, 240: 50000.001}
    merged = dict(sorted((good | bad).items()))
    found = statistics(merged, plausible=(150, 50000), band=(401, 402))
    assert (found.rejected_count, found.sample_count) == (6, 4)
    assert (found.min, found.max) == (400, 403)
    # 30 s of each of the first three, and 403 for its hold
    assert found.mean == pytest.approx((30 * (400 + 401 + 402) + 300 * 403) / 390)
    assert found.coverage == pytest.approx(390 / 3600)


def test_the_plausible_limits_themselves_are_plausible() -> None:
    assert series({0: 150.0, 60: 50000.0}, plausible=(150, 50000)).rejected.tolist() == [
        False,
        False,
    ]


def test_a_day_of_rejected_samples_only_has_counts_and_no_statistics() -> None:
    found = statistics({0: math.nan, 60: 0.0}, plausible=(150, 50000))
    assert (found.sample_count, found.rejected_count, found.mean, found.min) == (0, 2, None, None)
    assert (found.coverage, found.longest_gap_s) == (0, 3600)


@pytest.mark.parametrize("excursion", [[99.6], [99.6, 99.1], [80.2], [80.0, 84.6]])
def test_a_spike_of_one_or_two_samples_is_suspect_and_in_no_statistic(
    excursion: list[float],
) -> None:
    values = [89.7, *excursion, 89.8]
    samples = {60 * place: value for place, value in enumerate(values)}
    flags = [False, *[True for _ in excursion], False]
    assert series(samples, spike=5).spike.tolist() == flags
    found = statistics(samples, 60 * len(values), spike=5)
    assert (found.suspect_count, found.sample_count) == (len(excursion), len(values))
    assert (found.min, found.max) == (89.7, 89.8)
    assert found.mean == pytest.approx((89.7 + 89.8) / 2)
    assert found.coverage == pytest.approx(2 / len(values))  # nor does the value before it hold


def test_an_excursion_of_three_samples_is_none() -> None:
    samples = {0: 90.0, 60: 99.0, 120: 99.5, 180: 99.0, 240: 90.0}
    assert not series(samples, spike=5).suspect.any()


@pytest.mark.parametrize(
    "samples",
    [
        {0: 80.0, 60: 90.0, 120: 100.0},  # a ramp
        {0: 80.0, 60: 90.0, 120: 90.0},  # a step
        {0: 80.0, 60: 85.0, 120: 80.0},  # no more than the limit
        {0: 80.0, 301: 90.0, 361: 80.0},  # the neighbour is too far away to be compared
        {0: 80.0, 60: 90.0, 361: 80.0},
        {0: 90.0, 60: 80.0},  # nothing on one side
        {0: 80.0, 60: 90.0, 361: 90.0, 421: 80.0},  # two that are too far apart
        {0: 80.0, 60: 90.0, 120: 85.0, 180: 80.0},  # the second is no more than the limit away
    ],
    ids=["ramp", "step", "exactly-the-limit", "gap-before", "gap-after", "edge", "apart", "half"],
)
def test_what_is_no_spike_is_not_suspect(samples: dict[float, float]) -> None:
    assert not series(samples, spike=5).suspect.any()


def test_more_than_the_limit_counts_in_decimal() -> None:
    assert 8.3 - 6.3 > 2  # in binary
    for samples in ({0: 6.3, 60: 8.3, 120: 6.3}, {0: 8.3, 60: 6.3, 120: 6.3, 180: 8.3}):
        assert not series(samples, spike=2).suspect.any()
    assert series({0: 6.3, 60: 8.31, 120: 6.3}, spike=2).spike.tolist() == [False, True, False]


def test_a_dip_is_a_spike_too_and_a_rejected_neighbour_is_skipped() -> None:
    found = series({0: 90.0, 60: 80.0, 90: math.nan, 120: 90.0}, spike=5)
    assert found.suspect.tolist() == [False, True, False, False]
    assert found.rejected.tolist() == [False, False, True, False]


def test_an_unchanged_value_is_suspect_from_the_set_time_on() -> None:
    minutes = {60.0 * minute: 7.0 for minute in range(31)}
    assert series(minutes, stuck_s=1800).suspect.all()  # 30 minutes from the first to the last
    assert not series(
        {at: value for at, value in minutes.items() if at < 1800}, stuck_s=1800
    ).suspect.any()
    moved = minutes | {900.0: 7.1}
    assert not series(moved, stuck_s=1800).suspect.any()


def test_a_gap_ends_a_stuck_run() -> None:
    # 600 to 960 s: more than the hold
    gapped = {60.0 * minute: 7.0 for minute in range(31) if not 10 < minute < 16}
    assert not series(gapped, stuck_s=1800).suspect.any()
    # 600 to 900 s: the hold itself
    narrow = {60.0 * minute: 7.0 for minute in range(31) if not 10 < minute < 15}
    assert series(narrow, stuck_s=1800).suspect.all()


def test_a_sensor_may_rest_at_the_end_of_its_scale() -> None:
    minutes = {60.0 * minute: 100.0 for minute in range(31)}
    assert series(minutes, stuck_s=1800).suspect.all()
    assert series(minutes, stuck_s=1800, full_scale=100.1).suspect.all()
    assert not series(minutes, stuck_s=1800, full_scale=100.0).suspect.any()


# --- several sensors of a quantity


@pytest.mark.parametrize("second", [0, 20, 50])
def test_the_mean_of_two_sensors_does_not_depend_on_when_they_are_read(second: int) -> None:
    one = series({60 * minute: 18.0 for minute in range(-10, 1440)}, spike=2)
    other = series({60 * minute + second: 22.0 for minute in range(-10, 1440)}, spike=2)
    found = of_sensors([one, other], 86400, band=(19, 21))
    assert found.mean == pytest.approx(20, abs=1e-12)
    assert found.spread == pytest.approx(4, abs=1e-12)
    assert (found.suspect_count, found.sample_count, found.sensor_count) == (0, 2880, 2)
    assert (found.coverage, found.in_range, found.min, found.max) == (1, 1, 18, 22)


def test_a_sensor_read_a_second_after_another_does_not_take_its_place() -> None:
    minutes = range(-5, 1440)
    low = series({60 * minute: 90 + minute % 3 * 0.04 for minute in minutes}, spike=5)
    high = series({60 * minute + 1: 97.0 for minute in minutes}, spike=5)
    found = of_sensors([low, high], 86400)
    assert found.mean == pytest.approx((90.04 + 97) / 2, abs=1e-9)  # each of the low ones a third
    assert found.suspect_count == 0


def test_each_sensor_holds_by_itself() -> None:
    # 10 is known 0-300, 20 from 200-500: their mean is 10, 15 and 20
    found = of_sensors([series({0: 10.0}), series({200: 20.0})], 1000, band=(12, 20))
    assert found.mean == pytest.approx((10 * 200 + 15 * 100 + 20 * 200) / 500)
    assert found.coverage == pytest.approx(0.5)
    assert found.in_range == pytest.approx(300 / 500)
    assert found.spread == pytest.approx(10)  # of the 100 s in which both are known
    assert found.longest_gap_s == 500


def test_a_dead_second_sensor_shows_in_what_is_rejected() -> None:
    minutes = range(0, 86400, 60)
    good = series(dict.fromkeys(minutes, 90.0))
    dead = series(dict.fromkeys(minutes, math.nan))
    found = of_sensors([good, dead], 86400)
    assert (found.sample_count, found.rejected_count) == (1440, 1440)
    assert (found.mean, found.coverage, found.spread) == (90, 1, None)


def test_a_stuck_sensor_beside_a_live_one_is_found() -> None:
    stuck = series(dict.fromkeys(range(0, 86400, 60), 18.0), stuck_s=3600)
    live = series({60 * minute: 18 + minute % 7 / 10 for minute in range(1440)}, stuck_s=3600)
    assert of_sensors([stuck, live], 86400).suspect_count == 1440


def test_the_mean_of_equal_sensors_at_the_edge_of_the_band_is_inside() -> None:
    assert (10.7 + 10.7 + 10.7) / 3 < 10.7  # in binary
    three = [series({0: 10.7}) for _ in range(3)]
    assert of_sensors(three, 300, band=(10.7, 20)).in_range == 1
    assert of_sensors(three, 300, band=(10, 10.7)).in_range == 1


# --- how bad, and for how long


def test_a_day_outside_its_band_says_how_far_how_long_and_on_which_side() -> None:
    # In the band 17-19: 600 s at 18, 300 s at 20 and 300 s at 22 on end, 300 s at 16, then unknown
    samples = {0: 18.0, 300: 18.0, 600: 20.0, 900: 22.0, 1200: 18.0, 1500: 16.0}
    found = statistics(samples, 3600, band=(17, 19)).beside
    assert (found.below, found.inside, found.above) == pytest.approx((1 / 6, 0.5, 1 / 3))
    assert found.longest_out_s == 600
    assert found.out_integral == pytest.approx((1 * 300 + 3 * 300 + 1 * 300) / 3600)


def test_a_gap_ends_a_stretch_outside_and_a_change_of_side_does_not() -> None:
    found = statistics({0: 30.0, 1000: 30.0, 1300: 10.0}, 3600, band=(17, 19)).beside
    assert found.longest_out_s == 600


def test_the_steepest_rise_and_fall_are_to_the_value_an_hour_before() -> None:
    # 300 s a step: 10 for an hour, then 12 and 15, then 8 again from 5400 on
    values = [10.0] * 12 + [12.0] * 3 + [15.0] * 3 + [8.0] * 12
    samples = {300 * place: value for place, value in enumerate(values)}
    found = statistics(samples, 300 * len(values)).steepest
    assert found.rise == 5  # 15 against 10
    assert found.fall == 7  # 8 against 15, an hour after 4500 at 8100
    assert statistics(dict.fromkeys(range(0, 3600, 300), 5.0), 3600).steepest is None
    level = statistics(dict.fromkeys(range(0, 7200, 300), 5.0), 7200).steepest
    assert level == (0, 0)


# --- random series against a second-by-second integration


@st.composite
def feeds(draw: st.DrawFn) -> tuple[dict[int, float], int, int]:
    """Samples by second (some NaN), window length and hold, all in seconds."""
    length, hold = draw(st.integers(1, 400)), draw(st.integers(1, 120))
    seconds = draw(st.lists(st.integers(-150, length + 50), unique=True, max_size=25))
    value = st.one_of(
        st.floats(-50, 50).map(lambda value: round(value, 3)),
        st.just(math.nan),
        st.sampled_from([0.0, 10.0]),
    )
    return {second: draw(value) for second in sorted(seconds)}, length, hold


@settings(max_examples=150, deadline=None)
@given(feeds())
def test_any_series_agrees_with_a_second_by_second_integration(
    feed: tuple[dict[int, float], int, int],
) -> None:
    samples, length, longest_hold = feed
    band = (0.0, 10.0)
    accepted = {second: value for second, value in samples.items() if math.isfinite(value)}
    every_second: list[float | None] = []
    for second in range(length):
        last = max((at for at in samples if at <= second), default=None)
        is_known = last in accepted and last is not None and second - last < longest_hold
        every_second.append(accepted[last] if is_known and last is not None else None)
    known = [value for value in every_second if value is not None]
    gap = longest = 0
    for value in every_second:
        gap = gap + 1 if value is None else 0
        longest = max(longest, gap)
    own = pd.Series(
        [value for second, value in accepted.items() if 0 <= second < length], dtype=float
    )

    one = mark(frame(samples), quantity(), longest_hold)
    found = of_sensors([one], length, max_hold_s=longest_hold, band=band)

    assert found.coverage == pytest.approx(len(known) / length, abs=1e-12)
    assert found.coverage + every_second.count(None) / length == pytest.approx(1)
    assert found.longest_gap_s == longest
    assert found.sample_count == len(own)
    assert found.rejected_count == sum(
        math.isnan(value) for at, value in samples.items() if 0 <= at < length
    )
    quantiles = (found.min, found.q25, found.median, found.q75, found.max)
    expected = own.quantile([0, 0.25, 0.5, 0.75, 1], interpolation="linear").tolist()
    assert quantiles == ((None,) * 5 if own.empty else pytest.approx(expected, abs=1e-9))
    if not known:
        assert (found.mean, found.in_range) == (None, None)
        return
    assert found.mean == pytest.approx(sum(known) / len(known), abs=1e-9)
    assert found.mean is not None
    assert min(known) - 1e-9 <= found.mean <= max(known) + 1e-9
    assert found.in_range == pytest.approx(
        sum(band[0] <= value <= band[1] for value in known) / len(known), abs=1e-12
    )


# --- vapour pressure deficit and dew point


def humid(temperature: Samples, humidity: Samples) -> dict[str, Series]:
    return derive(
        series(temperature, plausible=(-20, 60), spike=2),
        series(humidity, plausible=(0, 105), spike=5),
        30,
    )


def test_16_degrees_and_90_percent_give_the_reference_values() -> None:
    found = humid({0: 16.0}, {0: 90.0})
    # The Magnus form is 0.2 % below
    assert found["vpd"].value[0] == pytest.approx(0.1818, rel=3e-3)
    assert found["dew_point"].value[0] == pytest.approx(14.36, abs=5e-3)


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 40), st.floats(5, 99))
def test_vpd_and_dew_point_agree_with_psychrolib(celsius: float, percent: float) -> None:
    found = humid({0: celsius}, {0: percent})
    deficit = psychrolib.GetSatVapPres(celsius) * (1 - percent / 100) / 1000
    # The Magnus form itself is off by that much
    assert found["vpd"].value[0] == pytest.approx(deficit, rel=3e-3)
    dew_point = psychrolib.GetTDewPointFromRelHum(celsius, percent / 100)
    if dew_point > 0:  # below, PsychroLib means frost
        assert found["dew_point"].value[0] == pytest.approx(dew_point, abs=0.05)


def test_saturated_air_has_no_deficit_and_its_dew_point_is_its_temperature() -> None:
    found = humid({0: 18.0}, {0: 100.0})
    assert found["vpd"].value[0] == pytest.approx(0, abs=1e-12)
    assert found["dew_point"].value[0] == pytest.approx(18.0, abs=1e-9)


def test_humidity_above_100_percent_is_saturated_air() -> None:
    found = humid({0: 18.0}, {0: 100.4})
    assert found["vpd"].value[0] == pytest.approx(0, abs=1e-12)
    assert found["dew_point"].value[0] == pytest.approx(18.0, abs=1e-9)


def test_saturated_air_at_the_band_s_end_is_inside_it() -> None:
    dew_point = humid({0: 17.6}, {0: 100.0})["dew_point"]
    assert dew_point.value[0] < 17.6  # in binary
    beside = hold([dew_point], 0, HOLD * SECOND, HOLD).beside((17.6, 20))
    assert beside is not None
    assert (beside.below, beside.inside) == (0, 1)


def test_air_without_water_has_a_deficit_and_no_dew_point() -> None:
    found = humid({0: 16.0}, {0: 0.0})
    assert found["vpd"].value[0] == pytest.approx(psychrolib.GetSatVapPres(16.0) / 1000, rel=3e-3)
    assert (found["vpd"].rejected[0], found["dew_point"].rejected[0]) == (False, True)


def test_samples_pair_with_the_nearest_within_30_seconds_only() -> None:
    found = humid(
        {0: 16.0, 100: 16.0, 200: 16.0, 300: 16.0},
        {-30: 50.0, 10: 90.0, 131: 90.0, 230: 80.0, 269: 1.0},
    )
    assert (found["vpd"].at // SECOND).tolist() == [0, 200]
    saturated = psychrolib.GetSatVapPres(16.0) / 1000
    assert found["vpd"].value == pytest.approx([saturated * 0.1, saturated * 0.2], rel=3e-3)


@settings(max_examples=200, deadline=None)
@given(
    *[st.lists(st.integers(-40, 40), unique=True, max_size=12).map(sorted)] * 2, st.integers(0, 30)
)
def test_pairs_are_those_of_pandas_merge_asof(
    at: list[int], others: list[int], within: int
) -> None:
    left = pd.DataFrame({"at": np.array(at, np.int64), "own": np.arange(len(at))})
    right = pd.DataFrame({"at": np.array(others, np.int64), "other": np.arange(len(others))})
    pairs = pd.merge_asof(left, right, on="at", direction="nearest", tolerance=within).dropna()
    own, nearest = psychrometrics._pairs(left["at"].to_numpy(), right["at"].to_numpy(), within)
    assert (own.tolist(), nearest.tolist()) == (pairs["own"].tolist(), pairs["other"].tolist())


def test_a_pair_is_rejected_or_suspect_as_either_of_its_samples_is() -> None:
    temperature = {0: 16.0, 60: math.nan, 120: 16.0, 180: 19.0, 240: 16.0, 300: 16.0}
    humidity = {0: 90.0, 60: 90.0, 120: 106.0, 180: 90.0, 240: 80.0, 300: 90.0}
    for found in humid(temperature, humidity).values():
        assert found.rejected.tolist() == [False, True, True, False, False, False]
        assert found.suspect.tolist() == [False, False, False, True, True, False]


# --- a room's day


@pytest.fixture(scope="module")
def two_rooms() -> Farm:
    return parse_farm(FARM)


def day(farm: Farm, date: str = "2026-01-20") -> Window:
    start = dt.datetime.fromisoformat(date).replace(tzinfo=farm.zone)
    return Window(date, start, start + dt.timedelta(days=1))


POINTS = [
    Point(1, "A", "env", "env_A", "t"),
    Point(2, "A", "env", "env_A", "h"),
    Point(3, "A", "env", "env_A", "c"),
    Point(4, "A", "env", "second_A", "t"),
    Point(5, "C", "env", "env_C", "t"),
    Point(6, "A", "air_cooler", "cooler_A", "t"),
]


def minutes(point: int, first: dt.datetime, values: list[float]) -> pd.DataFrame:
    at = to_us(first) + np.arange(len(values), dtype=np.int64) * 60 * SECOND
    return pd.DataFrame(
        {"point_id": np.full(len(values), point, dtype=np.int32), "at": at, "value": values}
    )


def rows_of(
    samples: pd.DataFrame, farm: Farm, **options: Any
) -> dict[tuple[str, str], environment.DailyEnvStats]:
    points = find_sources(POINTS, farm)
    found = environment.summarise_day(samples, day(farm), points, farm, options.get("in_dates", {}))
    return {(row["room_id"], row["quantity"]): row for row in found.rows}


def test_the_points_behind_a_quantity_are_those_of_its_kind_in_the_room(two_rooms: Farm) -> None:
    found = find_sources(POINTS, two_rooms)
    numbers = {key: [point.point_id for point in points] for key, points in found.items()}
    assert numbers == {
        ("A", "temperature"): [1, 4],
        ("A", "humidity"): [2],
        ("A", "co2"): [3],
        ("B", "temperature"): [],
        ("B", "humidity"): [],
        ("B", "co2"): [],
    }


def test_a_day_has_a_row_for_every_room_and_quantity_also_without_data(two_rooms: Farm) -> None:
    found = rows_of(minutes(1, day(two_rooms).start, [18.0, 19.0]), two_rooms)
    names = ("temperature", "humidity", "co2", "vpd", "dew_point")
    assert list(found) == [(room, name) for room in ("A", "B") for name in names]
    assert [found["B", name]["unit"] for name in names] == ["°C", "%", "ppm", "kPa", "°C"]
    assert {row["sample_count"] for row in found.values()} == {0, 2}
    assert found["B", "vpd"]["longest_gap_s"] == 86400
    assert found["A", "temperature"]["coverage"] == pytest.approx(360 / 86400)


def test_the_growth_day_decides_the_band(two_rooms: Farm) -> None:
    samples = minutes(1, day(two_rooms).start, [18.0] * 600 + [20.0] * 840)
    eighth = rows_of(samples, two_rooms, in_dates={"A": [dt.date(2026, 1, 13)]})
    seventh = rows_of(samples, two_rooms, in_dates={"A": [dt.date(2026, 1, 14)]})
    assert eighth["A", "temperature"]["in_range"] == pytest.approx(600 / 1440)
    assert (
        eighth["A", "temperature"]["growth_day"],
        eighth["A", "temperature"]["is_growth_phase"],
    ) == (8, True)
    assert eighth["A", "temperature"]["batch_date"] == dt.date(2026, 1, 13)
    assert eighth["A", "co2"]["in_range"] is None
    assert (seventh["A", "temperature"]["growth_day"], seventh["A", "temperature"]["in_range"]) == (
        7,
        None,
    )
    assert (eighth["B", "temperature"]["growth_day"], eighth["B", "temperature"]["batch_date"]) == (
        None,
        None,
    )


def test_a_stuck_run_that_begins_before_midnight_counts_from_midnight_on(two_rooms: Farm) -> None:
    first = day(two_rooms).start - dt.timedelta(minutes=20)
    stuck = minutes(1, first, [18.0] * 31)  # 23:40 to 00:10: 30 minutes
    assert rows_of(stuck, two_rooms)["A", "temperature"]["suspect_count"] == 11
    assert rows_of(stuck.iloc[:-1], two_rooms)["A", "temperature"]["suspect_count"] == 0


def test_a_stuck_run_of_hours_before_midnight_is_seen_in_what_is_read(two_rooms: Farm) -> None:
    first = day(two_rooms).start - dt.timedelta(hours=30)
    stuck = minutes(1, first, [18.0] * (30 * 60 + 1))  # until 00:00
    since = to_us(day(two_rooms).start) - neighbourhood(two_rooms).before * SECOND
    assert rows_of(stuck[stuck["at"] >= since], two_rooms)["A", "temperature"]["suspect_count"] == 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([16.0, 16.1, 18.0, 21.0, math.nan]), min_size=150, max_size=150),
    st.integers(5, 140),
    st.sampled_from([1, 4]),
)
def test_a_days_rows_do_not_depend_on_what_else_was_read(
    values: list[float], into: int, period: int
) -> None:
    farm = parse_farm(FARM)
    window = day(farm)
    around = neighbourhood(farm)
    before = to_us(window.start) - around.before * SECOND
    after = window.end_us + around.after * SECOND
    values = [value for value in values for _ in range(period)]  # also runs of one value
    first = window.start - into * period * dt.timedelta(minutes=1)
    everything = pd.concat(
        [minutes(point, first, values) for point in (1, 2, 4)], ignore_index=True
    )
    inside = (everything["at"] >= before) & (everything["at"] < after)
    assert rows_of(everything, farm) == rows_of(everything[inside], farm)


def test_a_day_depends_on_the_longest_stuck_rule_before_it_and_the_hold_after_it(
    two_rooms: Farm,
) -> None:
    assert neighbourhood(two_rooms) == (3600, 300)
    unruled = parse_farm(FARM.replace(", stuck_s: 1800", "").replace(", stuck_s: 3600", ""))
    assert neighbourhood(unruled) == (900, 300)  # a value that is carried in, and what is before it


def test_a_spike_in_the_last_minute_of_a_day_is_seen_by_the_first_of_the_next(
    two_rooms: Farm,
) -> None:
    end = day(two_rooms).end
    spiky = minutes(1, end - dt.timedelta(minutes=2), [18.0, 25.0, 18.0])
    row = rows_of(spiky, two_rooms)["A", "temperature"]
    assert (row["suspect_count"], row["max"], row["sample_count"]) == (1, 18.0, 2)
    assert rows_of(spiky.iloc[:2], two_rooms)["A", "temperature"]["max"] == 25.0


def test_derived_quantities_are_those_of_each_device_that_measures_both(two_rooms: Farm) -> None:
    start = day(two_rooms).start
    env = [minutes(1, start, [16.0] * 60), minutes(2, start, [90.0] * 60)]
    alone = minutes(4, start, [30.0] * 60)  # a second thermometer has no part in them
    vpd = rows_of(pd.concat([*env, alone]), two_rooms)["A", "vpd"]
    assert vpd["mean"] == pytest.approx(0.1818, rel=3e-3)
    assert (vpd["sensor_count"], vpd["sample_count"]) == (1, 60)


def test_where_no_device_measures_both_the_rooms_values_are_taken(two_rooms: Farm) -> None:
    points = [
        Point(1, "A", "env", "one_A", "t"),
        Point(2, "A", "env", "two_A", "t"),
        Point(3, "A", "env", "three_A", "h"),
    ]
    start = day(two_rooms).start
    samples = pd.concat(
        [
            minutes(1, start, [15.0] * 60),
            minutes(2, start + dt.timedelta(seconds=20), [17.0] * 60),
            minutes(3, start, [90.0] * 60),
        ]
    )
    found = environment.summarise_day(
        samples, day(two_rooms), find_sources(points, two_rooms), two_rooms, {}
    )
    rows = {(row["room_id"], row["quantity"]): row for row in found.rows}
    # But for the first 20 s the room is at 16 °C
    assert rows["A", "vpd"]["median"] == pytest.approx(0.1818, rel=3e-3)
    assert rows["A", "vpd"]["sensor_count"] == 1
    of_room = [sensor for sensor in found.sensors if sensor.room_id == "A"]
    assert [(sensor.name, sensor.mean) for sensor in of_room] == [("one_A", 15.0), ("two_A", 17.0)]


@pytest.mark.parametrize("dead", [None, math.nan])
def test_a_device_that_lost_one_of_its_sensors_leaves_the_room_to_the_others(
    two_rooms: Farm, dead: float | None
) -> None:
    start = day(two_rooms).start
    points = [*POINTS, Point(7, "A", "env", "new_A", "h")]
    parts = [minutes(1, start, [16.0] * 60), minutes(7, start, [90.0] * 60)]
    if dead is not None:  # else the point stands there, and delivered nothing
        parts.append(minutes(2, start, [dead] * 60))
    samples = pd.concat(parts).sort_values(["point_id", "at"])
    sources = find_sources(points, two_rooms)
    found = environment.summarise_day(samples, day(two_rooms), sources, two_rooms, {})
    rows = {(row["room_id"], row["quantity"]): row for row in found.rows}
    assert rows["A", "vpd"]["mean"] == pytest.approx(0.1818, rel=3e-3)
    assert rows["A", "dew_point"]["coverage"] == rows["A", "humidity"]["coverage"]
    assert rows["A", "humidity"]["rejected_count"] == (0 if dead is None else 60)


def test_a_point_without_samples_changes_nothing(two_rooms: Farm) -> None:
    start = day(two_rooms).start
    points = [Point(1, "A", "env", "one_A", "t"), Point(2, "A", "env", "two_A", "h")]
    spiky = [16.0] * 30 + [26.0] + [16.0] * 29
    samples = pd.concat([minutes(1, start, spiky), minutes(2, start, [90.0] * 60)])
    empty = [Point(3, "A", "env", "new_A", "t"), Point(4, "A", "env", "new_A", "h")]
    found = [
        environment.summarise_day(
            samples, day(two_rooms), find_sources(known, two_rooms), two_rooms, {}
        )
        for known in (points, points + empty)
    ]
    assert found[0] == found[1]
    rows = {(row["room_id"], row["quantity"]): row for row in found[0].rows}
    # A spike of the only thermometer is one of the vapour pressure deficit
    assert (rows["A", "vpd"]["suspect_count"], rows["A", "vpd"]["sample_count"]) == (1, 60)


def test_wet_hours_are_those_of_fog_and_those_near_the_dew_point(two_rooms: Farm) -> None:
    start = day(two_rooms).start
    humid = [90.0] * 60 + [97.0] * 60 + [96.8] * 60 + [90.0] * 60
    samples = pd.concat([minutes(1, start, [18.0] * 240), minutes(2, start, humid)])
    assert 18 - psychrolib.GetTDewPointFromRelHum(18.0, 0.968) == pytest.approx(0.516, abs=2e-3)
    rows = rows_of(samples, two_rooms)
    assert rows["A", "humidity"]["wet_hours"] == pytest.approx(1.0)
    assert rows["A", "temperature"]["wet_hours"] is None
    assert rows["B", "humidity"]["wet_hours"] is None
    warm = pd.concat([minutes(1, start, [8.0] * 60), minutes(2, start, [96.8] * 60)])
    assert 8 - psychrolib.GetTDewPointFromRelHum(8.0, 0.968) == pytest.approx(0.476, abs=5e-3)
    assert rows_of(warm, two_rooms)["A", "humidity"]["wet_hours"] == pytest.approx(1.0, abs=0.1)


def test_five_sensors_of_97_percent_on_average_are_wet() -> None:
    percents = [96.96, 97.07, 97.41, 96.64, 96.92]
    assert sum(percents) / 5 < 97  # in binary
    held = hold([series({0: percent}) for percent in percents], 0, HOLD * SECOND, HOLD)
    cold, warm = (hold([series({0: value})], 0, HOLD * SECOND, HOLD) for value in (10.0, 18.0))
    assert wet_hours(warm, held, cold) == HOLD / 3600
    assert wet_hours(warm, hold([series({0: 96.9})], 0, HOLD * SECOND, HOLD), cold) == 0


@pytest.mark.parametrize(
    ("second", "value"),
    [(-1, None), (0, 1.0), (59, 1.0), (60, 2.0), (130, 2.0), (360, 2.0), (361, None), (701, None)],
    ids=lambda number: str(number),
)
def test_the_value_known_at_an_instant_is_the_last_accepted_one_up_to_an_age(
    second: int, value: float | None
) -> None:
    found = series({0: 1.0, 60: 2.0, 120: math.nan})
    assert last_known([found], second * SECOND, 300) == value
    nothing = series({0: math.nan})
    assert last_known([found, nothing], second * SECOND, 300) == value


def test_what_two_sensors_knew_last_is_the_mean_of_those_that_are_not_too_old() -> None:
    one = series({0: 1.0})
    other = series({200: 2.0})
    seconds = (100, 250, 350, 501)
    found = [last_known([one, other], second * SECOND, 300) for second in seconds]
    assert found == [1.0, 1.5, 2.0, None]
