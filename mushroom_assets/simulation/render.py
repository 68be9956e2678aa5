"""What a shot looks like: an aisle between racks of bags, drawn back to front, through a lens.

Here lives the room alone; a bag lives in `bags`, the camera's doing in `lens`, which shots there
are in `cameras`.
"""

import itertools

import numpy as np
from PIL import Image, ImageDraw

from mushroom_assets.simulation.bags import Batch, Pen, bag, ink
from mushroom_assets.simulation.lens import lens, through
from mushroom_assets.simulation.scene import PLANT, Scene, Variety, View, crop, look

TIERS = (-0.62, -0.2, 0.22, 0.64, 1.06)  # height of the boards
# Where bags stand, far to near, so that the near ones cover the far
DEPTHS = 0.62 * 1.18 ** np.arange(14, -1, -1)
FAR = 7.6  # m along the aisle: the far wall
FLOOR = 1.3
CEILING = -1.2


def draw(
    scene: Scene, camera: View, random: np.random.Generator, variety: Variety = PLANT
) -> Image.Image:
    """A picture in RGB, of the camera's size."""
    picture = Image.new("RGB", (camera.width, camera.height), (58, 60, 62))
    pen = ImageDraw.Draw(picture)
    seen = look(scene, random, variety)
    glass = lens(scene.lit, random, variety)
    _room(pen, camera)
    for x in (camera.left, camera.right):
        _rack(pen, camera, x, scene.lit)
    if scene.condition != "empty_room":
        batch = Batch(scene, seen, crop(scene, seen))
        for z, x, y in itertools.product(DEPTHS.tolist(), (camera.left, camera.right), TIERS):
            if random.random() >= seen.gone:
                bag(pen, camera, (x, y, z), batch, random)
    return through(picture, glass, random)


def _room(pen: Pen, camera: View) -> None:
    """Floor, ceiling, the far wall with its door, and the air cooler above it."""
    near = 0.5
    for y, colour in ((FLOOR, (104, 104, 100)), (CEILING, (150, 152, 150))):
        corners = [(-2.0, y, FAR), (2.0, y, FAR), (2.0, y, near), (-2.0, y, near)]
        pen.polygon([camera.project(*corner) for corner in corners], fill=colour)
    wall = ((-2.0, CEILING, 2.0, FLOOR), (168, 170, 168))
    door = ((-0.35, -0.6, 0.35, FLOOR), (188, 190, 190))
    cooler = ((-0.5, CEILING + 0.05, 0.5, -0.75), (92, 96, 98))
    for (left, top, right, bottom), fill in (wall, door, cooler):
        ring = [(left, top), (right, top), (right, bottom), (left, bottom)]
        pen.polygon([camera.project(x, y, FAR) for x, y in ring], fill=fill)


def _rack(pen: Pen, camera: View, x: float, light: str) -> None:
    """Boards, posts, and a lamp along the underside of each board."""
    near = 0.5
    far = 7.3
    depth = 0.8 if x > 0 else -0.8
    corners = ((-1.1, far), (1.3, far), (1.3, near), (-1.1, near))
    back = [camera.project(x + depth * 0.6, y, z) for y, z in corners]
    pen.polygon(back, fill=(46, 45, 44))
    lamp = (245, 248, 255) if light in ("white", "blue") else (90, 90, 88)
    thick = max(2, round(camera.focal * 0.004))
    for y in TIERS:
        edge = [camera.project(x, y, near), camera.project(x, y, far)]
        behind = [camera.project(x + depth, y, far), camera.project(x + depth, y, near)]
        board = (120, 118, 112) if y + camera.above > 0 else (66, 66, 66)
        pen.polygon([*edge, *behind], fill=board)
        pen.line(edge, fill=(176, 178, 178), width=thick + 1)
        lit = [camera.project(x + depth / 4, y - 0.37, z) for z in (0.8, far)]
        pen.line(lit, lamp, thick)
    for z in (1.1, 2.0, 3.2, 5.0, 7.2):
        ends = [camera.project(x, -1.1, z), camera.project(x, 1.3, z)]
        width = max(2, round(camera.focal * 0.014 / z))
        pen.line(ends, fill=ink((150, 152, 152), 1.0), width=width)
