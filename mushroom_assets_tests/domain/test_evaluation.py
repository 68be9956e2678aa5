"""How right a probe was, and what its rooms say of it: counted by hand."""

import numpy as np
import pytest

from mushroom_assets.domain.evaluation import (
    Evaluation,
    Rooms,
    accuracy_of_rooms,
    in_one_room,
    rooms_text,
    told_by_rooms,
)
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.label_sets import Coverage

FOUND = Evaluation(
    ("a", "b", "c"),
    np.array([[12, 4, 0], [1, 19, 0], [2, 2, 0]]),
    np.array([[10, 5], [0, 0], [4, 1]]),
    5,
    True,
    rooms={"a": {"7": 10, "8": 6}, "b": {"7": 20}, "c": {"8": 4}},
    room_days={"a": 9, "b": 8, "c": 4},
    elsewhere=np.array([[8, 8, 0], [15, 5, 0], [4, 0, 0]]),
    coverage=Coverage({"a": 1.0, "b": 0.9, "c": 0.75}, 0.9, 1.5),
)


def test_rates_of_a_confusion_matrix() -> None:
    assert FOUND.accuracy == 31 / 40
    assert FOUND.by_class() == {
        "a": {
            "images": 16,
            "recall": 12 / 16,
            "precision": 12 / 15,
            "rooms": {"7": 10, "8": 6},
            "room_days": 9,
            "recall_elsewhere": 8 / 16,
            "coverage": 1.0,
        },
        "b": {
            "images": 20,
            "recall": 19 / 20,
            "precision": 19 / 25,
            "rooms": {"7": 20},
            "room_days": 8,
            "recall_elsewhere": 5 / 20,
            "coverage": 0.9,
        },
        "c": {
            "images": 4,
            "recall": 0,
            "precision": None,
            "rooms": {"8": 4},
            "room_days": 4,
            "recall_elsewhere": 0,
            "coverage": 0.75,
        },
    }
    assert FOUND.zero_shot_accuracy == 6 / 14
    assert FOUND.zero_shot_recall() == {"a": 0.5, "c": 0.25}
    assert FOUND.accuracy_elsewhere == 13 / 40
    assert FOUND.uncalibrated() == {"b": 8, "c": 4}


def test_what_nobody_can_tell_is_none() -> None:
    none = np.zeros((2, 2), dtype=np.int64)
    bare = Evaluation(("a", "b"), np.eye(2, dtype=np.int64), none, 5, True)
    assert (bare.zero_shot_accuracy, bare.accuracy_elsewhere) == (None, None)
    assert bare.by_class()["a"]["recall_elsewhere"] is None
    assert bare.by_class()["a"]["coverage"] is None


@pytest.mark.parametrize(
    ("rooms", "single", "apart", "accuracy"),
    [
        ({"a": {"7": 9}, "b": {"8": 9}}, {"a": "7", "b": "8"}, ["a", "b"], 1),
        # The two share a room, which has more of b: so much of a is wrong
        ({"a": {"7": 2, "8": 9}, "b": {"7": 9}}, {"b": "7"}, [], 18 / 20),
        # One room: it tells nothing
        ({"a": {"7": 6}, "b": {"7": 4}}, {"a": "7", "b": "7"}, [], 0.6),
        ({"a": {"7": 1, "8": 2}, "b": {"9": 3, "10": 4}}, {}, ["a", "b"], 1),
        # a alone in its rooms, b and c together
        (
            {"a": {"7": 5, "9": 5}, "b": {"8": 5}, "c": {"8": 3}},
            {"b": "8", "c": "8"},
            ["a"],
            15 / 18,
        ),
        ({"a": {"7": 5}}, {"a": "7"}, [], 1),
    ],
)
def test_what_the_room_alone_tells(
    rooms: Rooms, single: dict[str, str], apart: list[str], accuracy: float
) -> None:
    assert in_one_room(rooms) == single
    assert told_by_rooms(rooms) == apart
    assert accuracy_of_rooms(rooms) == accuracy


@pytest.mark.parametrize(
    ("language", "said"), [("en", "a: 607, 8; b: 607"), ("zh", "a：607，8；b：607")]
)
def test_rooms_are_told_by_their_names(language: str, said: str) -> None:
    farm = parse_farm(
        "timezone: Asia/Shanghai\nfirst_day: 2026-01-01\n"
        f'language: {language}\nrooms: {{"607": {{folder: "7"}}}}\n'
    )
    assert rooms_text({"a": {"7": 1, "8": 1}, "b": {"7": 1}}, ["a", "b"], farm) == said
