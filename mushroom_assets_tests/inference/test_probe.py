"""Fitting the probe: known separations, accuracies counted again, and what must not flatter."""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize  # type: ignore[import-untyped]  # stubs are a package apart
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from mushroom_assets.domain.probe import Labelled, Probe, ProbeFit
from mushroom_assets.inference.probe import fit_probe

pytestmark = pytest.mark.long

Floats = npt.NDArray[np.float64]
NAMES = ["a", "b", "c"]
SHARES = (1.0, 10.0, 100.0, 1000.0)  # the values of C that are tried


@pytest.fixture(autouse=True)
def no_warnings() -> Iterable[None]:
    """A fit that did not converge, or folds that cannot be made as asked, fail the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def labelled(
    vectors: npt.ArrayLike,
    labels: Sequence[str],
    room_days: Sequence[object] | None = None,
) -> list[Labelled]:
    """Images with these vectors and labels; a room-day each unless given."""
    rows = np.asarray(vectors, dtype=np.float32)
    days = range(len(rows)) if room_days is None else room_days
    return [
        Labelled(f"{number:064x}", f"room/{day}", label, row, None)
        for number, (row, label, day) in enumerate(zip(rows, labels, days, strict=True))
    ]


def fitted(images: Sequence[Labelled], names: Sequence[str] = NAMES) -> ProbeFit:
    return fit_probe("tiny/weights-1", "stage", images, names)


def probe_of(fit: ProbeFit) -> Probe:
    assert fit.probe is not None
    return fit.probe


def likeliest(probe: Probe, vectors: npt.ArrayLike) -> list[str]:
    """The likeliest labels, whether or not they are excluded so far from all that was labelled."""
    return [probe.classes[number] for number in probe.probabilities(vectors).argmax(axis=1)]


def circle(degrees: npt.ArrayLike) -> Floats:
    angles = np.radians(np.asarray(degrees, dtype=float))
    return np.column_stack([np.cos(angles), np.sin(angles)])


def test_two_classes_that_mirror_each_other_are_parted_by_the_mirror() -> None:
    above = np.linspace(10, 80, 16)
    probe = probe_of(fitted(labelled(circle([*above, *-above]), "a" * 16 + "b" * 16)))
    assert probe.classes == ("a", "b")
    (along_a, across_a), (along_b, across_b) = probe.coefficients
    assert across_a == -across_b > 1
    assert (along_a, along_b, *probe.intercepts) == pytest.approx((0, 0, 0, 0), abs=1e-3)
    assert likeliest(probe, circle([1, 179, -1, -179])) == ["a", "a", "b", "b"]
    assert [p for _, p in probe.predict(circle([0, 180]))] == pytest.approx([0.5, 0.5], abs=1e-3)
    ((_, sure),) = probe.predict(circle([45]))
    assert sure == pytest.approx(1 / (1 + np.exp(-2 * across_a * np.sin(np.pi / 4))), abs=1e-3)


def test_three_classes_a_third_of_a_turn_apart_are_parted_half_way() -> None:
    spread = np.linspace(-40, 40, 17)
    degrees = np.concatenate([spread, 120 + spread, 240 + spread])
    fit = fitted(labelled(circle(degrees), [name for name in NAMES for _ in spread]))
    assert likeliest(probe_of(fit), circle([-58, 58, 62, 178, 182, 298])) == list("aabbcc")
    assert fit.evaluation is not None
    np.testing.assert_array_equal(fit.evaluation.confusion, 17 * np.eye(3))


def test_labels_that_contradict_their_neighbourhood_are_counted_as_wrong() -> None:
    above = np.linspace(20, 80, 20)
    labels = ["a"] * 20 + ["b"] * 20
    labels[7] = labels[11] = "b"  # in the middle of the others: no line can take their part
    labels[29] = "a"
    fit = fitted(labelled(circle([*above, *-above]), labels))
    assert fit.evaluation is not None
    np.testing.assert_array_equal(fit.evaluation.confusion, [[18, 1], [2, 19]])
    assert fit.evaluation.accuracy == 37 / 40
    by_class = fit.evaluation.by_class()
    assert [(of["images"], of["recall"], of["precision"]) for of in by_class.values()] == [
        (19, 18 / 19, 18 / 20),
        (21, 19 / 21, 19 / 20),
    ]


# --- the cross-validation, counted again: other folds' loop, other optimiser


def softmax_regression(
    vectors: Floats, truth: npt.NDArray[np.int64], classes: int, share: float
) -> Floats:
    """Weights (classes, d + 1) with the least loss.

    It is `share` times the logarithmic loss plus half the squared weights.
    """
    extended = np.column_stack([vectors, np.ones(len(vectors))])
    size = vectors.shape[1]
    target = np.eye(classes)[truth]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(classes, size + 1)
        scores = extended @ weights.T
        scores -= scores.max(axis=1, keepdims=True)
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        slope = share * (np.exp(logs) - target).T @ extended
        slope[:, :size] += weights[:, :size]
        return -share * (logs * target).sum() + (weights[:, :size] ** 2).sum() / 2, slope.ravel()

    start = np.zeros(classes * (size + 1))
    found = minimize(
        loss, start, jac=True, method="BFGS", options={"gtol": 1e-4 * share, "maxiter": 5000}
    )
    weights: Floats = found.x.reshape(classes, size + 1)
    return weights


def logs_of(weights: Floats, vectors: Floats) -> Floats:
    scores = np.column_stack([vectors, np.ones(len(vectors))]) @ weights.T
    logs: Floats = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return logs


class Recount:
    """The nested cross-validation again.

    `lacking` counts the parts that were fitted without one of the classes.
    """

    def __init__(
        self, vectors: Floats, truth: npt.NDArray[np.int64], days: npt.NDArray[np.int64]
    ) -> None:
        self.vectors, self.truth, self.days, self.lacking = vectors, truth, days, 0
        self.classes = truth.max() + 1

    def folds(
        self, rows: npt.NDArray[np.int64], count: int
    ) -> Iterable[tuple[npt.NDArray[np.int64], ...]]:
        parts = StratifiedGroupKFold(count, shuffle=True, random_state=0)
        for train, test in parts.split(self.vectors[rows], self.truth[rows], self.days[rows]):
            yield rows[train], rows[test]

    def logs(
        self, train: npt.NDArray[np.int64], test: npt.NDArray[np.int64], share: float
    ) -> Floats:
        """Logarithms of the test rows' probabilities.

        At least that of 1e-6, as for a class that is not in `train`.
        """
        present, numbers = np.unique(self.truth[train], return_inverse=True)
        self.lacking += len(present) < self.classes
        found = np.full((len(test), self.classes), np.log(1e-6))
        weights = softmax_regression(self.vectors[train], numbers, len(present), share)
        found[:, present] = np.maximum(found[:, present], logs_of(weights, self.vectors[test]))
        return found

    def best_share(self, rows: npt.NDArray[np.int64], count: int) -> float:
        losses = []
        for share in SHARES:
            loss = 0.0
            for train, test in self.folds(rows, count):
                logs = self.logs(train, test, share)
                loss -= logs[np.arange(len(test)), self.truth[test]].sum()
            losses.append(loss)
        return SHARES[losses.index(min(losses))]

    def nested(self, count: int) -> tuple[npt.NDArray[np.int64], list[float]]:
        """The confusion, and the share that each fold chose."""
        confusion, shares = np.zeros((self.classes, self.classes), dtype=np.int64), []
        for train, test in self.folds(np.arange(len(self.truth)), count):
            shares.append(self.best_share(train, count - 1))
            for image, row in zip(test, self.logs(train, test, shares[-1]), strict=True):
                confusion[self.truth[image], row.argmax()] += 1
        return confusion, shares


def scattered(seed: int, truth: npt.NDArray[np.int64], days: npt.NDArray[np.int64]) -> Floats:
    """Vectors around a direction for each class, those of one day shifted together."""
    random = np.random.default_rng(seed)
    raw = np.eye(5)[truth] + [0, 0, 0, 0, 0.5] + 0.45 * random.normal(size=(len(truth), 5))
    raw += 0.2 * random.normal(size=(days.max() + 1, 5))[days]
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    stored: Floats = unit.astype(np.float32).astype(np.float64)
    return stored


EVEN = (np.arange(90) % 3, np.arange(90) // 6)
# Nearly all images of a class on one day: some of the inner parts lack a class.
UNEVEN_DAYS = (
    [0] * 15 + [1, 1, 5] + [3] * 9 + [2] * 7 + [1, 1] + [2] * 16 + [4, 1] + [1] * 15 + [2, 2, 5]
)
UNEVEN = (np.repeat(np.arange(4), 18), np.array(UNEVEN_DAYS))


@pytest.mark.parametrize(
    ("seed", "truth", "days", "folds"), [(6, *EVEN, 5), (4, *UNEVEN, 3)], ids=["even", "uneven"]
)
def test_the_accuracy_is_that_of_a_nested_cross_validation_counted_by_other_means(
    seed: int, truth: npt.NDArray[np.int64], days: npt.NDArray[np.int64], folds: int
) -> None:
    vectors = scattered(seed, truth, days)
    again = Recount(vectors, truth, days)
    confusion, shares = again.nested(folds)
    names = "abcd"[: again.classes]
    fit = fitted(
        labelled(vectors, [names[number] for number in truth], [f"{day:02}" for day in days]),
        list(names),
    )
    assert fit.evaluation is not None
    assert (fit.evaluation.folds, fit.evaluation.by_room_day) == (folds, True)
    np.testing.assert_array_equal(fit.evaluation.confusion, confusion)
    # Neither chance nor all
    assert 0.5 < fit.evaluation.accuracy == np.trace(confusion) / len(truth) < 0.95
    assert fit.strength == again.best_share(np.arange(len(truth)), folds)
    assert len({*shares, fit.strength}) > 1  # a fold chose another strength than the whole
    assert (again.lacking > 0) == (folds == 3)
    mine = np.exp(logs_of(softmax_regression(vectors, truth, again.classes, fit.strength), vectors))
    np.testing.assert_allclose(probe_of(fit).probabilities(vectors), mine, atol=2e-3)


def test_of_two_classes_the_probabilities_are_those_of_the_binary_regression() -> None:
    random = np.random.default_rng(2)
    truth = np.arange(80) % 2
    vectors = circle(90 * truth + 40 * random.normal(size=80)).astype(np.float32).astype(np.float64)
    fit = fitted(labelled(vectors, [NAMES[number] for number in truth]))
    assert fit.strength is not None
    # Two rows w/2 and -w/2 cost half as much as the one row w of a binary regression: half the
    # strength is its equal.
    mine = np.exp(logs_of(softmax_regression(vectors, truth, 2, fit.strength / 2), vectors))
    # Far from 1, where every scale of the scores looks alike
    assert 0.6 < np.median(mine.max(axis=1)) < 0.95
    np.testing.assert_allclose(probe_of(fit).probabilities(vectors), mine, atol=2e-3)


def test_on_labels_without_meaning_the_choice_of_the_strength_does_not_flatter() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(300, 40))
    fit = fitted(
        labelled(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), list("ab" * 150))
    )
    assert fit.evaluation is not None
    assert 0.4 < fit.evaluation.accuracy < 0.6  # 0.5 +- 3.5 standard deviations


def near_duplicates() -> tuple[Floats, list[str], list[int]]:
    """12 days of 8 images that differ by little, in 64 dimensions.

    A day's label has nothing to do with its looks.
    """
    random = np.random.default_rng(0)
    days = np.repeat(np.arange(12), 8)
    raw = random.normal(size=(12, 64))[days] + 0.1 * random.normal(size=(96, 64))
    return (
        raw / np.linalg.norm(raw, axis=1, keepdims=True),
        ["ab"[day % 2] for day in days],
        days.tolist(),
    )


def test_near_duplicates_of_one_day_are_not_told_by_their_twins() -> None:
    vectors, labels, days = near_duplicates()
    by_day, by_image = fitted(labelled(vectors, labels, days)), fitted(labelled(vectors, labels))
    assert by_day.evaluation is not None
    assert by_image.evaluation is not None
    # What twins on both sides make of labels that mean nothing
    assert by_image.evaluation.accuracy == 1
    assert by_day.evaluation.accuracy < 0.7


@pytest.mark.parametrize(
    ("days", "folds", "by_room_day"),
    [(1, 5, False), (2, 5, False), (3, 3, True), (4, 4, True), (5, 5, True), (9, 5, True)],
)
def test_folds_are_by_room_day_where_each_class_has_three(
    days: int, folds: int, by_room_day: bool
) -> None:
    degrees = np.linspace(20, 80, 18)
    many = [f"x{number}" for number in range(18)]
    few = [f"y{number % days}" for number in range(18)]
    fit = fitted(labelled(circle([*degrees, *-degrees]), "a" * 18 + "b" * 18, [*many, *few]))
    assert fit.evaluation is not None
    assert (fit.evaluation.folds, fit.evaluation.by_room_day) == (folds, by_room_day)
    assert fit.evaluation.accuracy == 1


@pytest.mark.parametrize(
    "days",
    [
        [0] * 14 + [1, 2] + [3] * 14 + [4, 5],
        # Leaves an inner part with one class alone
        [3] + [1] * 14 + [0] + [1] * 2 + [0] * 7 + [2] * 6 + [3],
    ],
    ids=["apart", "together"],
)
def test_days_that_hold_nearly_all_of_a_class_are_no_fault(days: list[int]) -> None:
    degrees = np.linspace(20, 80, 16)
    fit = fitted(labelled(circle([*degrees, *-degrees]), "a" * 16 + "b" * 16, days))
    assert fit.evaluation is not None
    assert fit.evaluation.by_room_day
    assert fit.evaluation.confusion.sum() == 32


# --- what is fitted, and what is not


def arcs(**counts: int) -> list[Labelled]:
    """So many images of each class, the classes well apart."""
    degrees, labels = [], []
    for number, (name, count) in enumerate(counts.items()):
        degrees += list(60 * number + np.linspace(0, 20, count))
        labels += [name] * count
    return labelled(circle(degrees), labels)


def test_a_class_with_15_images_is_left_out_and_one_with_16_is_in() -> None:
    fit = fitted(arcs(a=16, b=15, c=20))
    assert probe_of(fit).classes == ("a", "c")
    assert fit.counts == {"a": 16, "b": 15, "c": 20}
    assert fit.evaluation is not None
    assert fit.evaluation.confusion.sum() == 36


@pytest.mark.parametrize(
    "images",
    [[], arcs(a=40), arcs(a=15, b=15, c=15), arcs(a=40, b=15)],
    ids=["none", "one", "few", "one full"],
)
def test_without_two_classes_there_is_no_probe_but_the_counts(images: list[Labelled]) -> None:
    fit = fitted(images)
    assert (fit.probe, fit.evaluation, fit.strength) == (None, None, None)
    assert fit.counts == {name: sum(image.label == name for image in images) for name in NAMES}


def test_a_class_that_the_farm_file_does_not_list_is_left_out_and_counted_apart() -> None:
    fit = fitted(arcs(a=16, old=30, b=16))
    assert probe_of(fit).classes == ("a", "b")
    assert (fit.counts, fit.strangers) == ({"a": 16, "b": 16, "c": 0}, {"old": 30})


def test_classes_keep_the_farm_files_order() -> None:
    assert probe_of(fitted(arcs(a=16, b=16, c=16), ["c", "a", "b"])).classes == ("c", "a", "b")


def test_zero_shot_labels_of_the_same_images_are_counted_beside() -> None:
    said = dict(
        zip(
            range(36),
            ["a"] * 10 + ["unknown"] * 4 + [None] * 2 + ["a"] * 5 + ["b"] * 15,
            strict=True,
        )
    )
    images = [
        image._replace(zero_shot=said[number]) for number, image in enumerate(arcs(a=16, b=20))
    ]
    evaluation = fitted(images).evaluation
    assert evaluation is not None
    np.testing.assert_array_equal(evaluation.zero_shot, [[14, 10], [20, 15]])
    assert evaluation.zero_shot_accuracy == 25 / 34


# --- the same again


def test_the_same_images_give_the_same_fit_bit_by_bit_on_any_number_of_cores() -> None:
    images = arcs(a=30, b=30, c=30)
    first = probe_of(fitted(images))
    with threadpool_limits(2):
        again = probe_of(fitted(images))
    assert again.probe_id == first.probe_id
    np.testing.assert_array_equal(again.coefficients, first.coefficients)
    np.testing.assert_array_equal(again.intercepts, first.intercepts)


def test_the_probes_name_changes_with_labels_vectors_contents_days_model_and_kind() -> None:
    images = arcs(a=20, b=20)
    first = images[0]
    others = [
        first._replace(label="b"),
        first._replace(vector=first.vector[::-1]),
        first._replace(content_sha256="f" * 64),
        first._replace(room_day="elsewhere"),
    ]
    names = [probe_of(fitted([other, *images[1:]])).probe_id for other in [first, *others]]
    names += [probe_of(fit_probe("tiny/weights-2", "stage", images, NAMES)).probe_id]
    names += [probe_of(fit_probe("tiny/weights-1", "condition", images, NAMES)).probe_id]
    assert len(set(names)) == 7
    assert [name.rpartition("-")[0] for name in names] == ["stage"] * 6 + ["condition"]
    assert all(len(name.rpartition("-")[2]) == 8 for name in names)
    told = [image._replace(zero_shot="b") for image in images]
    # What is in no fit has no say
    assert probe_of(fitted([*told, *arcs(a=0, b=0, c=9)])).probe_id == names[0]
