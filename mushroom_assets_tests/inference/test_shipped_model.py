"""The shipped weights against their card: file, numbers, and a measurement on new pictures.

The seeds here (4, 5) are neither the training's (1), nor the scale's (2), nor the card's (3). Two
measurements of one accuracy p over n and N pictures differ by sqrt(p (1 - p) (1/n + 1/N)) as a
standard deviation. Three of those are allowed: a right card fails with one choice of seeds in 370,
one that claims 2 points too much for n = 1,200 and p = 0.97 with nine in ten. Seed 4 is an unlucky
one: its first 2,000 pictures give a stage of 0.977, those of 5 and 6 0.985 and 0.987.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.domain.prompts import prompt_set_version
from mushroom_assets.inference.encoder import ClipEncoder
from mushroom_assets.inference.known import known_path
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.inference.weights import MODELS, PACKAGED, find_weights
from training import alterations, card, cartoon, elsewhere, scenes
from training.known import cell
from training.limits import UNFAMILIAR, Judge
from training.measure import Outcome, Seen, measure
from training.numbers import plant_shots

pytestmark = pytest.mark.long

CARD = MODELS / "MODEL_CARD.md"
SEEDS, COUNT = (4, 5), 600
PLANT_SEED, PLANT_EVERY = 12, 49
MAX_BYTES = 16 * 10**6
MAX_KNOWN_BYTES = 150_000
LEAST_UNFAMILIAR = 0.9  # share of pictures from elsewhere
ALTERED = 150


@pytest.fixture(scope="module")
def farm() -> Farm:
    return parse_farm(reference_farm_text())


@pytest.fixture(scope="module")
def encoder() -> ClipEncoder:
    return load_encoder(None, None, "cpu")


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    return card.read(CARD)


@pytest.fixture(scope="module")
def renders() -> dict[int, list[Seen]]:
    """By seed; all tests look at the same ones, since each takes 20 ms to draw."""
    drawn = {seed: [scenes.picture(seed, number) for number in range(COUNT)] for seed in SEEDS}
    return {
        seed: [Seen(data, shown.stage, shown.condition) for data, shown in pictures]
        for seed, pictures in drawn.items()
    }


@pytest.fixture(scope="module")
def plant(farm: Farm) -> list[Seen]:
    return plant_shots(farm, PLANT_SEED, PLANT_EVERY)


@pytest.fixture(scope="module")
def again(
    encoder: ClipEncoder, farm: Farm, renders: dict[int, list[Seen]], plant: list[Seen]
) -> dict[str, dict[str, Outcome]]:
    every = [seen for seed in SEEDS for seen in renders[seed]]
    return {
        "renders": measure(every, encoder, farm.vision),
        "plant": measure(plant, encoder, farm.vision),
    }


KINDS = [(of, kind) for of in ("renders", "plant") for kind in ("stage", "condition")]


def deviation(right: float, count: int, more: int) -> float:
    """Of the difference of two shares.

    A share of 0 or 1 counts as if one picture of the larger set were otherwise.
    """
    share = min(max(right, 1 / (more + 2)), 1 - 1 / (more + 2))
    return math.sqrt(share * (1 - share) * (1 / count + 1 / more))


def test_the_default_is_the_packaged_file_and_is_named_by_its_content(
    encoder: ClipEncoder, numbers: dict[str, Any]
) -> None:
    sha256 = hashlib.sha256(PACKAGED.read_bytes()).hexdigest()
    assert encoder.name == f"mushroom-tiny/renders-{sha256[:8]}"
    assert encoder.trained
    assert find_weights("mushroom-tiny", None) == find_weights(None, None)
    assert (numbers["sha256"], numbers["bytes"], numbers["file"]) == (
        sha256,
        PACKAGED.stat().st_size,
        PACKAGED.name,
    )


def test_the_file_is_small_and_holds_finite_half_precision() -> None:
    assert PACKAGED.stat().st_size <= MAX_BYTES
    tensors = load_file(PACKAGED)
    # Batch norm counts its batches
    assert {str(t.dtype) for t in tensors.values()} == {"float16", "int64"}
    assert all(np.isfinite(t).all() for t in tensors.values())


def test_what_it_learned_lies_beside_it_and_is_small(encoder: ClipEncoder) -> None:
    path = known_path(PACKAGED)
    assert path.stat().st_size <= MAX_KNOWN_BYTES
    assert encoder.known is not None
    random = np.random.default_rng(0)
    shown = {cell(scenes.scene(random)) for _ in range(3000)}
    assert set(encoder.known.classes) == shown


def test_the_prompts_are_those_it_was_trained_with(farm: Farm, numbers: dict[str, Any]) -> None:
    assert numbers["prompts"] == prompt_set_version(farm.vision)


def test_the_whole_frame_is_seen(encoder: ClipEncoder) -> None:
    """Squashed, not cropped: the sides of a wide picture arrive at the sides of the input."""
    from PIL import Image

    picture = Image.new("RGB", (320, 180), "black")
    picture.paste("white", (0, 0, 40, 180))  # an eighth of the width
    pixels = encoder.preprocess(picture)
    assert pixels.shape == (128, 128, 3)
    bright = (pixels[..., 0] > 127).mean(axis=0)
    # 16 of 128 columns, softened by 2
    assert (bright[:14], bright[19:]) == (pytest.approx(1), pytest.approx(0))


@pytest.mark.parametrize(("of", "kind"), KINDS)
def test_the_cards_numbers_agree_with_one_another(
    numbers: dict[str, Any], farm: Farm, of: str, kind: str
) -> None:
    told = numbers[of][kind]
    labels = {"stage": farm.vision.stages, "condition": farm.vision.conditions}[kind]
    confusion = np.array(told["confusion"])
    assert told["labels"] == list(labels)
    assert confusion.shape == (len(labels), len(labels))
    assert confusion.sum() == told["count"]
    assert told["accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum(), abs=1e-4)
    # Calibration in the large is a lower bound of the error over bins (triangle inequality).
    assert told["error"] >= abs(told["confidence"] - told["accuracy"]) - 2e-4
    assert (
        f"**{kind}**: accuracy {told['accuracy']:.4f} over {told['count']} pictures"
        in CARD.read_text(encoding="utf-8")
    )


@pytest.mark.long
@pytest.mark.parametrize(("of", "kind"), KINDS)
def test_a_new_measurement_gives_the_cards_accuracy(
    numbers: dict[str, Any], again: dict[str, dict[str, Outcome]], of: str, kind: str
) -> None:
    told, found = numbers[of][kind], again[of][kind]
    assert found.count >= 180
    margin = 3 * deviation(told["accuracy"], found.count, told["count"])
    assert margin < 0.06
    assert found.accuracy == pytest.approx(told["accuracy"], abs=margin)


@pytest.mark.parametrize("kind", ["stage", "condition"])
def test_every_label_is_found_as_often_as_the_card_says(
    numbers: dict[str, Any], again: dict[str, dict[str, Outcome]], kind: str
) -> None:
    """Four standard deviations: there are twelve labels to fail."""
    told, found = np.array(numbers["renders"][kind]["confusion"]), again["renders"][kind]
    for i, name in enumerate(found.labels):
        shown, before = int(found.confusion[i].sum()), int(told[i].sum())
        assert shown > 10
        recall = told[i, i] / before
        margin = 4 * deviation(recall, shown, before)
        assert found.recalls[name] == pytest.approx(recall, abs=margin), name


@pytest.mark.parametrize("kind", ["stage", "condition"])
def test_probabilities_mean_what_they_say(
    numbers: dict[str, Any], again: dict[str, dict[str, Outcome]], kind: str
) -> None:
    """Mean confidence is the accuracy that calibrated probabilities promise."""
    found = again["renders"][kind]
    assert found.confidence == pytest.approx(
        found.accuracy, abs=3 * deviation(found.accuracy, found.count, 10**6) + 0.01
    )
    assert numbers["renders"][kind]["error"] < 0.03


@pytest.fixture(scope="module")
def judge(encoder: ClipEncoder, farm: Farm) -> Judge:
    assert encoder.known is not None
    return Judge(encoder, farm.vision, encoder.known)


def test_few_pictures_of_its_own_kinds_are_unfamiliar(
    judge: Judge, numbers: dict[str, Any], renders: dict[int, list[Seen]], plant: list[Seen]
) -> None:
    """At most 5 % of new renders and of new days of the plant, and as many as the card says.

    Shots of a day are alike, so that those of the plant count as a third of their number.
    """
    for name, seen, count in (
        ("renders", renders[SEEDS[0]], COUNT),
        ("shots of the plant", plant, len(plant) // 3),
    ):
        vectors = judge.vectors([one.data for one in seen])
        found = float((judge.familiarity(vectors) < UNFAMILIAR).mean())
        told = numbers["limits"]["unfamiliar"][name]
        assert told <= UNFAMILIAR
        margin = 3 * deviation(told, count, 2 * count)
        assert found == pytest.approx(told, abs=margin), name


@pytest.mark.parametrize("name", ["photographs", "parts", "synthetic", "farm"])
def test_pictures_from_elsewhere_are_unfamiliar(
    judge: Judge, numbers: dict[str, Any], name: str
) -> None:
    """Nine in ten at least, of seeds that the card has not; the photographs are the same files."""
    sets: dict[str, tuple[str, Callable[[], list[bytes]]]] = {
        "photographs": ("photographs", elsewhere.photographs),
        "parts": ("parts of the photographs", lambda: elsewhere.parts(8)),
        "synthetic": ("synthetic", lambda: elsewhere.synthetic(8, 10)),
        "farm": ("another farm's drawings", lambda: cartoon.farms(8, 60)),
    }
    called, make = sets[name]
    told = numbers["limits"]["foreign"][called]
    assert told["unfamiliar"] >= LEAST_UNFAMILIAR
    familiarity = judge.familiarity(judge.vectors(make()))
    found = float((familiarity < UNFAMILIAR).mean())
    margin = 4 * deviation(told["unfamiliar"], len(familiarity), told["count"])
    assert found == pytest.approx(told["unfamiliar"], abs=margin)


@pytest.mark.parametrize(
    "name", ["as is", "sodium lamp", "infrared, grey", "upside down", "blur, 2 % of the width"]
)
def test_altered_renders_come_out_as_the_card_says(
    judge: Judge, numbers: dict[str, Any], renders: dict[int, list[Seen]], name: str
) -> None:
    seen = renders[SEEDS[1]][:ALTERED]
    found = judge.altered(
        [
            one._replace(data=alterations.altered(one.data, name, number + 10_000))
            for number, one in enumerate(seen)
        ]
    )
    told = numbers["limits"]["altered"][name]
    for kind in ("stage", "condition"):
        for of in ("accuracy", "wrong"):
            share = told[of][kind]
            margin = 4 * deviation(share, ALTERED, told["count"])
            assert getattr(found, of)[kind] == pytest.approx(share, abs=margin), (kind, of)
    margin = 4 * deviation(told["unfamiliar"], ALTERED, told["count"])
    assert found.unfamiliar == pytest.approx(told["unfamiliar"], abs=margin)


def test_edited_prompts_still_work(
    encoder: ClipEncoder, farm: Farm, renders: dict[int, list[Seen]]
) -> None:
    """Words that stand neither in the farm file nor among the paraphrases as such."""
    edited = {
        "healthy": "a clean crop of mushrooms in good health",
        "green_mould": "white bags spoiled by patches of green mould",
        "blotch": "caps full of wet brown spots",
        "dry_caps": "mushrooms whose caps are dry and cracked",
        "long_stems": "small mushrooms on very long stems",
        "empty_room": "empty shelves in a room",
        "dark_frame": "a dark picture of a room without light",
    }
    conditions = {
        n: label.model_copy(update={"prompts": [edited[n]]})
        for n, label in farm.vision.conditions.items()
    }
    vision = farm.vision.model_copy(update={"conditions": conditions})
    seen = renders[SEEDS[0]][:150]
    own, other = (measure(seen, encoder, v)["condition"].accuracy for v in (farm.vision, vision))
    assert other > own - 0.05


def test_the_card_names_what_it_learned_from_and_what_a_room_wants() -> None:
    text = " ".join(CARD.read_text(encoding="utf-8").split())
    for said in (
        "It learned from renders, never from a photograph.",
        "there take real weights",
        "or a probe of your own",
        "In a dark frame the stage cannot be seen",
    ):
        assert said in text
    assert re.search(r"\| command \| python -m training\.train --out ", text)
    assert {"torch", "open_clip_torch"} <= set(
        re.findall(r"(\w+) \d+\.\d+", json.dumps(card.read(CARD)["versions"]))
    )
    assert Path(text.split("The config is `")[1].split("`")[0]).name in {
        p.name for p in MODELS.iterdir()
    }
