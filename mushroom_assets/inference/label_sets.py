"""What excludes a label of a probe, fitted: the spread within the classes, and the calibration.

The calibration is by images that the fit of their fold has not seen, nor any other of their room
and day: with an image's neighbours an hour earlier in the fit, distances come out too small. What
the numbers mean is said in `domain.label_sets`.
"""

import numpy as np

from mushroom_assets.domain.familiarity import distances, whitening
from mushroom_assets.domain.label_sets import (
    Integers,
    LabelSets,
    Numbers,
    Unseen,
    calibrated,
    has_enough,
)
from mushroom_assets.inference.folds import Images, splits

# Added to every variance: that of one in float32, below which unit vectors tell nothing
ROUNDING = 1e-14


def fit_label_sets(images: Images, probabilities: Numbers) -> LabelSets | None:
    """The sets of a probe that was fitted on these images.

    Args:
        images: all of them.
        probabilities: shape (n, classes), of fits that have not seen each image.

    Returns:
        None where every class has too few room-days, and where a class has so few that an image's
        neighbours were in its fit.
    """
    enough = has_enough(images.truth, images.room_days, images.classes)
    if not (images.by_room_day and enough.any()):
        return None
    far = np.full_like(probabilities, np.inf)
    for train, test in splits(images):
        present, means, white = within_classes(images.vectors[train], images.truth[train])
        far[np.ix_(test, present)] = distances(images.vectors[test], means, white)
    unseen = Unseen(images.truth, images.room_days, probabilities, far)
    _, means, white = within_classes(images.vectors, images.truth)
    return calibrated(means, white, unseen)


def within_classes(vectors: Numbers, truth: Integers) -> tuple[Integers, Numbers, Numbers]:
    """The classes there are, their means, and what takes away the covariance within them.

    The covariance is shrunk (Ledoit and Wolf 2004): there are fewer images than dimensions. What is
    stored has 32 bits, so nothing has more.

    Args:
        vectors: shape (n, d).
        truth: shape (n,): the number of each one's class.

    Returns:
        Numbers of the classes; means, shape (classes, d); whitening, shape (d, d).
    """
    from sklearn.covariance import LedoitWolf

    present, own = np.unique(truth, return_inverse=True)
    means = np.stack([vectors[own == number].mean(axis=0) for number in range(len(present))])
    fitted = LedoitWolf(store_precision=False, assume_centered=True).fit(vectors - means[own])
    white = whitening(fitted.covariance_ + ROUNDING * np.eye(vectors.shape[1]))
    return present, means, white.astype(np.float32).astype(np.float64)
