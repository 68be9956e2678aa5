"""What a shot looks like: an aisle between racks of bags, caps by growth day, light by hour, noise of the sensor.

Here lives the drawing alone; which shots there are and what each should show lives in `cameras`. Lengths are metres in
the room, y downwards from the camera's height; z is the distance along the aisle.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pen = ImageDraw.ImageDraw
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]  # in pixels
TIERS = (-0.62, -0.2, 0.22, 0.64, 1.06)  # height of the boards
DEPTHS = 0.95 * 1.18 ** np.arange(12, -1, -1)  # where bags stand, far to near, so that the near ones cover the far
BAG = (0.24, 0.2)  # width and height of a bag
LIGHTS = {
    "white": (1.14, 1.12, 1.06),
    "blue": (0.38, 0.55, 1.12),
    "dim": (0.36, 0.37, 0.4),
    "dark": (0.035, 0.035, 0.04),
}
CAP, STEM, MYCELIUM, MOULD = (124, 96, 72), (226, 214, 192), (222, 212, 194), (62, 104, 66)


@dataclass(frozen=True)
class Scene:
    """What a picture shows: growth day of the bags, stage and condition as the labels name them, kind of light."""

    growth_day: int
    stage: str
    condition: str
    light: str


class View(NamedTuple):
    """Where a camera hangs: its picture in pixels, its vanishing point there, the racks left and right in metres."""

    width: int
    height: int
    across: float
    down: float
    left: float
    right: float

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """A point of the room in the picture."""
        focal = 0.82 * self.width
        return self.across + focal * x / z, self.down + focal * y / z


def view(width: int, height: int, random: np.random.Generator) -> View:
    """How one camera looks at its room; the same stream gives the same view."""
    turn, tilt, left, right = random.uniform((-0.16, -0.05, 0.55, 0.55), (0.16, 0.08, 0.85, 0.85)).tolist()
    return View(width, height, width * (0.5 + turn), height * (0.42 + tilt), -left, right)


def draw(scene: Scene, camera: View, random: np.random.Generator) -> Image.Image:
    """A picture in RGB, of the camera's size."""
    picture = Image.new("RGB", (camera.width, camera.height), (58, 60, 62))
    pen = ImageDraw.Draw(picture)
    _room(pen, camera)
    for x in (camera.left, camera.right):
        _rack(pen, camera, x, scene.light)
    if scene.condition != "empty_room":
        for z in DEPTHS.tolist():
            for x in (camera.left, camera.right):
                for y in TIERS:
                    if random.random() < 0.985:  # here and there a bag was taken out
                        _bag(pen, camera, (x, y, z), scene, random)
    return _exposed(picture, scene, random)


def _room(pen: Pen, camera: View) -> None:
    far, floor, ceiling = 8.0, 1.3, -1.2
    near = 0.5
    for y, colour in ((floor, (104, 104, 100)), (ceiling, (150, 152, 150))):
        corners = [(-2.0, y, far), (2.0, y, far), (2.0, y, near), (-2.0, y, near)]
        pen.polygon([camera.project(*corner) for corner in corners], fill=colour)
    pen.rectangle([*camera.project(-2.0, ceiling, far), *camera.project(2.0, floor, far)], fill=(168, 170, 168))
    pen.rectangle([*camera.project(-0.35, -0.6, far), *camera.project(0.35, floor, far)], fill=(188, 190, 190))
    pen.rectangle([*camera.project(-0.5, ceiling + 0.05, far), *camera.project(0.5, -0.75, far)], fill=(92, 96, 98))


def _rack(pen: Pen, camera: View, x: float, light: str) -> None:
    """Boards, posts, and a lamp along the underside of each board."""
    near, far, depth = 0.55, 7.3, 0.8 if x > 0 else -0.8
    back = [camera.project(x + depth * 0.6, y, z) for y, z in ((-1.1, far), (1.3, far), (1.3, near), (-1.1, near))]
    pen.polygon(back, fill=(46, 45, 44))
    lamp = (235, 240, 255) if light in ("white", "blue") else (90, 90, 88)
    for y in TIERS:
        edge = camera.project(x, y, near), camera.project(x, y, far)
        behind = camera.project(x + depth, y, far), camera.project(x + depth, y, near)
        pen.polygon([*edge, *behind], fill=(120, 118, 112) if y > 0 else (66, 66, 66))
        pen.line(edge, fill=(176, 178, 178), width=3)
        lit = y - 0.37
        pen.line([camera.project(x + depth / 4, lit, 0.9), camera.project(x + depth / 4, lit, far)], fill=lamp, width=2)
    for z in (1.1, 2.0, 3.2, 5.0, 7.2):
        ends = [camera.project(x, -1.1, z), camera.project(x, 1.3, z)]
        pen.line(ends, fill=(150, 152, 152), width=max(2, round(camera.width * 0.012 / z)))


def _bag(pen: Pen, camera: View, place: tuple[float, float, float], scene: Scene, random: np.random.Generator) -> None:
    x, y, z = place
    metre = 0.82 * camera.width / z  # pixels
    inward = 0.14 if x > 0 else -0.14
    across, down = camera.project(x + inward, y, z)
    half, tall = BAG[0] / 2 * metre, BAG[1] * metre
    if across + 2 * half < 0 or across - 2 * half > camera.width or down < 0 or down - 2 * tall > camera.height:
        return
    shade = (0.8 + 0.2 * random.random()) * (1.0 - 0.055 * z)
    top, rim = down - tall, max(1.0, half * 0.34)
    pen.rounded_rectangle([across - half, top, across + half, down], half * 0.3, fill=_shaded(MYCELIUM, shade * 0.92))
    away = half if x < 0 else -half  # the side turned from the aisle lies in shade, in three steps
    for share, tone in ((0.55, 0.86), (0.75, 0.78), (0.9, 0.68)):
        ends = sorted((across + away * share, across + away))
        pen.rectangle([ends[0], top + tall * 0.1, ends[1], down - tall * 0.04], fill=_shaded(MYCELIUM, shade * tone))
    if z < 4:  # sawdust that the mycelium has not covered
        bare = random.uniform((-0.85, 0.2, 0.03), (0.7, 0.9, 0.13), (7, 3))
        _patches(pen, (across, top, half, tall), bare, (186, 162, 130), shade)
    pen.ellipse([across - half, top - rim, across + half, top + rim], fill=_shaded((206, 188, 160), shade))
    if scene.condition == "green_mould" and random.random() < 0.3:
        mould = random.uniform((-0.9, -0.1, 0.3), (0.4, 0.6, 0.7), (4, 3))
        _patches(pen, (across, top, half, tall), mould, MOULD, shade)
    _cluster(pen, (across, top, half, rim), shade, scene, random)


def _patches(pen: Pen, bag: Box, where: NDArray[np.float64], colour: Colour, shade: float) -> None:
    """Flat spots on a bag (middle, top, half width, height) at (k, 3) shares across, down and in size."""
    across, top, half, tall = bag
    for u, v, size in where.tolist():
        spot = [across + u * half, top + v * tall, across + (u + size * 1.2) * half, top + (v + size * 0.5) * tall]
        pen.ellipse(spot, fill=_shaded(colour, shade))


def _cluster(pen: Pen, top: Box, shade: float, scene: Scene, random: np.random.Generator) -> None:
    """The caps on a bag; `top` is the middle of its surface and that ellipse's half width and half height."""
    across, down, half, rim = top
    age, cut = scene.growth_day, scene.stage == "harvested"
    if age < 5 and not cut:
        return
    grown = min(max((age - 4.5) / 21.0, 0.0), 1.0)
    count, radius, height = 7 + round(9 * grown), half * (0.05 + 0.31 * grown), half * (0.06 + 0.85 * grown)
    if scene.condition == "long_stems":
        radius, height = radius * 0.55, height * 1.7
    if cut:
        radius, height = half * 0.16, half * 0.12
    if half < 12:  # far away a cluster is a few pixels: fewer and larger caps
        count, radius = 4, radius * 1.4
    colour = (200, 180, 150) if cut else (168, 138, 98) if scene.condition == "dry_caps" else CAP
    drawn = random.uniform((-0.9, 0.0, 0.72, 0.82), (0.9, 1.0, 1.15, 1.05), (count, 4))
    for u, rise, size, tone in drawn[np.argsort(-drawn[:, 1])].tolist():  # the high ones stand behind
        r = radius * size
        cx, cy = across + u * half * 0.95, down + rim * 0.4 - height * (0.35 + 0.65 * rise) * (1.1 - 0.5 * u * u)
        if height > 6:
            foot = across + u * half * 0.5, down + rim * 0.3
            pen.line([foot, (cx, cy)], fill=_shaded(STEM, shade * tone * 0.9), width=max(1, round(r * 0.55)))
        flat = 0.62 if scene.condition != "dry_caps" else 0.5
        if r > 2:
            pen.ellipse([cx - r, cy - r * flat, cx + r, cy + r * flat], fill=_shaded(colour, shade * tone * 0.62))
        pen.ellipse([cx - r * 0.92, cy - r * flat, cx + r * 0.88, cy + r * 0.42], fill=_shaded(colour, shade * tone))
        if r > 4 and not cut:
            _skin(pen, (cx, cy, r), shade * tone, scene.condition, u)


def _skin(pen: Pen, cap: tuple[float, float, float], shade: float, condition: str, place: float) -> None:
    """The near caps' surface: a sheen, wet brown blotches, or cracks."""
    cx, cy, r = cap
    if condition == "blotch":
        for u, v in ((-0.4 + place * 0.3, -0.2), (0.25, -0.05 - place * 0.2)):
            spot = [cx + u * r, cy + v * r, cx + (u + 0.45) * r, cy + (v + 0.3) * r]
            pen.ellipse(spot, fill=_shaded((74, 44, 14), shade), outline=_shaded((176, 132, 40), shade))
    elif condition == "dry_caps":
        for u in (-0.4, 0.25):
            crack = [(cx + u * r, cy - r * 0.4), (cx + (u + 0.2 * place) * r, cy + r * 0.25)]
            pen.line(crack, fill=_shaded((208, 184, 148), shade), width=max(1, round(r * 0.08)))
    else:
        pen.ellipse([cx - r * 0.5, cy - r * 0.45, cx + r * 0.1, cy - r * 0.12], fill=_shaded((160, 134, 108), shade))


def _shaded(colour: Colour, shade: float) -> Colour:
    red, green, blue = colour
    return int(red * shade), int(green * shade), int(blue * shade)


def _exposed(picture: Image.Image, scene: Scene, random: np.random.Generator) -> Image.Image:
    """Light, darker corners and grain: more grain the less light."""
    tint = np.array(LIGHTS["dark" if scene.condition == "dark_frame" else scene.light], dtype=np.float32)
    tint *= np.float32(random.uniform(0.9, 1.08))
    rows, columns = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 for n in (picture.height, picture.width))
    corners = 1 - 0.16 * (rows[:, None] + columns[None, :])
    grain = random.integers(-5, 6, corners.shape, dtype=np.int8) * np.float32(0.8 + 0.6 / (0.3 + tint[1]))
    lit: NDArray[np.float32] = np.asarray(picture, dtype=np.float32) * corners[..., None] * tint + grain[..., None]
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
