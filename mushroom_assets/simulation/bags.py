"""A bag of substrate and what grows on it: mycelium, caps by growth day, and what ails them.

Here lives the drawing of one bag. Where bags stand lives in `render`, sizes by growth day in
`scene`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import ImageDraw

from mushroom_assets.simulation import scene as terms
from mushroom_assets.simulation.scene import Colour, Crop, Look, Scene, View

Pen = ImageDraw.ImageDraw
Ink = tuple[int, int, int]
BAG_WIDTH = 0.24  # m
BAG_HEIGHT = 0.2
# Half a bag's width over the picture's: what is drawn in full, and with fewer caps
NEAR = 0.04
MIDDLE = 0.018


class Batch(NamedTuple):
    """All bags of one picture."""

    scene: Scene
    look: Look
    crop: Crop | None


class Spot(NamedTuple):
    """One bag in the picture, px.

    The middle of its surface, half its width, the surface's half height, its foot.
    """

    across: float
    top: float
    half: float
    rim: float
    down: float
    shade: float
    near: int  # 2 in full, 1 with fewer caps, 0 a few spots


def ink(colour: Colour, shade: float, tint: Colour = (1.0, 1.0, 1.0)) -> Ink:
    """A colour in a shade, for the pen; what exceeds 255 the pen itself must not see."""
    red, green, blue = colour
    return (
        min(255, int(red * shade * tint[0])),
        min(255, int(green * shade * tint[1])),
        min(255, int(blue * shade * tint[2])),
    )


def bag(
    pen: Pen,
    camera: View,
    place: tuple[float, float, float],
    batch: Batch,
    random: np.random.Generator,
) -> None:
    """Draw the bag that stands at a place, if the camera sees it."""
    x, y, z = place
    metre = camera.focal / z
    across, down = camera.project(x + (0.14 if x > 0 else -0.14), y, z)
    half = BAG_WIDTH / 2 * metre * batch.look.bag
    tall = BAG_HEIGHT * metre * batch.look.bag
    beside = across + 2 * half < 0 or across - 2 * half > camera.width
    if beside or down < 0 or down - 2.2 * tall > camera.height:
        return
    lean, light, sick = random.random(3).tolist()
    seen = (y + camera.above - BAG_HEIGHT) / z  # how steeply the camera looks down on the surface
    spot = Spot(
        across=across,
        top=down - tall * (0.94 + 0.08 * lean),
        half=half,
        rim=max(1.0, half * min(max(seen, 0.07), 0.7)),
        down=down,
        shade=(0.8 + 0.2 * light) * max(0.5, 1.06 - 0.065 * z),
        near=int(half > NEAR * camera.width) + int(half > MIDDLE * camera.width),
    )
    struck = sick < batch.look.struck
    _body(pen, spot, x < 0, batch, random)
    if batch.scene.condition == "green_mould" and struck:
        _mould(pen, spot, random)
    if batch.crop:
        _cluster(pen, spot, batch, batch.crop, struck, random)


def _body(pen: Pen, spot: Spot, left: bool, batch: Batch, random: np.random.Generator) -> None:
    """A cylinder in four tones; the side turned from the aisle lies in shade."""
    across, top, half, rim, down, shade, near = spot
    tint = batch.look.bag_tint
    foot = min(rim, 0.35 * half)
    side = down - foot * 0.3
    tone = 0.82 if batch.scene.stage == "harvested" else 0.92
    body = ink(terms.MYCELIUM, shade * tone, tint)
    pen.ellipse([across - half, down - foot, across + half, down + foot * 0.6], fill=body)
    pen.rectangle([across - half, top, across + half, side], fill=body)
    away = half if left else -half
    for share, tone in ((0.5, 0.84), (0.72, 0.75), (0.88, 0.64))[: near + 1]:
        first, last = sorted((across + away * share, across + away))
        pen.rectangle([first, top, last, side], fill=ink(terms.MYCELIUM, shade * tone, tint))
    if near:  # sawdust that the mycelium has not covered
        bare = random.uniform((-0.85, 0.2, 0.03), (0.7, 0.85, 0.13), (4 * near, 3))
        _patches(pen, spot, bare.tolist(), ink(terms.SAWDUST, shade, tint))
    edge = [across - half, top - rim, across + half, top + rim]
    inner = [across - half * 0.88, top - rim * 0.86, across + half * 0.88, top + rim * 0.86]
    pen.ellipse(edge, fill=ink(terms.SURFACE, shade, tint))
    pen.ellipse(inner, fill=ink(_surface_colour(batch), shade, tint))


def _surface_colour(batch: Batch) -> Colour:
    if batch.scene.stage == "harvested":
        return terms.WOUND
    if batch.scene.stage == "primordia" or batch.crop is not None:
        return terms.BUDDING
    return terms.SURFACE


def _patches(pen: Pen, spot: Spot, where: Iterable[Sequence[float]], fill: Ink) -> None:
    """Flat spots on a bag's side at (across, down, size) in shares of it."""
    across, top, half, _, down, *_ = spot
    for u, v, size in where:
        x = across + u * half
        y = top + v * (down - top)
        pen.ellipse([x, y, x + size * 1.2 * half, y + size * half], fill=fill)


def _mould(pen: Pen, spot: Spot, random: np.random.Generator) -> None:
    """Dark green colonies with a pale edge of spores, on the side and over the surface."""
    across, top, half, rim, _, shade, near = spot
    middle = random.uniform((-0.9, -0.05), (0.3, 0.5), (2, 1, 2))
    where = random.uniform((-0.12, -0.14, 0.14), (0.38, 0.34, 0.42), (2, 3 + 2 * near, 3))
    where[..., :2] += middle
    colonies = where.reshape(-1, 3)
    _patches(pen, spot, np.add(colonies, (-0.05, -0.03, 0.09)).tolist(), ink(terms.SPORES, shade))
    _patches(pen, spot, colonies.tolist(), ink(terms.MOULD, shade))
    u = float(middle[0, 0, 0]) * half * 0.6
    left = across + u - half * 0.3
    right = across + u + half * 0.45
    over = [left, top - rim * 0.7, right, top + rim * 0.6]
    pen.ellipse(over, fill=ink(terms.MOULD, shade * 0.9))


def _cluster(
    pen: Pen, spot: Spot, batch: Batch, crop: Crop, struck: bool, random: np.random.Generator
) -> None:
    """The caps on a bag, those at the back first."""
    across, top, half, rim, _, shade, near = spot
    count = crop.number
    radius = crop.radius * half
    if near < 2:  # far away a cluster is a few pixels: fewer and larger caps
        count *= (0.4, 0.65)[near]
        radius *= (1.4, 1.15)[near]
    condition = batch.scene.condition if struck else "healthy"
    cut = batch.scene.stage == "harvested"
    colour = _cap_colour(condition, crop, cut)
    stem = ink(terms.STEM, shade * 0.86)
    thickness = 0.34 if crop.opened > 0.5 else 0.5
    lowest = (-0.86, -0.9, 0.72, 0.84, 0.55)
    highest = (0.86, 0.9, 1.2, 1.08, 1.0)
    drawn = random.uniform(lowest, highest, (max(3, round(count)), 5))
    for u, v, size, tone, rise in drawn[np.argsort(drawn[:, 1])].tolist():
        r = radius * size
        up = crop.height * half * rise * (1.1 - 0.4 * u * u)
        x = across + u * half * (0.75 + 0.3 * crop.height)
        y = top + v * rim * 0.8 - up
        if near and up > 1.5 * r:
            foot = (across + u * half * 0.5, top + v * rim * 0.5)
            pen.line([foot, (x, y)], fill=stem, width=max(1, round(r * thickness)))
        _cap(pen, (x, y, r), ink(colour, shade * tone, batch.look.cap_tint), crop.flat)
        if near == 2 and r > 3 and not cut:
            _skin(pen, (x, y, r), shade * tone, condition, u)


def _cap_colour(condition: str, crop: Crop, cut: bool) -> Colour:
    if cut:
        return terms.CUT
    if condition == "dry_caps":
        return terms.DRY_CAP
    if condition == "blotch":
        return terms.BLOTCHED_CAP
    young = np.array(terms.CAP)
    ripe = np.array(terms.OPEN_CAP)
    red, green, blue = (young + (ripe - young) * crop.opened).tolist()
    return red, green, blue


def _cap(pen: Pen, cap: tuple[float, float, float], fill: Ink, flat: float) -> None:
    """A dome: its dark underside, then its skin."""
    x, y, r = cap
    if r > 1.5:
        red, green, blue = fill
        under = (red * 5 // 9, green * 5 // 9, blue * 5 // 9)
        pen.ellipse([x - r, y - r * flat * 0.7, x + r, y + r * flat * 1.1], fill=under)
    pen.ellipse([x - r * 0.95, y - r * flat, x + r * 0.92, y + r * flat * 0.75], fill=fill)


def _skin(
    pen: Pen, cap: tuple[float, float, float], shade: float, condition: str, place: float
) -> None:
    """The near caps' surface: a sheen, wet brown blotches, or cracks."""
    x, y, r = cap
    if condition == "blotch":
        spots = (
            (-0.62 + place * 0.3, -0.3, 0.5),
            (0.15, -0.2 - place * 0.2, 0.36),
            (-0.1, 0.05, 0.3),
        )
        for u, v, size in spots:
            where = [x + u * r, y + v * r, x + (u + size) * r, y + (v + size * 0.7) * r]
            pen.ellipse(where, fill=ink(terms.SPOT, shade))
    elif condition == "dry_caps":
        for u in (-0.45, 0.25):
            crack = [(x + u * r, y - r * 0.4), (x + (u + 0.25 * place) * r, y + r * 0.35)]
            pen.line(crack, fill=ink((84, 62, 42), shade), width=max(1, round(r * 0.12)))
    else:
        sheen = [x - r * 0.55, y - r * 0.45, x + r * 0.1, y - r * 0.1]
        pen.ellipse(sheen, fill=ink((170, 146, 120), shade))
