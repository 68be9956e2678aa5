"""Which samples of a sensor are rejected and which are suspect: plausible range, spikes, stuck.

`statistics` computes numbers from the samples afterwards.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mushroom_assets.domain.farm_parts import Quantity
from mushroom_assets.domain.series import DECIMALS, SECOND, Flags, Series, Times, Values

# Spikes are told by neighbours at most an hour away, however long a value holds: the run of a day,
# which begins at 01:03, has them all
NEIGHBOUR_S = 3600
Columns = pd.DataFrame | Mapping[str, npt.NDArray[Any]]


def mark(samples: Columns, quantity: Quantity, max_hold_s: int) -> Series:
    """Mark the samples of one sensor.

    Args:
        samples: columns `at` and `value`, ascending in time.
        quantity: plausible range, spike and stuck rules.
        max_hold_s: samples further apart than this are not compared.
    """
    at = np.asarray(samples["at"], np.int64)
    value = np.asarray(samples["value"], np.float64)
    low, high = quantity.plausible
    with np.errstate(invalid="ignore"):
        rejected = ~((value >= low) & (value <= high) & np.isfinite(value))
    kept = ~rejected
    spike = np.zeros(at.size, dtype=bool)
    stuck = np.zeros(at.size, dtype=bool)
    spike[kept] = _spikes(at[kept], value[kept], quantity.spike, neighbour_s(max_hold_s))
    stuck[kept] = _stuck(at[kept], value[kept], quantity, max_hold_s)
    return Series(at, value, rejected, spike, stuck)


def neighbour_s(max_hold_s: int) -> int:
    """Seconds between neighbours that tell a spike, at most."""
    return min(max_hold_s, NEIGHBOUR_S)


def _spikes(at: Times, value: Values, spike: float | None, apart_s: int) -> Flags:
    """One or two samples more than `spike` from both neighbours, on one side.

    QARTOD's spike test, for excursions of two samples too. Neighbours are plausible samples, each
    at most `apart_s` from the next.
    """
    flags = np.zeros(at.size, dtype=bool)
    if spike is None or at.size < 3:
        return flags
    if np.abs(np.diff(value)).max() <= spike:  # as on most days
        return flags
    near = np.diff(at) <= apart_s * SECOND
    for length in (1, 2):
        _flag_excursions(flags, value, near, spike, length)
    return flags


def _flag_excursions(flags: Flags, value: Values, near: Flags, spike: float, length: int) -> None:
    """Flag the samples of each excursion of `length` samples; `near`: from each to the next."""
    count = value.size - length - 1  # places where one can begin
    if count < 1:
        return
    left = value[:count]
    right = value[length + 1 :]
    lowest = value[1 : count + 1]
    highest = lowest
    together = near[:count] & near[length:]
    if length == 2:
        second = value[2 : count + 2]
        lowest = np.minimum(lowest, second)
        highest = np.maximum(highest, second)
        together &= near[1 : count + 1]
    above = np.round(lowest - np.maximum(left, right), DECIMALS) > spike
    below = np.round(np.minimum(left, right) - highest, DECIMALS) > spike
    places = np.flatnonzero((above | below) & together) + 1
    for offset in range(length):
        flags[places + offset] = True


def _stuck(at: Times, value: Values, quantity: Quantity, max_hold_s: int) -> Flags:
    """Part of a run of one value that lasts `stuck_s` or longer.

    A gap of more than `max_hold_s` ends a run. At the end of its scale a sensor may rest.
    """
    if quantity.stuck_s is None or at.size < 2:
        return np.zeros(at.size, dtype=bool)
    breaks = (np.diff(value) != 0) | (np.diff(at) > max_hold_s * SECOND)
    run = np.concatenate(([0], np.cumsum(breaks)))
    first = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    last = np.concatenate((first[1:] - 1, [at.size - 1]))
    long: Flags = at[last] - at[first] >= quantity.stuck_s * SECOND
    if quantity.full_scale is not None:
        long &= value[first] < quantity.full_scale
    return long[run]
