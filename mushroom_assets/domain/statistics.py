"""Statistics of one quantity over a window: counts, time-weighted mean, quartiles, coverage.

`marks` has decided before which samples are rejected or suspect, `held` knows what is known when.
Times are int64 microseconds since 1970 UTC, windows half-open [start, end).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mushroom_assets.domain.held import hold
from mushroom_assets.domain.series import Series, Values


@dataclass(frozen=True)
class Counts:
    """The window's own samples, all sensors together; `rejected` ones are no `samples`.

    `sensors` are those that delivered any.
    """

    samples: int
    rejected: int
    suspect: int
    sensors: int


@dataclass(frozen=True)
class Quantiles:
    """Of the window's accepted samples, in the quantity's unit; None where there are none."""

    min: float | None = None
    q25: float | None = None
    median: float | None = None
    q75: float | None = None
    max: float | None = None


def count(own: Sequence[Series]) -> Counts:
    """Count the samples of a window, by sensor."""
    return Counts(
        samples=sum(int((~series.rejected).sum()) for series in own),
        rejected=sum(int(series.rejected.sum()) for series in own),
        suspect=sum(int(series.suspect.sum()) for series in own),
        sensors=sum(series.at.size > 0 for series in own),
    )


def spread_out(own: Sequence[Series]) -> Quantiles:
    """Quantiles of the accepted samples of a window, by sensor."""
    values = [series.value[series.accepted] for series in own]
    value = np.concatenate([np.empty(0), *values])
    return Quantiles(*quantiles(value, (0, 0.25, 0.5, 0.75, 1))) if value.size else Quantiles()


def quantiles(value: Values, shares: Sequence[float]) -> list[float]:
    """Quantiles with linear interpolation, as numpy's `quantile` gives them.

    numpy's own takes 50 us more than the sorting of a day.
    """
    ordered = np.sort(value)
    places = np.multiply(shares, value.size - 1)
    found: list[float] = np.interp(places, np.arange(value.size), ordered).tolist()
    return found


def mean_between(
    sensors: Sequence[Series], start: int, end: int, max_hold_s: int, min_coverage: float
) -> float | None:
    """Time-weighted mean of [start, end); None where less than `min_coverage` of it is known."""
    held = hold(sensors, start, end, max_hold_s)
    return held.mean() if held.coverage >= min_coverage else None
