"""`daily_env_stats`: a room's day in numbers, from the samples of its sensors.

Samples come in and rows go out; this module does not know where they are stored. `marks` marks the
samples, `statistics` computes numbers from them. Times are int64 microseconds since 1970 UTC,
windows half-open [start, end).
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.growth import Growth, growth_on
from mushroom_assets.domain.marks import Columns, mark
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.psychrometrics import derive
from mushroom_assets.domain.series import SECOND, Series
from mushroom_assets.domain.statistics import Statistics, summarise
from mushroom_assets.domain.versions import Parts
from mushroom_assets.domain.windows import Window

VERSION = 1  # of the code: raise it when the rows' meaning changes, see `versions`
RoomQuantity = tuple[str, str]  # a room and a quantity, as the keys of mappings
Sources = Mapping[RoomQuantity, Sequence[int]]  # the point_ids behind each


class DailyEnvStats(TypedDict):
    """A row of `daily_env_stats`; what writes it adds `run_id` and `computed_at`."""

    stat_date: dt.date
    room_id: str
    quantity: str
    unit: str
    sample_count: int
    rejected_count: int
    suspect_count: int
    coverage: float
    longest_gap_s: float
    mean: float | None
    in_range: float | None
    min: float | None
    q25: float | None
    median: float | None
    q75: float | None
    max: float | None
    batch_date: dt.date | None
    growth_day: int | None
    is_growth_phase: bool | None
    run_id: NotRequired[str]
    computed_at: NotRequired[dt.datetime]


def lookback_s(farm: Farm) -> int:
    """Seconds before a window that its statistics depend on.

    They hold the value that is carried into the window, and what the stuck-sensor rule looks at.
    """
    longest = max((quantity.stuck_s or 0 for quantity in farm.quantities.values()), default=0)
    return farm.max_hold_s + longest


def samples_a_day(farm: Farm) -> int:
    """How many samples a day brings, at one a minute and one sensor of a quantity in each room."""
    return 24 * 60 * len(farm.rooms) * len(farm.quantities)


def sources(points: Iterable[Point], farm: Farm) -> dict[RoomQuantity, list[int]]:
    """The point_ids behind each (room, quantity), for every room and measured quantity of the farm.

    There may be none.
    """
    found: dict[tuple[str, str, str], list[int]] = {}
    for point in points:
        kind = (point.room_id, point.device_type, point.point_alias)
        found.setdefault(kind, []).append(point.point_id)
    return {
        (room, name): found.get((room, quantity.device_type, quantity.point_alias), [])
        for room in farm.rooms
        for name, quantity in farm.quantities.items()
    }


def summarise_day(
    samples: pd.DataFrame,
    day: Window,
    points: Sources,
    farm: Farm,
    in_dates: Mapping[str, Sequence[dt.date]],
) -> list[DailyEnvStats]:
    """Rows of one day, one a room and quantity.

    Args:
        samples: columns point_id, at, value, by point and time. The day and `lookback_s` before it
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
            found = summarise(
                series,
                day.start_us,
                day.end_us,
                max_hold_s=farm.max_hold_s,
                band=farm.band(name, growth.growth_day),
            )
            rows.append(_row(day.date, room, name, farm.units()[name], found, growth))
    return rows


def _row(
    day: dt.date, room: str, quantity: str, unit: str, found: Statistics, growth: Growth
) -> DailyEnvStats:
    return {
        "stat_date": day,
        "room_id": room,
        "quantity": quantity,
        "unit": unit,
        "sample_count": found.sample_count,
        "rejected_count": found.rejected_count,
        "suspect_count": found.suspect_count,
        "coverage": found.coverage,
        "longest_gap_s": found.longest_gap_s,
        "mean": found.mean,
        "in_range": found.in_range,
        "min": found.min,
        "q25": found.q25,
        "median": found.median,
        "q75": found.q75,
        "max": found.max,
        "batch_date": growth.batch_date,
        "growth_day": growth.growth_day,
        "is_growth_phase": growth.is_growth_phase,
    }


def room_samples(
    samples: Columns, room: str, day: Window, points: Sources, farm: Farm
) -> dict[str, Series]:
    """Every quantity of a room, of a day and `lookback_s` before it.

    The arguments are as `summarise_day` takes them.
    """
    since = day.start_us - lookback_s(farm) * SECOND
    measured = {
        name: _select(samples, points[room, name], since, day.end_us) for name in farm.quantities
    }
    return room_series(measured, farm)


def room_series(samples: Mapping[str, Columns], farm: Farm) -> dict[str, Series]:
    """Every quantity of a room, measured and derived, in the farm's order.

    Args:
        samples: by quantity, columns `at` and `value`, ascending.
        farm: rules of the quantities.
    """
    series = {
        name: mark(samples[name], quantity, farm.max_hold_s)
        for name, quantity in farm.quantities.items()
    }
    if {"temperature", "humidity"} <= series.keys():
        series |= derive(series["temperature"], series["humidity"], farm.pair_within_s)
    return series


def climate(samples: pd.DataFrame, points: Sources, farm: Farm) -> dict[RoomQuantity, Series]:
    """The measured series by (room, quantity), for `known_at`.

    Samples and points are as in `summarise_day`.
    """
    found = {}
    for (room, name), ids in points.items():
        own = _select(samples, ids, 0, np.iinfo(np.int64).max)
        found[room, name] = mark(own, farm.quantities[name], farm.max_hold_s)
    return found


def _select(samples: Columns, points: Sequence[int], since: int, before: int) -> Columns:
    """The samples of some points in [since, before), ascending in time."""
    ids = np.asarray(samples["point_id"])
    at = np.asarray(samples["at"])
    value = np.asarray(samples["value"])
    parts = []
    for point in points:
        first, last = np.searchsorted(ids, (point, point + 1))
        start, stop = first + np.searchsorted(at[first:last], (since, before))
        parts.append(slice(start, stop))
    if len(parts) == 1:
        return {"at": at[parts[0]], "value": value[parts[0]]}
    positions = [np.arange(part.start, part.stop) for part in parts]
    rows = np.concatenate([np.arange(0), *positions])
    rows = rows[np.argsort(at[rows], kind="stable")]
    return {"at": at[rows], "value": value[rows]}


def depends_on(farm: Farm) -> list[Parts]:
    """The parts of the farm file that the rows of `daily_env_stats` depend on."""
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
