"""The air of a room: temperature, humidity and CO2, minute by minute, under its controllers.

Here lives the physics and what answers to it at once: the cooler and the CO2-driven fan. Faults of
the sensors live in `faults`.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mushroom_assets.simulation.clock import Minutes, Purpose, chance
from mushroom_assets.simulation.controllers import Held, Series, misting, timer
from mushroom_assets.simulation.crop import (
    FAN,
    LEAK,
    OUTDOOR_CO2,
    breath,
    settled_humidity,
    timed_co2,
)
from mushroom_assets.simulation.grower import mist_share
from mushroom_assets.simulation.recipe import Settings

# °C inside the bags; it pulls the sensor between them, the cooler's own sensor only sees the air
BAG_CORE = 18.95
# °C, %RH, ppm that an open room settles at; its minima are 9.5, 56 and 668
OPEN_ROOM = (9.65, 56.2, 712.0)
COOLING, HEATING, NORMAL, COOLER_STOPPED, COOLER_OFF = 0.0, 1.0, 2.0, 3.0, 4.0
BRIDGE = 60  # minutes before midnight in which the air bends towards the next day's first value


@dataclass(frozen=True)
class Air:
    """The state at an instant: °C at the cooler, °C of the bags, %RH, ppm."""

    cooler: float
    core: float
    humidity: float
    co2: float

    @property
    def sensor(self) -> float:
        """°C at the sensor, between the cooler's air and the bags."""
        return 0.55 * self.cooler + 0.45 * self.core


@dataclass(frozen=True)
class Climate:
    """A day's air as the sensors would show it without faults, each (n,), and what the devices did."""

    temperature: Series
    humidity: Series
    co2: Series
    cooler: Series
    cooler_status: Series
    fan_runs: NDArray[np.bool_]


def midnight(room: str, day: dt.date, seed: int, settings: Settings, age: int) -> Air:
    """The air at a day's midnight, settled under its settings: known without simulating the day
    before.
    """
    random = chance(seed, room, day, Purpose.MIDNIGHT)
    swing, phase = random.random(), random.random()
    mist = (mist_share(settings, "left_humidifier") + mist_share(settings, "right_humidifier")) / 2
    by_co2 = settings["fresh_air_fan.co2_off"], settings["fresh_air_fan.co2_on"]
    timed = timed_co2(age, settings["fresh_air_fan.on"], settings["fresh_air_fan.off"])
    return Air(
        cooler=settings["air_cooler.temp_set"] + settings["air_cooler.temp_diffset"] * swing,
        core=BAG_CORE,
        humidity=settled_humidity(mist) - 0.3,
        co2=by_co2[0] + (by_co2[1] - by_co2[0]) * phase
        if settings["fresh_air_fan.control"]
        else timed,
    )


def breathe(
    held: Held,
    clock: Minutes,
    presence: tuple[Series, Series],
    age: int,
    ends: tuple[Air, Air],
    random: np.random.Generator,
) -> Climate:
    """A day's climate.

    Args:
        held: every setting minute by minute.
        clock: the day's minutes.
        presence: how full the room is and how open its doors are, each (n,) from 0 to 1.
        age: growth day of the bags that breathe.
        ends: the air at this and at the next midnight.
        random: the day's stream.
    """
    n = len(clock.utc)
    vigour = breath(age) * (1 + 0.04 * random.standard_normal())
    outdoor = [
        value + spread * random.uniform(-1, 1)
        for value, spread in zip(OPEN_ROOM, (0.15, 0.4, 8), strict=True)
    ]
    air, status, fan = _minute_by_minute(held, clock, presence, vigour, ends[0], outdoor)
    target = np.array([ends[1].sensor, ends[1].humidity, ends[1].co2, ends[1].cooler])
    bend = np.clip((np.arange(n) - (n - 1 - BRIDGE)) / BRIDGE, 0.0, 1.0)
    air = air + bend[:, None] * (target - air[-1])
    # Slow drift of weather and crop: three waves that vanish at midnight, so that the days join.
    waves = np.sin(np.pi * np.outer(np.arange(n) / n, (1, 2, 3)))
    air += presence[0][:, None] * (waves @ random.normal(0, (0.05, 0.2, 35, 0.05), (3, 4)))
    air += random.standard_normal((n, 4)) * (0.055, 0.06, 9, 0.06)
    return Climate(
        temperature=np.round(air[:, 0], 1),
        humidity=np.round(np.clip(air[:, 1], 0, 99.9), 2),
        co2=np.round(air[:, 2]),
        cooler=np.round(air[:, 3], 1),
        cooler_status=status,
        fan_runs=fan,
    )


def _minute_by_minute(
    held: Held,
    clock: Minutes,
    presence: tuple[Series, Series],
    vigour: float,
    start: Air,
    outdoor: list[float],
) -> tuple[Series, Series, NDArray[np.bool_]]:
    """The loop over the minutes: sensor °C, %RH, ppm and cooler °C as (n, 4); cooler status (n,);
    fan (n,).
    """
    cooler, core, humidity, co2 = start.cooler, start.core, start.humidity, start.co2
    sides = misting(held, clock)
    mists = np.mean(list(sides.values()), axis=0).tolist()
    timed = timer(held["fresh_air_fan.on"], held["fresh_air_fan.off"], clock).tolist()
    settings = [held[key].tolist() for key in _COOLER_AND_FAN]
    mist, cooling, blowing = sum(mists[:60]) / 60, True, False
    air, status, fan = [], [], []
    loads, doors = (share.tolist() for share in presence)
    for minute, (power, low, width, mode, by_co2, co2_on, co2_off) in enumerate(
        zip(*settings, strict=True)
    ):
        load, door = loads[minute], doors[minute]
        cooling = bool(power) and cooler > (low if cooling else low + width)
        heating = bool(power) and cooler < low - width
        blowing = co2 > (co2_off if blowing else co2_on)
        runs = mode == 2 or (mode == 1 and bool(blowing if by_co2 else timed[minute]))
        mist += (mists[minute] - mist) / 15.0
        cooler += (
            0.05 * load - 0.14 * cooling + 0.09 * heating + 0.06 * door * (outdoor[0] - cooler)
        )
        core += 0.012 * load * (1 - door) * (BAG_CORE - core) + 0.03 * door * (outdoor[0] - core)
        settled = settled_humidity(mist) - 0.5 * runs - 0.4 * cooling
        humidity += 0.12 * (1 - door) * (settled - humidity) + 0.05 * door * (outdoor[1] - humidity)
        exchange = (LEAK + FAN * runs) * (1 - door)
        co2 += (
            vigour * load * (1 - door)
            - exchange * (co2 - OUTDOOR_CO2)
            - 0.05 * door * (co2 - outdoor[2])
        )
        air.append((0.55 * cooler + 0.45 * core, humidity, co2, cooler))
        stopped = COOLER_STOPPED if door > 0.5 else NORMAL
        status.append(
            COOLING if cooling else HEATING if heating else stopped if power else COOLER_OFF
        )
        fan.append(runs)
    return np.array(air), np.array(status), np.array(fan)


_COOLER_AND_FAN = (
    "air_cooler.on_off",
    "air_cooler.temp_set",
    "air_cooler.temp_diffset",
    "fresh_air_fan.mode",
    "fresh_air_fan.control",
    "fresh_air_fan.co2_on",
    "fresh_air_fan.co2_off",
)
