"""Distances and shares by arithmetic, and what holds of new days and of foreign directions."""

import numpy as np
import pytest

from mushroom_assets.domain.familiarity import Calibration, Known, calibration, distances, whitening

ALPHA = 0.1


def test_the_distance_is_in_deviations_of_a_class() -> None:
    white = whitening([[4.0, 0.0], [0.0, 0.25]])
    far = distances([[3.0, 1.0], [1.0, 2.0]], np.array([[1.0, 1.0], [1.0, 0.0]]), white)
    # (3 - 1) / 2 = 1 beside the first mean; with 1 / 0.5 = 2 to the second, the root of 5
    assert far[0] == pytest.approx([1, 5**0.5])
    assert far[1] == pytest.approx([2, 4])


def test_directions_that_go_together_count_once() -> None:
    # Along (1, 1) the deviation is the root of 1.8, across it that of 0.2
    white = whitening([[1.0, 0.8], [0.8, 1.0]])
    far = distances([[1.0, 1.0], [1.0, -1.0]], np.zeros((1, 2)), white)
    assert far[:, 0] == pytest.approx([(2 / 1.8) ** 0.5, (2 / 0.2) ** 0.5])


def test_a_share_counts_what_lies_at_least_as_far_and_the_picture_itself() -> None:
    known = _line([[1, 2, 3, 4]])
    # Of 4 and itself: 5, 5, 4, 2, 1
    wanted = [1, 1, 4 / 5, 2 / 5, 1 / 5]
    assert known.shares([[0.5], [1.0], [2.0], [3.5], [9.0]])[:, 0] == pytest.approx(wanted)


def test_pictures_of_a_day_count_as_one_together() -> None:
    of = calibration([5, 1, 2, 3], ["a", "b", "b", "b"])
    # Two days and the new one: beyond 3 lies one whole day, at 2 two thirds of the other as well
    assert of.shares == pytest.approx([3 / 3, 3 / 3 - 1 / 9, 3 / 3 - 2 / 9, 2 / 3, 1 / 3])


def test_the_class_that_fits_best_tells_the_familiarity() -> None:
    known = Known(
        ("near", "far"),
        np.array([[0.0], [10.0]]),
        np.eye(1),
        (calibration([1, 2, 3], "abc"), calibration([1, 2, 3], "abc")),
    )
    assert known.familiarity([[10.0], [5.0]]) == pytest.approx([1, 0.25])


def test_of_new_pictures_of_a_class_few_are_called_unfamiliar() -> None:
    random = np.random.default_rng(5)
    learned = random.normal(size=(400, 8))
    white = whitening(np.cov(learned.T))
    mean = learned.mean(axis=0)[None]
    held = distances(random.normal(size=(500, 8)), mean, white)[:, 0]
    known = Known(("a",), mean, white, (calibration(held, range(500)),))
    new = known.familiarity(random.normal(size=(4000, 8)))
    # Binomial: 0.05 within 3 deviations of 4,000 and of the 500 that calibrate
    assert (new < 0.05).mean() == pytest.approx(
        0.05, abs=3 * (0.05 * 0.95 * (1 / 4000 + 1 / 500)) ** 0.5
    )
    foreign = known.familiarity(5 + random.normal(size=(1000, 8)))
    assert (foreign < 0.05).mean() > 0.99


def test_by_the_day_a_new_day_is_as_usual_and_by_the_picture_it_is_not() -> None:
    random = np.random.default_rng(6)

    def days(count: int) -> tuple[np.ndarray, np.ndarray]:
        centres = np.repeat(random.normal(size=(count, 4)), 24, axis=0)
        return centres + 0.1 * random.normal(size=centres.shape), np.repeat(np.arange(count), 24)

    vectors, groups = days(60)
    distance = distances(vectors, np.zeros((1, 4)), np.eye(4))[:, 0]
    by_day = Known(("a",), np.zeros((1, 4)), np.eye(4), (calibration(distance, groups),))
    new, _ = days(2000)
    missed = (by_day.familiarity(new) < ALPHA).mean()
    assert missed == pytest.approx(ALPHA, abs=3 * (0.09 / 60) ** 0.5)
    # With two days nothing can be told, however many pictures they have
    two, _ = days(2)
    of_two = calibration(distances(two, np.zeros((1, 4)), np.eye(4))[:, 0], np.repeat([0, 1], 24))
    assert of_two.shares.min() == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("given", "told"),
    [([[1.0, 2.0]], r"length 1 .*\(1, 2\)"), ([[np.nan]], "finite"), ([1.0], "length 1")],
)
def test_vectors_that_cannot_be_judged_are_refused(given: list[list[float]], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        _line([[1, 2]]).shares(given)


def _line(far: list[list[float]]) -> Known:
    """Classes at 0 of a line, each with its calibration."""
    calibrations: list[Calibration] = [calibration(of, range(len(of))) for of in far]
    names = tuple(str(number) for number in range(len(far)))
    return Known(names, np.zeros((len(far), 1)), np.eye(1), tuple(calibrations))
