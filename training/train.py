"""Train the packaged model, store it, measure the file, write its numbers into the model card.

    python -m training.train --out mushroom_assets/inference/models --cache /tmp/renders

The order of work lives here, and the seeds. The same command on the same machine gives the same
file.
"""

import argparse
import functools
import hashlib
import math
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mushroom_assets.domain.familiarity import Known
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.domain.prompts import label_vectors, prompt_set_version
from mushroom_assets.inference.known import known_path, write_known
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.inference.weights import DEFAULT_MODEL, packaged_name
from training import card, foreign, scenes
from training.fit import Fit, Plan, best_scale
from training.known import learned
from training.numbers import CARD_SEED, PLANT_SEED, drawn_files, limited, measured
from training.objective import targets
from training.texts import Words

# Seeds of the renders; `numbers` has another
TRAIN_SEED = 1
HELD_SEED = 2
FOREIGN_SEED = 6  # of the pictures without any crop
# Pictures without any crop that the training draws from, and how bright the renders are whose
# colours they may get: foreign darkness looks as the plant's
FOREIGN = 8_000
BRIGHT = 25
PLAIN_RATE = 4e-3  # of the epochs of renders as they were drawn


def main() -> None:
    """Run the whole of it."""
    asked = _arguments()
    say = functools.partial(print, flush=True)
    began = time.monotonic()
    farm = parse_farm(reference_farm_text())
    words = Words(farm.vision)
    train = scenes.cached(asked.cache, TRAIN_SEED, asked.images, asked.workers)
    held = scenes.cached(asked.cache, HELD_SEED, asked.images // 4, asked.workers)
    strange = foreign_pool(train, asked.workers)
    drawn = time.monotonic() - began
    say(f"{asked.images} pictures for training, {len(held.scenes)} held out: {drawn:.0f} s")
    fit = Fit(words, asked.seed)
    if asked.start:
        fit.go_on(asked.start)
    else:
        fit.run_texts(say)
        fit.run(train, None, Plan(asked.plain_epochs, PLAIN_RATE, asked.batch, asked.seed), say)
        fit.save(asked.cache / "plain.safetensors")  # for `--start`
    fit.run(train, strange, Plan(asked.epochs, asked.rate, asked.batch, asked.seed), say)
    scale = fit_scale(fit, farm, words, held)
    say(f"logit scale {scale:.2f}")
    path = asked.out / f"{DEFAULT_MODEL}.safetensors"
    fit.save(path)
    known_path(path).unlink(missing_ok=True)  # that of the weights before
    known = fit_known(path, train, held)
    trained = time.monotonic() - began
    took = {"drawing": f"{drawn:.0f} s", "drawing and training": f"{trained / 60:.1f} min"}
    write_card(asked, farm, known, {"logit scale": round(scale, 2)} | took, say)


def write_card(
    asked: argparse.Namespace,
    farm: Farm,
    known: Known,
    facts: dict[str, Any],
    say: Callable[[str], None],
) -> None:
    """Measure the stored file and write the numbers into its card.

    Args:
        asked: the command line.
        farm: its labels.
        known: what the file learned.
        facts: of the run, by name.
        say: prints a line.
    """
    path = asked.out / f"{DEFAULT_MODEL}.safetensors"
    began = time.monotonic()
    files = drawn_files(asked.cache, farm, asked.test_images)
    results = measured(path, farm, known, files)
    for name, kinds in results.items():
        for kind, found in kinds.items():
            say(f"{name}, {kind}: {found.accuracy:.4f} of {found.count}, ECE {found.error:.4f}")
    limits = limited(path, farm, known, files)
    took = {"measuring": f"{(time.monotonic() - began) / 60:.1f} min"}
    told = _facts(asked, path, farm) | facts | took
    card.write(asked.out / "MODEL_CARD.md", card.block(told, results, limits))


def foreign_pool(train: scenes.Pictures, workers: int) -> NDArray[np.uint8]:
    """Pictures without any crop, some of them in the colours of renders."""
    bright = train.pixels[train.pixels.mean(axis=(1, 2, 3)) > BRIGHT]
    chosen = np.random.default_rng(FOREIGN_SEED).permutation(len(bright))
    return foreign.pictures(FOREIGN_SEED, bright[np.resize(chosen, FOREIGN)], workers)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the weights and of MODEL_CARD.md"
    )
    parser.add_argument(
        "--cache", type=Path, required=True, help="folder that keeps the pictures between runs"
    )
    parser.add_argument("--images", type=int, default=16_000)
    parser.add_argument("--test-images", type=int, default=3_000)
    parser.add_argument(
        "--start", type=Path, help="weights to begin with, in place of texts and plain epochs"
    )
    parser.add_argument(
        "--plain-epochs", type=int, default=10, help="of renders as they were drawn, at first"
    )
    parser.add_argument(
        "--epochs", type=int, default=6, help="of altered renders beside foreign pictures"
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3, help="of these epochs")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of the model's first weights and of the order of pictures",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def fit_scale(fit: Fit, farm: Farm, words: Words, held: scenes.Pictures) -> float:
    """Set the model's logit scale so that its probabilities fit pictures it was not trained on."""
    import torch

    vectors = fit.vectors(held).astype(np.float64)
    aims = targets(held, words)
    known = aims.stage >= 0
    templates = farm.vision.templates
    stage = vectors @ label_vectors(farm.vision.stages, templates, fit.encode).T
    condition = vectors @ label_vectors(farm.vision.conditions, templates, fit.encode).T
    scale = best_scale([(stage[known], aims.stage[known]), (condition, aims.condition)])
    with torch.no_grad():
        fit.model.logit_scale.fill_(math.log(scale))
    return scale


def fit_known(path: Path, train: scenes.Pictures, held: scenes.Pictures) -> Known:
    """Fit what the stored file learned, and write it beside the weights."""
    encoder = load_encoder(DEFAULT_MODEL, str(path), "cpu", "fp32")
    vectors = encoder.encode_images(train.pixels)
    known = learned(vectors, train.scenes, encoder.encode_images(held.pixels), held.scenes)
    write_known(known, path, packaged_name(path))
    return known


def _facts(asked: argparse.Namespace, path: Path, farm: Farm) -> dict[str, Any]:
    data = path.read_bytes()
    libraries = ("torch", "open_clip_torch", "numpy", "pillow")
    return {
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "prompts": prompt_set_version(farm.vision),
        "command": _command(asked),
        "pictures": f"{asked.images} (seed {TRAIN_SEED}), "
        f"held out {asked.images // 4} (seed {HELD_SEED}), "
        f"without any crop {FOREIGN} (seed {FOREIGN_SEED}), "
        f"for the numbers {asked.test_images} (seed {CARD_SEED}) "
        f"and the plant's (seed {PLANT_SEED})",
        "machine": f"{os.cpu_count()} cores of {_processor()}, {platform.machine()}, no GPU",
        "versions": ", ".join(f"{name} {version(name)}" for name in libraries),
    }


def _command(asked: argparse.Namespace) -> str:
    """The command line that does the same."""
    begin = f"--plain-epochs {asked.plain_epochs}"
    if asked.start:
        sha256 = hashlib.sha256(asked.start.read_bytes()).hexdigest()
        begin = f"--start FILE (sha256 {sha256})"
    return (
        f"python -m training.train --out {asked.out} --cache FOLDER --images {asked.images} "
        f"{begin} --epochs {asked.epochs} --batch {asked.batch} --rate {asked.rate:g} "
        f"--seed {asked.seed}"
    )


def _processor() -> str:
    """The processor's name where Linux tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.processor()


if __name__ == "__main__":
    main()
