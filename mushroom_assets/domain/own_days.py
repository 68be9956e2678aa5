"""How like a room's own past a day's pictures are: by their nearest neighbours among its days.

No label and no training is needed, and any model will do: what has moved, fogged over or stepped
in front of a camera is seen, and so is a picture of another room. What the model learned is the
business of `familiarity`, which has the calibration too.

A day is compared with the `REFERENCE_DAYS` before it. How far a day usually lies from those before
it is known from days that were compared in the same way: never with themselves, where a picture's
neighbour an hour earlier would flatter, nor with later days, which the newest one has not either.
"""

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mushroom_assets.domain.familiarity import FAMILIARITY_DECIMALS, calibration

REFERENCE_DAYS = 28  # a cycle and a day: each stage has been seen once
# Days with pictures that a day must have before it to be compared. With 7 the first sight of each
# stage was among the usual: of 8 photographs in a camera's place 3 were odd with 28 days of
# history, 5 with 35. With 24 no day is told of before 44; with 49 days all 8 were odd, and none of
# the 15 true pictures.
FEWEST_REFERENCE = 24
CALIBRATION_DAYS = 28
# With fewer days no picture could be rarer than one in 20: the new day counts as one, too
FEWEST_DAYS = 20
NEAREST = 5  # pictures; their mean, as a single one may be a chance
UNFAMILIAR_BELOW = 0.05
DAYS_BEFORE = REFERENCE_DAYS + CALIBRATION_DAYS

Vectors = npt.NDArray[np.float32]  # unit vectors, shape (n, d)


class OwnDay(NamedTuple):
    """A day's pictures beside those of its room's past.

    Attributes:
        familiarity: shape (n,): share of the days before whose pictures were as odd; None where it
            is not calibrated yet.
        days: how many days before could be compared, of the `FEWEST_DAYS` that are needed.
    """

    familiarity: npt.NDArray[np.float64] | None
    days: int


def own_day(day: dt.date, vectors: Mapping[dt.date, Vectors]) -> OwnDay:
    """Compare a day's pictures with those of the room's days before it.

    Args:
        day: one of `vectors`.
        vectors: of one room and model; days up to `DAYS_BEFORE` before the day count.
    """
    since = day - dt.timedelta(days=CALIBRATION_DAYS)
    past = [before for before in sorted(vectors) if since <= before < day]
    far = {before: _oddness(before, vectors) for before in [*past, day]}
    compared = {before: found for before, found in far.items() if found is not None}
    own = compared.pop(day, None)
    if own is None or len(compared) < FEWEST_DAYS:
        return OwnDay(None, len(compared))
    groups = np.repeat(np.arange(len(compared)), [len(found) for found in compared.values()])
    usual = calibration(np.concatenate(list(compared.values())), groups)
    shares = usual.shares[np.searchsorted(usual.distances, own)]
    return OwnDay(shares.round(FAMILIARITY_DECIMALS), len(compared))


def _oddness(day: dt.date, vectors: Mapping[dt.date, Vectors]) -> npt.NDArray[np.float64] | None:
    """Of each picture 1 less its mean cosine to the `NEAREST` of the days before.

    None where too few days are before it.
    """
    since = day - dt.timedelta(days=REFERENCE_DAYS)
    before = [vectors[other] for other in vectors if since <= other < day]
    if len(before) < FEWEST_REFERENCE:
        return None
    cosines = vectors[day] @ np.concatenate(before).T
    nearest = min(NEAREST, cosines.shape[1])
    best = np.partition(cosines, -nearest, axis=1)[:, -nearest:]
    odd: npt.NDArray[np.float64] = 1 - best.mean(axis=1, dtype=np.float64)
    return odd
