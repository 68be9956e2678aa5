"""The plant's clock: the minutes of a farm day and the one door to chance.

Here lives what turns a farm-local day into instants, and a (seed, room, day, purpose) into a random
stream. What happens at those instants lives elsewhere; nothing here may look at the present time.
"""

import datetime as dt
import enum
import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mushroom_assets.domain.farm import Farm

MINUTE = np.timedelta64(60, "s")


class Purpose(enum.IntEnum):
    """What a random stream is for.

    A number here is part of what a seed means, so it never changes.
    """

    BATCH = 1
    MOVES = 2
    MIDNIGHT = 3
    CLIMATE = 4
    FAULTS = 5
    DELIVERY = 6
    CAMERAS = 7
    SCENE = 8
    CHANGEOVER = 9
    DISEASE = 10
    WRITTEN = 11


@dataclass(frozen=True)
class Minutes:
    """The n minutes of one farm day: 1,440, or 60 fewer or more where the clocks change.

    Attributes:
        utc: (n,) datetime64[us], each full minute in UTC.
        local: (n,) minute of the farm-local day, 0..1439.
    """

    utc: NDArray[np.datetime64]
    local: NDArray[np.int64]

    def index_of(self, local_minute: int) -> int:
        """The first minute at which the farm's wall clock shows `local_minute` or later."""
        return int(np.argmax(self.local >= local_minute))


def minutes(farm: Farm, day: dt.date) -> Minutes:
    """The minutes of a farm-local day, from midnight to midnight."""
    start = _midnight(farm, day)
    end = _midnight(farm, day + dt.timedelta(days=1))
    utc = np.arange(start, end, MINUTE, dtype="datetime64[us]")
    wall = aware(utc).tz_convert(farm.zone)
    return Minutes(utc, (wall.hour * 60 + wall.minute).to_numpy(dtype=np.int64))


def _midnight(farm: Farm, day: dt.date) -> np.datetime64:
    instant = dt.datetime.combine(day, dt.time(), tzinfo=farm.zone).astimezone(dt.UTC)
    return np.datetime64(instant.replace(tzinfo=None), "us")


def aware(utc: NDArray[np.datetime64]) -> pd.DatetimeIndex:
    """Instants in UTC, datetime64[us] without a zone, as an index that says so."""
    return pd.DatetimeIndex(utc).tz_localize("UTC")


def chance(seed: int, room: str, day: dt.date, purpose: Purpose) -> np.random.Generator:
    """The random stream of one room, day and purpose: the same whatever else is simulated."""
    return np.random.default_rng([seed, zlib.crc32(room.encode()), day.toordinal(), purpose])
