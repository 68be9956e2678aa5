"""The file beside a checkpoint: what was learned comes back; a file not its own is told."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mushroom_assets.domain.familiarity import Known, calibration, whitening
from mushroom_assets.inference.known import known_of, known_path, write_known
from mushroom_assets.inference.weights import Weights, WeightsUnavailable

CLASSES = ("fruiting healthy", "harvest blotch")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "own.safetensors"
    path.write_bytes(b"weights")
    return path


def _learned() -> Known:
    random = np.random.default_rng(3)
    return Known(
        CLASSES,
        random.normal(size=(2, 4)),
        whitening(np.diag([1.0, 2.0, 3.0, 4.0])),
        (calibration(random.uniform(0, 3, 50), range(50)), calibration([0.5, 1.0], "ab")),
    )


def test_what_was_learned_comes_back(checkpoint: Path) -> None:
    learned = _learned()
    write_known(learned, checkpoint, "own-1234")
    found = known_of(Weights("mushroom-tiny", "own-1234", checkpoint))
    assert found is not None
    assert found.classes == CLASSES
    vectors = np.random.default_rng(4).normal(size=(200, 4))
    # Float32: a picture may fall on the other side of one of 50
    assert np.abs(found.shares(vectors) - learned.shares(vectors)).max() <= 1 / 51 + 1e-6
    assert np.median(np.abs(found.shares(vectors) - learned.shares(vectors))) < 1e-6


def test_the_same_bytes_under_another_name_know_the_same(checkpoint: Path) -> None:
    write_known(_learned(), checkpoint, "renders-1234")
    assert known_of(Weights("mushroom-tiny", "own.safetensors-1234", checkpoint)) is not None


def test_weights_without_the_file_know_nothing(checkpoint: Path) -> None:
    assert known_of(Weights("mushroom-tiny", "own-1234", checkpoint)) is None
    assert known_of(Weights("ViT-B-32", "random-seed0", None)) is None


def test_a_file_of_other_weights_is_refused(checkpoint: Path) -> None:
    write_known(_learned(), checkpoint, "own-1234")
    with pytest.raises(WeightsUnavailable, match=r"own-1234, not to own-5678\. Remedy: remove it"):
        known_of(Weights("mushroom-tiny", "own-5678", checkpoint))


def test_a_file_that_lacks_something_is_told(checkpoint: Path) -> None:
    save_file({"means": np.zeros((2, 4), np.float32)}, known_path(checkpoint))
    with pytest.raises(WeightsUnavailable, match=r"cannot be read: KeyError.*\. Remedy: remove it"):
        known_of(Weights("mushroom-tiny", "own-1234", checkpoint))


def test_a_damaged_file_is_told(checkpoint: Path) -> None:
    known_path(checkpoint).write_bytes(b"nothing")
    with pytest.raises(WeightsUnavailable, match=r"cannot be read: .*\. Remedy: remove it"):
        known_of(Weights("mushroom-tiny", "own-1234", checkpoint))
