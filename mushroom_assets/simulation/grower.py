"""The grower: which setpoint is moved when, by a recipe per growth day and by eye.

Here live the settings of a room and their moves. What a controller does with a setting lives in
`controllers`. Settings are keyed "<device>.<point_alias>", as `devices.KEYS`.
"""

import datetime as dt
from typing import NamedTuple

import numpy as np

from mushroom_assets.domain.farm import Farm
from mushroom_assets.simulation.batch import changeover, growth_day, in_date
from mushroom_assets.simulation.clock import Purpose, chance
from mushroom_assets.simulation.crop import timed_co2
from mushroom_assets.simulation.recipe import PLAN, RESTING, TOGGLES, TWEAKS, Settings

# What the grower lets a timed fan settle at, so that daily medians stay in 1780-3730
CO2_BOUNDS = (2150.0, 3300.0)
MIST_BOUNDS = (0.34, 0.78)  # share of humidifying that keeps 89-93 %


class Move(NamedTuple):
    """One setting moved by hand, at a minute of the farm-local day."""

    minute: int
    key: str
    value: float


def settings_at(farm: Farm, room: str, day: dt.date, seed: int) -> Settings:
    """The settings at a day's midnight: every day's moves since the batch's start, replayed."""
    settings = dict(RESTING)
    today = in_date(farm, room, day)
    while today < day:
        settings |= {move.key: move.value for move in moves(farm, room, today, seed, settings)}
        today += dt.timedelta(days=1)
    return settings


def moves(farm: Farm, room: str, day: dt.date, seed: int, settings: Settings) -> list[Move]:
    """A day's moves in order of time.

    A setting's moves lie at different minutes, and each changes its value.

    Args:
        farm: the farm.
        room: the room.
        day: farm-local day.
        seed: the simulation's seed.
        settings: the settings at the day's midnight; left as they are.
    """
    age = growth_day(farm, room, day)
    random = chance(seed, room, day, Purpose.MOVES)
    if age == 1:
        return _changeover_moves(room, day, seed)
    if age == farm.cycle_days:
        return _timed(_differences(settings, RESTING), random)
    wanted = _differences(settings, PLAN.get(age, {}))
    wanted |= _fresh_air(settings | wanted, age)
    toggles = _toggles(settings, wanted, random)
    taken = wanted.keys() | {move.key for move in toggles}
    count = max(2, int(random.integers(5, 11)) - len(taken))
    wanted |= _tweaks(settings | wanted, taken, age, random, count)
    return sorted(_timed(wanted, random) + toggles)


def _differences(settings: Settings, wanted: Settings) -> Settings:
    return {key: value for key, value in wanted.items() if settings[key] != value}


def _changeover_moves(room: str, day: dt.date, seed: int) -> list[Move]:
    """Everything is shut off while the doors are open, and runs as before once they are shut."""
    hours = changeover(room, day, seed)
    off = {
        "air_cooler.on_off": 0.0,
        "fresh_air_fan.mode": 2.0,
        "left_humidifier.mode": 0.0,
        "right_humidifier.mode": 0.0,
    }
    shut = [
        Move(hours.opened - 3 + step, key, value) for step, (key, value) in enumerate(off.items())
    ]
    again = [Move(hours.closed + 2 + step, key, RESTING[key]) for step, key in enumerate(off)]
    return shut + again


def _timed(wanted: Settings, random: np.random.Generator) -> list[Move]:
    """Rounds at 09-10 h and 14-18 h, now and then at another hour.

    One setting is moved a minute or two after the other.
    """
    rounds = ((540, 640), (840, 960), (960, 1070), (430, 1190))
    visits = [int(random.integers(first, last)) for first, last in rounds]
    visit_of = random.choice(visits, p=(0.4, 0.3, 0.22, 0.08), size=len(wanted))
    later = random.integers(0, 12, size=len(wanted))
    return sorted(
        Move(int(visit + wait), key, value)
        for (key, value), visit, wait in zip(wanted.items(), visit_of, later, strict=True)
    )


def _toggles(settings: Settings, wanted: Settings, random: np.random.Generator) -> list[Move]:
    """On some days one thing is switched in the morning and switched back in the afternoon."""
    key, value = TOGGLES[int(random.integers(len(TOGGLES)))]
    morning = int(random.integers(540, 650))
    afternoon = int(random.integers(840, 1080))
    lights_off = key.startswith("grow_light") and settings["grow_light.model"] == 0
    if random.random() > 0.4 or settings[key] == value or lights_off or key in wanted:
        return []
    return [Move(morning, key, value), Move(afternoon, key, settings[key])]


def _tweaks(
    settings: Settings, taken: set[str], age: int, random: np.random.Generator, count: int
) -> Settings:
    """Small steps within each setting's usual range.

    The grower leaves out what would upset the room.
    """
    keys = [key for key in TWEAKS if key not in taken]
    weights = np.array([TWEAKS[key].weight for key in keys])
    if settings["grow_light.model"] == 0:  # nobody adjusts lamps that are off
        weights[[key.startswith("grow_light") for key in keys]] = 0.0
    chosen = random.choice(keys, p=weights / weights.sum(), size=count, replace=False).tolist()
    wanted: Settings = {}
    for key in chosen:
        tweak = TWEAKS[key]
        step = float(random.choice(tweak.steps)) * (1 if random.random() < 0.5 else -1)
        current = settings[key]
        for value in (round(current + step, 1), round(current - step, 1)):
            moved = settings | wanted | {key: value}
            if tweak.low <= value <= tweak.high and _sensible(moved, age):
                wanted[key] = value
                break
    return wanted


def _sensible(settings: Settings, age: int) -> bool:
    driest, wettest = MIST_BOUNDS
    lowest, highest = CO2_BOUNDS
    mist = [mist_share(settings, f"{side}_humidifier") for side in ("left", "right")]
    co2 = timed_co2(age, settings["fresh_air_fan.on"], settings["fresh_air_fan.off"])
    return min(mist) >= driest and max(mist) <= wettest and lowest <= co2 <= highest


def mist_share(settings: Settings, device: str) -> float:
    """Share of the time that a humidifier's timer lets it run."""
    return settings[f"{device}.on"] / (settings[f"{device}.on"] + settings[f"{device}.off"])


def _fresh_air(settings: Settings, age: int) -> Settings:
    """A longer or shorter run of the fan when the crop has outgrown its timer.

    From 2 to 10 minutes, the length that settles nearest to 2,700 ppm.
    """
    off = settings["fresh_air_fan.off"]
    lowest, highest = CO2_BOUNDS
    if lowest <= timed_co2(age, settings["fresh_air_fan.on"], off) <= highest:
        return {}

    def miss(on: float) -> float:
        return abs(timed_co2(age, on, off) - 2700.0)

    best = min((float(minutes) for minutes in range(2, 11)), key=miss)
    return _differences(settings, {"fresh_air_fan.on": best})
