"""How like what is known a picture is: its vector's distance to the classes that were learned.

Here lives the arithmetic, for the packaged model and for a farm's own probe alike. Fitting and
files are the business of `inference` and of the training; what follows from a small familiarity,
that of `vision` and `probe`.

The distance is Mahalanobis' to a class's mean, with one covariance for all classes (Lee et al.
2018, "A simple unified framework for detecting out-of-distribution samples"). A distance alone says
little: a class's pictures that the fit has not seen tell how far they lie. The share of them that
lie at least as far is a conformal p-value (Vovk et al. 2005; of one class at a time): of new
pictures of that class at most 5 % have one below 0.05.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FAMILIARITY_DECIMALS = 6  # finer than any calibration

Array = npt.NDArray[np.floating]
Numbers = npt.NDArray[np.float64]


class Calibration(NamedTuple):
    """How far pictures of one class lie that the fit has not seen.

    `distances` has shape (m,), ascending; `shares` has shape (m + 1,): the p-value of a picture
    that lies farther than the first i of them.
    """

    distances: Numbers
    shares: Numbers


@dataclass(frozen=True, eq=False)
class Known:
    """What was learned: classes as places among a model's vectors, and how far they reach.

    Attributes:
        classes: their names.
        means: shape (classes, d).
        whitening: shape (d, d); vectors times it have no covariance within a class, and deviation 1
            in every direction.
        calibrations: one a class.
    """

    classes: tuple[str, ...]
    means: Array
    whitening: Array
    calibrations: tuple[Calibration, ...]

    def shares(self, vectors: npt.ArrayLike) -> Numbers:
        """The p-value of n vectors, shape (n, d), for each class.

        Returns:
            Shape (n, classes), 0 to 1.

        Raises:
            ValueError: as `distances`.
        """
        far = distances(vectors, self.means, self.whitening)
        found = np.empty_like(far)
        for number, of in enumerate(self.calibrations):
            found[:, number] = of.shares[np.searchsorted(of.distances, far[:, number])]
        return found

    def familiarity(self, vectors: npt.ArrayLike) -> Numbers:
        """The largest p-value of n vectors, shape (n, d): that of the class which fits best.

        Returns:
            Shape (n,), 0 to 1, rounded to 6 decimals.

        Raises:
            ValueError: as `distances`.
        """
        best: Numbers = self.shares(vectors).max(axis=1)
        return best.round(FAMILIARITY_DECIMALS)


def distances(vectors: npt.ArrayLike, means: Array, whitening: Array) -> Numbers:
    """Mahalanobis distances of n vectors, shape (n, d), to each mean, shape (classes, d).

    Returns:
        Shape (n, classes).

    Raises:
        ValueError: vectors of another length, or with a NaN or an infinity.
    """
    given = np.asarray(vectors, dtype=np.float64)
    length = means.shape[1]
    if given.ndim != 2 or given.shape[1] != length:
        raise ValueError(f"vectors of length {length} are known, got an array of {given.shape}")
    if not np.isfinite(given).all():
        raise ValueError("vectors must be finite; the model gave NaN or infinity")
    white = np.asarray(whitening, dtype=np.float64)
    places = given @ white
    middles = np.asarray(means, dtype=np.float64) @ white
    squares = (places**2).sum(axis=1)[:, None] + (middles**2).sum(axis=1)
    # Rounding makes the square of a small distance negative
    far: Numbers = np.sqrt(np.maximum(squares - 2 * places @ middles.T, 0))
    return far


def whitening(covariance: npt.ArrayLike) -> Numbers:
    """The matrix that takes away a covariance within classes, shape (d, d), of full rank.

    Returns:
        Shape (d, d): eigenvectors as columns, each divided by its deviation.
    """
    variances, directions = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    white: Numbers = directions / np.sqrt(variances)
    return white


def calibration(far: npt.ArrayLike, groups: Iterable[object]) -> Calibration:
    """A class's calibration from the distances of n of its pictures, shape (n,), to its mean.

    Args:
        far: of pictures that the fit has not seen.
        groups: of each picture, what it came with: its room and day. Pictures of one group are
            near-duplicates and count as one together: by the picture, 44 % of a new day's were
            below 0.05 (a farm's hourly images, each with its neighbours in the calibration).
    """
    given = np.asarray(far, dtype=np.float64)
    _, group, sizes = np.unique(
        [str(name) for name in groups], return_inverse=True, return_counts=True
    )
    order = np.argsort(given, kind="stable")
    weights = (1 / sizes)[group][order]
    beyond = np.concatenate([np.cumsum(weights[::-1])[::-1], [0.0]])
    # The new picture itself counts as one group more
    return Calibration(given[order], (1 + beyond) / (1 + len(sizes)))
