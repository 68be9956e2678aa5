"""`daily_energy`: the hours of a day that a room's air cooler is switched on.

Times are int64 microseconds since 1970 UTC. Nothing is read or written here.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.held import HOUR, hold
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.series import Series
from mushroom_assets.domain.versions import Parts
from mushroom_assets.domain.windows import Window

VERSION = 1  # of the code: raised with what the rows mean, see `versions`


class DailyEnergy(TypedDict):
    """A row of `daily_energy`; what writes it adds `run_id` and `computed_at`."""

    stat_date: dt.date
    room_id: str
    hours_on: float | None
    coverage: float
    run_id: NotRequired[str]
    computed_at: NotRequired[dt.datetime]


def switches(points: Sequence[Point], farm: Farm) -> dict[str, list[int]]:
    """The point_ids of the coolers' switches, by room; the first of a room counts."""
    found: dict[str, list[int]] = {room: [] for room in farm.rooms}
    for point in points:
        kind = (point.device_type, point.point_alias)
        if point.room_id in found and kind == ("air_cooler", "on_off"):
            found[point.room_id].append(point.point_id)
    return found


def hours_on(
    samples: pd.DataFrame, day: Window, points: Mapping[str, Sequence[int]], farm: Farm
) -> list[DailyEnergy]:
    """Rows of a day, one a room.

    Args:
        samples: columns point_id, at, value, by point and time: the day and `max_hold_s` before it.
        day: the farm-local day.
        points: as `switches` returns them.
        farm: how long a state holds.
    """
    rows: list[DailyEnergy] = []
    for room, ids in points.items():
        own = samples[samples["point_id"].isin(ids[:1])]
        held = hold([_series(own)], day.start_us, day.end_us, farm.max_hold_s)
        on = float(held.known[held.value > 0].sum()) / HOUR
        row: DailyEnergy = {
            "stat_date": day.date,
            "room_id": room,
            "hours_on": on if held.coverage else None,
            "coverage": held.coverage,
        }
        rows.append(row)
    return rows


def _series(samples: pd.DataFrame) -> Series:
    """A switch's states, none of which is rejected or suspect."""
    unmarked = np.zeros(len(samples), dtype=bool)
    at = samples["at"].to_numpy(np.int64)
    return Series(at, samples["value"].to_numpy(), unmarked, unmarked, unmarked)


def depends_on(farm: Farm) -> list[Parts]:
    """What of the farm file the rows of `daily_energy` depend on."""
    parts = {"timezone": farm.timezone, "rooms": sorted(farm.rooms), "max_hold_s": farm.max_hold_s}
    return [parts]
