"""The sensors of each quantity in a room, and their samples of a day.

A room may have several sensors of one quantity: each is judged by itself. Derived quantities are
computed from the temperature and the humidity of one device, or from the room's values where no
device has both. Times are int64 microseconds since 1970 UTC.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Quantity
from mushroom_assets.domain.marks import Columns, mark, neighbour_s
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.psychrometrics import derive
from mushroom_assets.domain.series import SECOND, Series
from mushroom_assets.domain.windows import Window

RoomQuantity = tuple[str, str]  # a room and a quantity, as the keys of mappings
Sources = Mapping[RoomQuantity, Sequence[Point]]  # the points behind each, by device and number
# Whether a sample is a spike depends on so many samples to each side
SPIKE_REACH = 2


class Sensor(NamedTuple):
    """A sensor of a quantity in a room: what people call its device, and its marked samples."""

    name: str
    series: Series


class Around(NamedTuple):
    """Seconds before and after a window that are read with it."""

    before: int
    after: int


def find_sources(points: Iterable[Point], farm: Farm) -> dict[RoomQuantity, list[Point]]:
    """The points behind each (room, quantity), for every room and measured quantity of the farm.

    There may be none.
    """
    found: dict[tuple[str, str, str], list[Point]] = {}
    for point in sorted(points, key=lambda point: (point.device_alias, point.point_id)):
        kind = (point.room_id, point.device_type, point.point_alias)
        found.setdefault(kind, []).append(point)
    return {
        (room, name): found.get((room, quantity.device_type, quantity.point_alias), [])
        for room in farm.rooms
        for name, quantity in farm.quantities.items()
    }


def point_ids(sources: Sources) -> list[int]:
    """The numbers of all points."""
    return [point.point_id for point in chain.from_iterable(sources.values())]


def neighbourhood(farm: Farm) -> Around:
    """Seconds around a day on which its rows depend.

    Before it what the stuck rule looks at, and the value that is carried in with what tells that it
    is no spike; after it what tells that its last samples are none.
    """
    before = [_before(quantity, farm) for quantity in farm.quantities.values()]
    return Around(max(before, default=0), neighbour_s(farm.max_hold_s))


def room_sensors(
    samples: Columns, room: str, day: Window, sources: Sources, farm: Farm
) -> dict[str, list[Sensor]]:
    """The sensors of every quantity of a room, measured and derived, in the farm's order.

    Their samples are those of the day and what its flags depend on. The arguments are as
    `environment.summarise_day` takes them.
    """
    found = {}
    for name, quantity in farm.quantities.items():
        since = day.start_us - _before(quantity, farm) * SECOND
        before = day.end_us + neighbour_s(farm.max_hold_s) * SECOND
        found[name] = _marked(samples, sources[room, name], quantity, since, before, farm)
    return found | _derived(found, room, farm)


def climate(
    samples: pd.DataFrame, sources: Sources, farm: Farm, day: dt.date
) -> dict[RoomQuantity, list[Series]]:
    """The measured series by (room, quantity), of all samples that were read.

    They are marked by the rules of one day.
    """
    columns = {name: samples[name].to_numpy() for name in ("point_id", "at", "value")}
    always = np.iinfo(np.int64)
    found = {}
    for (room, name), points in sources.items():
        quantity = farm.on(room, day).quantities[name]
        sensors = _marked(columns, points, quantity, always.min, always.max, farm)
        found[room, name] = [sensor.series for sensor in sensors]
    return found


def _before(quantity: Quantity, farm: Farm) -> int:
    """Seconds before a day that tell what is carried into it and how its samples are marked."""
    carried = farm.max_hold_s + SPIKE_REACH * neighbour_s(farm.max_hold_s)
    return max(quantity.stuck_s or 0, carried)


def _marked(
    samples: Columns,
    points: Sequence[Point],
    quantity: Quantity,
    since: int,
    before: int,
    farm: Farm,
) -> list[Sensor]:
    """Of each point its samples in [since, before)."""
    ids = np.asarray(samples["point_id"])
    at = np.asarray(samples["at"])
    value = np.asarray(samples["value"])
    found = []
    for point in points:
        first, last = np.searchsorted(ids, (point.point_id, point.point_id + 1))
        start, stop = first + np.searchsorted(at[first:last], (since, before))
        own = {"at": at[start:stop], "value": value[start:stop]}
        found.append(Sensor(point.device_alias, mark(own, quantity, farm.max_hold_s)))
    return found


def _derived(
    measured: Mapping[str, Sequence[Sensor]], room: str, farm: Farm
) -> dict[str, list[Sensor]]:
    """Vapour pressure deficit and dew point, from each device that measures both."""
    if not {"temperature", "humidity"} <= measured.keys():
        return {}
    found: dict[str, list[Sensor]] = {"vpd": [], "dew_point": []}
    for name, temperature, humidity in _pairs(measured, room, farm):
        for quantity, series in derive(temperature, humidity, farm.pair_within_s).items():
            found[quantity].append(Sensor(name, series))
    return found


def _pairs(
    measured: Mapping[str, Sequence[Sensor]], room: str, farm: Farm
) -> list[tuple[str, Series, Series]]:
    """Temperature and humidity of each device that knows both; else the room's.

    To have a point is not enough: a device that was renamed, or whose sensor is dead, has it too. A
    point without samples changes nothing: it may be of another time.
    """
    temperature = _delivering(measured["temperature"])
    humidity = _delivering(measured["humidity"])
    felt = {name for name, series in temperature.items() if series.accepted.any()}
    both = [name for name in humidity if name in felt and humidity[name].accepted.any()]
    if both:
        return [(name, temperature[name], humidity[name]) for name in both]
    if not temperature or not humidity:
        return []
    room_temperature = _together(list(temperature.values()), farm.max_hold_s)
    return [(room, room_temperature, _together(list(humidity.values()), farm.max_hold_s))]


def _delivering(sensors: Sequence[Sensor]) -> dict[str, Series]:
    """The sensors that have samples, by device."""
    return {sensor.name: sensor.series for sensor in sensors if sensor.series.at.size}


def _together(sensors: Sequence[Series], max_hold_s: int) -> Series:
    """The room's value at each instant at which a sensor reports; rejected where none knows."""
    if len(sensors) == 1:
        return sensors[0]
    at = np.unique(np.concatenate([series.at for series in sensors]))
    values = np.full((len(sensors), at.size), np.nan)
    for row, series in enumerate(sensors):
        last = np.searchsorted(series.at, at, side="right") - 1
        is_young = at - series.at[last] < max_hold_s * SECOND
        known = (last >= 0) & is_young & series.accepted[last]
        values[row, known] = series.value[last[known]]
    count = np.sum(~np.isnan(values), axis=0)
    unmarked = np.zeros(at.size, dtype=bool)
    mean = np.nansum(values, axis=0) / np.maximum(count, 1)
    return Series(at, mean, count == 0, unmarked, unmarked)
