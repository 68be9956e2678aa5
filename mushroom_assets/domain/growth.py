"""Which batch is in force on a farm-local day, and its growth day. Pure dates."""

import bisect
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Growth:
    """A room's place in its cycle on one day; all None before the room's first batch."""

    batch_date: dt.date | None = None
    growth_day: int | None = None
    is_growth_phase: bool | None = None


def growth_on(day: dt.date, in_dates: Sequence[dt.date], cycle_days: int) -> Growth:
    """The batch in force on `day`: the latest that came in on or before that day.

    Growth day 1 is the in_date.

    Args:
        day: farm-local date.
        in_dates: the room's in-dates, ascending.
        cycle_days: growth days of a batch; later days belong to no growth phase.
    """
    position = bisect.bisect_right(in_dates, day)
    if position == 0:
        return Growth()
    batch_date = in_dates[position - 1]
    growth_day = (day - batch_date).days + 1
    return Growth(batch_date, growth_day, growth_day <= cycle_days)
