"""Pictures that the model has not learned from, for measuring what it says of them.

Here live photographs that packages ship, parts of them, and synthetic pictures of other kinds than
those of the training (`foreign`). Another farm's pictures are drawn by `cartoon`.
"""

import importlib.util
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
WIDTH, HEIGHT = 640, 360
# In their wheels: nothing is downloaded
PHOTOGRAPHS = {
    "skimage": (
        "data/astronaut.png",
        "data/brick.png",
        "data/camera.png",
        "data/cell.png",
        "data/chelsea.png",
        "data/clock_motion.png",
        "data/coffee.png",
        "data/coins.png",
        "data/grass.png",
        "data/gravel.png",
        "data/hubble_deep_field.jpg",
        "data/ihc.png",
        "data/moon.png",
        "data/motorcycle_left.png",
        "data/page.png",
        "data/retina.jpg",
        "data/rocket.jpg",
        "data/text.png",
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}
# Of a photograph's sides; the smallest part is 179x69 px, more than the least accepted side
PARTS = (0.75, 0.5, 0.4)
PARTS_EACH = 4  # of each size


def photographs() -> list[bytes]:
    """The files, as they are."""
    found = []
    for package, names in PHOTOGRAPHS.items():
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no package {package}: pip install 'mushroom_assets[test]'")
        found += [(Path(spec.origin).parent / name).read_bytes() for name in names]
    return found


def parts(seed: int) -> list[bytes]:
    """Parts of the photographs, at places by chance."""
    random = np.random.default_rng(seed)
    found = []
    for data in photographs():
        with Image.open(io.BytesIO(data)) as file:
            whole = file.convert("RGB")
        for share in np.repeat(PARTS, PARTS_EACH).tolist():
            width = round(whole.width * share)
            height = round(whole.height * share)
            left = int(random.integers(0, whole.width - width + 1))
            top = int(random.integers(0, whole.height - height + 1))
            found.append(jpeg(whole.crop((left, top, left + width, top + height))))
    return found


def jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    """A picture as a camera's file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def synthetic(seed: int, each: int) -> list[bytes]:
    """Pictures of every kind of `KINDS`."""
    found = []
    for number, kind in enumerate(KINDS):
        for i in range(each):
            random = np.random.default_rng([seed, number, i])
            found.append(jpeg(Image.fromarray(kind(random))))
    return found


def _grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Heights and places across of all pixels, in widths of the picture."""
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH] / WIDTH
    return down, across


def _colours(count: int, random: np.random.Generator) -> Pixels:
    return random.integers(0, 256, (count, 3)).astype(np.uint8)


def pepper(random: np.random.Generator) -> Pixels:
    """Black and white dots on one colour."""
    made = np.empty((HEIGHT, WIDTH, 3), dtype=np.uint8)
    made[:] = random.integers(60, 200, 3)
    hit = random.random((HEIGHT, WIDTH))
    share = random.uniform(0.05, 0.4)
    made[hit < share / 2] = 0
    made[hit > 1 - share / 2] = 255
    return made


def cells(random: np.random.Generator) -> Pixels:
    """Each pixel in the colour of the nearest of some points."""
    count = int(random.integers(8, 60))
    down, across = _grid()
    points = random.uniform(0, 1, (count, 2)) * (HEIGHT / WIDTH, 1)
    nearest = np.zeros((HEIGHT, WIDTH), dtype=np.intp)
    best = np.full((HEIGHT, WIDTH), np.inf)
    for number, (y, x) in enumerate(points.tolist()):
        far = np.hypot(down - y, across - x)
        nearer = far < best
        nearest[nearer] = number
        best[nearer] = far[nearer]
    return _colours(count, random)[nearest]


def automaton(random: np.random.Generator) -> Pixels:
    """Generations of a row of cells below one another."""
    rule = int(random.choice([30, 90, 110, 150]))
    scale = int(random.integers(3, 12))
    row = random.integers(0, 2, WIDTH // scale)
    rows = []
    for _ in range(-(-HEIGHT // scale)):
        rows.append(row)
        row = (rule >> (4 * np.roll(row, 1) + 2 * row + np.roll(row, -1))) & 1
    made = np.stack(rows).repeat(scale, 0).repeat(scale, 1)[:HEIGHT]
    return _colours(2, random)[made]


def rings(random: np.random.Generator) -> Pixels:
    """Waves around some points that meet."""
    down, across = _grid()
    waves = np.zeros((HEIGHT, WIDTH, 3))
    for _ in range(int(random.integers(2, 6))):
        y, x, number = random.uniform((0, 0, 4), (0.6, 1, 40)).tolist()
        wave = np.sin(2 * np.pi * number * np.hypot(down - y, across - x))
        waves += wave[..., None] * random.uniform(0, 50, 3)
    return np.clip(128 + waves, 0, 255).astype(np.uint8)


def julia(random: np.random.Generator) -> Pixels:
    """How soon the squares of a number run away."""
    down, across = _grid()
    scale = random.uniform(1.2, 3.2)
    z = scale * (across - 0.5 + 1j * (down - 0.28))
    turn = random.uniform(0, 2 * np.pi)
    start = 0.7885 * np.exp(1j * turn)
    steps = np.zeros(z.shape, dtype=np.intp)
    for _ in range(40):
        near = np.abs(z) < 4
        z = np.where(near, z * z + start, z)
        steps += near
    ends = _colours(3, random).astype(float)
    share = steps / 40
    table = [np.interp(share, [0, 0.4, 1], ends[:, channel]) for channel in range(3)]
    return np.stack(table, axis=-1).astype(np.uint8)


def floor(random: np.random.Generator) -> Pixels:
    """A chequered floor up to its horizon."""
    down, across = _grid()
    horizon = random.uniform(0.05, 0.3)
    far = 0.2 / np.maximum(down - horizon, 1e-3)
    turn = random.uniform(0, np.pi)
    x = (across - random.uniform(0.2, 0.8)) * far
    u = np.cos(turn) * x + np.sin(turn) * far
    v = np.cos(turn) * far - np.sin(turn) * x
    number = random.uniform(1.5, 5)
    odd = (np.floor(number * u) + np.floor(number * v)).astype(int) % 2
    made: Pixels = _colours(2, random)[odd]
    made[down < horizon] = random.integers(0, 256, 3)
    return made


def maze(random: np.random.Generator) -> Pixels:
    """Slashes and backslashes in a grid."""
    ink, paper = (tuple(colour) for colour in _colours(2, random).tolist())
    picture = Image.new("RGB", (WIDTH, HEIGHT), paper)
    pen = ImageDraw.Draw(picture)
    size = int(random.integers(10, 50))
    for y in range(0, HEIGHT, size):
        for x in range(0, WIDTH, size):
            ends = [(x, y), (x + size, y + size)]
            if random.random() < 0.5:
                ends = [(x + size, y), (x, y + size)]
            pen.line(ends, fill=ink, width=max(2, size // 6))
    return np.asarray(picture)


def walks(random: np.random.Generator) -> Pixels:
    """Paths that turn at random."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), tuple(_colours(1, random)[0].tolist()))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(3, 30))):
        steps = random.normal(0, random.uniform(2, 12), (400, 2))
        path = random.uniform(0, 1, 2) * (WIDTH, HEIGHT) + steps.cumsum(axis=0)
        fill = tuple(_colours(1, random)[0].tolist())
        pen.line([(x, y) for x, y in path.tolist()], fill=fill, width=int(random.integers(1, 7)))
    return np.asarray(picture)


KINDS: tuple[Callable[[np.random.Generator], Pixels], ...] = (
    pepper,
    cells,
    automaton,
    rings,
    julia,
    floor,
    maze,
    walks,
)
