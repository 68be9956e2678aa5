"""Which samples are rejected and which are suspect: the plausible range, spikes, a stuck sensor.

`statistics` computes numbers from the samples afterwards.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mushroom_assets.domain.farm import Quantity
from mushroom_assets.domain.series import SECOND, Flags, Series, Times, Values

Columns = pd.DataFrame | Mapping[str, npt.NDArray[Any]]


def mark(samples: Columns, quantity: Quantity, max_hold_s: int) -> Series:
    """Mark the samples of one quantity.

    Args:
        samples: columns `at` and `value`, ascending. Several points of one quantity may be merged:
            plausible values of one instant are averaged.
        quantity: plausible range, spike and stuck rules.
        max_hold_s: neighbours further apart than this are not compared.
    """
    at = np.asarray(samples["at"], np.int64)
    value = np.asarray(samples["value"], np.float64)
    low, high = quantity.plausible
    with np.errstate(invalid="ignore"):
        rejected = ~((value >= low) & (value <= high) & np.isfinite(value))
    if at.size and (np.diff(at) == 0).any():
        at, value, rejected = _average_instants(at, value, rejected)
    kept = ~rejected
    spikes = _spikes(at[kept], value[kept], quantity.spike, max_hold_s)
    stuck = _stuck(at[kept], value[kept], quantity.stuck_s, max_hold_s)
    suspect = np.zeros(at.size, dtype=bool)
    suspect[kept] = spikes | stuck
    return Series(at, value, rejected, suspect)


def _average_instants(at: Times, value: Values, rejected: Flags) -> tuple[Times, Values, Flags]:
    frame = pd.DataFrame({"at": at, "value": np.where(rejected, np.nan, value)})
    means = frame.groupby("at")["value"].mean()  # skips rejected values; NaN where all are
    return means.index.to_numpy(np.int64), means.to_numpy(np.float64), means.isna().to_numpy()


def _spikes(at: Times, value: Values, spike: float | None, max_hold_s: int) -> Flags:
    """More than `spike` from both neighbours, on the same side: QARTOD's spike test of one sample.

    Neighbours more than `max_hold_s` away do not count.
    """
    flags = np.zeros(at.size, dtype=bool)
    if spike is None or at.size < 3:
        return flags
    rise = np.diff(value)
    near = np.diff(at) <= max_hold_s * SECOND
    far = np.abs(rise) > spike
    turns = np.sign(rise[:-1]) != np.sign(rise[1:])
    flags[1:-1] = far[:-1] & far[1:] & turns & near[:-1] & near[1:]
    return flags


def _stuck(at: Times, value: Values, stuck_s: int | None, max_hold_s: int) -> Flags:
    """Part of a run of one value that lasts `stuck_s` or longer.

    A gap of more than `max_hold_s` ends a run.
    """
    if stuck_s is None or at.size < 2:
        return np.zeros(at.size, dtype=bool)
    breaks = (np.diff(value) != 0) | (np.diff(at) > max_hold_s * SECOND)
    run = np.concatenate(([0], np.cumsum(breaks)))
    first = np.concatenate(([0], np.flatnonzero(breaks) + 1))
    last = np.concatenate((first[1:] - 1, [at.size - 1]))
    long: Flags = at[last] - at[first] >= stuck_s * SECOND
    return long[run]
