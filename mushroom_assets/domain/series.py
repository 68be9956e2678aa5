"""A quantity's samples over time: how long each value is known, and what is known at an instant.

Times are int64 microseconds since 1970 UTC, windows half-open [start, end). Which samples are
rejected or suspect is the business of `environment`.
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
    """How long each value is known inside the window, and the longest unknown stretch, in
    microseconds.
    """
    if not at.size:
        return at, end - start
    since, until = _held(at, start, end, hold)
    known = np.clip(until - since, 0, None)
    unknown = np.append(since, end) - np.concatenate(([start], np.clip(until, start, None)))
    return known, int(unknown.max(initial=0))


def _held(at: Times, start: int, end: int, hold: int) -> tuple[Times, Times]:
    """From when to when each value counts inside the window."""
    return np.clip(at, start, None), np.minimum(np.minimum(np.append(at[1:], end), at + hold), end)


def gaps(series: Series, start: int, end: int, max_hold_s: int) -> list[tuple[int, int]]:
    """The stretches of [start, end) in which no value is known, in order."""
    held = series.within(start - max_hold_s * SECOND, end)
    since, until = _held(held.at[~held.rejected], start, end, max_hold_s * SECOND)
    first, last = np.append(start, np.clip(until, start, None)), np.append(since, end)
    return [(int(a), int(b)) for a, b in zip(first[last > first], last[last > first], strict=True)]


def time_in_band(
    series: Series, start: int, end: int, max_hold_s: int, band: tuple[float, float]
) -> tuple[float, float, float] | None:
    """Shares of the known time below, inside and above a band (its ends inside).

    None without known time.
    """
    held = series.within(start - max_hold_s * SECOND, end)
    at, value = held.at[~held.rejected], held.value[~held.rejected]
    known, _ = known_time(at, start, end, max_hold_s * SECOND)
    if not (total := known.sum()):
        return None
    below, above = (float(known[part].sum() / total) for part in (value < band[0], value > band[1]))
    return below, 1 - below - above, above


def known_at(series: Series, at: int, max_age_s: int) -> float | None:
    """The last accepted value at or before an instant, None if it is older than `max_age_s`."""
    accepted = series.at[~series.rejected]
    position = int(np.searchsorted(accepted, at, side="right")) - 1
    if position < 0 or at - accepted[position] > max_age_s * SECOND:
        return None
    return float(series.value[~series.rejected][position])
