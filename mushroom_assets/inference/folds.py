"""Cross-validation of a linear probe: labelled vectors as numbers, folds, fits that see a part.

Images of one room and day are near-duplicates, an hour apart, and stay on one side of every fold if
there are enough room-days. What is made of the results is the business of `probe`, the distances
to what was labelled that of `label_sets`. scikit-learn is imported inside functions: it costs
seconds.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mushroom_assets.domain.label_sets import FEWEST_IN_FOLDS, LEAST, Integers, Numbers
from mushroom_assets.domain.probe import Labelled

# C; unit vectors of one model lie close together and need large weights
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
FOLDS = 5
SEED = 0
# Multinomial. At scikit-learn's own tolerance of 1e-4 it stops so early that C loses its meaning:
# on 3,000 separable vectors of length 512, C = 1000 left 7 % of them wrong and C = 10000 12 %.
SOLVER = {"solver": "lbfgs", "tol": 1e-5, "max_iter": 2000}


@dataclass(frozen=True)
class Images:
    """Labelled vectors as numbers.

    `vectors` has shape (n, d); `truth` is the number of each one's class, `room_days` that of its
    room and day, `rooms` that of its room.
    """

    vectors: Numbers
    truth: Integers
    room_days: Integers
    rooms: Integers
    classes: int
    folds: int
    by_room_day: bool

    def take(self, rows: Integers) -> "Images":
        """Some of the images, for the choice inside a fold.

        They have one fold fewer, as a class may have lost a room-day.
        """
        return Images(
            self.vectors[rows],
            self.truth[rows],
            self.room_days[rows],
            self.rooms[rows],
            self.classes,
            self.folds - 1,
            self.by_room_day,
        )


def numbers(images: Sequence[Labelled], classes: Sequence[str]) -> Images:
    """The images, whose labels are all of `classes`, as numbers, and the folds they allow."""
    truth = np.array([classes.index(image.label) for image in images])
    _, room_days = np.unique([image.room_day for image in images], return_inverse=True)
    _, rooms = np.unique([image.room for image in images], return_inverse=True)
    fewest = min(len(set(room_days[truth == number])) for number in range(len(classes)))
    by_room_day = fewest >= FEWEST_IN_FOLDS
    vectors = np.stack([image.vector for image in images]).astype(np.float64)
    folds = min(FOLDS, fewest) if by_room_day else FOLDS
    return Images(vectors, truth, room_days, rooms, len(classes), folds, by_room_day)


def splits(images: Images) -> Iterator[tuple[Integers, Integers]]:
    """Training and test rows of each fold, by a fixed seed.

    Each class is spread over the folds as evenly as can be.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    splitter = StratifiedGroupKFold if images.by_room_day else StratifiedKFold
    # A class with fewer images than folds inside a fold: it is missing in some
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        parts = splitter(images.folds, shuffle=True, random_state=SEED)
        groups = images.room_days if images.by_room_day else None
        yield from parts.split(images.vectors, images.truth, groups)


def other_rooms(images: Images) -> Iterator[tuple[Integers, Integers]]:
    """Training and test rows that leave out one room after the other."""
    for room in np.unique(images.rooms):
        yield np.flatnonzero(images.rooms != room), np.flatnonzero(images.rooms == room)


def fit(vectors: Numbers, truth: Integers, strength: float) -> Any:
    """A logistic regression, as scikit-learn has it."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, **SOLVER).fit(vectors, truth)


def unseen(images: Images, train: Integers, test: Integers, strength: float) -> Numbers:
    """Probabilities of the test rows, shape (test, classes), by a fit on the training rows."""
    found = np.full((len(test), images.classes), LEAST)
    present = np.unique(images.truth[train])
    if len(present) == 1:  # nothing to tell apart
        found[:, present] = 1
        return found
    model = fit(images.vectors[train], images.truth[train], strength)
    found[:, present] = model.predict_proba(images.vectors[test])
    return found


class Choice(NamedTuple):
    """A strength, and the probabilities of fits with it that have not seen each image.

    `probabilities` has shape (n, classes).
    """

    strength: float
    probabilities: Numbers


def choose(images: Images) -> Choice:
    """The strength with the smallest cross-validated logarithmic loss.

    If several are equal, the smallest strength counts.
    """
    loss = np.zeros(len(STRENGTHS))
    found = np.empty((len(STRENGTHS), len(images.truth), images.classes))
    for train, test in splits(images):
        for number, strength in enumerate(STRENGTHS):
            found[number, test] = unseen(images, train, test, strength)
            right = found[number, test, images.truth[test]]
            loss[number] -= np.log(np.maximum(right, LEAST)).sum()
    best = int(loss.argmin())
    return Choice(STRENGTHS[best], found[best])
