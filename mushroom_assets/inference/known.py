"""The file beside a checkpoint that says what its model learned: read, checked, written.

What is in it, and what it is good for, is the business of `domain.familiarity`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mushroom_assets.domain.familiarity import Calibration, Known
from mushroom_assets.inference.weights import Weights, WeightsUnavailable

SUFFIX = ".known.safetensors"  # in place of the checkpoint's own


def known_path(checkpoint: Path) -> Path:
    """Where a checkpoint's file lies."""
    return checkpoint.with_suffix(SUFFIX)


def known_of(weights: Weights) -> Known | None:
    """What a model learned; None for weights that do not say.

    Raises:
        WeightsUnavailable: the file cannot be read, or belongs to other weights.
    """
    from safetensors import SafetensorError, safe_open

    path = None if weights.path is None else known_path(weights.path)
    if path is None or not path.is_file():
        return None
    try:
        with safe_open(path, "np") as file:
            facts = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}
        known = _known(json.loads(facts["classes"]), arrays)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsUnavailable(f"{path} cannot be read: {error!r}. {_REMEDY}") from error
    owner = facts.get("weights", "unknown")
    # By the bytes' hash at the end: the packaged file has another name when it is given by its path
    if owner.rsplit("-", 1)[-1] != weights.name.rsplit("-", 1)[-1]:
        found = f"{path} belongs to the weights {owner}, not to {weights.name}"
        raise WeightsUnavailable(f"{found}. {_REMEDY}")
    return known


_REMEDY = "Remedy: remove it, or make it anew with the weights (training/train.py does)"


def _known(classes: list[str], arrays: dict[str, Any]) -> Known:
    ends = np.cumsum(arrays["counts"])[:-1]
    far = np.split(arrays["distances"].astype(np.float64), ends)
    ends_of_shares = np.cumsum(arrays["counts"] + 1)[:-1]
    shares = np.split(arrays["shares"].astype(np.float64), ends_of_shares)
    pairs = zip(far, shares, strict=True)
    calibrations = tuple(Calibration(*pair) for pair in pairs)
    return Known(tuple(classes), arrays["means"], arrays["whitening"], calibrations)


def write_known(known: Known, checkpoint: Path, weights_name: str) -> Path:
    """Write a checkpoint's file, in float32; returns its path.

    Args:
        known: what the model learned.
        checkpoint: the weights' file.
        weights_name: as `Weights.name` has it.
    """
    from safetensors.numpy import save_file

    arrays = {
        "means": known.means.astype(np.float32),
        "whitening": known.whitening.astype(np.float32),
        "counts": np.array([len(of.distances) for of in known.calibrations]),
        "distances": np.concatenate([of.distances for of in known.calibrations]).astype("f4"),
        "shares": np.concatenate([of.shares for of in known.calibrations]).astype("f4"),
    }
    path = known_path(checkpoint)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(contiguous, path, {"weights": weights_name, "classes": json.dumps(known.classes)})
    path.chmod(0o644)  # safetensors makes files that only their owner may read
    return path
