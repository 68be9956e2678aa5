"""A room's climate as the page draws it: gaps stay gaps, the numbers are the statistics'."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.marks import mark
from mushroom_assets.domain.ribbon import Steps
from mushroom_assets.domain.room_chart import (
    Chart,
    Stretch,
    charts,
    day_window,
    drawn,
    last_hours,
)
from mushroom_assets.domain.sensors import Sensor
from mushroom_assets.domain.series import SECOND
from mushroom_assets.domain.windows import Window, to_us

DAY = dt.date(2026, 1, 13)
BATCH = dt.date(2026, 1, 10)
MIDNIGHT = dt.datetime(2026, 1, 12, 16, tzinfo=dt.UTC)  # of the 13th in Shanghai


@pytest.fixture
def farm() -> Farm:
    return parse_farm("timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {'611': {}}\n")


def at(minute: float) -> int:
    """Microseconds of a minute of the day."""
    return to_us(MIDNIGHT) + int(minute * 60) * SECOND


def chart(
    samples: Sequence[tuple[float, float]],
    farm: Farm,
    window: Window | None = None,
    setpoints: Sequence[Steps] = (),
) -> Chart:
    """That of the temperature, of samples given as (minute of the day, value)."""
    columns = {
        "at": np.array([at(minute) for minute, _ in samples], dtype=np.int64),
        "value": np.array([value for _, value in samples], dtype=np.float64),
    }
    series = mark(columns, farm.quantities["temperature"], farm.max_hold_s)
    (made,) = charts(
        {"temperature": [Sensor("left", series)]},
        "611",
        window or day_window(DAY, farm),
        {"temperature": setpoints},
        [BATCH],
        farm,
    )
    return made


def test_what_is_not_known_is_a_gap_and_no_line(farm: Farm) -> None:
    known = [*range(60), *range(120, 180)]
    made = chart([(minute, 18.0) for minute in known], farm)
    assert len(made.values) == 1440
    first = MIDNIGHT.timestamp()
    # Each value holds 300 s: the last before a gap for five minutes
    told = [place for place, value in enumerate(made.values) if value is not None]
    assert told == [*range(64), *range(120, 184)]
    assert made.gaps == [
        (first + 64 * 60, first + 120 * 60),
        (first + 184 * 60, first + 1440 * 60),
    ]
    assert made.summary.known == pytest.approx(128 / 1440)
    assert (made.summary.low, made.summary.high, made.summary.last) == (18, 18, None)


def test_spikes_are_marked_and_are_in_no_line(farm: Farm) -> None:
    values = [(minute, 18.0) for minute in range(10)]
    values[5] = (5, 25.0)
    values[8] = (8, 99.0)  # no air has that
    made = chart(values, farm)
    first = int(MIDNIGHT.timestamp())
    assert made.spikes == [(first + 300, 25.0)]
    assert made.rejected == [first + 480]
    assert made.values[4:10] == [18.0, None, 18.0, 18.0, None, 18.0]


def test_the_band_is_that_of_each_day_that_is_shown(farm: Farm) -> None:
    # Growth day 4 ends at midnight: recovery's band, 17 to 20, then budding's, 17 to 19.5
    noon = MIDNIGHT + dt.timedelta(hours=12)
    window = Window("", noon, noon + dt.timedelta(hours=24))
    samples = [(minute, 19.75) for minute in range(720, 2160)]
    made = chart(samples, farm, window)
    start = int(noon.timestamp())
    assert made.bands == [
        Stretch(start, start + 12 * 3600, 17, 20),
        Stretch(start + 12 * 3600, start + 24 * 3600, 17, 19.5),
    ]
    assert made.summary.inside == 0.5
    whole = chart(samples, farm)
    assert [(band.low, band.high) for band in whole.bands] == [(17, 20)]


def test_a_setpoint_is_carried_in_and_holds(farm: Farm) -> None:
    def steps(*moves: tuple[float, float]) -> Steps:
        times = np.array([at(minute) for minute, _ in moves])
        return Steps("set", times, np.array([value for _, value in moves]))

    first = int(MIDNIGHT.timestamp())
    made = chart([(0, 18.0)], farm, setpoints=[steps((-600, 17.0), (60, 18.0)), steps((1440, 1.0))])
    assert made.setpoints == [("set", [first, first + 3600], [17.0, 18.0])]


def test_hours_are_the_means_of_their_known_minutes(farm: Farm) -> None:
    samples = [(minute, 18.0 if minute < 30 else 20.0) for minute in range(60)]
    hours = chart(samples, farm).hours()
    first = int(MIDNIGHT.timestamp())
    assert len(hours) == 24
    assert hours[0] == (first, 19.0)
    assert hours[1] == (first + 3600, 20.0)  # its first four minutes
    assert hours[2] == (first + 7200, None)


def test_a_room_without_sensors_is_told_as_unknown(farm: Farm) -> None:
    (made,) = charts({"temperature": []}, "611", day_window(DAY, farm), {}, [], farm)
    assert set(made.values) == {None}
    assert (made.summary, made.bands) == ((None, None, None, 0.0, None), [])
    told = drawn(made, "temperature", gap="not known")
    assert (told["words"], told["step"]) == ({"gap": "not known"}, 60)


def test_days_of_a_zone_with_summer_time_are_whole() -> None:
    berlin = parse_farm("timezone: Europe/Berlin\nfirst_day: 2026-01-01\nrooms: {a: {}}\n")
    hours = {}
    for day in (dt.date(2026, 3, 29), dt.date(2026, 10, 25), dt.date(2026, 11, 1)):
        window = day_window(day, berlin)
        hours[day.month] = (window.end - window.start) / dt.timedelta(hours=1)
    assert hours == {3: 23, 10: 25, 11: 24}


def test_the_last_hours_end_with_a_whole_minute() -> None:
    window = last_hours(dt.datetime(2026, 1, 20, 4, 30, 59, tzinfo=dt.UTC))
    assert window.end == dt.datetime(2026, 1, 20, 4, 30, tzinfo=dt.UTC)
    assert window.end - window.start == dt.timedelta(hours=24)
