"""Fitting the farm's own linear probe with scikit-learn, and an honest account of how right it is.

The accuracy is that of a nested cross-validation: in each fold the regularisation is chosen, and
the sets of labels are calibrated, by a cross-validation of the other folds alone. So no image is
judged by a fit, or by a choice, that has seen it. `folds` has the cross-validation, `label_sets`
the sets.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mushroom_assets.domain.evaluation import Evaluation, Rooms, in_one_room
from mushroom_assets.domain.label_sets import (
    ERROR_RATE,
    FEWEST_IN_FOLDS,
    FEWEST_ROOM_DAYS,
    Coverage,
    Integers,
    Numbers,
    Truths,
    coverage,
    has_enough,
)
from mushroom_assets.domain.probe import MIN_LABELS, VERSION, Labelled, Probe, ProbeFit
from mushroom_assets.inference import folds
from mushroom_assets.inference.folds import FOLDS, SEED, SOLVER, STRENGTHS
from mushroom_assets.inference.label_sets import fit_label_sets


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
    given = folds.numbers(used, classes)
    with threadpool_limits(1):  # sums in one order: the same fit on any number of cores
        choice = folds.choose(given)
        evaluation = _evaluate(used, given, classes, choice.strength)
        model = folds.fit(given.vectors, given.truth, choice.strength)
        label_sets = fit_label_sets(given, choice.probabilities)
    identity = _identity(encoder, kind, used)
    probe = Probe(kind, identity, classes, *_rows(model), label_sets)
    return ProbeFit(encoder, kind, counts, strangers, probe, evaluation, choice.strength)


def _evaluate(
    used: Sequence[Labelled], given: folds.Images, classes: tuple[str, ...], strength: float
) -> Evaluation:
    named, covered = _judged_unseen(given, classes)
    rooms = _rooms(used, classes)
    return Evaluation(
        classes,
        _confusion(given, named),
        _zero_shot(used, classes),
        given.folds,
        given.by_room_day,
        rooms,
        _room_days(used, classes),
        None if in_one_room(rooms) else _confusion(given, _named_elsewhere(given, strength)),
        covered,
    )


def _judged_unseen(
    images: folds.Images, classes: Sequence[str]
) -> tuple[Integers, Coverage | None]:
    """Each image's class, and what the sets are worth, by fits that have not seen the image.

    The latter is of the classes that every fold leaves enough room-days to calibrate by, and None
    without such a class.
    """
    named = np.empty_like(images.truth)
    members: Truths = np.ones((len(named), images.classes), dtype=np.bool_)
    calibrated: Truths = np.ones(images.classes, dtype=np.bool_)
    for train, test in folds.splits(images):
        part = images.take(train)
        choice = folds.choose(part)
        found = folds.unseen(images, train, test, choice.strength)
        named[test] = found.argmax(axis=1)
        label_sets = fit_label_sets(part, choice.probabilities)
        if label_sets is None:
            calibrated[:] = False
            continue
        calibrated &= has_enough(part.truth, part.room_days, images.classes)
        members[test] = label_sets.members(images.vectors[test], found)
    return named, coverage(members, images.truth, images.room_days, classes, calibrated)


def _named_elsewhere(images: folds.Images, strength: float) -> Integers:
    """Each image's class by a fit that has not seen its room.

    The strength is that of all images, which suits fits that know every room: it flatters nobody.
    """
    named = np.empty_like(images.truth)
    for train, test in folds.other_rooms(images):
        named[test] = folds.unseen(images, train, test, strength).argmax(axis=1)
    return named


def _confusion(images: folds.Images, named: Integers) -> Integers:
    confusion = np.zeros((images.classes, images.classes), dtype=np.int64)
    np.add.at(confusion, (images.truth, named), 1)
    return confusion


def _rooms(images: Sequence[Labelled], classes: Sequence[str]) -> Rooms:
    """Images of each class by room."""
    counted = Counter((image.label, image.room) for image in images)
    found: dict[str, dict[str, int]] = {name: {} for name in classes}
    for (name, room), count in sorted(counted.items()):
        found[name][room] = count
    return found


def _room_days(images: Sequence[Labelled], classes: Sequence[str]) -> dict[str, int]:
    days = {(image.label, image.room_day) for image in images}
    counted = Counter(label for label, _ in days)
    return {name: counted[name] for name in classes}


def _rows(model: Any) -> tuple[Numbers, Numbers]:
    """Coefficients and intercepts, a row a class.

    For two classes scikit-learn keeps only their difference: each gets one half of it.
    """
    coefficients = model.coef_
    intercepts = model.intercept_
    if len(model.classes_) == 2:
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return coefficients, intercepts


def _zero_shot(images: Sequence[Labelled], classes: Sequence[str]) -> Integers:
    counted = np.zeros((len(classes), 2), dtype=np.int64)
    for image in images:
        row = counted[classes.index(image.label)]
        row += (image.zero_shot is not None, image.zero_shot == image.label)
    return counted


def _identity(encoder: str, kind: str, images: Sequence[Labelled]) -> str:
    """`<kind>-<8 hex digits>` of the labels, the vectors and all that is set here."""
    settings = [encoder, kind, STRENGTHS, FOLDS, FEWEST_IN_FOLDS, SEED, MIN_LABELS, SOLVER]
    settings += [ERROR_RATE, FEWEST_ROOM_DAYS, VERSION]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for image in images:
        digest.update(json.dumps([image.content_sha256, image.room_day, image.label]).encode())
        digest.update(np.ascontiguousarray(image.vector, dtype="<f4").tobytes())
    return f"{kind}-{digest.hexdigest()[:8]}"
