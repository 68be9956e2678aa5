"""A batch over its growth days, beside the room's last ones and what good days had.

A batch is told day by day by the median of its samples. Which days count as good is the reports'
verdict. Nothing is read here.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.ribbon import NOT_SHOWN
from mushroom_assets.domain.targets import target_band
from mushroom_assets.domain.texts import decimals

OTHERS = 3  # earlier batches of the room
GOOD_DAYS = 5  # fewer say nothing of a growth day

Line = list[float | None]  # by growth day, from 1 on


class DayOfBatch(NamedTuple):
    """A quantity on a growth day of a batch."""

    batch_date: dt.date
    growth_day: int
    quantity: str
    median: float | None
    coverage: float


class DayOfGood(NamedTuple):
    """What the days judged good had at a growth day: how many, quantiles of their medians."""

    quantity: str
    growth_day: int
    days: int
    p10: float
    median: float
    p90: float


class Course(NamedTuple):
    """One quantity over the growth days 1 to `cycle_days`.

    Attributes:
        quantity: its key.
        unit: of its values.
        places: decimals that are shown.
        own: this batch.
        others: in-date and line of the room's batches before, the latest first.
        good: p10, median and p90 of the good days; None where there are too few.
        bands: first day, last day, low and high of each stage's band.
    """

    quantity: str
    unit: str
    places: int
    own: Line
    others: Sequence[tuple[dt.date, Line]]
    good: tuple[Line, Line, Line]
    bands: Sequence[tuple[int, int, float, float]]


def courses(
    room: str,
    batch: dt.date,
    days: Iterable[DayOfBatch],
    good: Iterable[DayOfGood],
    farm: Farm,
) -> list[Course]:
    """The courses of a batch, in the farm's order; days that are hardly known are left out."""
    known = [day for day in days if day.coverage >= farm.report.min_coverage]
    earlier = sorted({day.batch_date for day in known if day.batch_date < batch}, reverse=True)
    of_good = list(good)
    found = []
    for name, unit in farm.units().items():
        if name in NOT_SHOWN:
            continue
        own = [day for day in known if day.quantity == name]
        course = Course(
            quantity=name,
            unit=unit,
            places=decimals(name, unit, farm),
            own=_line(own, batch, farm),
            others=[(other, _line(own, other, farm)) for other in earlier[:OTHERS]],
            good=_good([day for day in of_good if day.quantity == name], farm),
            bands=_bands(name, room, batch, farm),
        )
        found.append(course)
    return found


def _line(days: Iterable[DayOfBatch], batch: dt.date, farm: Farm) -> Line:
    line: Line = [None] * farm.cycle_days
    for day in days:
        if day.batch_date == batch and 1 <= day.growth_day <= farm.cycle_days:
            line[day.growth_day - 1] = day.median
    return line


def _good(days: Iterable[DayOfGood], farm: Farm) -> tuple[Line, Line, Line]:
    low: Line = [None] * farm.cycle_days
    middle: Line = [None] * farm.cycle_days
    high: Line = [None] * farm.cycle_days
    for day in days:
        if day.days >= GOOD_DAYS and 1 <= day.growth_day <= farm.cycle_days:
            place = day.growth_day - 1
            low[place] = day.p10
            middle[place] = day.median
            high[place] = day.p90
    return low, middle, high


def _bands(name: str, room: str, batch: dt.date, farm: Farm) -> list[tuple[int, int, float, float]]:
    """The target band of each growth day; neighbours that are equal are one."""
    found: list[tuple[int, int, float, float]] = []
    for growth_day in range(1, farm.cycle_days + 1):
        day = batch + dt.timedelta(days=growth_day - 1)
        band = target_band(farm, room, day, name, growth_day)
        if band is None:
            continue
        if found and found[-1][1] == growth_day - 1 and found[-1][2:] == tuple(band):
            found[-1] = (found[-1][0], growth_day, *band)
        else:
            found.append((growth_day, growth_day, *band))
    return found


def drawn(course: Course, title: str, others: Sequence[str], **words: str) -> dict[str, Any]:
    """A course as the page's script takes it; `others` are the names of the earlier batches."""

    def rounded(line: Line) -> Line:
        return [None if value is None else round(value, course.places + 1) for value in line]

    lines = [rounded(line) for _, line in course.others]
    return {
        "title": title,
        "unit": course.unit,
        "places": course.places,
        "own": rounded(course.own),
        "others": [[name, line] for name, line in zip(others, lines, strict=True)],
        "good": [rounded(line) for line in course.good],
        "stages": course.bands,
        "words": words,
    }
