"""What a picture is of: the scene that the labels name, the camera's place, and what differs from
picture to picture.

Here live the terms that the drawing modules share, without any drawing. Lengths are metres in the
room, x to the right and y downwards from the camera, z along the aisle.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Colour = tuple[float, float, float]
CAP, OPEN_CAP, DRY_CAP, BLOTCHED_CAP = (108, 82, 62), (148, 122, 98), (214, 182, 126), (140, 98, 52)
STEM, MYCELIUM, SURFACE, BUDDING = (226, 216, 196), (222, 213, 196), (208, 194, 168), (134, 106, 80)
CUT, WOUND, SAWDUST = (216, 198, 164), (104, 78, 56), (186, 162, 130)
MOULD, SPORES, SPOT = (66, 98, 60), (134, 154, 118), (74, 42, 16)


@dataclass(frozen=True)
class Scene:
    """What a picture shows: growth day of the bags, stage and condition as the labels name them,
    kind of light.

    `light` is "white", "blue", "dim" or "dark".
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
    """Where a camera hangs: its picture in pixels, its vanishing point there, its racks, height,
    lens and tilt.
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
        u, v = self.focal * x / z, self.focal * (y + self.above) / z
        cosine, sine = math.cos(self.roll), math.sin(self.roll)
        return self.across + u * cosine - v * sine, self.down + u * sine + v * cosine


def view(width: int, height: int, random: np.random.Generator, variety: Variety = PLANT) -> View:
    """How one camera looks at its room, along the aisle or close to one rack; the same stream gives
    the same view.
    """
    turn, tilt, left, right, above, zoom, roll, kind = random.uniform(
        (-0.16, -0.08, 0.55, 0.55, 0.0, 0.0, -0.035, 0.0),
        (0.16, 0.08, 0.85, 0.85, 0.34, 1.0, 0.035, 1.0),
    ).tolist()
    if kind < variety.close:
        # The rack looked at: the aisle's end lies off the middle, the other way
        side = -1.0 if turn < 0 else 1.0
        turn, focal = -side * (0.3 + 1.6 * abs(turn)), (1.0 + 0.5 * zoom) * width
    else:
        focal = (0.74 + 0.3 * zoom) * width
    roll *= variety.spread
    return View(
        width, height, width * (0.5 + turn), height * (0.4 + tilt), -left, right, above, focal, roll
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
    number, size, tall, bag = (
        1 + spread * random.uniform(-1, 1, 4) * (0.2, 0.1, 0.1, 0.06)
    ).tolist()
    gone = (
        random.uniform(0.0, 0.45)
        if scene.stage == "harvested"
        else random.uniform(0.0, 0.03 * spread)
    )
    cap, bags = (
        1 + spread * (random.uniform(-0.1, 0.1) + random.uniform(-0.02, 0.02, 3)) for _ in range(2)
    )
    return Look(
        number,
        size,
        tall,
        bag,
        gone,
        random.uniform(0.5, 0.95),
        tuple(cap.tolist()),
        tuple(bags.tolist()),
    )


class Crop(NamedTuple):
    """Caps on one bag: how many, and their sizes as shares of half the bag's width."""

    number: float
    radius: float
    height: float
    flat: float  # height of a cap over its width
    opened: float  # 0 for the dark domes of young caps, 1 for the wide pale ones that are ripe


def crop(scene: Scene, scale: Look) -> Crop | None:
    """The caps by growth day: pinheads from day 5, clusters that rise from day 8, wide open caps
    from day 24.
    """
    if scene.stage == "harvested":
        return Crop(9 * scale.number, 0.13 * scale.size, 0.16 * scale.tall, 0.6, 0.0)
    age = scene.growth_day
    if age < 5:
        return None
    risen = 1 / (1 + math.exp(7.5 - age)) * 0.5 + 0.5 * min(max((age - 7.5) / 15, 0.0), 1.0)
    opened = 1 / (1 + math.exp(3.2 * (23.5 - age)))
    number, radius, height = (
        15 - 3 * risen,
        0.06 + 0.17 * risen + 0.19 * opened,
        0.05 + 0.7 * risen + 0.12 * opened,
    )
    if scene.condition == "long_stems":
        radius, height = radius * 0.55, height * 1.75 + 0.1
    if scene.condition == "dry_caps":
        radius, height = radius * 0.86, height * 0.9
    flat = 0.76 - 0.3 * opened - 0.16 * (scene.condition == "dry_caps")
    return Crop(number * scale.number, radius * scale.size, height * scale.tall, flat, opened)
