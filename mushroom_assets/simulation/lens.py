"""Between the room and the file: light, exposure, fog, focus, grain, and what hangs in front.

Here lives what a camera does to a picture, whatever the picture shows. Nothing here draws the room.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mushroom_assets.simulation.scene import PLANT, Colour, Variety

LIGHTS = {
    "white": (1.14, 1.12, 1.06),
    "blue": (0.38, 0.55, 1.12),
    "dim": (0.36, 0.37, 0.4),
    "dark": (0.035, 0.035, 0.04),
}


class Lens(NamedTuple):
    """The state of one camera at one moment.

    Attributes:
        tint: light times exposure and white balance, by channel.
        fog: share of the picture's contrast that fog takes, 0 to 1.
        blur: radius over the picture's width.
        grain: of the sensor; 1 is the usual.
        cover: share of the width that something in front hides; 0 is a free lens.
    """

    tint: Colour
    fog: float
    blur: float
    grain: float
    cover: float


def lens(light: str, random: np.random.Generator, variety: Variety = PLANT) -> Lens:
    """A lens by chance, under a kind of light."""
    spread = variety.spread
    exposure = float(np.exp(spread * random.uniform(-0.12, 0.12)))
    balance = 1 + spread * random.uniform(-0.025, 0.025, 3)
    red, green, blue = (np.array(LIGHTS[light]) * exposure * balance).tolist()
    happens = random.random(3) < (variety.fog, variety.blur, variety.cover)
    fogged, blurred, covered = happens.tolist()
    fog, blur, cover = random.uniform((0.2, 0.0012, 0.06), (0.55, 0.004, 0.22)).tolist()
    grain = float(np.exp(spread * random.uniform(-0.4, 0.4)))
    return Lens((red, green, blue), fog * fogged, blur * blurred, grain, cover * covered)


def through(picture: Image.Image, glass: Lens, random: np.random.Generator) -> Image.Image:
    """The picture as the lens and its sensor give it.

    The corners are darker, and there is more grain the less light there is.
    """
    if glass.cover:
        _cover(picture, glass.cover, random)
    if glass.blur or glass.fog:  # drops scatter: a fogged lens is soft as well
        radius = (glass.blur + 0.003 * glass.fog) * picture.width
        picture = picture.filter(ImageFilter.BoxBlur(radius))
    tint = np.array(glass.tint, dtype=np.float32)
    rows = np.linspace(-1, 1, picture.height, dtype=np.float32) ** 2
    columns = np.linspace(-1, 1, picture.width, dtype=np.float32) ** 2
    corners = 1 - 0.16 * (rows[:, None] + columns[None, :])
    lit: NDArray[np.float32] = np.array(picture, dtype=np.float32)
    lit *= corners[..., None] * tint
    if glass.fog:
        _fog(lit, glass.fog, random)
    coarse = np.float32(glass.grain * (0.8 + 0.6 / (0.3 + tint[1])))
    lit += (random.integers(-5, 6, corners.shape, dtype=np.int8) * coarse)[..., None]
    return Image.fromarray(np.clip(lit, 0, 255, out=lit).astype(np.uint8))


def _fog(lit: NDArray[np.float32], fog: float, random: np.random.Generator) -> None:
    """Uneven haze in the colour of the room's light."""
    height, width = lit.shape[:2]
    clouds = Image.fromarray(random.uniform(0.5, 1.0, (3, 5)).astype(np.float32))
    thickness = np.asarray(clouds.resize((width, height), Image.Resampling.BICUBIC))
    share = thickness[..., None] * np.float32(fog * 1.25)
    haze = lit[::8, ::8].mean(axis=(0, 1)) * np.float32(1.25) + 6
    lit += (haze - lit) * np.minimum(share, np.float32(0.85))


def _cover(picture: Image.Image, share: float, random: np.random.Generator) -> None:
    """A post, a cable or a person's back in front of the camera."""
    width, height = picture.size
    pen = ImageDraw.Draw(picture)
    place, lean, tone, kind = random.uniform((0.0, -0.15, 40, 0), (1.0, 0.15, 150, 1)).tolist()
    half = share * width / 2
    x = place * width
    fill = (int(tone), int(tone * (0.9 + 0.2 * lean)), int(tone * 0.95))
    if kind < 0.4:  # a post
        pen.line([(x, 0), (x + lean * width, height)], fill=fill, width=round(half))
    elif kind < 0.6:  # a hose that hangs through
        bend = [(x - 0.4 * width, 0), (x, height * 0.55), (x + 0.4 * width, 0)]
        pen.line(bend, fill=fill, width=max(2, round(half / 3)), joint="curve")
    else:  # somebody walks by
        head = half * 0.62
        crown = height * (0.3 + lean)
        hair = (fill[0] // 2, fill[1] // 2, fill[2] // 2)
        pen.ellipse([x - half * 1.4, crown + head * 1.7, x + half * 1.4, height * 1.6], fill=fill)
        pen.ellipse([x - head, crown, x + head, crown + 2.2 * head], fill=hair)
