"""A room's true day: the values of its 46 points, minute by minute.

Here settings, controllers, climate and what the controller knows of the batch come together. Faults
come later.
"""

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from mushroom_assets.domain.farm import Farm
from mushroom_assets.simulation.batch import (
    Changeover,
    bag_count,
    changeover,
    growth_day,
    in_date,
    presence,
)
from mushroom_assets.simulation.climate import Climate, breathe, midnight
from mushroom_assets.simulation.clock import Minutes, Purpose, chance
from mushroom_assets.simulation.controllers import Held, hold, lit, misting, status
from mushroom_assets.simulation.devices import INDEX, KEYS, room_number
from mushroom_assets.simulation.grower import moves, settings_at

Values = NDArray[np.float64]


def is_changeover(farm: Farm, room: str, day: dt.date) -> bool:
    """Whether the bags of a room are exchanged on a day."""
    return growth_day(farm, room, day) == 1


def room_day(farm: Farm, room: str, day: dt.date, clock: Minutes, seed: int) -> Values:
    """The true values of a room's points, (n, 46), columns as `devices.KEYS`."""
    settings = settings_at(farm, room, day, seed)
    today = moves(farm, room, day, seed, settings)
    tomorrow = settings | {move.key: move.value for move in today}
    hours = changeover(room, day, seed) if is_changeover(farm, room, day) else None
    age = age_at_midnight(farm, room, day)
    start = midnight(room, day, seed, settings, age)
    next_day = day + dt.timedelta(days=1)
    next_age = age_at_midnight(farm, room, next_day)
    end = midnight(room, next_day, seed, tomorrow, next_age)
    held = hold(settings, today, clock)
    random = chance(seed, room, day, Purpose.CLIMATE)
    air = breathe(held, clock, presence(hours, clock), age, (start, end), random)
    values = np.empty((len(clock.utc), len(KEYS)))
    for key, series in {**held.values, **_measured(held, air, clock)}.items():
        values[:, INDEX[key]] = series
    for key, number in _batch_info(farm, room, day, clock, seed, hours).items():
        values[:, INDEX[key]] = number
    return values


def age_at_midnight(farm: Farm, room: str, day: dt.date) -> int:
    """Growth day of the bags that are in the room as the day begins.

    On an in-date they are still the old ones.
    """
    age = growth_day(farm, room, day)
    return farm.cycle_days + 1 if age == 1 else age


def _measured(held: Held, air: Climate, clock: Minutes) -> dict[str, Values]:
    mist = misting(held, clock)
    return {
        "air_cooler.temp": air.cooler,
        "air_cooler.status": air.cooler_status,
        "fresh_air_fan.status": status(held, "fresh_air_fan", air.fan_runs),
        "grow_light.status": status(held, "grow_light", lit(held, clock), "model"),
        **{f"{side}.status": status(held, side, running) for side, running in mist.items()},
        "mushroom_env_status.temperature": air.temperature,
        "mushroom_env_status.humidity": air.humidity,
        "mushroom_env_status.co2": air.co2,
    }


def _batch_info(
    farm: Farm, room: str, day: dt.date, clock: Minutes, seed: int, hours: Changeover | None
) -> dict[str, Values]:
    """What the controller shows of the batch.

    On an in-date it shows the old one until the grower types in the new.
    """
    new = clock.local >= (hours.reset if hours else 0)
    batch = in_date(farm, room, day)
    old = batch - dt.timedelta(days=farm.cycle_days) if hours else batch
    age = growth_day(farm, room, day)
    shown = {
        "in_year": (old.year, batch.year),
        "in_month": (old.month, batch.month),
        "in_day": (old.day, batch.day),
        "in_num": (bag_count(room, old, seed), bag_count(room, batch, seed)),
        "in_day_num": (age_at_midnight(farm, room, day), age),
        "in_time": (room_number(farm, room),) * 2,
    }
    return {
        f"mushroom_info.{key}": np.where(new, after, before)
        for key, (before, after) in shown.items()
    }
