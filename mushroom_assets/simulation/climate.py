"""The air of a room: temperature, humidity and CO2, minute by minute, under its controllers.

Here lives the physics and what answers to it at once: the cooler and the CO2-driven fan. Faults of
the sensors live in `feed`.
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
# What the cooler reports
COOLING = 0.0
HEATING = 1.0
NORMAL = 2.0
COOLER_STOPPED = 3.0
COOLER_OFF = 4.0
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
    """A day's air as faultless sensors would show it, and what the devices did; each (n,)."""

    temperature: Series
    humidity: Series
    co2: Series
    cooler: Series
    cooler_status: Series
    fan_runs: NDArray[np.bool_]


def midnight(room: str, day: dt.date, seed: int, settings: Settings, age: int) -> Air:
    """The air at a day's midnight, settled under its settings.

    It is known without simulating the day before.
    """
    random = chance(seed, room, day, Purpose.MIDNIGHT)
    swing = random.random()
    phase = random.random()
    mist = (mist_share(settings, "left_humidifier") + mist_share(settings, "right_humidifier")) / 2
    if settings["fresh_air_fan.control"]:
        lowest = settings["fresh_air_fan.co2_off"]
        co2 = lowest + (settings["fresh_air_fan.co2_on"] - lowest) * phase
    else:
        co2 = timed_co2(age, settings["fresh_air_fan.on"], settings["fresh_air_fan.off"])
    return Air(
        cooler=settings["air_cooler.temp_set"] + settings["air_cooler.temp_diffset"] * swing,
        core=BAG_CORE,
        humidity=settled_humidity(mist) - 0.3,
        co2=co2,
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
    """The loop over the minutes.

    Returns:
        Sensor °C, %RH, ppm and cooler °C as (n, 4); the cooler's status (n,); whether the fan runs
        (n,).
    """
    state = _State(start.cooler, start.core, start.humidity, start.co2)
    mists = np.mean(list(misting(held, clock).values()), axis=0).tolist()
    state.mist = sum(mists[:60]) / 60
    timed = timer(held["fresh_air_fan.on"], held["fresh_air_fan.off"], clock)
    settings = [held[key].tolist() for key in _COOLER_AND_FAN]
    loads, doors = presence
    minutes = zip(mists, timed.tolist(), loads.tolist(), doors.tolist(), *settings, strict=True)
    air = []
    status = []
    fan = []
    for mist, is_timed, load, door, power, low, width, *fan_settings in minutes:
        state.run_cooler(bool(power), low, width)
        state.run_fan(is_timed, *fan_settings)
        state.mist += (mist - state.mist) / 15.0
        state.breathe(load, door, vigour, outdoor)
        air.append(
            (0.55 * state.cooler + 0.45 * state.core, state.humidity, state.co2, state.cooler)
        )
        status.append(state.cooler_status(bool(power), door))
        fan.append(state.runs)
    return np.array(air), np.array(status), np.array(fan)


@dataclass
class _State:
    """The air of a room and what answers to it, from one minute to the next."""

    cooler: float
    core: float
    humidity: float
    co2: float
    mist: float = 0.0  # share of humidifying that the air feels
    cooling: bool = True
    heating: bool = False
    blowing: bool = False  # what the fan does when CO2 drives it
    runs: bool = False  # the fan, whatever drives it

    def run_cooler(self, power: bool, low: float, width: float) -> None:
        """Cool down to `low` once the air is `width` above it; heat when it is `width` below."""
        self.cooling = power and self.cooler > (low if self.cooling else low + width)
        self.heating = power and self.cooler < low - width

    def run_fan(
        self, timed: bool, mode: float, by_co2: float, co2_on: float, co2_off: float
    ) -> None:
        """Run by CO2 or by the timer in mode auto (1), always in manual (2)."""
        self.blowing = self.co2 > (co2_off if self.blowing else co2_on)
        self.runs = mode == 2 or (mode == 1 and (self.blowing if by_co2 else timed))

    def breathe(self, load: float, door: float, vigour: float, outdoor: list[float]) -> None:
        """One minute of the air: the bags, the devices, the open doors."""
        shut = 1 - door
        self.cooler += (
            0.05 * load
            - 0.14 * self.cooling
            + 0.09 * self.heating
            + 0.06 * door * (outdoor[0] - self.cooler)
        )
        self.core += 0.012 * load * shut * (BAG_CORE - self.core) + 0.03 * door * (
            outdoor[0] - self.core
        )
        settled = settled_humidity(self.mist) - 0.5 * self.runs - 0.4 * self.cooling
        self.humidity += 0.12 * shut * (settled - self.humidity) + 0.05 * door * (
            outdoor[1] - self.humidity
        )
        exchange = (LEAK + FAN * self.runs) * shut
        self.co2 += (
            vigour * load * shut
            - exchange * (self.co2 - OUTDOOR_CO2)
            - 0.05 * door * (self.co2 - outdoor[2])
        )

    def cooler_status(self, power: bool, door: float) -> float:
        """What the cooler reports; with the doors open it stops where it would be idle."""
        if self.cooling:
            return COOLING
        if self.heating:
            return HEATING
        if not power:
            return COOLER_OFF
        return COOLER_STOPPED if door > 0.5 else NORMAL


_COOLER_AND_FAN = (
    "air_cooler.on_off",
    "air_cooler.temp_set",
    "air_cooler.temp_diffset",
    "fresh_air_fan.mode",
    "fresh_air_fan.control",
    "fresh_air_fan.co2_on",
    "fresh_air_fan.co2_off",
)
