"""What is known of a quantity in a room over time: the value that its sensors hold together.

A value holds until its sensor's next sample, accepted or not, at most the farm's `max_hold_s`. The
room's value is the mean of those that hold. Times are int64 microseconds since 1970 UTC, windows
half-open [start, end).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mushroom_assets.domain.series import DECIMALS, SECOND, Flags, Series, Times, Values

HOUR = 3600 * SECOND
NO_TIMES: Times = np.empty(0, np.int64)
NO_VALUES: Values = np.empty(0)


@dataclass(frozen=True)
class Held:
    """A room's value in a window: constant in each stretch, unknown between them.

    Attributes:
        start: first instant of the window.
        end: first instant after it.
        since: first instant of each stretch, ascending, shape (k,).
        until: first instant after each, later than `since`, shape (k,).
        value: mean of the sensors that are known then, in the quantity's unit, shape (k,).
        spread: largest minus smallest of them; NaN where fewer than two are known, shape (k,); None
            where there is one sensor.
    """

    start: int
    end: int
    since: Times
    until: Times
    value: Values
    spread: Values | None = None

    @cached_property
    def known(self) -> Times:
        """How long each stretch lasts."""
        return self.until - self.since

    @property
    def coverage(self) -> float:
        """Share of the window in which a value is known."""
        return int(self.known.sum()) / (self.end - self.start)

    def mean(self) -> float | None:
        """Time-weighted mean; None where nothing is known."""
        return _mean(self.value, self.known)

    def mean_spread(self) -> float | None:
        """How far the sensors differ: the time-weighted mean over where two or more are known."""
        if self.spread is None:
            return None
        several = ~np.isnan(self.spread)
        return _mean(self.spread[several], self.known[several])

    def gaps(self) -> list[tuple[int, int]]:
        """The stretches in which nothing is known, in order."""
        first = np.append(self.start, self.until)
        last = np.append(self.since, self.end)
        unknown = last > first
        return list(zip(first[unknown].tolist(), last[unknown].tolist(), strict=True))

    def longest_gap(self) -> int:
        """Microseconds of the longest of them, 0 without one."""
        first = np.append(self.start, self.until)
        last = np.append(self.since, self.end)
        return int((last - first).max())

    def beside(self, band: tuple[float, float]) -> "Beside | None":
        """How it stands to a band, whose ends are inside; None where nothing is known."""
        known = self.known
        total = int(known.sum())
        if not total:
            return None
        low, high = band
        value = np.round(self.value, DECIMALS)
        below = value < low
        above = value > high
        outside = below | above
        beyond = np.where(below, low - self.value, self.value - high)[outside]
        return Beside(
            below=int(known[below].sum()) / total,
            inside=int(known[~outside].sum()) / total,
            above=int(known[above].sum()) / total,
            longest_out_s=_longest(self.since[outside], self.until[outside]) / SECOND,
            out_integral=float(np.dot(beyond, known[outside] / HOUR)),
        )

    def steepest(self) -> "Steepest | None":
        """The steepest rise and fall; None where no two instants an hour apart are known."""
        later = self._differences(-HOUR)
        earlier = -self._differences(HOUR)
        found = np.concatenate((later, earlier))
        if not found.size:
            return None
        return Steepest(max(0.0, float(found.max())), max(0.0, -float(found.min())))

    def at(self, instants: Times) -> Values:
        """The value at some instants; NaN where it is unknown."""
        found = np.full(instants.size, np.nan)
        is_known, place = self._places(instants)
        found[is_known] = self.value[place]
        return found

    def _differences(self, shift: int) -> Values:
        """Each value minus that `shift` later than its first instant, where that is known."""
        is_known, place = self._places(self.since + shift)
        return self.value[is_known] - self.value[place]

    def _places(self, instants: Times) -> tuple[Flags, Times]:
        """Which of the instants are known, and the stretches in which those lie."""
        if not self.since.size:
            return np.zeros(instants.size, dtype=bool), NO_TIMES
        place = np.searchsorted(self.since, instants, side="right") - 1
        is_known = (place >= 0) & (instants < self.until[place])
        return is_known, place[is_known]


class Beside(NamedTuple):
    """A value next to its target band.

    `below`, `inside` and `above` are shares of the known time, `longest_out_s` the longest stretch
    outside without a gap, `out_integral` the distance to the band summed over time, in unit x h.
    """

    below: float
    inside: float
    above: float
    longest_out_s: float
    out_integral: float


class Steepest(NamedTuple):
    """The largest differences to the value an hour before, up and down, each 0 or more."""

    rise: float
    fall: float


def hold(sensors: Sequence[Series], start: int, end: int, max_hold_s: int) -> Held:
    """What a quantity's sensors know together of [start, end).

    Args:
        sensors: their samples of the window and of `max_hold_s` before it; more does not matter.
        start: first instant of the window.
        end: first instant after it.
        max_hold_s: how long a value counts without a newer sample.
    """
    if not sensors:
        return Held(start, end, NO_TIMES, NO_TIMES, NO_VALUES)
    parts = [_of_one(series, start, end, max_hold_s * SECOND) for series in sensors]
    if len(parts) == 1:
        since, until, value = parts[0]
        return Held(start, end, since, until, value)
    return _together(parts, start, end)


def _of_one(series: Series, start: int, end: int, longest: int) -> tuple[Times, Times, Values]:
    part = series.within(start - longest, end)
    since = np.maximum(part.at, start)
    following = np.append(part.at[1:], end)
    until = np.minimum(np.minimum(following, part.at + longest), end)
    known = part.accepted & (until > since)
    return since[known], until[known], part.value[known]


def _together(parts: Sequence[tuple[Times, Times, Values]], start: int, end: int) -> Held:
    """The mean and the spread of those known, from edge to edge."""
    edges = _distinct(np.concatenate([np.append(since, until) for since, until, _ in parts]))
    since = edges[:-1]
    values = np.full((len(parts), since.size), np.nan)
    for row, (first, last, value) in enumerate(parts):
        part = Held(start, end, first, last, value)
        values[row] = part.at(since)
    count = np.sum(~np.isnan(values), axis=0)
    known = count > 0
    values = values[:, known]
    mean = np.nansum(values, axis=0) / count[known]
    spread = np.full(mean.size, np.nan)
    several = count[known] > 1
    extremes = values[:, several]
    spread[several] = np.nanmax(extremes, axis=0) - np.nanmin(extremes, axis=0)
    return Held(start, end, since[known], edges[1:][known], mean, spread)


def _distinct(instants: Times) -> Times:
    """Sorted, each once; `np.unique` hashes integers first, which is slower."""
    ordered = np.sort(instants)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if ordered.size else ordered


def _mean(value: Values, known: Times) -> float | None:
    total = known.sum()
    return float(np.dot(value, known / total)) if total else None


def _longest(since: Times, until: Times) -> int:
    """The longest of the stretches, where those that touch each other are one."""
    if not since.size:
        return 0
    apart = np.flatnonzero(since[1:] != until[:-1])
    first = since[np.append(0, apart + 1)]
    last = until[np.append(apart, until.size - 1)]
    return int((last - first).max())
