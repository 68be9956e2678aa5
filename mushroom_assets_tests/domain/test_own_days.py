"""A day beside its room's past: shares by arithmetic, few false alarms, other rooms are seen."""

import datetime as dt

import numpy as np
import pytest

from mushroom_assets.domain.own_days import (
    DAYS_BEFORE,
    FEWEST_DAYS,
    FEWEST_REFERENCE,
    UNFAMILIAR_BELOW,
    own_day,
)

FIRST = dt.date(2026, 1, 1)
ENOUGH = FEWEST_DAYS + FEWEST_REFERENCE


def days(pictures: list[np.ndarray]) -> dict[dt.date, np.ndarray]:
    return {FIRST + dt.timedelta(days=number): of for number, of in enumerate(pictures)}


def circle(degrees: list[float]) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def room(random: np.random.Generator, count: int, place: np.ndarray) -> list[np.ndarray]:
    """Days of 24 pictures around a place, each day with a direction of its own."""
    found = []
    for _ in range(count):
        day = place + 0.3 * random.normal(size=place.size)
        pictures = day + 0.05 * random.normal(size=(24, place.size))
        found.append(pictures / np.linalg.norm(pictures, axis=1, keepdims=True))
    return found


def test_the_oddest_day_of_all_has_the_share_of_itself() -> None:
    alike = [circle([0.0])] * ENOUGH
    found = own_day(FIRST + dt.timedelta(days=ENOUGH), days([*alike, circle([60.0])]))
    # 20 days before it and itself
    assert found.days == FEWEST_DAYS
    assert found.familiarity == pytest.approx([1 / 21], abs=1e-6)
    assert found.familiarity is not None
    assert found.familiarity[0] < UNFAMILIAR_BELOW


def test_a_usual_day_is_as_familiar_as_can_be() -> None:
    found = own_day(FIRST + dt.timedelta(days=ENOUGH), days([circle([0.0])] * (ENOUGH + 1)))
    assert found.familiarity == pytest.approx([1])


@pytest.mark.parametrize("before", [0, 3, FEWEST_REFERENCE, ENOUGH - 1])
def test_with_too_few_days_nothing_is_said(before: int) -> None:
    found = own_day(FIRST + dt.timedelta(days=before), days([circle([0.0])] * (before + 1)))
    assert found.familiarity is None
    assert found.days == max(0, before - FEWEST_REFERENCE)


def test_later_days_and_days_long_ago_have_no_part() -> None:
    day = FIRST + dt.timedelta(days=DAYS_BEFORE + 10)
    random = np.random.default_rng(1)
    pictures = room(random, DAYS_BEFORE + 20, np.eye(8)[0] * 4)
    all_days = days(pictures)
    near = {of: found for of, found in all_days.items() if of <= day}
    near = {of: found for of, found in near.items() if (day - of).days <= DAYS_BEFORE}
    assert len(near) < len(all_days) - 10
    found = own_day(day, near).familiarity
    assert found is not None
    assert own_day(day, all_days).familiarity == pytest.approx(found)


def test_usual_days_are_seldom_odd_and_another_rooms_pictures_are() -> None:
    random = np.random.default_rng(2)
    place = np.eye(16)[0] * 4
    other = np.eye(16)[1] * 4
    own: list[np.ndarray] = []
    foreign: list[np.ndarray] = []
    for _ in range(100):
        past = room(random, DAYS_BEFORE, place)
        day = FIRST + dt.timedelta(days=DAYS_BEFORE)
        for new, shares in ((place, own), (other, foreign)):
            found = own_day(day, days([*past, *room(random, 1, new)])).familiarity
            assert found is not None
            shares.append(found)
    # One of 29 days is the oddest: 1/29, within 3 deviations of 100 days
    odd = float((np.concatenate(own) < UNFAMILIAR_BELOW).mean())
    assert odd < UNFAMILIAR_BELOW + 3 * (UNFAMILIAR_BELOW * 0.95 / 100) ** 0.5
    assert (np.concatenate(foreign) < UNFAMILIAR_BELOW).mean() > 0.99
