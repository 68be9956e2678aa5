"""The batch in force on a day: expected values are counted on a calendar."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_assets.domain.growth import Growth, growth_on

FIRST, SECOND = dt.date(2026, 1, 5), dt.date(2026, 2, 1)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (dt.date(2026, 1, 4), Growth(None, None, None)),
        (dt.date(2026, 1, 5), Growth(FIRST, 1, True)),
        (dt.date(2026, 1, 6), Growth(FIRST, 2, True)),
        (dt.date(2026, 1, 31), Growth(FIRST, 27, True)),
        (dt.date(2026, 2, 1), Growth(SECOND, 1, True)),
        (dt.date(2026, 2, 27), Growth(SECOND, 27, True)),
        (dt.date(2026, 2, 28), Growth(SECOND, 28, False)),
    ],
    ids=str,
)
def test_the_latest_batch_not_after_the_day_is_in_force(day: dt.date, expected: Growth) -> None:
    assert growth_on(day, [FIRST, SECOND], 27) == expected


def test_a_room_without_batches_has_no_growth_day() -> None:
    assert growth_on(FIRST, [], 27) == Growth(None, None, None)


@given(
    st.lists(st.dates(dt.date(2025, 1, 1), dt.date(2025, 3, 1)), unique=True), st.integers(0, 90)
)
def test_growth_days_count_up_from_the_latest_in_date(in_dates: list[dt.date], later: int) -> None:
    day = dt.date(2025, 1, 1) + dt.timedelta(days=later)
    found, count = growth_on(day, sorted(in_dates), 27), 0
    while day not in in_dates and day > dt.date(2025, 1, 1):
        day, count = day - dt.timedelta(days=1), count + 1
    assert found.growth_day == (count + 1 if day in in_dates else None)
    assert found.batch_date == (day if day in in_dates else None)
