"""Windows in instants: the hours of a farm day, and microseconds that lose nothing."""

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_assets.domain.windows import Window, to_instant, to_us

BRUSSELS = zoneinfo.ZoneInfo("Europe/Brussels")


def test_instants_count_from_1970_in_utc() -> None:
    assert to_us(dt.datetime(1970, 1, 2, tzinfo=dt.UTC)) == 86_400_000_000
    assert to_us(dt.datetime(1970, 1, 1, 8, tzinfo=zoneinfo.ZoneInfo("Asia/Shanghai"))) == 0
    assert to_instant(-1) == dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)


@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_there_and_back_keeps_every_microsecond(instant: dt.datetime) -> None:
    assert to_instant(to_us(instant)) == instant


@pytest.mark.parametrize(("day", "hours"), [(28, 24), (29, 23), (30, 24)], ids=str)
def test_a_day_in_march_has_as_many_hours_as_the_clocks_leave(day: int, hours: int) -> None:
    start = dt.datetime(2026, 3, day, tzinfo=BRUSSELS)
    window = Window("key", start, start + dt.timedelta(days=1))
    assert window.end_us - window.start_us == hours * 3600 * 1_000_000
    assert window.date == dt.date(2026, 3, day)


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    first, again = (dt.datetime(2026, 10, 25, 2, tzinfo=BRUSSELS, fold=fold) for fold in (0, 1))
    assert to_us(again) - to_us(first) == 3600 * 1_000_000
