"""What may happen to a picture in training: another light, orientation, focus, file or section.

Chance decides. Most pictures stay as they were drawn, so that these are read as well as ever; some
are altered beyond recognition, and their labels are doubted as much. Here lives what is done to
pixels of the model's own size; which pictures there are is the business of `scenes` and `foreign`,
and the alterations that are measured are those of `alterations`.
"""

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]
Change = Callable[[Pixels, np.random.Generator], Pixels]

SHIFT = 8  # px that a picture is moved at most
ALTERED = 0.25  # share of the pictures that are altered and still to be read
AGAIN = 0.3  # of those, the share that is altered twice
WRECKED = 0.05  # share that is altered beyond recognition
DARK = 25  # mean grey level below which a picture shows darkness, whatever is done to it
DOUBT = 0.9  # share of a wrecked picture's aim that is spread over all labels
FILE = (320, 180)  # px at which a JPEG's blocks have the size that they have in a camera's file


class Varied(NamedTuple):
    """n pictures as a step of the training sees them.

    Attributes:
        pixels: shape (n, side, side, 3).
        plain: shape (n,), whether only moved, mirrored, and a little lighter or darker.
        doubt: shape (n,), how little the labels are to be trusted, 0 to 1.
    """

    pixels: Pixels
    plain: NDArray[np.bool_]
    doubt: NDArray[np.float32]


def varied(pixels: Pixels, random: np.random.Generator) -> Varied:
    """Pictures of shape (n, side, side, 3), each varied by chance."""
    out = moved(pixels, random)
    chances = random.random((len(out), 2))
    doubt = np.zeros(len(out), dtype=np.float32)
    dark = out.mean(axis=(1, 2, 3)) < DARK
    for i, (which, again) in enumerate(chances.tolist()):
        if which < WRECKED and not dark[i]:
            out[i] = _one(WRECKS, random)(out[i], random)
            doubt[i] = DOUBT
        elif which < WRECKED + ALTERED:
            out[i] = altered(out[i], random, 1 + (again < AGAIN))
    return Varied(out, chances[:, 0] >= WRECKED + ALTERED, doubt)


def moved(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Mirrored half of the time, moved by some pixels, lighter or darker."""
    side = pixels.shape[1]
    padded = np.pad(pixels, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    out = np.empty_like(pixels)
    moves = random.integers(0, (2 * SHIFT + 1, 2 * SHIFT + 1, 2), (len(pixels), 3))
    for i, (down, across, mirror) in enumerate(moves):
        part = padded[i, down : down + side, across : across + side]
        out[i] = part[:, ::-1] if mirror else part
    gain = np.exp(random.uniform(-0.15, 0.15, (len(pixels), 1, 1, 1))).astype(np.float32)
    return _bytes(out * gain)


def altered(picture: Pixels, random: np.random.Generator, times: int = 1) -> Pixels:
    """A picture altered so that it can still be read."""
    for _ in range(times):
        picture = _one(ALTERATIONS, random)(picture, random)
    return picture


def section_of(picture: Pixels, random: np.random.Generator) -> Pixels:
    """A section of a picture, at the picture's size: sides of 0.36 to 0.95 of its sides."""
    return _cropped(0.36, 0.95)(picture, random)


def _one(changes: dict[Change, float], random: np.random.Generator) -> Change:
    ends = np.cumsum(list(changes.values()))
    return list(changes)[int(np.searchsorted(ends, random.uniform(0, ends[-1])))]


def _bytes(values: NDArray[np.floating]) -> Pixels:
    made: Pixels = np.clip(values, 0, 255).astype(np.uint8)
    return made


def _lamp(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Another lamp: sodium, a red LED, or any; its light replaces part of the room's colours."""
    kind = random.random()
    if kind < 0.35:
        light = random.uniform((0.95, 0.5, 0.05), (1.25, 0.85, 0.5))
    elif kind < 0.65:
        light = random.uniform((0.8, 0.02, 0.02), (1.3, 0.35, 0.4))
    else:
        light = np.exp(random.uniform(-1.1, 0.25, 3))
    grey = picture @ np.array([0.3, 0.59, 0.11])
    share = random.uniform(0, 0.6)
    return _bytes((share * grey[..., None] + (1 - share) * picture) * light)


def _infrared(picture: Pixels, random: np.random.Generator) -> Pixels:
    """A night frame: one grey, of any mixture of the channels."""
    shares = random.dirichlet((2.0, 2.0, 1.0))
    grey = (picture @ shares) * random.uniform(0.7, 1.3) + random.uniform(-10, 25)
    return _bytes(np.repeat(grey[..., None], 3, axis=2))


def _exposure(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Half to double exposure, and another curve between black and white."""
    bent = 255 * (picture / np.float32(255)) ** np.exp(random.uniform(-0.35, 0.35))
    return _bytes(bent * np.exp(random.uniform(-0.8, 0.5)))


def _turned(picture: Pixels, random: np.random.Generator) -> Pixels:
    """A camera that hangs upside down, or on its side."""
    quarters = int(random.choice([2, 1, 3], p=[0.5, 0.25, 0.25]))
    return np.rot90(picture, quarters)


def _tilted(picture: Pixels, random: np.random.Generator) -> Pixels:
    """A camera that hangs askew, by 20 degrees at most."""
    angle = random.uniform(-20, 20)
    fill = tuple(int(part) for part in picture.mean(axis=(0, 1)) * random.integers(0, 2))
    turned = Image.fromarray(picture).rotate(angle, Image.Resampling.BILINEAR, fillcolor=fill)
    return np.asarray(turned)


def _blurred(least: float, most: float) -> Change:
    def blur(picture: Pixels, random: np.random.Generator) -> Pixels:
        radius = len(picture) * float(np.exp(random.uniform(np.log(least), np.log(most))))
        of = ImageFilter.GaussianBlur if random.random() < 0.5 else ImageFilter.BoxBlur
        return np.asarray(Image.fromarray(picture).filter(of(radius)))

    return blur


def _noisy(least: float, most: float) -> Change:
    def noise(picture: Pixels, random: np.random.Generator) -> Pixels:
        deviation = np.float32(random.uniform(least, most))
        grain = int(random.integers(1, 3))
        channels = int(random.choice([1, 3]))
        side = len(picture) // grain
        fine = random.standard_normal((side, side, channels), dtype=np.float32)
        grains = fine.repeat(grain, axis=0).repeat(grain, axis=1)
        return _bytes(picture + deviation * grains)

    return noise


def _filed(picture: Pixels, random: np.random.Generator) -> Pixels:
    """A camera's file of low quality."""
    file = io.BytesIO()
    large = Image.fromarray(picture).resize(FILE, Image.Resampling.BILINEAR)
    large.save(file, "JPEG", quality=int(random.integers(5, 45)))
    size = picture.shape[1::-1]
    return np.asarray(Image.open(file).resize(size, Image.Resampling.BICUBIC))


def _cropped(least: float, most: float) -> Change:
    def crop(picture: Pixels, random: np.random.Generator) -> Pixels:
        side = len(picture)
        kept = random.uniform(least, most) * np.exp(random.uniform(-0.1, 0.1, 2)) * side
        width, height = np.minimum(kept, side).tolist()
        left = random.uniform(0, side - width)
        top = random.uniform(0, side - height)
        box = (left, top, left + width, top + height)
        scaled = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC, box)
        return np.asarray(scaled)

    return crop


def _letterboxed(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Bars above and below, or at both sides."""
    side = len(picture)
    kept = int(side * random.uniform(0.5, 0.92))
    first = (side - kept) // 2
    upright = random.random() < 0.5
    size = (kept, side) if upright else (side, kept)
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    out = np.full_like(picture, random.choice([0, 0, 0, 128, 255]))
    if upright:
        out[:, first : first + kept] = small
    else:
        out[first : first + kept] = small
    return out


def _washed_out(picture: Pixels, random: np.random.Generator) -> Pixels:
    return _bytes(picture * random.uniform(5, 15) + random.uniform(40, 120))


def _blocky(picture: Pixels, random: np.random.Generator) -> Pixels:
    size = tuple(random.integers(5, 13, 2).tolist())
    few = Image.fromarray(picture).resize(size, Image.Resampling.BOX)
    return np.asarray(few.resize(picture.shape[1::-1], Image.Resampling.NEAREST))


# Each with its weight; radii are shares of the width, deviations grey levels at the model's size
ALTERATIONS: dict[Change, float] = {
    _lamp: 3.0,
    _infrared: 2.0,
    _exposure: 1.0,
    _turned: 3.0,
    _tilted: 1.0,
    _blurred(0.003, 0.025): 2.5,
    _noisy(4, 26): 2.0,
    _filed: 1.5,
    _cropped(0.36, 0.95): 3.0,
    _letterboxed: 1.5,
}
WRECKS: dict[Change, float] = {
    _blurred(0.045, 0.12): 2.0,
    _noisy(60, 130): 2.0,
    _cropped(0.06, 0.16): 2.0,
    _washed_out: 1.0,
    _blocky: 1.5,
}
