"""What a real camera may do to a picture, by name and at one strength each, for the model card.

The training alters pictures by chance and at the model's own size (`variations`); here a whole file
is decoded, altered and stored again, so that what is measured is what the pipeline would meet.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from training.elsewhere import jpeg

Alteration = Callable[[Image.Image, np.random.Generator], Image.Image]


def _as_is(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    return picture


def _lit(red: float, green: float, blue: float) -> Alteration:
    def lit(picture: Image.Image, _: np.random.Generator) -> Image.Image:
        values = np.asarray(picture, dtype=np.float32) * np.array((red, green, blue), np.float32)
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))

    return lit


def _monochrome(red: float, green: float, blue: float) -> Alteration:
    """A lamp of nearly one wavelength: the picture's grey in one colour."""

    def lit(picture: Image.Image, _: np.random.Generator) -> Image.Image:
        grey = np.asarray(picture.convert("L"), dtype=np.float32)[..., None]
        values = grey * np.array((red, green, blue), np.float32)
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))

    return lit


def _grey(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    return picture.convert("L").convert("RGB")


def _blurred(share: float) -> Alteration:
    def blurred(picture: Image.Image, _: np.random.Generator) -> Image.Image:
        return picture.filter(ImageFilter.GaussianBlur(share * picture.width))

    return blurred


def _noisy(deviation: float) -> Alteration:
    def noisy(picture: Image.Image, random: np.random.Generator) -> Image.Image:
        values = np.asarray(picture) + random.normal(0, deviation, (*picture.size[::-1], 3))
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))

    return noisy


def _cropped(share: float) -> Alteration:
    def cropped(picture: Image.Image, random: np.random.Generator) -> Image.Image:
        width = round(picture.width * share)
        height = round(picture.height * share)
        left = int(random.integers(0, picture.width - width + 1))
        top = int(random.integers(0, picture.height - height + 1))
        return picture.crop((left, top, left + width, top + height))

    return cropped


def _turned(degrees: float, *, grown: bool = False) -> Alteration:
    def turned(picture: Image.Image, _: np.random.Generator) -> Image.Image:
        return picture.rotate(degrees, Image.Resampling.BICUBIC, expand=grown)

    return turned


def _mirrored(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    return ImageOps.mirror(picture)


def _letterboxed(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    """Black bars that make it square."""
    side = max(picture.size)
    return ImageOps.pad(picture, (side, side), color=(0, 0, 0))


# By the card's name: what is done, and the quality of the file that it is stored in
ALTERATIONS: dict[str, tuple[Alteration, int]] = {
    "as is": (_as_is, 92),
    "JPEG of quality 30": (_as_is, 30),
    "JPEG of quality 10": (_as_is, 10),
    "half the exposure": (_lit(0.5, 0.5, 0.5), 92),
    "blur, 1 % of the width": (_blurred(0.01), 92),
    "blur, 2 % of the width": (_blurred(0.02), 92),
    "noise, deviation 20": (_noisy(20), 92),
    "noise, deviation 40": (_noisy(40), 92),
    "warm light": (_lit(1.1, 0.7, 0.25), 92),
    "sodium lamp": (_monochrome(1.25, 0.85, 0.2), 92),
    "red LED": (_lit(1.0, 0.1, 0.12), 92),
    "infrared, grey": (_grey, 92),
    "crop, 70 % of the sides": (_cropped(0.7), 92),
    "crop, 40 % of the sides": (_cropped(0.4), 92),
    "turned by 90°": (_turned(90, grown=True), 92),
    "upside down": (_turned(180), 92),
    "mirrored": (_mirrored, 92),
    "tilted by 15°": (_turned(15), 92),
    "black bars to a square": (_letterboxed, 92),
}


def altered(data: bytes, name: str, seed: int) -> bytes:
    """A file altered; chance depends on the seed alone."""
    change, quality = ALTERATIONS[name]
    with Image.open(io.BytesIO(data)) as file:
        picture = file.convert("RGB")
    return jpeg(change(picture, np.random.default_rng(seed)), quality)
