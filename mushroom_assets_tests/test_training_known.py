"""What the training says of its model: classes that were learned, and the shares of the card."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.domain.prompts import prompts
from mushroom_assets.simulation.scene import Scene
from training.card import Limits, block, read, write
from training.known import cell, learned
from training.limits import Altered, Foreign, Judge, Likeness, likeness
from training.measure import Seen

VISION = parse_farm(reference_farm_text()).vision
STAGES = list(VISION.stages)
CONDITIONS = list(VISION.conditions)


def test_a_class_is_a_stage_with_a_condition() -> None:
    assert cell(Scene(9, "fruiting", "blotch", "white")) == "fruiting blotch"
    assert cell(Scene(9, "fruiting", "dark_frame", "white")) == "dark_frame"
    assert cell(Scene(1, "harvested", "empty_room", "dim")) == "empty_room"


def test_new_pictures_of_the_classes_are_known_and_others_are_not() -> None:
    random = np.random.default_rng(1)
    shown = [Scene(9, "fruiting", "healthy", "white"), Scene(25, "harvest", "healthy", "white")]
    centres = np.eye(6)[:2]

    def some(count: int) -> tuple[np.ndarray, list[Scene]]:
        of = random.integers(0, 2, count)
        spread = 0.1 * random.normal(size=(count, 6)) * (1, 1, 1, 0.5, 0.5, 0.2)
        return centres[of] + spread, [shown[i] for i in of]

    known = learned(*some(2000), *some(1000))
    assert known.classes == ("fruiting healthy", "harvest healthy")
    new = known.familiarity(some(4000)[0])
    # The better of two classes is asked: at most 5 %
    assert 0.02 < (new < 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)
    assert known.familiarity(np.eye(6)[2:]).max() < 0.05


class _Encoder:
    """Texts along an axis for each label; what a picture says stands in the file."""

    logit_scale = 20.0

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        labels = [*VISION.stages.values(), *VISION.conditions.values()]
        axes = {}
        for axis, label in enumerate(labels):
            for text in prompts(label, VISION.templates):
                axes[text] = np.eye(len(labels) + 1)[axis]
        return np.stack([axes[text] for text in texts])


class _Judge(Judge):
    """Reads vectors out of files: "stage condition", or nothing for a foreign picture."""

    def vectors(self, files: Sequence[bytes]) -> np.ndarray:
        found = []
        for data in files:
            vector = np.zeros(len(STAGES) + len(CONDITIONS) + 1)
            names = data.decode().split()
            if names:
                vector[STAGES.index(names[0])] = 0.7
                vector[len(STAGES) + CONDITIONS.index(names[1])] = 0.7
            else:
                vector[-1] = 1
            found.append(vector)
        return np.stack(found)

    def familiarity(self, vectors: np.ndarray) -> np.ndarray:
        return np.where(vectors[:, -1] == 1, 0.01, 0.5)


@pytest.fixture
def judge() -> Judge:
    return _Judge(_Encoder(), VISION, None)  # type: ignore[arg-type]


def test_the_shares_of_altered_pictures(judge: Judge) -> None:
    seen = [
        Seen(b"harvest healthy", "harvest", "healthy"),
        Seen(b"harvest blotch", "harvest", "healthy"),  # wrong condition
        Seen(b"fruiting healthy", "harvest", "healthy"),  # wrong stage
        Seen(b"", "harvest", "healthy"),  # every label as likely: the first is taken
        Seen(b"fruiting dark_frame", "harvest", "dark_frame"),  # no stage is asked
    ]
    found = judge.altered(seen)
    # exp(14) against the others' 1: certain
    certain = [np.exp(14) / (np.exp(14) + n - 1) for n in (len(STAGES), len(CONDITIONS))]
    assert STAGES[0] != "harvest"
    assert CONDITIONS[0] == "healthy"
    assert found.count == 5
    assert found.accuracy == {"stage": 2 / 4, "condition": 4 / 5}
    assert found.wrong == {"stage": 1 / 4, "condition": 1 / 5}
    assert found.confidence["stage"] == pytest.approx((3 * certain[0] + 1 / 5) / 4)
    assert found.confidence["condition"] == pytest.approx((4 * certain[1] + 1 / 7) / 5)
    assert found.unfamiliar == 1 / 5
    assert found.misled == 2 / 5


def test_the_shares_of_foreign_pictures(judge: Judge) -> None:
    renders = judge.vectors([b"harvest healthy"] * 3 + [b""])
    found = judge.foreign([b"", b"", b"", b"harvest healthy"], renders)
    assert (found.count, found.unfamiliar) == (4, 3 / 4)
    assert found.certain == {"stage": 1 / 4, "condition": 1 / 4}
    assert found.misled == 1 / 4
    # Of 16 pairs 9 are right; equal are 3 with the odd render, 3 of the odd picture: half each
    assert found.auroc == pytest.approx((9 + 3 / 2 + 3 / 2) / 16)


def test_likeness_is_that_of_parts_of_one_picture() -> None:
    """Two parts a picture; the last picture's parts are each nearer to another picture's."""
    angles = np.radians([0, 10, 90, 95, 12, 80])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = likeness(vectors, 2)
    assert (found.count, found.chance) == (6, 1 / 5)
    # 10 degrees lies nearest to 12, and 12 to 10
    assert found.nearest == 3 / 6
    apart = [10, 90, 95, 12, 80, 80, 85, 2, 70, 5, 78, 10, 83, 15, 68]
    assert found.cosine == pytest.approx(np.median(np.cos(np.radians(apart))))


def test_the_card_tells_what_cannot_be_done(tmp_path: Path) -> None:
    path = tmp_path / "CARD.md"
    path.write_text("", encoding="utf-8")
    both = {"stage": 0.5, "condition": 0.25}
    altered = {"upside down": Altered(4, both, both, both, 0.75, 0.125)}
    foreign = {"photographs": Foreign(9, 1.0, 0.99, both, 0.0)}
    limits = Limits({"renders": 0.03}, altered, foreign, Likeness(12, 0.25, 0.75, 0.1))
    write(path, block({"command": "c"}, {}, limits))
    text = path.read_text(encoding="utf-8")
    row = "| upside down | 0.500 | 0.500 | 0.500 | 0.250 | 0.250 | 0.250 | 0.750 | 0.125 |"
    assert row in text
    assert "| photographs | 9 | 1.000 | 0.990 | 0.500 | 0.250 | 0.000 |" in text
    assert "Of 12 parts" in text
    assert "same photograph in 0.750 of cases (by chance 0.100)" in text
    told = read(path)["limits"]
    assert told["altered"]["upside down"]["accuracy"] == both
    assert told["unfamiliar"] == {"renders": 0.03}
