"""Fitting the farm's own linear probe with scikit-learn, and an honest account of how right it is.

The accuracy is that of a nested cross-validation: in each fold the regularisation is chosen by a
cross-validation of the other folds alone, so no image is judged by a fit, or by a choice, that has
seen it. Images of one room and day are near-duplicates, an hour apart, and stay on one side of
every fold if there are enough room-days.
scikit-learn is imported inside functions: it costs seconds.
"""

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mushroom_assets.domain.probe import MIN_LABELS, Evaluation, Labelled, Probe, ProbeFit

# C; unit vectors of one model lie close together and need large weights
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
FOLDS = 5
# For each class, if folds go by room-day: with two, a fold's own choice of C would know only one
FEWEST_ROOM_DAYS = 3
SEED = 0
# Multinomial. At scikit-learn's own tolerance of 1e-4 it stops so early that C loses its meaning:
# on 3,000 separable vectors of length 512, C = 1000 left 7 % of them wrong and C = 10000 12 %.
SOLVER = {"solver": "lbfgs", "tol": 1e-5, "max_iter": 2000}
LEAST = 1e-6  # probability of a class that a fold's training part happened to lack, in place of 0

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Images:
    """Labelled vectors as numbers.

    `vectors` has shape (n, d); `truth` is the number of each one's class, `room_days` that of its
    room and day.
    """

    vectors: Floats
    truth: Integers
    room_days: Integers
    classes: int
    folds: int
    by_room_day: bool

    def take(self, rows: Integers) -> "_Images":
        """Some of the images, for the choice inside a fold.

        They have one fold fewer, as a class may have lost a room-day.
        """
        return _Images(
            self.vectors[rows],
            self.truth[rows],
            self.room_days[rows],
            self.classes,
            self.folds - 1,
            self.by_room_day,
        )


def fit_probe(
    encoder: str, kind: str, images: Sequence[Labelled], names: Sequence[str]
) -> ProbeFit:
    """Fit a probe on one model's labelled vectors, and evaluate it.

    The same images give the same fit.

    Args:
        encoder: model and weights.
        kind: "stage" or "condition".
        images: one for each content, in an order that does not change.
        names: the classes of the farm file; others, and those with fewer than `MIN_LABELS` images,
            are left out.

    Returns:
        A fit without a probe where fewer than two classes are left.
    """
    from threadpoolctl import threadpool_limits

    found = Counter(image.label for image in images)
    counts = {name: found[name] for name in names}
    strangers = {name: count for name, count in sorted(found.items()) if name not in counts}
    classes = tuple(name for name in names if counts[name] >= MIN_LABELS)
    if len(classes) < 2:
        return ProbeFit(encoder, kind, counts, strangers)
    used = [image for image in images if image.label in classes]
    given = _numbers(used, classes)
    with threadpool_limits(1):  # sums in one order: the same fit on any number of cores
        named = _named_unseen(given)
        strength = _choose(given)
        coefficients, intercepts = _rows(_fit(given.vectors, given.truth, strength))
    probe = Probe(kind, _identity(encoder, kind, used), classes, coefficients, intercepts)
    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (given.truth, named), 1)
    zero_shot = _zero_shot(used, classes)
    evaluation = Evaluation(classes, confusion, zero_shot, given.folds, given.by_room_day)
    return ProbeFit(encoder, kind, counts, strangers, probe, evaluation, strength)


def _numbers(images: Sequence[Labelled], classes: Sequence[str]) -> _Images:
    truth = np.array([classes.index(image.label) for image in images])
    _, room_days = np.unique([image.room_day for image in images], return_inverse=True)
    fewest = min(len(set(room_days[truth == number])) for number in range(len(classes)))
    by_room_day = fewest >= FEWEST_ROOM_DAYS
    vectors = np.stack([image.vector for image in images]).astype(np.float64)
    folds = min(FOLDS, fewest) if by_room_day else FOLDS
    return _Images(vectors, truth, room_days, len(classes), folds, by_room_day)


def _splits(images: _Images) -> Iterator[tuple[Integers, Integers]]:
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


def _fit(vectors: Floats, truth: Integers, strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, **SOLVER).fit(vectors, truth)


def _rows(model: Any) -> tuple[Floats, Floats]:
    """Coefficients and intercepts, a row a class.

    For two classes scikit-learn keeps only their difference: each gets one half of it.
    """
    coefficients = model.coef_
    intercepts = model.intercept_
    if len(model.classes_) == 2:
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return coefficients, intercepts


def _unseen(images: _Images, train: Integers, test: Integers, strength: float) -> Floats:
    """Probabilities of the test rows, shape (test, classes), by a fit on the training rows."""
    found = np.full((len(test), images.classes), LEAST)
    present = np.unique(images.truth[train])
    if len(present) == 1:  # nothing to tell apart
        found[:, present] = 1
        return found
    model = _fit(images.vectors[train], images.truth[train], strength)
    found[:, present] = model.predict_proba(images.vectors[test])
    return found


def _choose(images: _Images) -> float:
    """The strength with the smallest cross-validated logarithmic loss.

    If several are equal, the smallest strength counts.
    """
    loss = np.zeros(len(STRENGTHS))
    for train, test in _splits(images):
        for number, strength in enumerate(STRENGTHS):
            found = _unseen(images, train, test, strength)
            right = found[np.arange(len(test)), images.truth[test]]
            loss[number] -= np.log(np.maximum(right, LEAST)).sum()
    return STRENGTHS[int(loss.argmin())]


def _named_unseen(images: _Images) -> Integers:
    """Each image's class, by a fit and a strength that have not seen the image."""
    named = np.empty_like(images.truth)
    for train, test in _splits(images):
        strength = _choose(images.take(train))
        named[test] = _unseen(images, train, test, strength).argmax(axis=1)
    return named


def _zero_shot(images: Sequence[Labelled], classes: Sequence[str]) -> Integers:
    counted = np.zeros((len(classes), 2), dtype=np.int64)
    for image in images:
        row = counted[classes.index(image.label)]
        row += (image.zero_shot is not None, image.zero_shot == image.label)
    return counted


def _identity(encoder: str, kind: str, images: Sequence[Labelled]) -> str:
    """`<kind>-<8 hex digits>` of the labels, the vectors and all that is set here."""
    settings = [encoder, kind, STRENGTHS, FOLDS, FEWEST_ROOM_DAYS, SEED, MIN_LABELS, SOLVER]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for image in images:
        digest.update(json.dumps([image.content_sha256, image.room_day, image.label]).encode())
        digest.update(np.ascontiguousarray(image.vector, dtype="<f4").tobytes())
    return f"{kind}-{digest.hexdigest()[:8]}"
