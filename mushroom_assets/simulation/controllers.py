"""The controllers: settings held minute by minute, timers, and the status that each device reports.

Here lives what follows from settings and the clock. The cooler and the CO2-driven fan, which answer
to the air, run inside `climate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mushroom_assets.simulation.clock import Minutes
from mushroom_assets.simulation.grower import Move
from mushroom_assets.simulation.recipe import Settings

Series = NDArray[np.float64]
# Status of fan, humidifiers and light
AUTO = 0.0
MANUAL = 1.0
STOPPED = 2.0
OFF = 3.0


@dataclass(frozen=True)
class Held:
    """Every setting minute by minute: `values[key]` has shape (n,)."""

    values: dict[str, Series]

    def __getitem__(self, key: str) -> Series:
        return self.values[key]


def hold(settings: Settings, moves: Sequence[Move], clock: Minutes) -> Held:
    """The settings from midnight on; a move counts from its own minute."""
    values = {key: np.full(len(clock.utc), value) for key, value in settings.items()}
    for move in moves:  # in order of time: a later move overwrites the rest of the day
        values[move.key][clock.index_of(move.minute) :] = move.value
    return Held(values)


def timer(on: Series, off: Series, clock: Minutes) -> NDArray[np.bool_]:
    """Whether a timer of `on` and `off` minutes runs, (n,); it starts anew at midnight."""
    return np.asarray(clock.local % np.maximum(on + off, 1.0) < on)


def runs(
    held: Held, device: str, timed: NDArray[np.bool_], mode: str = "mode"
) -> NDArray[np.bool_]:
    """Whether a device runs, (n,).

    It runs by its timer in mode auto (1), always in manual (2), never when off (0).
    """
    modes = held[f"{device}.{mode}"]
    return np.asarray((modes == 2) | ((modes == 1) & timed))


def status(held: Held, device: str, running: NDArray[np.bool_], mode: str = "mode") -> Series:
    """What a fan, a humidifier or the light reports, (n,): 0 auto, 1 manual, 2 stopped, 3 off."""
    modes = held[f"{device}.{mode}"]
    return np.select([modes == 0, modes == 2, running], [OFF, MANUAL, AUTO], STOPPED)


def misting(held: Held, clock: Minutes) -> dict[str, NDArray[np.bool_]]:
    """Whether each humidifier runs, (n,)."""
    sides = ("left_humidifier", "right_humidifier")
    return {
        side: runs(held, side, timer(held[f"{side}.on"], held[f"{side}.off"], clock))
        for side in sides
    }


def lit(held: Held, clock: Minutes) -> NDArray[np.bool_]:
    """Whether the grow light is on, (n,)."""
    timed = timer(held["grow_light.on_mset"], held["grow_light.off_mset"], clock)
    return runs(held, "grow_light", timed, "model")
