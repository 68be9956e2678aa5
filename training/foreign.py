"""Pictures without any crop, for training: what a model must not be certain of.

Nothing here is a photograph, and nothing is drawn as in the plant. Noise, textures, leaves that
cover one another, polygons, stripes, strokes, and collages of these stand for all that a camera
may send and nobody grew (Hendrycks et al. 2019, "Deep anomaly detection with outlier exposure").
What the model is tried on afterwards is of other kinds: see `elsewhere`.
"""

import functools
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Pixels = NDArray[np.uint8]
Values = NDArray[np.floating]
Kind = Callable[[int, np.random.Generator], Values]
CHUNK = 250
LEAST = 35  # mean grey level: darkness is known
MATCHED = 0.6  # share of the pictures that get the colours of a render


def grains(side: int, random: np.random.Generator) -> Values:
    """Noise of one grain, in grey or in colours."""
    grain = int(random.choice([1, 1, 2, 3, 4, 8, 16, 32]))
    few = -(-side // grain)
    noise = random.normal(0, random.uniform(10, 80), (few, few, 3)).astype(np.float32)
    if random.random() < 0.4:
        noise[:] = noise[..., :1]
    if random.random() < 0.5:
        return (noise.repeat(grain, 0).repeat(grain, 1) + _colour(random))[:side, :side]
    return _scaled(noise + _colour(random), side)


def clouds(side: int, random: np.random.Generator) -> Values:
    """A texture whose amplitudes fall with frequency, as those of natural scenes do."""
    across = np.fft.rfftfreq(side)[None, :]
    down = np.fft.fftfreq(side)[:, None] * np.exp(random.uniform(-0.7, 0.7))
    fall = np.hypot(down, across) + 1 / side
    shape = (fall.shape[0], fall.shape[1], 3)
    phases = np.exp(2j * np.pi * random.random(shape))
    spectrum = phases * (fall ** -random.uniform(0.6, 2.2))[..., None]
    made = np.fft.irfft2(spectrum, (side, side), axes=(0, 1)).astype(np.float32)
    made /= made.std()
    shared = made[..., :1]
    mixed = shared + random.uniform(0, 0.8) * (made - shared)
    return mixed * random.uniform(15, 65) + _colour(random)


def gradients(side: int, random: np.random.Generator) -> Values:
    """Colours that pass into one another, along a line or around a point."""
    down, across = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j].astype(np.float32)
    made = np.zeros((side, side, 3), dtype=np.float32)
    for _ in range(int(random.integers(1, 4))):
        y, x, angle = random.uniform((-0.3, -0.3, 0), (1.3, 1.3, 2 * np.pi)).tolist()
        if random.random() < 0.5:
            way = np.hypot(down - y, across - x)
        else:
            way = np.cos(angle) * (across - 0.5) + np.sin(angle) * (down - 0.5) + 0.5
        share = np.clip(way * random.uniform(0.6, 2.5), 0, 1)[..., None]
        made += _colour(random) * share + _colour(random) * (1 - share)
    found: Values = made / max(1.0, made.mean() / random.uniform(60, 190))
    return found


def leaves(side: int, random: np.random.Generator) -> Values:
    """Discs, boxes and bars of all sizes that cover one another; most have a texture."""
    palette = _palette(random)
    count = int(np.exp(random.uniform(np.log(6), np.log(90))))
    uppermost = Image.new("L", (side, side))
    pen = ImageDraw.Draw(uppermost)
    for number in range(count):
        _shape(pen, number + 1, side, random)
    leaf = np.asarray(uppermost)
    colours = palette[random.integers(0, len(palette), count + 1)]
    depths = random.choice([0.0, 0.25, 0.6, 1.0], (count + 1, 1)).astype(np.float32)
    texture = clouds(side, random)
    grain = texture - texture.mean(axis=(0, 1))
    found: Values = colours[leaf] + depths[leaf] * np.where(
        leaf[..., None] % 2, grain, grain[::-1].copy()
    )
    return found


def _shape(pen: ImageDraw.ImageDraw, number: int, side: int, random: np.random.Generator) -> None:
    """One leaf: small ones are frequent, large ones rare."""
    x, y = (random.uniform(-0.1, 1.1, 2) * side).tolist()
    radius = side * min(0.05 * random.uniform(0.001, 1) ** -0.5, 0.7)
    long = radius * np.exp(random.uniform(-0.9, 0.9))
    box = [x - radius, y - long, x + radius, y + long]
    kind = random.random()
    if kind < 0.4:
        pen.ellipse(box, fill=number)
    elif kind < 0.6:
        pen.rectangle(box, fill=number)
    else:
        corners = (random.normal(0, 1, (int(random.integers(3, 8)), 2)) * radius).tolist()
        pen.polygon([(x + right, y + down) for right, down in corners], fill=number)


def polygons(side: int, random: np.random.Generator) -> Values:
    """Flat shapes on a flat ground."""
    palette = _palette(random)
    picture = Image.new("RGB", (side, side), _ink(_colour(random)))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(1, 25))):
        corners = random.uniform(-0.2, 1.2, (int(random.integers(3, 7)), 2)) * side
        middle = corners.mean(axis=0)
        corners = middle + (corners - middle) * random.uniform(0.1, 0.9)
        fill = _ink(palette[int(random.integers(len(palette)))])
        pen.polygon([(x, y) for x, y in corners.tolist()], fill=fill)
    return np.array(picture, dtype=np.float32)


def stripes(side: int, random: np.random.Generator) -> Values:
    """Parallel stripes, hard or soft, or two sets of them across each other."""
    down, across = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j].astype(np.float32)
    wave = np.zeros((side, side), dtype=np.float32)
    for _ in range(int(random.integers(1, 3))):
        angle, phase = random.uniform(0, 2 * np.pi, 2).tolist()
        number = np.exp(random.uniform(np.log(1.5), np.log(30)))
        way = np.cos(angle) * across + np.sin(angle) * down
        wave += np.sin(2 * np.pi * number * way + phase)
    share = np.clip(0.5 + wave * np.exp(random.uniform(-1.2, 3)), 0, 1)[..., None]
    found: Values = _colour(random) * share + _colour(random) * (1 - share)
    return found


def strokes(side: int, random: np.random.Generator) -> Values:
    """Lines of short strokes, as writing looks from afar."""
    paper, ink = _colour(random), _colour(random)
    picture = Image.new("RGB", (side, side), _ink(paper))
    pen = ImageDraw.Draw(picture)
    height = int(random.integers(4, 22))
    for y in range(int(random.integers(0, height)), side, int(height * 1.5) + 1):
        x = float(random.uniform(0, height))
        while x < side:
            ends = random.uniform(0, height, (int(random.integers(2, 5)), 2)) * (0.5, 1)
            if random.random() < 0.85:
                line = [(x + right, y + down) for right, down in ends.tolist()]
                pen.line(line, fill=_ink(ink), width=max(1, height // 7))
            x += height * float(random.uniform(0.4, 0.7))
    return np.array(picture, dtype=np.float32)


def collage(side: int, random: np.random.Generator) -> Values:
    """Two pictures, one in place of the other along a soft or hard edge, or through it."""
    first, second = (_plain_kind(random)(side, random) for _ in range(2))
    way = clouds(side, random).mean(axis=2)
    way = (way - way.mean()) / way.std() + random.uniform(-0.8, 0.8)
    share = np.clip(0.5 + way * np.exp(random.uniform(-1.5, 3)), 0, 1)[..., None]
    found: Values = first * share + second * (1 - share)
    return found


def _plain_kind(random: np.random.Generator) -> Kind:
    return PLAIN[int(random.integers(len(PLAIN)))]


PLAIN: tuple[Kind, ...] = (grains, clouds, gradients, leaves, polygons, stripes, strokes)
# Leaves and collages have most in common with what cameras see
KINDS: dict[Kind, float] = dict.fromkeys(PLAIN, 1.0) | {leaves: 5.0, clouds: 1.5, collage: 4.0}


def _colour(random: np.random.Generator) -> Values:
    """A colour, rather grey than bright as most things are."""
    grey = random.uniform(15, 240)
    return np.clip(grey + random.normal(0, random.uniform(0, 60), 3), 0, 255).astype(np.float32)


def _palette(random: np.random.Generator) -> Values:
    """A few colours around one another."""
    middle = _colour(random)
    count = int(random.integers(2, 12))
    offsets = random.normal(0, 1, (count, 1)) * random.uniform(10, 70)
    tints = random.normal(0, random.uniform(3, 40), (count, 3))
    return np.clip(middle + offsets + tints, 0, 255).astype(np.float32)


def _ink(colour: Values) -> tuple[int, int, int]:
    red, green, blue = (int(part) for part in colour)
    return red, green, blue


def _scaled(values: Values, side: int) -> Values:
    """Values (h, w, 3) at another size, smoothly."""
    parts = [Image.fromarray(values[..., channel]) for channel in range(3)]
    scaled = [np.asarray(part.resize((side, side), Image.Resampling.BICUBIC)) for part in parts]
    return np.stack(scaled, axis=-1)


def one(seed: int, number: int, like: Pixels) -> Pixels:
    """One picture of `like`'s size, the same for the same seed and number."""
    random = np.random.default_rng([seed, number])
    shares = np.array(list(KINDS.values()))
    kind = list(KINDS)[int(random.choice(len(KINDS), p=shares / shares.sum()))]
    made = kind(len(like), random)
    if random.random() < 0.3:
        light = _scaled(random.uniform(0.45, 1.25, (3, 3, 3)).astype(np.float32), len(like))
        made = made * light
    if random.random() < MATCHED:
        made = _matched(made, like)
    made = made + max(0.0, LEAST - float(made.mean()))
    picture = Image.fromarray(np.clip(made, 0, 255).astype(np.uint8))
    if random.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.5)))
    return np.asarray(picture)


def _matched(made: Values, like: Pixels) -> Values:
    """The picture with another one's mean and deviation in each channel."""
    flat = like.reshape(-1, 3).astype(np.float32)
    own = made.reshape(-1, 3)
    scale = flat.std(axis=0) / np.maximum(own.std(axis=0), 1)
    matched: Values = (made - own.mean(axis=0)) * scale + flat.mean(axis=0)
    return matched


def shuffled(picture: Pixels, random: np.random.Generator) -> Pixels:
    """A picture cut into tiles, which are put together in another order."""
    number = int(random.choice([2, 4, 8, 16]))
    side = len(picture) // number
    tiles = picture.reshape(number, side, number, side, 3).swapaxes(1, 2)
    mixed = tiles.reshape(-1, side, side, 3)[random.permutation(number * number)]
    return mixed.reshape(number, number, side, side, 3).swapaxes(1, 2).reshape(picture.shape)


def _chunk(seed: int, like: Pixels, first: int) -> Pixels:
    return np.stack([one(seed, first + i, shown) for i, shown in enumerate(like)])


def pictures(seed: int, like: Pixels, workers: int) -> Pixels:
    """As many pictures as `like` has, shape (n, side, side, 3), drawn in several processes."""
    starts = range(0, len(like), CHUNK)
    parts = [like[start : start + CHUNK] for start in starts]
    with ProcessPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(functools.partial(_chunk, seed), parts, starts)))
