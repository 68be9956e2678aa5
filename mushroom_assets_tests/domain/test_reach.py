"""How far a change reaches: exactly to the partitions whose assets read what changed.

Expected is what arithmetic says: the windows of all days and hours, compared with a sample one by
one.
"""

import datetime as dt
import random
import zoneinfo
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from mushroom_assets.domain import names, reach
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.reach import Span, Touched
from mushroom_assets.domain.windows import to_us
from mushroom_assets_tests.kit.small import FARM

HOLD = 900  # seconds, as the rest
NEAR = HOLD  # neighbours of a spike, an hour at most
STUCK = 14400
CLIMATE_AGE = 300
EFFECT = 3600
SHANGHAI = "Asia/Shanghai"
BRUSSELS = "Europe/Brussels"
KATHMANDU = "Asia/Kathmandu"  # 5:45 h ahead of UTC
ZONES = [SHANGHAI, BRUSSELS, KATHMANDU]
# Weeks in which the clocks of Brussels go forward (03-29) and back (10-25)
SPRING = dt.date(2026, 3, 26)
AUTUMN = dt.date(2026, 10, 22)
WEEK = 7
SECOND = dt.timedelta(seconds=1)
MICROSECOND = dt.timedelta(microseconds=1)
POINTS = [
    Point(1, "A", "env", "env_A", "t"),
    Point(2, "A", "cooler", "cooler_A", "set"),
    # Of no room, of no quantity, of another kind of device
    Point(3, "Z", "env", "env_Z", "t"),
    Point(4, "A", "env", "env_A", "x"),
    Point(5, "A", "cooler", "cooler_A", "t"),
]
Window = tuple[str, dt.datetime, dt.datetime]


def farm_in(zone: str, hold: int = HOLD) -> Farm:
    text = FARM.format(timezone=zone)
    return parse_farm(text.replace(f"max_hold_s: {HOLD}", f"max_hold_s: {hold}"))


def at(zone: str, text: str) -> dt.datetime:
    """An instant by the clock on the wall."""
    wall = dt.datetime.fromisoformat(text)
    return wall.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)


def midnight(zone: str, day: dt.date) -> dt.datetime:
    return at(zone, f"{day}T00:00:00")


def daily(zone: str, first: dt.date, days: int = WEEK) -> list[Window]:
    every = [first + dt.timedelta(days=number) for number in range(-4, days + 4)]
    return [
        (f"{day}", midnight(zone, day), midnight(zone, day + dt.timedelta(days=1))) for day in every
    ]


def hourly(zone: str, first: dt.date, days: int = WEEK) -> list[Window]:
    begin = midnight(zone, first) - dt.timedelta(days=3)
    starts = [begin + dt.timedelta(hours=number) for number in range(24 * (days + 6))]
    return [(f"{start:%m-%dT%H:%M}", start, start + dt.timedelta(hours=1)) for start in starts]


def keys(touched: Sequence[Touched], asset: str, windows: Sequence[Window]) -> list[str]:
    """The partitions of an asset in which the instants lie; there is no instant elsewhere."""
    found = []
    for each in touched:
        if each.asset == asset:
            assert (np.diff(each.instants) > 0).all()
            for instant in each.instants:
                places = [
                    key for key, start, end in windows if to_us(start) <= instant < to_us(end)
                ]
                assert len(places) == 1, instant
                found += places
    return found


def read_by(
    windows: Sequence[Window], instants: Sequence[dt.datetime], before: int, after: int = 0
) -> list[str]:
    """Of the partitions that read so many seconds before and after, those that read an instant."""
    found = []
    for key, start, end in windows:
        first = start - before * SECOND
        beyond = end + after * SECOND
        if any(first <= instant < beyond for instant in instants):
            found.append(key)
    return found


def changed(
    point: int,
    first: dt.datetime,
    last: dt.datetime | None = None,
    following: dt.datetime | None = None,
) -> pd.DataFrame:
    last = last or first
    row = (point, to_us(first), to_us(last), to_us(following or last))
    return pd.DataFrame([row], columns=["point_id", "first", "last", "next"])


def climate(farm: Farm, instant: dt.datetime) -> list[Touched]:
    return reach.of_samples(changed(1, instant), POINTS, farm)


def edges(zone: str, first: dt.date, lookback: int) -> list[dt.datetime]:
    """Midnight of three days, what lies before it by all that an asset reads, and just beside.

    On the first of them the clock changes.
    """
    found = []
    for number in (3, 4, 5):
        begin = midnight(zone, first + dt.timedelta(days=number))
        ahead = (-EFFECT, -2 * NEAR, -NEAR, 0)
        for shift in (*ahead, CLIMATE_AGE + 2 * NEAR, EFFECT, lookback, lookback + EFFECT, HOLD):
            instant = begin - shift * SECOND
            found += [instant - MICROSECOND, instant, instant + MICROSECOND]
    return found


@pytest.mark.parametrize("hold", [HOLD, 2 * 24 * 3600])
@pytest.mark.parametrize("first", [SPRING, AUTUMN])
@pytest.mark.parametrize("zone", ZONES)
def test_a_climate_sample_touches_the_days_that_read_it_and_no_other(
    zone: str, first: dt.date, hold: int
) -> None:
    farm = farm_in(zone, hold)
    days = daily(zone, first)
    near = min(hold, 3600)
    lookback = max(STUCK, hold + 2 * near)
    for instant in edges(zone, first, lookback):
        touched = climate(farm, instant)
        assert keys(touched, names.ENVIRONMENT, days) == read_by(days, [instant], lookback, near)
        of_images = read_by(days, [instant], CLIMATE_AGE + 2 * near, 2 * near)
        assert keys(touched, names.VISION, days) == of_images
        expected = read_by(days, [instant], lookback + EFFECT, EFFECT)
        assert keys(touched, names.REPORT, days) == expected
        assert names.SETPOINTS not in {each.asset for each in touched if each.instants.size}


def test_what_that_is_on_some_days() -> None:
    farm = farm_in(SHANGHAI)
    days = daily(SHANGHAI, SPRING)

    def of(text: str, asset: str = names.ENVIRONMENT) -> list[str]:
        return keys(climate(farm, at(SHANGHAI, text)), asset, days)

    # The next day looks back by 14,400 s: to 20:00; the day before looks 900 s ahead
    assert of("2026-03-28T00:14:59") == ["2026-03-27", "2026-03-28"]
    assert of("2026-03-28T00:15:00") == ["2026-03-28"]
    assert of("2026-03-28T19:59:59") == ["2026-03-28"]
    assert of("2026-03-28T20:00:00") == ["2026-03-28", "2026-03-29"]
    # An image has a climate of at most 5 min before, which two samples to each side of it may tell
    # to be a spike; a report looks an hour further than the statistics, both ways
    assert of("2026-03-28T00:29:59", names.VISION) == ["2026-03-27", "2026-03-28"]
    assert of("2026-03-28T00:30:00", names.VISION) == ["2026-03-28"]
    assert of("2026-03-28T23:24:59", names.VISION) == ["2026-03-28"]
    assert of("2026-03-28T23:25:00", names.VISION) == ["2026-03-28", "2026-03-29"]
    assert of("2026-03-28T00:59:59", names.REPORT) == ["2026-03-27", "2026-03-28"]
    assert of("2026-03-28T01:00:00", names.REPORT) == ["2026-03-28"]
    assert of("2026-03-28T19:00:00", names.REPORT) == ["2026-03-28", "2026-03-29"]


def test_a_value_that_holds_for_two_days_touches_three_or_four() -> None:
    farm = farm_in(BRUSSELS, hold=2 * 24 * 3600)

    def of(text: str, first: dt.date) -> list[str]:
        found = keys(climate(farm, at(BRUSSELS, text)), names.ENVIRONMENT, daily(BRUSSELS, first))
        return [key[5:] for key in found]

    # 50 h later it is 13:00 of 03-30, and an hour later by the clock on the wall
    assert of("2026-03-28T11:00:00", SPRING) == ["03-28", "03-29", "03-30"]
    assert of("2026-03-28T20:59:59", SPRING) == ["03-28", "03-29", "03-30"]
    assert of("2026-03-28T21:00:00", SPRING) == ["03-28", "03-29", "03-30", "03-31"]
    # And an hour earlier where the clock goes back
    assert of("2026-10-24T22:59:59", AUTUMN) == ["10-24", "10-25", "10-26"]
    assert of("2026-10-24T23:00:00", AUTUMN) == ["10-24", "10-25", "10-26", "10-27"]


@pytest.mark.parametrize("zone", ZONES)
def test_a_setpoint_touches_its_hour_and_that_of_the_next(zone: str) -> None:
    farm = farm_in(zone)
    chance = random.Random(zone)
    for first in (SPRING, AUTUMN):
        hours = hourly(zone, first)
        for _ in range(30):
            _, start, end = chance.choice(hours[48:-96])
            instant = chance.choice(
                [start, end - MICROSECOND, start + chance.random() * 3600 * SECOND]
            )
            following = instant + chance.choice([0.5, 3599.5, 3600, 90_000]) * SECOND
            touched = reach.of_samples(changed(2, instant, None, following), POINTS, farm)
            assert keys(touched, names.SETPOINTS, hours) == read_by(hours, [instant, following], 0)
            assert [each.asset for each in touched if each.instants.size] == [names.SETPOINTS]


def test_the_repeated_hour_of_a_zone_is_two() -> None:
    farm = farm_in(BRUSSELS)
    hours = hourly(BRUSSELS, AUTUMN)
    both = [dt.datetime(2026, 10, 25, hour, 30, tzinfo=dt.UTC) for hour in (0, 1)]  # 02:30 each
    found = [reach.of_samples(changed(2, each), POINTS, farm) for each in both]
    assert [keys(each, names.SETPOINTS, hours) for each in found] == [
        ["10-25T00:00"],
        ["10-25T01:00"],
    ]


def test_an_hour_of_utc_is_two_hours_of_kathmandu() -> None:
    first = dt.datetime(2026, 3, 28, 10, 10, tzinfo=dt.UTC)  # 15:55
    last = first + dt.timedelta(minutes=40)  # 16:35
    touched = reach.of_samples(changed(2, first, last), POINTS, farm_in(KATHMANDU))
    found = keys(touched, names.SETPOINTS, hourly(KATHMANDU, SPRING))
    assert found == ["03-28T09:15", "03-28T10:15"]  # their begins in UTC


@pytest.mark.parametrize("point", [3, 4, 5])
def test_what_nothing_reads_touches_nothing(point: int) -> None:
    touched = reach.of_samples(
        changed(point, at(SHANGHAI, "2026-03-28")), POINTS, farm_in(SHANGHAI)
    )
    assert [each.asset for each in touched if each.instants.size] == []


@pytest.mark.parametrize("zone", ZONES)
def test_a_stretch_touches_every_partition_that_it_meets(zone: str) -> None:
    farm = farm_in(zone)
    chance = random.Random(zone)
    for first in (SPRING, AUTUMN):
        hours = hourly(zone, first)
        days = daily(zone, first)
        for _ in range(15):
            begin = chance.choice(hours[72:120])[1] + chance.choice([0, 1, 3599]) * SECOND
            end = begin + chance.choice([0, 1, 3599, 3600, 86_400, 100_000]) * SECOND
            assets = [names.SETPOINTS, names.ENVIRONMENT]
            touched = reach.of_span(Span(to_us(begin), to_us(end)), assets, "batch", farm)
            for asset, windows in zip(assets, (hours, days), strict=True):
                met = [key for key, start, beyond in windows if start <= end and begin < beyond]
                assert keys(touched, asset, windows) == met
    assert reach.of_span(Span(2, 1), reach.ASSETS, "batch", farm) == []


def test_a_point_touches_what_its_samples_are_read_for() -> None:
    farm = farm_in(SHANGHAI)
    days = daily(SHANGHAI, SPRING)
    begin = at(SHANGHAI, "2026-03-28T00:30")
    span = Span(to_us(begin), to_us(at(SHANGHAI, "2026-03-29T21:00")))
    sensor = reach.of_point(("A", "env", "t"), span, farm)
    assert keys(sensor, names.ENVIRONMENT, days) == ["2026-03-28", "2026-03-29", "2026-03-30"]
    reports = ["2026-03-27", "2026-03-28", "2026-03-29", "2026-03-30"]
    assert keys(sensor, names.REPORT, days) == reports
    setting = reach.of_point(("A", "cooler", "set"), span, farm)
    assert len(keys(setting, names.SETPOINTS, hourly(SHANGHAI, SPRING))) == 24 + 22
    for kind in (("Z", "env", "t"), ("A", "env", "x"), ("A", None, None), (None, "env", "t")):
        assert reach.of_point(kind, span, farm) == []


@pytest.mark.parametrize("first", [SPRING, AUTUMN])
@pytest.mark.parametrize("zone", ZONES)
def test_a_batch_touches_the_days_until_the_next(zone: str, first: dt.date) -> None:
    farm = farm_in(zone)
    now = midnight(zone, first + dt.timedelta(days=6)) + dt.timedelta(hours=1)
    days = [key for key, _, _ in daily(zone, first)]

    def of(in_date: dt.date, following: dt.date | None) -> list[str]:
        span = reach.of_batch(in_date, following, now, farm)
        touched = reach.of_span(span, reach.OF_BATCHES, "batch", farm)
        return keys(touched, names.ENVIRONMENT, daily(zone, first))

    begin = days.index(f"{first}")
    assert of(first, first + dt.timedelta(days=4)) == days[begin : begin + 4]
    # To now, and a day more
    assert of(first, None) == of(first, first + dt.timedelta(days=30)) == days[begin : begin + 8]
    assert of(first + dt.timedelta(days=9), None) == []


@pytest.mark.parametrize("zone", ZONES)
def test_days_are_told_by_their_noon(zone: str) -> None:
    farm = farm_in(zone)
    every = [dt.date(2026, 3, 29), dt.date(2026, 10, 25), dt.date(2026, 3, 29)]
    found = reach.of_days(names.REPORT, every, "daily_env_stats", farm)
    noons = [at(zone, "2026-03-29T12:00"), at(zone, "2026-10-25T12:00")]
    assert found.instants.tolist() == [to_us(noon) for noon in noons]
