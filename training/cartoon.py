"""Another farm, in another style: flat shapes with outlines, seen from above or from the side.

Nothing of it is shared with the simulated plant: other mushrooms, another room, another pen. It
stands for a farm whose pictures the packaged model knows nothing of.
"""

import math

import numpy as np
from PIL import Image, ImageDraw

from training.elsewhere import jpeg

WIDTH, HEIGHT = 640, 360
Ink = tuple[int, int, int]
LINE: Ink = (30, 26, 34)
SOILS: tuple[Ink, ...] = ((84, 58, 40), (60, 48, 44), (122, 92, 60), (44, 40, 38))
CAPS: tuple[Ink, ...] = ((250, 246, 238), (224, 200, 160), (196, 60, 48), (240, 170, 60))
WALLS: tuple[Ink, ...] = ((196, 224, 236), (232, 226, 200), (150, 190, 160), (210, 200, 220))


def farms(seed: int, count: int) -> list[bytes]:
    """Files of both views in turn, the same for the same seed."""
    made = []
    for number in range(count):
        random = np.random.default_rng([seed, number])
        picture = Image.new("RGB", (WIDTH, HEIGHT), _one(WALLS, random))
        view = _beds if number % 2 else _logs
        view(ImageDraw.Draw(picture), random)
        made.append(jpeg(picture))
    return made


def _one(inks: tuple[Ink, ...], random: np.random.Generator) -> Ink:
    """One of the colours, a little off."""
    red, green, blue = (
        np.array(inks[int(random.integers(len(inks)))]) + random.integers(-12, 13, 3)
    ).tolist()
    return red, green, blue


def _beds(pen: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """Beds of soil from above, with round caps and the shadows beside them."""
    number = int(random.integers(2, 5))
    width = WIDTH / number
    soil = _one(SOILS, random)
    cap = _one(CAPS, random)
    radius = float(random.uniform(6, 26))
    for bed in range(number):
        box = [bed * width + 14, 16, (bed + 1) * width - 14, HEIGHT - 16]
        pen.rounded_rectangle(box, 12, fill=soil, outline=LINE, width=4)
        for _ in range(int(random.integers(4, 40))):
            x, y = random.uniform((box[0] + 16, 34), (box[2] - 16, HEIGHT - 34)).tolist()
            size = radius * float(random.uniform(0.6, 1.2))
            ring = [x - size, y - size, x + size, y + size]
            pen.ellipse([part + size / 4 for part in ring], fill=LINE)
            pen.ellipse(ring, fill=cap, outline=LINE, width=2)
            pen.arc([part - size / 5 for part in ring], 20, 80, fill=LINE)


def _logs(pen: ImageDraw.ImageDraw, random: np.random.Generator) -> None:
    """Logs that lean on a bar before a wall, each with half caps at its side."""
    ground = float(random.uniform(250, 320))
    pen.rectangle([0, ground, WIDTH, HEIGHT], fill=_one(SOILS, random))
    pen.line([(0, 90), (WIDTH, 90)], fill=LINE, width=8)
    bark = _one(SOILS, random)
    cap = _one(CAPS, random)
    for x in range(int(random.integers(20, 80)), WIDTH, int(random.integers(70, 130))):
        lean = float(random.uniform(-40, 40))
        thick = float(random.uniform(12, 26))
        foot = (x, ground + 20)
        head = (x + lean, 60.0)
        side = [(foot[0] - thick, foot[1]), (head[0] - thick, head[1])]
        other = [(head[0] + thick, head[1]), (foot[0] + thick, foot[1])]
        pen.polygon([*side, *other], fill=bark, outline=LINE, width=3)
        for _ in range(int(random.integers(0, 9))):
            share = float(random.uniform(0.1, 0.9))
            size = float(random.uniform(8, 26))
            middle = foot[0] + share * (head[0] - foot[0]) + thick * math.copysign(1, lean)
            down = foot[1] + share * (head[1] - foot[1])
            ring = [middle - size, down - size, middle + size, down + size]
            pen.chord(ring, 180, 360, fill=cap, outline=LINE, width=3)
