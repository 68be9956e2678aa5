"""Which labels cannot be excluded: limits by arithmetic, and the promise on new room-days."""

from math import log

import numpy as np
import pytest

from mushroom_assets.domain.label_sets import (
    ERROR_RATE,
    FEWEST_ROOM_DAYS,
    Coverage,
    Unseen,
    by_room_day,
    calibrated,
    coverage,
    has_enough,
    oddness,
)

FLAT = np.zeros((2, 1))
NONE = np.eye(1)


def test_nine_room_days_are_the_fewest_by_which_anything_can_be_excluded() -> None:
    # Of k room-days and a new one, the oddest is one in k + 1
    assert 1 / (FEWEST_ROOM_DAYS + 1) <= ERROR_RATE < 1 / FEWEST_ROOM_DAYS


def test_oddness_is_the_logarithms_of_two_rare_things() -> None:
    spread = np.array([np.pi / np.sqrt(3), 2 * np.pi / np.sqrt(3)])
    found = oddness(
        np.array([[0.5, 0.25], [1.0, 0.0]]),
        np.array([[3.0, 3.0], [np.inf, 1.0]]),
        np.array([3.0, 1.0]),
        spread,
    )
    np.testing.assert_allclose(
        found,
        [
            [log(2) + log(2), log(1 + np.exp(1)) + log(4)],
            [np.inf, log(2) - log(1e-6)],
        ],
    )


def unseen(days: int, a_day: int = 2) -> Unseen:
    """Class 0: so many images a room-day, at the distances 1, 2, ...; class 1 the same."""
    truth = np.repeat([0, 1], days * a_day)
    far = np.tile(np.arange(1.0, days * a_day + 1), 2)
    room_days = np.repeat(np.arange(2 * days), a_day)
    return Unseen(truth, room_days, np.full((len(truth), 2), 0.5), np.column_stack([far, far]))


@pytest.mark.parametrize(
    ("days", "farthest"),
    [
        # Of 9 room-days and a new one, none may be odder: 1 / 10 of them
        (9, 18),
        # Of 19 and a new one, one room-day of 2 images: 2 / 20
        (19, 36),
        # Of 24 and a new one at most 2.5: one and a half room-days, 3 images
        (24, 45),
    ],
)
def test_the_limit_is_the_tenth_that_is_oddest_by_room_days(days: int, farthest: float) -> None:
    sets = calibrated(FLAT, NONE, unseen(days))
    assert sets is not None
    at = oddness(np.full((1, 2), 0.5), np.full((1, 2), farthest), sets.middles, sets.spreads)
    np.testing.assert_allclose(sets.limits, at[0])
    images = 2 * days
    np.testing.assert_allclose(sets.middles, (images + 1) / 2)
    np.testing.assert_allclose(sets.spreads, np.sqrt((images**2 - 1) / 12), rtol=1e-4)


def test_with_fewer_room_days_there_are_no_sets() -> None:
    assert calibrated(FLAT, NONE, unseen(8)) is None


def test_a_class_with_fewer_room_days_borrows_the_widest_reach_of_the_others() -> None:
    nine = unseen(9)
    rare = (nine.truth == 1) & (nine.room_days == 17)  # the last of class 1
    truth, room_days = nine.truth[~rare], nine.room_days[~rare]
    assert has_enough(truth, room_days, 2).tolist() == [True, False]
    sets = calibrated(
        FLAT, NONE, Unseen(truth, room_days, nine.probabilities[~rare], nine.far[~rare])
    )
    whole = calibrated(FLAT, NONE, nine)
    assert sets is not None
    assert whole is not None
    for name in ("middles", "spreads", "limits"):
        own = getattr(whole, name)[0]
        assert getattr(sets, name).tolist() == [own, own]
    far_away = np.array([[1e6]])
    assert sets.members(far_away, np.array([[0.1, 0.9]])).tolist() == [[False, False]]


def test_a_room_day_of_many_images_weighs_as_much_as_one_of_few() -> None:
    np.testing.assert_array_equal(
        by_room_day(np.array([4, 7, 4, 4, 9])), [1 / 3, 1, 1 / 3, 1 / 3, 1]
    )
    few = unseen(9)
    # The first room-day of class 0 again and again: nothing moves
    again = np.concatenate([np.arange(36), np.tile([0, 1], 50)])
    many = Unseen(few.truth[again], few.room_days[again], few.probabilities[again], few.far[again])
    one = calibrated(FLAT, NONE, few)
    other = calibrated(FLAT, NONE, many)
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(other.limits, one.limits)
    np.testing.assert_allclose(other.middles, one.middles)


def test_a_class_that_a_fold_did_not_know_keeps_its_other_images_numbers() -> None:
    given = unseen(20)
    far = given.far.copy()
    far[0, 0] = np.inf  # its fold had no image of class 0
    sets = calibrated(FLAT, NONE, Unseen(given.truth, given.room_days, given.probabilities, far))
    assert sets is not None
    assert np.isfinite([sets.middles, sets.spreads, sets.limits]).all()


def test_coverage_is_counted_by_room_days() -> None:
    members = np.array([[1, 0], [0, 0], [1, 1], [0, 1], [1, 1]], dtype=bool)
    truth, room_days = np.array([0, 0, 0, 1, 1]), np.array([1, 1, 2, 2, 3])
    found = coverage(members, truth, room_days, ("a", "b"), np.array([True, True]))
    # a: a room-day half right, one right. All: half, two thirds of ... both right, one right
    assert found == Coverage({"a": 0.75, "b": 1.0}, (0.5 + 1 + 1) / 3, 6 / 5)
    of_a = coverage(members, truth, room_days, ("a", "b"), np.array([True, False]))
    assert of_a == Coverage({"a": 0.75}, 0.75, 3 / 3)
    assert coverage(members, truth, room_days, ("a", "b"), np.array([False, False])) is None
