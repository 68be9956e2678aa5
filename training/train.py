"""Train the packaged model, store it, measure the file, write its numbers into the model card.

    python -m training.train --out mushroom_assets/inference/models --cache /tmp/renders

The order of work lives here, and the seeds. The same command on the same machine gives the same
file.
"""

import argparse
import datetime as dt
import functools
import hashlib
import math
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.domain.vision import label_vectors, prompt_set_version
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.inference.weights import DEFAULT_MODEL
from mushroom_assets.simulation.cameras import render, shots
from training import card, scenes
from training.fit import Fit, Plan, best_scale, targets
from training.measure import Outcome, Seen, measure
from training.texts import Words

# Seeds of the renders; the test of the shipped file has one more
TRAIN_SEED = 1
SCALE_SEED = 2
CARD_SEED = 3
# Two cycles of the simulated plant
PLANT_SEED = 11
PLANT_FROM = dt.date(2026, 3, 1)
PLANT_DAYS = 54
# One in so many of the plant's shots is measured; not a divisor of 24, so that every hour has its
# turn
PLANT_EVERY = 5


def main() -> None:
    """Run the whole of it."""
    asked = _arguments()
    say = functools.partial(print, flush=True)
    began = time.monotonic()
    farm = parse_farm(reference_farm_text())
    words = Words(farm.vision)
    train = scenes.cached(asked.cache, TRAIN_SEED, asked.images, asked.workers)
    held = scenes.cached(asked.cache, SCALE_SEED, asked.images // 8, asked.workers)
    drawn = time.monotonic() - began
    print(f"{asked.images} pictures for training, {len(held.scenes)} for the scale: {drawn:.0f} s")
    fit = Fit(words, Plan(asked.epochs, asked.batch, asked.rate, asked.seed))
    fit.run_texts(say)
    fit.run(train, say)
    scale = fit_scale(fit, farm, words, held)
    print(f"logit scale {scale:.2f}")
    path = asked.out / f"{DEFAULT_MODEL}.safetensors"
    fit.save(path)
    trained = time.monotonic() - began
    results = measured(path, farm, asked.test_images)
    for name, kinds in results.items():
        for kind, found in kinds.items():
            print(f"{name}, {kind}: {found.accuracy:.4f} of {found.count}, ECE {found.error:.4f}")
    facts = _facts(asked, path, farm, scale) | {
        "drawing": f"{drawn:.0f} s",
        "drawing and training": f"{trained / 60:.1f} min",
    }
    card.write(asked.out / "MODEL_CARD.md", card.block(facts, results))


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
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=4e-3)
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


def measured(path: Path, farm: Farm, count: int) -> dict[str, dict[str, Outcome]]:
    """What the stored file gives on pictures of other seeds, by the path that production takes."""
    encoder = load_encoder(DEFAULT_MODEL, str(path), "cpu")
    drawn = [scenes.picture(CARD_SEED, number) for number in range(count)]
    renders = [Seen(data, shown.stage, shown.condition) for data, shown in drawn]
    return {
        "renders": measure(renders, encoder, farm.vision),
        "plant": measure(plant_shots(farm, PLANT_SEED), encoder, farm.vision),
    }


def plant_shots(farm: Farm, seed: int, every: int = PLANT_EVERY) -> list[Seen]:
    """Sound shots of two cycles, one in `every`."""
    taken = []
    for number in range(PLANT_DAYS):
        day = PLANT_FROM + dt.timedelta(days=number)
        found = shots(farm, list(farm.rooms), day, seed=seed)
        taken += [shot for shot in found if shot.fault is None]
    return [Seen(render(shot, seed=seed), shot.stage, shot.condition) for shot in taken[::every]]


def _facts(asked: argparse.Namespace, path: Path, farm: Farm, scale: float) -> dict[str, Any]:
    data = path.read_bytes()
    libraries = ("torch", "open_clip_torch", "numpy", "pillow")
    return {
        "file": path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "prompts": prompt_set_version(farm.vision),
        "command": f"python -m training.train --out {asked.out} --cache FOLDER "
        f"--images {asked.images} --epochs {asked.epochs} --batch {asked.batch} "
        f"--rate {asked.rate:g} --seed {asked.seed}",
        "pictures": f"{asked.images} (seed {TRAIN_SEED}), "
        f"for the scale {asked.images // 8} (seed {SCALE_SEED}), "
        f"for the numbers {asked.test_images} (seed {CARD_SEED}) "
        f"and the plant's (seed {PLANT_SEED})",
        "logit scale": round(scale, 2),
        "machine": f"{os.cpu_count()} cores of {_processor()}, {platform.machine()}, no GPU",
        "versions": ", ".join(f"{name} {version(name)}" for name in libraries),
    }


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
