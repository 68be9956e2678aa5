"""A quantity's samples over time: how long each value is known, and what is known at an instant.

Times are int64 microseconds since 1970 UTC, windows half-open [start, end). Which samples are
rejected or suspect is the business of `marks`.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SECOND = 1_000_000  # microseconds


@dataclass(frozen=True)
class Series:
    """Samples of one quantity in one room, ascending in time; the four arrays have one length.

    `rejected` samples count in no statistic, `suspect` ones do. A sample is never both.
    """

    at: Times
    value: Values
    rejected: Flags
    suspect: Flags

    def within(self, start: int, end: int) -> Self:
        """The samples of [start, end), without a copy."""
        part = slice(*np.searchsorted(self.at, (start, end)))
        return type(self)(self.at[part], self.value[part], self.rejected[part], self.suspect[part])


def known_time(at: Times, start: int, end: int, hold: int) -> tuple[Times, int]:
    """How long each value is known inside the window, and the longest unknown stretch.

    All numbers are microseconds; `hold` is how long a value counts without a newer one.
    """
    if not at.size:
        return at, end - start
    since, until = _held(at, start, end, hold)
    known = np.clip(until - since, 0, None)
    known_before = np.concatenate(([start], np.clip(until, start, None)))
    unknown = np.append(since, end) - known_before
    return known, int(unknown.max(initial=0))


def _held(at: Times, start: int, end: int, hold: int) -> tuple[Times, Times]:
    """From when to when each value counts inside the window."""
    since = np.clip(at, start, None)
    next_at = np.append(at[1:], end)
    until = np.minimum(np.minimum(next_at, at + hold), end)
    return since, until


def gaps(series: Series, start: int, end: int, max_hold_s: int) -> list[tuple[int, int]]:
    """The stretches of [start, end) in which no value is known, in order."""
    hold = max_hold_s * SECOND
    held = series.within(start - hold, end)
    since, until = _held(held.at[~held.rejected], start, end, hold)
    first = np.append(start, np.clip(until, start, None))
    last = np.append(since, end)
    unknown = last > first
    return list(zip(first[unknown].tolist(), last[unknown].tolist(), strict=True))


def time_in_band(
    series: Series, start: int, end: int, max_hold_s: int, band: tuple[float, float]
) -> tuple[float, float, float] | None:
    """Shares of the known time below, inside and above a band; the band's ends are inside.

    None without known time.
    """
    hold = max_hold_s * SECOND
    held = series.within(start - hold, end)
    value = held.value[~held.rejected]
    known, _ = known_time(held.at[~held.rejected], start, end, hold)
    total = known.sum()
    if not total:
        return None
    below = float(known[value < band[0]].sum() / total)
    above = float(known[value > band[1]].sum() / total)
    return below, 1 - below - above, above


def known_at(series: Series, at: int, max_age_s: int) -> float | None:
    """The last accepted value at or before an instant, None if it is older than `max_age_s`."""
    accepted = series.at[~series.rejected]
    position = int(np.searchsorted(accepted, at, side="right")) - 1
    if position < 0 or at - accepted[position] > max_age_s * SECOND:
        return None
    return float(series.value[~series.rejected][position])
