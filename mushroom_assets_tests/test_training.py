"""Parts of the training, by arithmetic: scenes, words, calibration, the card's block."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.domain.prompts import prompts
from training import card, scenes
from training.fit import best_scale
from training.measure import BINS, Outcome, calibration_error
from training.objective import targets
from training.texts import LIGHT, Words

VISION = parse_farm(reference_farm_text()).vision


def test_a_picture_is_a_function_of_seed_and_number() -> None:
    assert scenes.picture(90, 3) == scenes.picture(90, 3)
    assert len({scenes.picture(seed, number)[0] for seed in (90, 91) for number in range(3)}) == 6


def test_stages_and_conditions_go_together() -> None:
    random = np.random.default_rng(0)
    shown = [scenes.scene(random) for _ in range(4000)]
    assert {s.stage for s in shown} == set(VISION.stages)
    assert {s.condition for s in shown} == set(VISION.conditions)
    pairs = Counter((s.condition, s.stage) for s in shown)
    for condition in ("blotch", "dry_caps", "long_stems"):
        assert {stage for c, stage in pairs if c == condition} == {"fruiting", "harvest"}
    assert {stage for c, stage in pairs if c == "empty_room"} == {"harvested"}
    assert {stage for c, stage in pairs if c == "dark_frame"} == set(VISION.stages)
    for s in shown:
        first, last = scenes.STAGE_DAYS[s.stage]
        assert first <= s.growth_day <= last
    shares = sum(share for share, _, _ in scenes.CONDITIONS.values())
    for condition, (share, _, _) in scenes.CONDITIONS.items():
        p = share / shares
        found = sum(s.condition == condition for s in shown) / 4000
        assert found == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 4000))


def test_of_a_dark_frame_no_stage_is_asked() -> None:
    random = np.random.default_rng(1)
    made = scenes.Pictures(np.empty(0, dtype=np.uint8), [scenes.scene(random) for _ in range(500)])
    aims = targets(made, Words(VISION))
    dark = np.array([s.condition == "dark_frame" for s in made.scenes])
    assert ((aims.stage == -1) == dark).all()
    assert [list(VISION.conditions)[i] for i in aims.condition] == [
        s.condition for s in made.scenes
    ]
    assert {c for c, is_dark in zip(aims.caption, dark, strict=True) if is_dark} == {
        ("harvested", "dark_frame", "white")
    }


def test_half_of_a_labels_texts_are_the_farms_own() -> None:
    words, random = Words(VISION), np.random.default_rng(2)
    label = VISION.conditions["blotch"]
    texts = words.texts("condition", "blotch", 2000, random)
    own = sum(text in prompts(label, VISION.templates) for text in texts) / 2000
    assert own == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 2000))
    assert len(set(texts)) > 60


def test_drawn_texts_say_what_they_mean() -> None:
    words, random = Words(VISION), np.random.default_rng(3)
    texts, shares = words.draw(400, random)
    assert len(texts) == 400
    for text, share in zip(texts, shares, strict=True):
        meant = {words.meanings[i]: s for i, s in enumerate(share) if s}
        said = {light for light, phrase in LIGHT.items() if text.endswith(f", {phrase}")}
        assert said == {name for kind, name in meant if kind == "light"}
        assert sum(meant.values()) == (2.5 if said else 1)


def test_the_calibration_error_is_the_gap_by_bins() -> None:
    assert BINS == 15
    # 0.9 lies in bin 13 (0.867 to 0.933), 0.5 in bin 7 (0.467 to 0.533): gaps |3.6 - 3| and |1.0 -
    # 2| over 6 pictures.
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.5, 0.5])
    right = np.array([True, True, True, False, True, True])
    assert calibration_error(confidence, right) == pytest.approx((0.6 + 1.0) / 6)
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0


def test_the_scale_is_that_of_the_probabilities() -> None:
    """Labels drawn from softmax(12 * cosines) are fitted best by 12."""
    random = np.random.default_rng(4)
    cosines = random.uniform(-0.2, 0.4, (20_000, 5))
    powers = np.exp(12 * cosines)
    chances = powers / powers.sum(1, keepdims=True)
    labels = (random.random((20_000, 1)) > chances.cumsum(1)).sum(1)
    assert best_scale([(cosines, labels)]) == pytest.approx(12, rel=0.03)
    assert best_scale([(cosines, labels), (cosines, labels)]) == best_scale([(cosines, labels)])


def test_the_cards_block_is_read_back_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "CARD.md"
    path.write_text(
        f"# Model\n\nbefore\n\n{card.BEGIN}\nold\n{card.END}\n\nafter\n", encoding="utf-8"
    )
    with pytest.raises(ValueError, match="has no block of numbers"):
        card.read(path)
    outcome = Outcome(["a", "b", "c"], np.array([[3, 1, 0], [0, 6, 0], [0, 0, 0]]), 0.02, 0.91, 0.1)
    for command in ("first", "second"):  # writing again replaces
        card.write(path, card.block({"command": command}, {"renders": {"stage": outcome}}))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Model\n\nbefore\n\n")
    assert text.endswith("\n\nafter\n")
    assert "first" not in text
    assert "| a | 3 | 1 | 0 | 0.750 |\n| b | 0 | 6 | 0 | 1.000 |" in text
    assert "| c |" not in text  # never shown: nothing to say
    numbers = card.read(path)
    assert numbers["command"] == "second"
    assert numbers["renders"]["stage"] == {
        "labels": ["a", "b", "c"],
        "count": 10,
        "accuracy": 0.9,
        "error": 0.02,
        "confidence": 0.91,
        "unknown": 0.1,
        "confusion": [[3, 1, 0], [0, 6, 0], [0, 0, 0]],
    }
