"""The course of a room's day in numbers: what a ribbon is drawn from.

How it is drawn is the business of `plots`.

A day is told in quarters of an hour, in the manner of the ambulatory glucose profile: median,
quartiles and extremes, next to the target band, the time in it, the stretches in which nothing is
known, and the setpoints that were in force. https://doi.org/10.2337/dci19-0028 (time in range).
Times are as in `environment`: int64 microseconds since 1970 UTC.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Band
from mushroom_assets.domain.growth import growth_on
from mushroom_assets.domain.held import Beside, hold
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.sensors import RoomQuantity, Sources, room_sensors
from mushroom_assets.domain.series import SECOND, Flags, Series, Times, Values
from mushroom_assets.domain.windows import Window

BIN = 15 * 60 * SECOND
NOT_SHOWN = {"dew_point"}  # temperature and humidity say the same


@dataclass(frozen=True)
class Steps:
    """A setpoint in force: `value[i]` from `at[i]` on; both of shape (k,)."""

    name: str
    at: Times
    value: Values


@dataclass(frozen=True)
class Ribbon:
    """One quantity in one room over one day.

    Attributes:
        bins: starts of the quarters of an hour, shape (n,).
        quantiles: smallest, lower quartile, median, upper quartile and largest accepted sample of
            each, in `unit`, shape (5, n); NaN where there is none.
        gaps: stretches without a known value, first and last instant.
        band: target band of the growth day; None without one.
        shares: how the known time stands to the band; None without band or samples, or if less than
            the report's `min_coverage` of the day is known.
        spikes: instants and values of samples that look like one, and count nowhere.
        setpoints: those that steer the quantity.
    """

    room_id: str
    quantity: str
    unit: str
    start: int
    end: int
    bins: Times
    quantiles: Values
    gaps: Sequence[tuple[int, int]]
    coverage: float
    band: Band | None
    shares: Beside | None
    spikes: tuple[Times, Values]
    setpoints: Sequence[Steps]


def setpoint_points(points: Iterable[Point], farm: Farm) -> dict[RoomQuantity, list[Point]]:
    """The points behind each (room, quantity) that set it, as the farm file says."""
    steered: dict[tuple[str, str], str] = {}
    for name, quantity in farm.quantities.items():
        for device_type, aliases in quantity.setpoints.items():
            steered |= {(device_type, alias): name for alias in aliases}
    found: dict[RoomQuantity, list[Point]] = {}
    for point in points:
        steers = steered.get((point.device_type, point.point_alias))
        if steers and point.room_id in farm.rooms:
            found.setdefault((point.room_id, steers), []).append(point)
    return found


def day_ribbons(
    samples: pd.DataFrame,
    day: Window,
    sources: Sources,
    setpoints: Mapping[RoomQuantity, Sequence[Steps]],
    farm: Farm,
    in_dates: Mapping[str, Sequence[dt.date]],
) -> list[Ribbon]:
    """The ribbons of a day, by room and quantity in the farm's order.

    The setpoints are by (room, quantity). The other arguments are as `environment.summarise_day`
    takes them.
    """
    columns = {name: samples[name].to_numpy() for name in ("point_id", "at", "value")}
    found = []
    for room in farm.rooms:
        growth_day = growth_on(day.date, in_dates.get(room, ()), farm.cycle_days).growth_day
        rules = farm.on(room, day.date)
        for name, sensors in room_sensors(columns, room, day, sources, rules).items():
            if name in NOT_SHOWN:
                continue
            series = [sensor.series for sensor in sensors]
            band = rules.band(name, growth_day)
            steering = setpoints.get((room, name), ())
            found.append(_ribbon(room, name, series, day, band, steering, rules))
    return found


def _ribbon(
    room: str,
    name: str,
    sensors: Sequence[Series],
    day: Window,
    band: Band | None,
    setpoints: Sequence[Steps],
    farm: Farm,
) -> Ribbon:
    start = day.start_us
    end = day.end_us
    held = hold(sensors, start, end, farm.max_hold_s)
    bins = np.arange(start, end, BIN)
    own = [series.within(start, end) for series in sensors]
    at, value = _selected(own, [series.accepted for series in own])
    shares = None
    if band and held.coverage >= farm.report.min_coverage:
        shares = held.beside(band)
    return Ribbon(
        room_id=room,
        quantity=name,
        unit=farm.units()[name],
        start=start,
        end=end,
        bins=bins,
        quantiles=_by_bin((at - start) // BIN, value, bins.size),
        gaps=held.gaps(),
        coverage=held.coverage,
        band=band,
        shares=shares,
        spikes=_selected(own, [series.spike for series in own]),
        setpoints=setpoints,
    )


def _selected(sensors: Sequence[Series], flags: Sequence[Flags]) -> tuple[Times, Values]:
    """Instants and values of the flagged samples of all sensors."""
    at = [series.at[own] for series, own in zip(sensors, flags, strict=True)]
    value = [series.value[own] for series, own in zip(sensors, flags, strict=True)]
    return np.concatenate([np.empty(0, np.int64), *at]), np.concatenate([np.empty(0), *value])


def _by_bin(place: Times, value: Values, count: int) -> Values:
    """Quantiles 0, 25, 50, 75, 100 % of each bin's values; shape (5, count).

    Linear interpolation, as numpy does.
    """
    order = np.lexsort((value, place))
    ordered = value[order]
    first = np.searchsorted(place[order], np.arange(count))
    size = np.bincount(place[order], minlength=count)
    there = size > 0
    position = np.outer((0, 0.25, 0.5, 0.75, 1), size[there] - 1)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(first[there] + below + 1, first[there] + size[there] - 1)
    low = ordered[first[there] + below]
    high = ordered[above]
    quantiles = np.full((5, count), np.nan)
    quantiles[:, there] = low + (high - low) * (position - below)
    return quantiles


def steps(samples: pd.DataFrame, points: Sequence[Point], farm: Farm) -> list[Steps]:
    """What each point was set to and when.

    Args:
        samples: columns point_id, at, value, by point and time.
        points: those asked for; one without a finite sample has no steps.
        farm: what people call the points.
    """
    found = []
    for point in points:
        own = samples[samples["point_id"] == point.point_id]
        finite = np.isfinite(own["value"].to_numpy())
        at = own["at"].to_numpy()[finite]
        value = own["value"].to_numpy()[finite]
        if not at.size:
            continue
        new = np.concatenate(([True], np.diff(value) != 0))
        watched = farm.points.get(point.device_type, {}).get(point.point_alias)
        name = farm.say(watched.description) if watched else None
        found.append(Steps(name or point.point_alias, at[new], value[new]))
    return found
