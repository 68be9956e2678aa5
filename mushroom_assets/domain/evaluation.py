"""How right a probe was on images that its fit had not seen, and what its rooms may have taught it.

Counting alone; the cross-validation is the business of inference.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.label_sets import FEWEST_ROOM_DAYS, Coverage
from mushroom_assets.domain.texts import say

Rooms = Mapping[str, Mapping[str, int]]  # labelled images by class and room


class ClassResult(TypedDict):
    """What cross-validation says of one class; a class that the probe never names has no precision.

    Shares are from 0 to 1: `recall_elsewhere` in rooms that the fit has not seen, `coverage` of the
    sets of labels; None where nobody can tell. `rooms` has the images by room.
    """

    images: int
    recall: float
    precision: float | None
    rooms: dict[str, int]
    room_days: int
    recall_elsewhere: float | None
    coverage: float | None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How right a fit was on images that it had not seen.

    Attributes:
        classes: labels, in the order of rows and columns.
        confusion: shape (classes, classes): images by grower's label (row) and probe's (column).
        zero_shot: shape (classes, 2): how many of the same images have a zero-shot label, and for
            how many it is right.
        folds: parts of the cross-validation.
        by_room_day: no room-day had images on both sides of a fold.
        rooms: where the images come from.
        room_days: of each class.
        elsewhere: as `confusion`, each image named by a fit that has not seen its room; None where
            a class has images of one room alone.
        coverage: what the sets of labels are worth; None where there are too few room-days to
            measure it.
    """

    classes: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    zero_shot: npt.NDArray[np.int64]
    folds: int
    by_room_day: bool
    rooms: Rooms = field(default_factory=dict)
    room_days: Mapping[str, int] = field(default_factory=dict)
    elsewhere: npt.NDArray[np.int64] | None = None
    coverage: Coverage | None = None

    @property
    def accuracy(self) -> float:
        """Share of right labels, 0 to 1."""
        return _share_right(self.confusion)

    @property
    def accuracy_elsewhere(self) -> float | None:
        """Share of right labels in rooms that the fit has not seen; None where nobody can tell."""
        return None if self.elsewhere is None else _share_right(self.elsewhere)

    @property
    def zero_shot_accuracy(self) -> float | None:
        """Share of right zero-shot labels among the same images, None where none has one."""
        judged, right = self.zero_shot.sum(axis=0)
        return float(right / judged) if judged else None

    def by_class(self) -> dict[str, ClassResult]:
        """Images, recall and precision of each class, and where its images come from."""
        right = np.diag(self.confusion)
        own = self.confusion.sum(axis=1)
        named = self.confusion.sum(axis=0)
        elsewhere = None if self.elsewhere is None else np.diag(self.elsewhere) / own
        covered = self.coverage.by_class if self.coverage else {}
        return {
            name: {
                "images": int(own[row]),
                "recall": float(right[row] / own[row]),
                "precision": float(right[row] / named[row]) if named[row] else None,
                "rooms": dict(self.rooms.get(name, {})),
                "room_days": self.room_days.get(name, 0),
                "recall_elsewhere": None if elsewhere is None else float(elsewhere[row]),
                "coverage": covered.get(name),
            }
            for row, name in enumerate(self.classes)
        }

    def zero_shot_recall(self) -> dict[str, float]:
        """Share of right zero-shot labels by class, without classes whose images have none."""
        counted = zip(self.classes, self.zero_shot.tolist(), strict=True)
        return {name: right / judged for name, (judged, right) in counted if judged}

    def uncalibrated(self) -> dict[str, int]:
        """Room-days of the classes that have too few for sets of labels.

        Of all of them, where one has so few that the folds do not go by room-day.
        """
        few = FEWEST_ROOM_DAYS if self.by_room_day else np.inf
        return {name: days for name, days in self.room_days.items() if days < few}


def _share_right(confusion: npt.NDArray[np.int64]) -> float:
    return float(np.trace(confusion) / confusion.sum())


def in_one_room(rooms: Rooms) -> dict[str, str]:
    """The classes whose images are all of one room, and that room."""
    return {name: next(iter(of)) for name, of in rooms.items() if len(of) == 1}


def told_by_rooms(rooms: Rooms) -> list[str]:
    """The classes that share no room with another class: who knows the room knows them."""
    if len(rooms) < 2:
        return []
    classes_in = Counter(itertools.chain.from_iterable(rooms.values()))
    shared = {room for room, count in classes_in.items() if count > 1}
    return [name for name, of in rooms.items() if shared.isdisjoint(of)]


def rooms_text(rooms: Rooms, names: Iterable[str], farm: Farm) -> str:
    """The rooms of some classes: `young: 607; old: 611, 612`.

    A folder that is no room's stands for itself.
    """
    room_of = {farm.folder(room): room for room in farm.rooms}
    told = []
    for name in names:
        own = say("comma", farm).join(room_of.get(folder, folder) for folder in rooms[name])
        told.append(f"{name}{say('colon', farm)}{own}")
    return say("semicolon", farm).join(told)


def accuracy_of_rooms(rooms: Rooms) -> float:
    """Share that is right, 0 to 1, where each image is named by its room's most frequent class."""
    images: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for of in rooms.values():
        images += Counter(of)
        most |= Counter(of)
    return most.total() / images.total()
