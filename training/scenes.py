"""Labelled pictures for training and measuring: scenes by chance, read as the pipeline reads them.

Here lives what a model gets to see. Chance is wider here than in the simulated plant (`WIDE`),
because a model that has seen more than its plant shows does not hang on one drawing.
"""

import functools
import hashlib
import inspect
import io
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mushroom_assets.inference.images import read_photo
from mushroom_assets.simulation import bags, lens, render
from mushroom_assets.simulation import scene as scene_module
from mushroom_assets.simulation.render import draw
from mushroom_assets.simulation.scene import Scene, Variety, view

WIDE = Variety(spread=1.7, close=0.5, fog=0.2, blur=0.25, cover=0.15)
SIDE = 128  # px of the model's square input
STAGE_DAYS = {
    "substrate": (2, 4),
    "primordia": (5, 7),
    "fruiting": (8, 23),
    "harvest": (24, 30),
    "harvested": (1, 1),
}
# Condition: its share of the pictures, its stages, and the first growth day on which it shows.
CONDITIONS: dict[str, tuple[float, tuple[str, ...], int]] = {
    "healthy": (0.38, tuple(STAGE_DAYS), 1),
    "green_mould": (0.15, ("substrate", "primordia", "fruiting", "harvest"), 3),
    "blotch": (0.13, ("fruiting", "harvest"), 11),
    "dry_caps": (0.12, ("fruiting", "harvest"), 12),
    "long_stems": (0.12, ("fruiting", "harvest"), 11),
    "empty_room": (0.05, ("harvested",), 1),
    "dark_frame": (0.05, tuple(STAGE_DAYS), 1),
}
LIGHTS = {"white": 0.5, "blue": 0.25, "dim": 0.25}
CHUNK = 64


class Pictures(NamedTuple):
    """n pictures as the model sees them: (n, SIDE, SIDE, 3) bytes, and what each shows."""

    pixels: NDArray[np.uint8]
    scenes: list[Scene]


def scene(random: np.random.Generator) -> Scene:
    """A scene whose stage and condition go together."""
    shares = np.array([share for share, _, _ in CONDITIONS.values()])
    condition = str(random.choice(list(CONDITIONS), p=shares / shares.sum()))
    _, stages, first = CONDITIONS[condition]
    stage = str(random.choice(stages))
    youngest, oldest = STAGE_DAYS[stage]
    day = int(random.integers(min(max(youngest, first), oldest), oldest + 1))
    return Scene(day, stage, condition, str(random.choice(list(LIGHTS), p=list(LIGHTS.values()))))


def picture(seed: int, number: int) -> tuple[bytes, Scene]:
    """One JPEG and what it shows: the same for the same seed and number."""
    random = np.random.default_rng([seed, number])
    shown = scene(random)
    width = int(random.integers(360, 641))
    height = round(width / float(random.choice([16 / 9, 16 / 9, 4 / 3])))
    camera = view(width, height, random, WIDE)
    file = io.BytesIO()
    draw(shown, camera, random, WIDE).save(file, "JPEG", quality=int(random.integers(55, 93)))
    return file.getvalue(), shown


def squashed(data: bytes) -> NDArray[np.uint8]:
    """A file's pixels before normalisation, as `read_photo` and open_clip's "squash" give them."""
    image = read_photo(data, min_side=SIDE * 3 // 2).image
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _chunk(seed: int, first: int, count: int) -> Pictures:
    drawn = [picture(seed, number) for number in range(first, first + count)]
    return Pictures(np.stack([squashed(data) for data, _ in drawn]), [shown for _, shown in drawn])


def pictures(seed: int, count: int, workers: int) -> Pictures:
    """`count` pictures of a seed, drawn in several processes."""
    starts = range(0, count, CHUNK)
    sizes = [min(CHUNK, count - start) for start in starts]
    pixels = np.empty((count, SIDE, SIDE, 3), dtype=np.uint8)
    scenes: list[Scene] = []
    with ProcessPoolExecutor(workers) as pool:
        parts = pool.map(functools.partial(_chunk, seed), starts, sizes)
        for start, part in zip(starts, parts, strict=True):
            pixels[start : start + len(part.scenes)] = part.pixels
            scenes += part.scenes
    return Pictures(pixels, scenes)


def drawing_version() -> str:
    """Eight hex digits that change with the code that draws.

    So no old picture is taken for a new one.
    """
    files = [inspect.getfile(module) for module in (scene_module, bags, lens, render)]
    code = b"".join(Path(file).read_bytes() for file in [*files, __file__])
    return hashlib.sha256(code).hexdigest()[:8]


def cached(folder: Path, seed: int, count: int, workers: int) -> Pictures:
    """The same, kept in a folder between runs."""
    path = folder / f"renders-{drawing_version()}-{seed}-{count}.npz"
    if not path.exists():
        made = pictures(seed, count, workers)
        folder.mkdir(parents=True, exist_ok=True)
        columns: dict[str, Any] = {}
        for name in Scene.__dataclass_fields__:
            columns[name] = np.array([getattr(shown, name) for shown in made.scenes])
        np.savez(path, pixels=made.pixels, **columns)
    with np.load(path) as kept:
        fields = [kept[name].tolist() for name in Scene.__dataclass_fields__]
        return Pictures(kept["pixels"], [Scene(*row) for row in zip(*fields, strict=True)])
