"""Batches: when the bags of a room went in, how old they are, and the hours of a changeover day.

Here lives the calendar of a room. What the grower and the climate make of it lives in `grower` and
`climate`.
"""

import datetime as dt
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mushroom_assets.domain.farm import Farm
from mushroom_assets.simulation.clock import Minutes, Purpose, chance

# First in-dates known of the reference plant; every later batch follows after `cycle_days`.
ANCHORS = {
    "607": dt.date(2025, 12, 4),
    "608": dt.date(2025, 12, 9),
    "611": dt.date(2025, 11, 27),
    "612": dt.date(2025, 11, 21),
}
NOMINAL_BAGS = 9792  # 17 bags deep, 576 places


def in_date(farm: Farm, room: str, day: dt.date) -> dt.date:
    """In-date of the batch that is in force on a day; an in-date belongs to the new batch."""
    anchor = ANCHORS.get(room)
    if anchor is None:
        shift = zlib.crc32(room.encode()) % farm.cycle_days
        anchor = dt.date(2025, 12, 1) + dt.timedelta(days=shift)
    return day - dt.timedelta(days=(day - anchor).days % farm.cycle_days)


def growth_day(farm: Farm, room: str, day: dt.date) -> int:
    """Age of the batch in force: 1 on its in-date, `cycle_days` on its last day."""
    return (day - in_date(farm, room, day)).days + 1


def bag_count(room: str, batch: dt.date, seed: int) -> int:
    """Bags of a batch: mostly the full 9,792, at times some trolleys of 48 fewer."""
    missing = chance(seed, room, batch, Purpose.BATCH).choice([0, 0, 0, 1, 2, 4])
    return NOMINAL_BAGS - 48 * int(missing)


def batches(
    farm: Farm, rooms: Sequence[str], first: dt.date, last: dt.date, *, seed: int
) -> pd.DataFrame:
    """Every batch in force on a day of [first, last], both included.

    Returns:
        The columns of table `farm.batch`: room_id, in_date (dt.date), bag_count (int); by room,
        then by date.
    """
    rows = []
    for room in rooms:
        batch = in_date(farm, room, first)
        while batch <= last:
            rows.append((room, batch, bag_count(room, batch, seed)))
            batch += dt.timedelta(days=farm.cycle_days)
    table = pd.DataFrame(rows, columns=["room_id", "in_date", "bag_count"])
    return table.astype({"in_date": object})


@dataclass(frozen=True)
class Changeover:
    """The hours of an in-date, in minutes of the farm-local day."""

    opened: int  # doors open, the old bags begin to leave
    emptied: int  # the last old bag is out, cleaning begins
    reset: int  # the grower types the new batch into the controller
    filling: int  # the first new bag comes in
    closed: int  # the last new bag is in, doors shut


def changeover(room: str, batch: dt.date, seed: int) -> Changeover:
    """When the changeover that begins a batch takes place."""
    jitter = chance(seed, room, batch, Purpose.CHANGEOVER).integers(-20, 21, size=5)
    hours = np.array([460, 590, 730, 800, 985]) + jitter
    return Changeover(*hours.tolist())


def presence(
    hours: Changeover | None, clock: Minutes
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How full the room is and how open its doors are, each (n,) from 0 to 1.

    `hours` is None on an ordinary day.
    """
    if hours is None:
        return np.ones(len(clock.local)), np.zeros(len(clock.local))
    turns = [hours.opened, hours.emptied, hours.filling, hours.closed]
    load = np.interp(clock.local, turns, [1.0, 0.0, 0.0, 1.0])
    # While the new bags come in, the doors are shut between trolleys: half open on average.
    opening = [hours.opened, hours.opened + 30]
    trolleys = [hours.filling, hours.filling + 30]
    shutting = [hours.closed, hours.closed + 15]
    ways = [0.0, 1.0, 1.0, 0.4, 0.4, 0.0]
    door = np.interp(clock.local, opening + trolleys + shutting, ways)
    return load, door
