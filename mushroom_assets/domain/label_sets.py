"""Which of a probe's labels a picture leaves possible: conformal sets, calibrated by room and day.

Here lives the arithmetic; inference fits, `familiarity` has the distances and the p-values.

A picture is odd for a label if the probe gives the label little, or if its vector lies far from
those that have it. Both make one number. If fewer than a tenth of the pictures of that label, which
the fit has not seen, are as odd, the label is excluded (Vovk et al. 2005, one class at a time). The
pictures of a room and a day count as one together (Dunn et al. 2023, "Distribution-free prediction
sets for two-layer hierarchical models"). A picture of which every label is excluded is unlike all
that was labelled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mushroom_assets.domain.familiarity import Calibration, calibration, distances

ERROR_RATE = 0.1  # of new pictures of a class, the most whose own label is excluded
# Of each class. The new picture counts as a room-day itself: beside fewer than 9 others it is no
# rarer than one in 9, so nothing could be excluded
FEWEST_ROOM_DAYS = 9
# Of each class, if folds go by room-day: with two, a fold's own choice would know only one
FEWEST_IN_FOLDS = 3
LEAST = 1e-6  # probability: what is less counts as this, so that no number is infinite
# A logistic distribution of deviation 1 has this over its scale. Its tail falls as that of the
# logarithm of a probability, so either of the two can exclude
STEEPNESS = np.pi / np.sqrt(3)

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Truths = npt.NDArray[np.bool_]
Array = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class LabelSets:
    """What excludes a label of a probe.

    Attributes:
        means: shape (classes, d).
        whitening: shape (d, d), as `familiarity.Known` has it.
        middles: shape (classes,): mean distance of pictures that the fit has not seen.
        spreads: shape (classes,): its standard deviation.
        limits: shape (classes,): an odder picture has another label.
    """

    means: Array
    whitening: Array
    middles: Numbers
    spreads: Numbers
    limits: Numbers

    def members(self, vectors: npt.ArrayLike, probabilities: Array) -> Truths:
        """Which labels cannot be excluded, for n vectors.

        Args:
            vectors: shape (n, d).
            probabilities: the probe's, shape (n, classes).

        Returns:
            Shape (n, classes).
        """
        far = distances(vectors, self.means, self.whitening)
        odd: Truths = oddness(probabilities, far, self.middles, self.spreads) <= self.limits
        return odd


def oddness(probabilities: Array, far: Array, middles: Array, spreads: Array) -> Numbers:
    """How odd n pictures are for each label: the logarithms of two rare things, added.

    The one is the label's probability, the other the share of the label's own pictures that lie
    farther, if their distances had a logistic distribution. Shapes (n, classes), but (classes,) of
    `middles` and `spreads`.
    """
    beyond = np.logaddexp(0, STEEPNESS * (far - middles) / spreads)
    odd: Numbers = beyond - np.log(np.maximum(probabilities, LEAST))
    return odd


@dataclass(frozen=True, eq=False)
class Unseen:
    """What fits that have not seen them say of n labelled pictures.

    Attributes:
        truth: shape (n,): the number of each one's class.
        room_days: shape (n,): what each one came with.
        probabilities: shape (n, classes).
        far: shape (n, classes), distances; infinite to a class that the fit did not have.
    """

    truth: Integers
    room_days: Integers
    probabilities: Numbers
    far: Numbers


def has_enough(truth: Integers, room_days: Integers, classes: int) -> Truths:
    """Which classes have the room-days that a calibration takes, shape (classes,)."""
    days = [len(np.unique(room_days[truth == number])) for number in range(classes)]
    return np.array(days) >= FEWEST_ROOM_DAYS


def calibrated(means: Array, whitening: Array, unseen: Unseen) -> LabelSets | None:
    """The sets of a fit, from what was said of its own pictures unseen.

    A class with fewer than `FEWEST_ROOM_DAYS` borrows the widest reach of the others, which
    promises nothing; without any limit a picture unlike all that was labelled would have that label
    left. None where every class has fewer.
    """
    classes = len(means)
    owns = [unseen.truth == number for number in range(classes)]
    reaches = [
        _reach(unseen.far[own, number], unseen.room_days[own]) for number, own in enumerate(owns)
    ]
    middles, spreads = np.array(reaches).T
    odd = oddness(unseen.probabilities, unseen.far, middles, spreads)
    limits = [
        _limit(calibration(odd[own, number], unseen.room_days[own]))
        for number, own in enumerate(owns)
    ]
    enough = has_enough(unseen.truth, unseen.room_days, classes)
    if not enough.any():
        return None
    numbers = [
        np.where(enough, own, own[enough].max()) for own in (middles, spreads, np.array(limits))
    ]
    return LabelSets(means, whitening, *numbers)


def _reach(far: Numbers, room_days: Integers) -> tuple[float, float]:
    """Mean and deviation of a class's distances; each room-day weighs the same."""
    there = np.isfinite(far)
    if not there.any():
        return 0.0, 1.0
    weights = by_room_day(room_days)[there]
    middle = np.average(far[there], weights=weights)
    variance = np.average((far[there] - middle) ** 2, weights=weights)
    return middle, np.sqrt(variance) + LEAST * (1 + middle)  # never 0


def _limit(of: Calibration) -> float:
    """The oddest that is not excluded; infinite with too few room-days to exclude anything."""
    held = np.count_nonzero(of.shares > ERROR_RATE) - 1
    return float(of.distances[held]) if held < len(of.distances) else np.inf


def by_room_day(room_days: Integers) -> Numbers:
    """Weights of n pictures, shape (n,), that make one together for each room-day."""
    _, group, sizes = np.unique(room_days, return_inverse=True, return_counts=True)
    weights: Numbers = (1 / sizes)[group]
    return weights


@dataclass(frozen=True)
class Coverage:
    """What sets were worth on pictures that neither fit nor calibration has seen.

    Attributes:
        by_class: share of each class's pictures whose set has their label; a room-day weighs the
            same as any other. Without classes that are not calibrated.
        share: the same of all pictures of these classes.
        labels: of their sets, the mean.
    """

    by_class: dict[str, float]
    share: float
    labels: float


def coverage(
    members: Truths,
    truth: Integers,
    room_days: Integers,
    classes: Sequence[str],
    calibrated: Truths,
) -> Coverage | None:
    """What the sets of n pictures, shape (n, classes), were worth.

    Args:
        members: which labels were not excluded.
        truth: shape (n,), their classes.
        room_days: shape (n,), what they came with.
        classes: names.
        calibrated: shape (classes,), which of them; None comes back where none is.
    """
    if not calibrated.any():
        return None
    held = members[np.arange(len(truth)), truth]
    found = {}
    for number in np.flatnonzero(calibrated).tolist():
        own = truth == number
        share = np.average(held[own], weights=by_room_day(room_days[own]))
        found[classes[number]] = float(share)
    judged = calibrated[truth]
    share = np.average(held[judged], weights=by_room_day(room_days[judged]))
    return Coverage(found, float(share), float(members[judged].sum(axis=1).mean()))
