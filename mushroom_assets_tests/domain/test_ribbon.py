"""Ribbons: quarters of an hour against numpy, gaps and time in range by arithmetic, setpoints."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.held import hold
from mushroom_assets.domain.marks import mark
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.ribbon import Ribbon, day_ribbons, setpoint_points, steps
from mushroom_assets.domain.windows import Window, to_us

FARM = """
timezone: Europe/Brussels
first_day: 2026-01-01
rooms: {A: {}}
quantities:
  temperature:
    {device_type: env, point_alias: t, unit: "°C", plausible: [-20, 60],
     setpoints: {cooler: [set, on]}}
  humidity: {device_type: env, point_alias: h, unit: "%", plausible: [0, 100]}
points:
  cooler:
    set: {change_type: analog_value, threshold: 0.1, description: {en: setpoint, zh: 设定}}
stages: [{name: all, days: [1, 27], bands: {temperature: [17, 19]}}]
"""
SECOND = 1_000_000
HOUR = 3600 * SECOND
FARM_OF = parse_farm(FARM)


def day(date: str = "2026-01-05") -> Window:
    start = dt.datetime.fromisoformat(date).replace(tzinfo=FARM_OF.zone)
    end = (start + dt.timedelta(days=1)).replace(tzinfo=FARM_OF.zone)
    return Window(date, start, end)


def samples(at: list[int], value: list[float], point: int = 1) -> pd.DataFrame:
    return pd.DataFrame({"point_id": np.full(len(at), point, np.int32), "at": at, "value": value})


def ribbon(frame: pd.DataFrame, of: Window, quantity: str = "temperature") -> Ribbon:
    sources = {
        ("A", "temperature"): [Point(1, "A", "env", "env_A", "temperature")],
        ("A", "humidity"): [Point(2, "A", "env", "env_A", "humidity")],
    }
    found = day_ribbons(frame, of, sources, {}, FARM_OF, {"A": [dt.date(2026, 1, 1)]})
    return next(part for part in found if part.quantity == quantity)


def test_each_quarter_of_an_hour_has_the_quantiles_that_numpy_finds() -> None:
    of, rng = day(), np.random.default_rng(1)
    at = np.sort(rng.choice(np.arange(of.start_us, of.end_us, 20 * SECOND), 900, replace=False))
    at = at[(at < of.start_us + 6 * HOUR) | (at >= of.start_us + 8 * HOUR)]
    value = rng.normal(18, 2, at.size)
    value[::50] = 99  # outside the plausible range
    found = ribbon(samples(at.tolist(), value.tolist()), of).quantiles
    assert found.shape == (5, 96)
    for number in range(96):
        start = of.start_us + number * 15 * 60 * SECOND
        own = value[(at >= start) & (at < start + 15 * 60 * SECOND) & (value != 99)]
        if own.size:
            assert found[:, number] == pytest.approx(np.quantile(own, [0, 0.25, 0.5, 0.75, 1]))
        else:
            assert np.isnan(found[:, number]).all()
    assert np.isnan(found[:, 24:32]).all()


@pytest.mark.parametrize(
    ("date", "quarters"), [("2026-01-05", 96), ("2026-03-29", 92), ("2026-10-25", 100)]
)
def test_a_day_has_as_many_quarters_as_it_lasts(date: str, quarters: int) -> None:
    assert ribbon(samples([], []), day(date)).bins.size == quarters


def test_gaps_are_the_stretches_beyond_what_a_value_holds() -> None:
    at = [0, 100, 200, 1000, 3000]  # seconds; a value holds 300
    series = mark(
        samples([second * SECOND for second in at], [1.0] * 5),
        FARM_OF.quantities["temperature"],
        300,
    )
    found = hold([series], 50 * SECOND, 4000 * SECOND, 300).gaps()
    assert [(first // SECOND, last // SECOND) for first, last in found] == [
        (500, 1000),
        (1300, 3000),
        (3300, 4000),
    ]
    nothing = mark(samples([], []), FARM_OF.quantities["temperature"], 300)
    assert hold([nothing], 0, 10, 300).gaps() == [(0, 10)]


def test_time_below_in_and_above_the_band_is_by_time_and_not_by_samples() -> None:
    at, value = [0, 60, 120, 420], [16.0, 17.0, 19.0, 19.1]  # known for 60, 60, 300 and 180 s
    series = mark(
        samples([second * SECOND for second in at], value), FARM_OF.quantities["temperature"], 300
    )
    found = hold([series], 0, 600 * SECOND, 300).beside((17, 19))
    assert found is not None
    assert found[:3] == pytest.approx((60 / 600, 360 / 600, 180 / 600))
    assert hold([series], 10_000 * SECOND, 10_600 * SECOND, 300).beside((17, 19)) is None


@pytest.mark.parametrize(("hours", "shares"), [(16, None), (17, (0, 1, 0))])
def test_of_a_day_of_which_less_than_70_percent_is_known_no_time_in_band_is_claimed(
    hours: int, shares: tuple[float, float, float] | None
) -> None:
    at = range(day().start_us, day().start_us + hours * HOUR, 60 * SECOND)
    found = ribbon(samples(list(at), [18.0] * len(at)), day())
    # The last value holds for 5 minutes
    assert found.coverage == pytest.approx((hours * 60 + 4) / 1440)
    assert (found.shares and found.shares[:3]) == shares


def test_the_band_is_that_of_the_growth_day_and_a_free_quantity_has_none() -> None:
    of = day()
    frame = samples([of.start_us, of.start_us + 60 * SECOND], [18.0, 18.0])
    assert ribbon(frame, of).band == (17, 19)
    assert ribbon(frame, day("2026-02-20")).band is None  # growth day 51
    assert (ribbon(frame, of, "humidity").band, ribbon(frame, of, "humidity").shares) == (
        None,
        None,
    )


def test_all_quantities_but_the_dew_point_are_shown() -> None:
    found = day_ribbons(
        samples([], []),
        day(),
        {
            ("A", "temperature"): [Point(1, "A", "env", "env_A", "temperature")],
            ("A", "humidity"): [Point(2, "A", "env", "env_A", "humidity")],
        },
        {},
        FARM_OF,
        {},
    )
    assert [(part.room_id, part.quantity, part.unit) for part in found] == [
        ("A", "temperature", "°C"), ("A", "humidity", "%"), ("A", "vpd", "kPa"),
    ]  # fmt: skip


def test_a_setpoint_is_in_force_from_its_change_on() -> None:
    points = [
        Point(7, "A", "cooler", "cooler_A", "set"),
        Point(8, "A", "cooler", "cooler_A", "on"),
        Point(9, "B", "cooler", "cooler_B", "set"),
        Point(1, "A", "env", "env_A", "t"),
    ]
    setting = setpoint_points(points, FARM_OF)
    assert setting == {("A", "temperature"): points[:2]}
    seconds, values = [-500, 0, 60, 120, 180], [17.0, 17.0, np.nan, 17.5, 17.5]
    frame = samples([second * SECOND for second in seconds], values, 7)
    (found,) = steps(frame, points[:2], FARM_OF)
    assert (found.name, found.at.tolist(), found.value.tolist()) == (
        "setpoint",
        [-500 * SECOND, 120 * SECOND],
        [17, 17.5],
    )
    chinese = parse_farm(FARM + "language: zh\n")
    assert steps(frame, points[:1], chinese)[0].name == "设定"


def test_the_day_alone_counts_whatever_else_was_read() -> None:
    of = day()
    at = list(range(of.start_us - 2 * HOUR, of.end_us + 2 * HOUR, 60 * SECOND))
    value = [18.0 if of.start_us <= instant < of.end_us else 30.0 for instant in at]
    found = ribbon(samples(at, value), of)
    assert float(np.nanmin(found.quantiles)) == 18
    assert float(np.nanmax(found.quantiles)) == 18
    assert found.shares is not None
    assert found.shares[:3] == (0, 1, 0)
    assert (found.gaps, found.coverage) == ([], 1)
    assert to_us(of.start) == found.start
