"""Environment statistics of a room's day: what is rejected, what is suspect, how long each value is
known.

Times are int64 microseconds since 1970 UTC, windows half-open [start, end). Where samples come from
and where rows go is the business of storage and assets.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mushroom_assets.domain.farm import Farm, Quantity
from mushroom_assets.domain.growth import growth_on
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.psychrometrics import derive
from mushroom_assets.domain.series import SECOND, Flags, Series, Times, Values, known_time
from mushroom_assets.domain.versions import Parts
from mushroom_assets.domain.windows import Window

VERSION = 1  # of the code: raised with what the rows mean, see `versions`
Columns = pd.DataFrame | Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Statistics:
    """One row's numbers, in the quantity's unit.

    `longest_gap_s` in seconds, `coverage` and `in_range` 0..1.
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


def lookback_s(farm: Farm) -> int:
    """Seconds before a window that its statistics depend on: the carried-in value and the
    stuck-sensor rule.
    """
    return farm.max_hold_s + max(
        (quantity.stuck_s or 0 for quantity in farm.quantities.values()), default=0
    )


def samples_a_day(farm: Farm) -> int:
    """How many samples a day brings, at one a minute and one sensor of a quantity in each room."""
    return 24 * 60 * len(farm.rooms) * len(farm.quantities)


def judge(samples: Columns, quantity: Quantity, max_hold_s: int) -> Series:
    """Mark the samples of one quantity.

    Args:
        samples: columns `at` and `value`, ascending; several points of one quantity may be merged:
            plausible values of one instant are averaged.
        quantity: plausible range, spike and stuck rules.
        max_hold_s: neighbours further apart than this are not compared.
    """
    at, value = np.asarray(samples["at"], np.int64), np.asarray(samples["value"], np.float64)
    with np.errstate(invalid="ignore"):
        rejected = ~(
            (value >= quantity.plausible[0]) & (value <= quantity.plausible[1]) & np.isfinite(value)
        )
    if at.size and (np.diff(at) == 0).any():
        at, value, rejected = _average_instants(at, value, rejected)
    suspect = np.zeros(at.size, dtype=bool)
    kept = ~rejected
    suspect[kept] = _spikes(at[kept], value[kept], quantity.spike, max_hold_s) | _stuck(
        at[kept], value[kept], quantity.stuck_s, max_hold_s
    )
    return Series(at, value, rejected, suspect)


def _average_instants(at: Times, value: Values, rejected: Flags) -> tuple[Times, Values, Flags]:
    frame = pd.DataFrame({"at": at, "value": np.where(rejected, np.nan, value)})
    means = frame.groupby("at")["value"].mean()  # skips rejected values; NaN where all are
    return means.index.to_numpy(np.int64), means.to_numpy(np.float64), means.isna().to_numpy()


def _spikes(at: Times, value: Values, spike: float | None, max_hold_s: int) -> Flags:
    """More than `spike` from both neighbours, on the same side: QARTOD's spike test for one sample."""
    flags = np.zeros(at.size, dtype=bool)
    if spike is None or at.size < 3:
        return flags
    rise, near = np.diff(value), np.diff(at) <= max_hold_s * SECOND
    before, after = rise[:-1], rise[1:]
    both_far = (
        (np.abs(before) > spike) & (np.abs(after) > spike) & (np.sign(before) != np.sign(after))
    )
    flags[1:-1] = both_far & near[:-1] & near[1:]
    return flags


def _stuck(at: Times, value: Values, stuck_s: int | None, max_hold_s: int) -> Flags:
    """Part of a run of one value that lasts `stuck_s` or longer; a gap beyond `max_hold_s` ends a
    run.
    """
    if stuck_s is None or at.size < 2:
        return np.zeros(at.size, dtype=bool)
    breaks = (np.diff(value) != 0) | (np.diff(at) > max_hold_s * SECOND)
    run = np.concatenate(([0], np.cumsum(breaks)))
    first = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    last = np.concatenate((first[1:] - 1, [at.size - 1]))
    long: Flags = at[last] - at[first] >= stuck_s * SECOND
    return long[run]


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
    at, value = held.at[~held.rejected], held.value[~held.rejected]
    own, own_value = series.within(start, end), value[np.searchsorted(at, start) :]
    known, longest_gap = known_time(at, start, end, max_hold_s * SECOND)
    total = int(known.sum())
    counted = Statistics(
        sample_count=int(own_value.size),
        rejected_count=int(own.rejected.sum()),
        suspect_count=int(own.suspect.sum()),
        coverage=total / (end - start),
        longest_gap_s=longest_gap / SECOND,
    )
    if not own_value.size:
        return counted
    low, q25, median, q75, high = _quantiles(own_value, (0, 0.25, 0.5, 0.75, 1))
    in_range = None
    if band is not None:
        in_range = float(known[(value >= band[0]) & (value <= band[1])].sum() / total)
    mean = float(np.dot(value, known / total))
    return replace(
        counted, mean=mean, in_range=in_range, min=low, q25=q25, median=median, q75=q75, max=high
    )


def _quantiles(value: Values, shares: Sequence[float]) -> list[float]:
    """Linear interpolation, as numpy's `quantile` does, which takes 50 us more than the sorting of
    a day.
    """
    ordered = np.sort(value)
    return np.interp(np.multiply(shares, value.size - 1), np.arange(value.size), ordered).tolist()


def mean_between(
    series: Series, start: int, end: int, max_hold_s: int, min_coverage: float
) -> float | None:
    """Time-weighted mean of [start, end); None where less than `min_coverage` of it is known."""
    found = summarise(series, start, end, max_hold_s=max_hold_s)
    return found.mean if found.coverage >= min_coverage else None


def room_series(samples: Mapping[str, Columns], farm: Farm) -> dict[str, Series]:
    """Every quantity of a room, measured and derived, in the farm's order.

    Args:
        samples: by quantity, columns `at` and `value`, ascending.
        farm: rules of the quantities.
    """
    series = {
        name: judge(samples[name], quantity, farm.max_hold_s)
        for name, quantity in farm.quantities.items()
    }
    if {"temperature", "humidity"} <= series.keys():
        series |= derive(series["temperature"], series["humidity"], farm.pair_within_s)
    return series


def sources(points: Iterable[Point], farm: Farm) -> dict[tuple[str, str], list[int]]:
    """The point_ids behind each (room, quantity), for every room and measured quantity of the farm;
    maybe none.
    """
    kinds: dict[tuple[str, str, str], list[int]] = {}
    for point in points:
        kinds.setdefault((point.room_id, point.device_type, point.point_alias), []).append(
            point.point_id
        )
    return {
        (room, name): kinds.get((room, quantity.device_type, quantity.point_alias), [])
        for room in farm.rooms
        for name, quantity in farm.quantities.items()
    }


def summarise_day(
    samples: pd.DataFrame,
    day: Window,
    points: Mapping[tuple[str, str], Sequence[int]],
    farm: Farm,
    in_dates: Mapping[str, Sequence[dt.date]],
) -> list[dict[str, Any]]:
    """Rows of `daily_env_stats` for one day, one a room and quantity, but for run_id and
    computed_at.

    Args:
        samples: columns point_id, at, value, by point and time; the day and `lookback_s` before it
            count, and no more, so that a day's rows do not depend on what else was read.
        day: the farm-local day.
        points: as `sources` returns them.
        farm: rooms, rules and bands.
        in_dates: ascending in-dates by room.
    """
    columns = {name: samples[name].to_numpy() for name in ("point_id", "at", "value")}
    rows = []
    for room in farm.rooms:
        growth = growth_on(day.date, in_dates.get(room, ()), farm.cycle_days)
        for name, series in room_samples(columns, room, day, points, farm).items():
            band = farm.band(name, growth.growth_day)
            statistics = summarise(
                series, day.start_us, day.end_us, max_hold_s=farm.max_hold_s, band=band
            )
            key = {
                "stat_date": day.date,
                "room_id": room,
                "quantity": name,
                "unit": farm.units()[name],
            }
            rows.append(key | vars(statistics) | vars(growth))
    return rows


def room_samples(
    samples: Columns,
    room: str,
    day: Window,
    points: Mapping[tuple[str, str], Sequence[int]],
    farm: Farm,
) -> dict[str, Series]:
    """Every quantity of a room, of a day and `lookback_s` before it; arguments as `summarise_day`
    takes them.
    """
    since = day.start_us - lookback_s(farm) * SECOND
    measured = {
        name: _select(samples, points[room, name], since, day.end_us) for name in farm.quantities
    }
    return room_series(measured, farm)


def climate(
    samples: pd.DataFrame, points: Mapping[tuple[str, str], Sequence[int]], farm: Farm
) -> dict[tuple[str, str], Series]:
    """The measured series by (room, quantity), for `known_at`; samples and points as in
    `summarise_day`.
    """
    everything = (0, np.iinfo(np.int64).max)
    return {
        (room, name): judge(
            _select(samples, ids, *everything), farm.quantities[name], farm.max_hold_s
        )
        for (room, name), ids in points.items()
    }


def _select(samples: Columns, points: Sequence[int], since: int, before: int) -> Columns:
    """The samples of some points in [since, before), ascending in time."""
    ids, at, value = (np.asarray(samples[name]) for name in ("point_id", "at", "value"))
    parts = []
    for point in points:
        first, last = np.searchsorted(ids, (point, point + 1))
        parts.append(slice(*(first + np.searchsorted(at[first:last], (since, before)))))
    if len(parts) == 1:
        return {"at": at[parts[0]], "value": value[parts[0]]}
    rows = np.concatenate([np.arange(0), *(np.arange(part.start, part.stop) for part in parts)])
    rows = rows[np.argsort(at[rows], kind="stable")]
    return {"at": at[rows], "value": value[rows]}


def depends_on(farm: Farm) -> list[Parts]:
    """What of the farm file the rows of `daily_env_stats` depend on."""
    # A quantity may say more, how to draw it for instance: no number depends on that.
    said = {"device_type", "point_alias", "unit", "plausible", "spike", "stuck_s"}
    quantities = farm.quantities.items()
    return [
        {
            "timezone": farm.timezone,
            "rooms": sorted(farm.rooms),
            "cycle_days": farm.cycle_days,
            "max_hold_s": farm.max_hold_s,
            "pair_within_s": farm.pair_within_s,
            "quantities": {name: one.model_dump(include=said) for name, one in quantities},
            "stages": sorted([stage.days, sorted(stage.bands.items())] for stage in farm.stages),
        }
    ]
