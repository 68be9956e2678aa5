"""The last hours of a quantity in a room: what it is now, how long outside its band, how it moves.

Known and unknown are as in the statistics (`held`). Times are int64 microseconds since 1970 UTC.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Band
from mushroom_assets.domain.growth import Growth
from mushroom_assets.domain.held import HOUR, Held, hold
from mushroom_assets.domain.series import DECIMALS, SECOND, Flags, Series
from mushroom_assets.domain.verdict import INTAKE

SETTLE_S = 300  # a shorter visit to its band ends no stay outside
TREND_COVERAGE = 0.75  # of a trend's time so much must be known


class Part(NamedTuple):
    """A part of the last hours that lies in one farm day: [start, end), under the day's rules."""

    start: int
    end: int
    farm: Farm
    growth: Growth

    @property
    def is_judged(self) -> bool:
        """Whether there is a crop: not on the day of intake, not when the batch is over."""
        day = self.growth.growth_day
        return day is not None and day > INTAKE and self.growth.is_growth_phase is True

    def band(self, quantity: str) -> Band | None:
        """The target band, None where the quantity is not judged by one."""
        return self.farm.band(quantity, self.growth.growth_day) if self.is_judged else None


class Outside(NamedTuple):
    """How a value stands to its band now.

    Attributes:
        value: now.
        band: of today.
        side: -1 below, 0 inside, 1 above.
        since: first instant of the stay outside; now where it is inside.
        out_s: seconds of it in which it is known to be outside.
    """

    value: float
    band: Band
    side: int
    since: int
    out_s: float


def outside(sensors: Sequence[Series], quantity: str, parts: Sequence[Part]) -> Outside | None:
    """How a quantity stands to its band at the end of the last part; None where it is unknown.

    Each part counts by its own band. Time in which nothing is known ends no stay outside and is
    none of it; a visit to the band of less than `SETTLE_S` is none of it either.

    Args:
        sensors: of the quantity, in the room.
        quantity: its name.
        parts: that touch each other, in time.
    """
    now = parts[-1].end
    band = parts[-1].band(quantity)
    found = None
    inside = 0
    out = 0
    since = now
    for part in reversed(parts):
        limits = part.band(quantity)
        if limits is None:
            break
        held = _held(sensors, part)
        for place in range(held.since.size - 1, -1, -1):
            first = int(held.since[place])
            last = int(held.until[place])
            side = _side(float(held.value[place]), limits)
            if found is None:
                if last != now or band is None:
                    return None
                found = Outside(float(held.value[place]), band, side, now, 0)
            if side:
                inside = 0
                out += last - first
                since = first
            else:
                inside += last - first
                if inside >= SETTLE_S * SECOND or not found.side:
                    return found._replace(since=since, out_s=out / SECOND)
    return found and found._replace(since=since, out_s=out / SECOND)


class Trend(NamedTuple):
    """How a value moves: its last value, and the change in an hour."""

    value: float
    per_hour: float


def trend(sensors: Sequence[Series], parts: Sequence[Part], over_s: int) -> Trend | None:
    """How a quantity moves over the last seconds: the slope of least squares, weighted by time.

    None where it is unknown now, or known for less than `TREND_COVERAGE` of them; time of a part
    without a crop does not count as known. A dip of minutes, of a door for instance, is no trend:
    one of 15 in the last 10 of 180 min counts like 1.6 an hour.
    """
    end = parts[-1].end
    first = end - over_s * SECOND
    helds = [_held(sensors, part) for part in parts if part.is_judged]
    since = np.concatenate([np.empty(0, np.int64), *(held.since for held in helds)])
    until = np.concatenate([np.empty(0, np.int64), *(held.until for held in helds)])
    value = np.concatenate([np.empty(0), *(held.value for held in helds)])
    within: Flags = until > first
    since = np.maximum(since[within], first)
    until = until[within]
    value = value[within]
    known = until - since
    if not until.size or until[-1] != end or known.sum() < TREND_COVERAGE * over_s * SECOND:
        return None
    length = known / HOUR
    middle = (since + until - 2 * first) / (2 * HOUR)
    total = length.sum()
    apart = middle - np.dot(length, middle) / total
    spread = np.dot(length, apart**2)
    if not spread:
        return None
    slope = np.dot(length * apart, value - np.dot(length, value) / total) / spread
    return Trend(float(value[-1]), round(float(slope), DECIMALS))


def _held(sensors: Sequence[Series], part: Part) -> Held:
    return hold(sensors, part.start, part.end, part.farm.max_hold_s)


def _side(value: float, band: Band) -> int:
    rounded = round(value, DECIMALS)
    return -1 if rounded < band[0] else int(rounded > band[1])
