"""What a picture is of: the scene that the labels name, the camera's place, and what chance adds.

Here live the terms that the drawing modules share, without any drawing. Lengths are metres in the
room, x to the right and y downwards from the camera, z along the aisle.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Colour = tuple[float, float, float]
CAP = (108, 82, 62)
OPEN_CAP = (148, 122, 98)
DRY_CAP = (214, 182, 126)
BLOTCHED_CAP = (140, 98, 52)
STEM = (226, 216, 196)
MYCELIUM = (222, 213, 196)
SURFACE = (208, 194, 168)
BUDDING = (134, 106, 80)
CUT = (216, 198, 164)
WOUND = (104, 78, 56)
SAWDUST = (186, 162, 130)
MOULD = (66, 98, 60)
SPORES = (134, 154, 118)
SPOT = (74, 42, 16)


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    The growth day is that of the bags; stage and condition are as the labels name them; `light` is
    "white", "blue", "dim" or "dark".
    """

    growth_day: int
    stage: str
    condition: str
    light: str

    @property
    def lit(self) -> str:
        """The light that is on: none in a dark frame."""
        return "dark" if self.condition == "dark_frame" else self.light


class Variety(NamedTuple):
    """How much chance decides.

    Attributes:
        spread: of sizes, numbers and colours around their middle; 1 is what the plant's own rooms
            differ by.
        close: share of cameras that hang close to one rack.
        fog: share of pictures with a fogged lens.
        blur: share of pictures out of focus.
        cover: share of pictures with something in front of the lens.
    """

    spread: float
    close: float
    fog: float
    blur: float
    cover: float


PLANT = Variety(spread=1.0, close=0.5, fog=0.06, blur=0.08, cover=0.04)


class View(NamedTuple):
    """Where a camera hangs and what it looks at.

    Its picture in pixels, its vanishing point there, its racks, height, lens and tilt.
    """

    width: int
    height: int
    across: float
    down: float
    left: float  # x of the racks
    right: float
    above: float  # metres that the camera hangs above the middle of the racks
    focal: float  # pixels
    roll: float  # radians

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """A point of the room in the picture."""
        u = self.focal * x / z
        v = self.focal * (y + self.above) / z
        cosine = math.cos(self.roll)
        sine = math.sin(self.roll)
        return self.across + u * cosine - v * sine, self.down + u * sine + v * cosine


def view(width: int, height: int, random: np.random.Generator, variety: Variety = PLANT) -> View:
    """How one camera looks at its room: along the aisle or close to one rack.

    The same stream gives the same view.
    """
    turn, tilt, left, right, above, zoom, roll, kind = random.uniform(
        (-0.16, -0.08, 0.55, 0.55, 0.0, 0.0, -0.035, 0.0),
        (0.16, 0.08, 0.85, 0.85, 0.34, 1.0, 0.035, 1.0),
    ).tolist()
    if kind < variety.close:
        # The rack looked at: the aisle's end lies off the middle, the other way
        side = -1.0 if turn < 0 else 1.0
        turn = -side * (0.3 + 1.6 * abs(turn))
        focal = (1.0 + 0.5 * zoom) * width
    else:
        focal = (0.74 + 0.3 * zoom) * width
    return View(
        width=width,
        height=height,
        across=width * (0.5 + turn),
        down=height * (0.4 + tilt),
        left=-left,
        right=right,
        above=above,
        focal=focal,
        roll=roll * variety.spread,
    )


class Look(NamedTuple):
    """What differs between pictures that show the same; 1 is the middle of a factor."""

    number: float  # of caps on a bag
    size: float  # of caps
    tall: float  # of stems
    bag: float  # of bags
    gone: float  # share of bags taken out
    struck: float  # share of bags that a disease has reached
    cap_tint: Colour
    bag_tint: Colour


def look(scene: Scene, random: np.random.Generator, variety: Variety = PLANT) -> Look:
    """A look by chance. Bags leave their shelves at the harvest, one in 60 before."""
    spread = variety.spread
    factors = 1 + spread * random.uniform(-1, 1, 4) * (0.2, 0.1, 0.1, 0.06)
    number, size, tall, bag = factors.tolist()
    most_gone = 0.45 if scene.stage == "harvested" else 0.03 * spread
    gone = random.uniform(0.0, most_gone)
    cap_tint = _tint(spread, random)
    bag_tint = _tint(spread, random)
    struck = random.uniform(0.5, 0.95)
    return Look(number, size, tall, bag, gone, struck, cap_tint, bag_tint)


def _tint(spread: float, random: np.random.Generator) -> Colour:
    """A little lighter or darker, and a little off in each channel."""
    factors = 1 + spread * (random.uniform(-0.1, 0.1) + random.uniform(-0.02, 0.02, 3))
    red, green, blue = factors.tolist()
    return red, green, blue


class Crop(NamedTuple):
    """Caps on one bag: how many, and their sizes as shares of half the bag's width."""

    number: float
    radius: float
    height: float
    flat: float  # height of a cap over its width
    opened: float  # 0 for the dark domes of young caps, 1 for the wide pale ones that are ripe


def crop(scene: Scene, scale: Look) -> Crop | None:
    """The caps by growth day.

    Pinheads from day 5, clusters that rise from day 8, wide open caps from day 24.
    """
    if scene.stage == "harvested":
        return Crop(9 * scale.number, 0.13 * scale.size, 0.16 * scale.tall, 0.6, 0.0)
    age = scene.growth_day
    if age < 5:
        return None
    risen = 1 / (1 + math.exp(7.5 - age)) * 0.5 + 0.5 * min(max((age - 7.5) / 15, 0.0), 1.0)
    opened = 1 / (1 + math.exp(3.2 * (23.5 - age)))
    number = 15 - 3 * risen
    radius = 0.06 + 0.17 * risen + 0.19 * opened
    height = 0.05 + 0.7 * risen + 0.12 * opened
    if scene.condition == "long_stems":
        radius *= 0.55
        height = height * 1.75 + 0.1
    if scene.condition == "dry_caps":
        radius *= 0.86
        height *= 0.9
    flat = 0.76 - 0.3 * opened - 0.16 * (scene.condition == "dry_caps")
    return Crop(number * scale.number, radius * scale.size, height * scale.tall, flat, opened)
