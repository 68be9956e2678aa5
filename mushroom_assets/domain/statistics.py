"""Statistics of one quantity over a window: counts, time-weighted mean, quartiles, coverage.

`marks` has decided before which samples are rejected or suspect. Times are int64 microseconds since
1970 UTC, windows half-open [start, end).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mushroom_assets.domain.series import SECOND, Series, Values, known_time


@dataclass(frozen=True)
class Statistics:
    """One row's numbers, in the quantity's unit.

    `longest_gap_s` is in seconds, `coverage` and `in_range` are shares from 0 to 1.
    """

    sample_count: int
    rejected_count: int
    suspect_count: int
    coverage: float
    longest_gap_s: float
    mean: float | None = None
    in_range: float | None = None
    min: float | None = None
    q25: float | None = None
    median: float | None = None
    q75: float | None = None
    max: float | None = None


def summarise(
    series: Series,
    start: int,
    end: int,
    *,
    max_hold_s: int,
    band: tuple[float, float] | None = None,
) -> Statistics:
    """Statistics of one quantity over [start, end).

    Args:
        series: samples of the window and of `max_hold_s` before it.
        start: first instant of the window.
        end: first instant after it.
        max_hold_s: how long a value counts as known.
        band: target band, both ends included; None for no target.
    """
    held = series.within(start - max_hold_s * SECOND, end)
    at = held.at[~held.rejected]
    value = held.value[~held.rejected]
    known, longest_gap = known_time(at, start, end, max_hold_s * SECOND)
    total = int(known.sum())
    own = series.within(start, end)
    own_value = value[np.searchsorted(at, start) :]
    counted = Statistics(
        sample_count=int(own_value.size),
        rejected_count=int(own.rejected.sum()),
        suspect_count=int(own.suspect.sum()),
        coverage=total / (end - start),
        longest_gap_s=longest_gap / SECOND,
    )
    if not own_value.size:
        return counted
    mean = float(np.dot(value, known / total))
    in_range = None
    if band is not None:
        inside = (value >= band[0]) & (value <= band[1])
        in_range = float(known[inside].sum() / total)
    return _with_quantiles(replace(counted, mean=mean, in_range=in_range), own_value)


def _with_quantiles(found: Statistics, value: Values) -> Statistics:
    low, q25, median, q75, high = quantiles(value, (0, 0.25, 0.5, 0.75, 1))
    return replace(found, min=low, q25=q25, median=median, q75=q75, max=high)


def quantiles(value: Values, shares: Sequence[float]) -> list[float]:
    """Quantiles with linear interpolation, as numpy's `quantile` gives them.

    numpy's own takes 50 us more than the sorting of a day.
    """
    ordered = np.sort(value)
    places = np.multiply(shares, value.size - 1)
    found: list[float] = np.interp(places, np.arange(value.size), ordered).tolist()
    return found


def mean_between(
    series: Series, start: int, end: int, max_hold_s: int, min_coverage: float
) -> float | None:
    """Time-weighted mean of [start, end); None where less than `min_coverage` of it is known."""
    found = summarise(series, start, end, max_hold_s=max_hold_s)
    return found.mean if found.coverage >= min_coverage else None
