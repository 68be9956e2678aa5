"""The farm's clock: keys and windows of days and hours, also where the clocks change."""

import datetime as dt
import itertools

import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.partitions import FarmClock, farm_clock, windows

HOUR = dt.timedelta(hours=1)


def farm_in(zone: str, first_day: str = "2026-01-01") -> Farm:
    return parse_farm(f"{{timezone: {zone}, first_day: {first_day}, rooms: {{A: {{}}}}}}")


@pytest.fixture(scope="module")
def shanghai() -> FarmClock:
    return farm_clock(farm_in("Asia/Shanghai"))


@pytest.fixture(scope="module")
def brussels() -> FarmClock:
    return farm_clock(farm_in("Europe/Brussels", "2025-01-01"))


def utc(*numbers: int) -> dt.datetime:
    return dt.datetime(*numbers, tzinfo=dt.UTC)  # type: ignore[misc, arg-type]


def test_a_day_is_the_farms_day(shanghai: FarmClock) -> None:
    (day,) = windows(shanghai.daily, ["2026-01-05"])
    assert (day.key, day.date) == ("2026-01-05", dt.date(2026, 1, 5))
    assert (day.start, day.end) == (utc(2026, 1, 4, 16), utc(2026, 1, 5, 16))


def test_an_hour_is_the_farms_hour(shanghai: FarmClock) -> None:
    (hour,) = windows(shanghai.hourly, ["2026-01-05-00:00"])
    assert (hour.start, hour.end, hour.date) == (
        utc(2026, 1, 4, 16),
        utc(2026, 1, 4, 17),
        dt.date(2026, 1, 5),
    )


def test_both_begin_on_the_first_day_and_end_with_what_has_closed(shanghai: FarmClock) -> None:
    now = utc(2026, 1, 3, 3, 5)  # 11:05 in Shanghai
    assert shanghai.daily.get_partition_keys(current_time=now) == ["2026-01-01", "2026-01-02"]
    hours = shanghai.hourly.get_partition_keys(current_time=now)
    assert (hours[0], hours[-1], len(hours)) == (
        "2026-01-01-00:00",
        "2026-01-03-10:00",
        2 * 24 + 11,
    )


def test_before_the_first_day_has_closed_there_are_no_days(shanghai: FarmClock) -> None:
    assert shanghai.daily.get_partition_keys(current_time=utc(2026, 1, 1, 15, 59)) == []
    assert shanghai.daily.get_partition_keys(current_time=utc(2026, 1, 1, 16)) == ["2026-01-01"]


@pytest.mark.parametrize(
    ("day", "hours"), [("2025-03-29", 24), ("2025-03-30", 23), ("2025-10-26", 25)]
)
def test_a_day_has_the_hours_that_the_clocks_leave_it(
    brussels: FarmClock, day: str, hours: int
) -> None:
    (window,) = windows(brussels.daily, [day])
    assert (window.end_us - window.start_us) / 3_600_000_000 == hours
    keys = [
        key
        for key in brussels.hourly.get_partition_keys(current_time=utc(2025, 11, 1))
        if window.start <= windows(brussels.hourly, [key])[0].start < window.end
    ]
    assert len(keys) == hours == len(set(keys))
    spans = windows(brussels.hourly, keys)
    assert (spans[0].start_us, spans[-1].end_us) == (window.start_us, window.end_us)
    assert all(span.end_us - span.start_us == 3_600_000_000 for span in spans)
    assert all(one.end_us == two.start_us for one, two in itertools.pairwise(spans))


def test_the_hour_that_comes_twice_has_two_keys(brussels: FarmClock) -> None:
    first, again = windows(brussels.hourly, ["2025-10-26-02:00", "2025-10-26-02:00+0100"])
    assert first.start.astimezone(dt.UTC) == utc(2025, 10, 26, 0)
    assert again.start.astimezone(dt.UTC) == utc(2025, 10, 26, 1)


def test_a_span_before_a_window_is_one_of_time_and_not_of_the_clock(brussels: FarmClock) -> None:
    (hour,) = windows(brussels.hourly, ["2025-04-01-00:00"])  # 22:00 UTC of the day before
    # The clock says 23:00: it was winter time
    assert hour.before(dt.timedelta(days=7)) == utc(2025, 3, 24, 22)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Brussels", "America/New_York"])
def test_days_and_hours_share_the_farms_zone(zone: str) -> None:
    clock = farm_clock(farm_in(zone, "2026-02-03"))
    assert clock.daily.timezone == clock.hourly.timezone == zone
    now = utc(2026, 2, 5, 12)
    assert clock.daily.get_partition_keys(current_time=now)[0] == "2026-02-03"
    assert clock.hourly.get_partition_keys(current_time=now)[0] == "2026-02-03-00:00"
