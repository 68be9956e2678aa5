"""The cameras' pictures, by arithmetic and by contrast: geometry, growth, lens and light."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mushroom_assets.simulation.lens import LIGHTS, Lens, lens, through
from mushroom_assets.simulation.render import draw
from mushroom_assets.simulation.scene import PLANT, Crop, Look, Scene, View, crop, look, view

Pixels = npt.NDArray[np.float64]

CLEAR = PLANT._replace(fog=0.0, blur=0.0, cover=0.0)
FREE = Lens(tint=(1.0, 1.0, 1.0), fog=0.0, blur=0.0, grain=0.0, cover=0.0)
MIDDLE = Look(1.0, 1.0, 1.0, 1.0, 0.0, 1.0, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))


def stream(*numbers: int) -> np.random.Generator:
    return np.random.default_rng([7, *numbers])


def pixels(scene: Scene, number: int = 0) -> Pixels:
    camera = view(320, 180, stream(1, number), CLEAR)
    return np.asarray(draw(scene, camera, stream(2, number), CLEAR), dtype=float)


def test_a_point_twice_as_far_lies_half_as_far_from_the_vanishing_point() -> None:
    camera = View(640, 360, 300.0, 150.0, -0.6, 0.6, above=0.2, focal=500.0, roll=0.0)
    assert camera.project(0.4, 0.1, 2.0) == (300 + 500 * 0.4 / 2, 150 + 500 * 0.3 / 2)
    assert camera.project(0.4, 0.1, 4.0) == (300 + 500 * 0.4 / 4, 150 + 500 * 0.3 / 4)
    tilted = camera._replace(roll=np.pi / 2)  # what lay to the right now lies below
    assert tilted.project(0.4, -0.2, 2.0) == pytest.approx((300, 150 + 100))


def test_a_stream_gives_one_view_and_half_of_the_cameras_hang_close() -> None:
    assert view(640, 360, stream(3)) == view(640, 360, stream(3))
    views = [view(640, 360, stream(4, n)) for n in range(400)]
    # Along the aisle the focal length is 0.74 to 1.04 widths
    close = [v for v in views if v.focal > 640 * 1.04]
    assert abs(len(close) / 400 - 0.5) < 4 * (0.25 / 400) ** 0.5
    # They look at one rack, not down the aisle
    assert all(abs(v.across / 640 - 0.5) > 0.29 for v in close)
    assert {v.across < 320 for v in close} == {True, False}


def test_the_crop_follows_the_growth_day() -> None:
    def on(day: int, stage: str = "fruiting", condition: str = "healthy") -> Crop:
        found = crop(Scene(day, stage, condition, "white"), MIDDLE)
        assert found is not None
        return found

    assert crop(Scene(4, "substrate", "healthy", "white"), MIDDLE) is None
    days = [on(day) for day in range(5, 28)]
    for earlier, later in itertools.pairwise(days):
        assert later.height > earlier.height
        assert later.radius > earlier.radius
        assert later.flat <= earlier.flat
    assert on(5).radius < 0.1 < 0.3 < on(27).radius < 0.5  # of half a bag's width
    # The stages' edges are where the crop changes most: rising clusters from day 8, open caps from
    # day 24.
    steps = {day: on(day + 1).radius - on(day).radius for day in range(9, 27)}
    assert max(steps, key=lambda day: steps[day]) == 23
    rising = {day: on(day + 1).height - on(day).height for day in range(5, 27)}
    assert max(rising, key=lambda day: rising[day]) == 7
    leggy, sound = on(15, condition="long_stems"), on(15)
    assert leggy.radius == pytest.approx(0.55 * sound.radius)
    assert leggy.height / leggy.radius > 3 * sound.height / sound.radius
    assert on(1, "harvested").height < sound.height / 2


def test_bags_leave_at_the_harvest() -> None:
    gone = [look(Scene(1, "harvested", "healthy", "white"), stream(5, n)).gone for n in range(200)]
    before = [look(Scene(9, "fruiting", "healthy", "white"), stream(5, n)).gone for n in range(200)]
    assert max(before) <= 0.03 < 0.4 < max(gone) <= 0.45


def test_grain_has_the_spread_of_its_arithmetic() -> None:
    """Whole numbers -5..5 have a variance of 10.

    They are scaled by 0.8 + 0.6 / (0.3 + light), more in the dark.
    """
    for tint in (1.0, 0.3):
        seen = through(
            Image.new("RGB", (400, 400), (200, 200, 200)),
            FREE._replace(tint=(tint,) * 3, grain=1.0),
            stream(6),
        )
        middle = np.asarray(seen, dtype=float)[180:220, 180:220, 0]
        # Cutting off decimals adds 1/12, and the corners' fall takes less than 1 over the 40 px in
        # the middle.
        expected = np.sqrt(10 * (0.8 + 0.6 / (0.3 + tint)) ** 2 + 1 / 12)
        assert middle.std() == pytest.approx(expected, rel=0.05)
        assert middle.mean() == pytest.approx(200 * tint, abs=1)


def test_the_corners_are_darker() -> None:
    seen = np.asarray(
        through(Image.new("RGB", (200, 100), (100, 100, 100)), FREE, stream(7)), dtype=float
    )
    assert seen[50, 100].max() == pytest.approx(100, abs=1)
    assert seen[0, 0].max() == pytest.approx(100 * (1 - 2 * 0.16), abs=1)


def test_fog_takes_contrast_and_blur_takes_edges() -> None:
    board = np.zeros((180, 320, 3), dtype=np.uint8)
    board[:, 160:] = 200

    def row(glass: Lens) -> npt.NDArray[np.float64]:
        return np.array(through(Image.fromarray(board), glass, stream(8)), np.float64)[90, :, 0]

    clear = row(FREE)
    fogged = row(FREE._replace(fog=0.5))
    blurred = row(FREE._replace(blur=0.004))
    # The clouds are 0.625 to 1.25 times the fog, so a contrast of 1 becomes one of 0.375 to 0.69.
    assert 0.37 < np.ptp(fogged) / np.ptp(clear) < 0.7
    assert np.abs(np.diff(clear)).max() > 190
    assert np.abs(np.diff(blurred)).max() < 100
    assert blurred[40] == clear[40]


def test_a_covered_lens_hides_a_part_of_the_room() -> None:
    room = Image.new("RGB", (320, 180), (250, 0, 0))
    for number in range(12):
        seen = np.asarray(
            through(room.copy(), FREE._replace(cover=0.2), stream(9, number)), dtype=float
        )
        hidden = (seen[..., 1] > 10).mean()
        assert hidden < 0.45
    shares = [lens("white", stream(10, n)).cover > 0 for n in range(2000)]
    assert np.mean(shares) == pytest.approx(PLANT.cover, abs=4 * np.sqrt(0.04 * 0.96 / 2000))


def test_some_frames_of_the_plant_are_fogged_or_blurred_and_most_are_clear() -> None:
    states = [lens("white", stream(11, n)) for n in range(2000)]
    for share, expected in (
        (np.mean([s.fog > 0 for s in states]), 0.06),
        (np.mean([s.blur > 0 for s in states]), 0.08),
    ):
        assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 2000))


def test_light_decides_colour_and_brightness() -> None:
    by_light = {
        light: pixels(Scene(15, "fruiting", "healthy", light)).mean(axis=(0, 1))
        for light in ("white", "blue", "dim")
    }
    assert by_light["blue"][2] > 1.5 * by_light["blue"][0]
    assert by_light["white"][2] < 1.2 * by_light["white"][0]
    # One stream: the same room, the same exposure
    ratio = by_light["dim"].mean() / by_light["white"].mean()
    assert ratio == pytest.approx(np.mean(LIGHTS["dim"]) / np.mean(LIGHTS["white"]), rel=0.1)
    assert pixels(Scene(15, "fruiting", "dark_frame", "white")).mean() < 10


def small(scene: Scene, number: int) -> Pixels:
    """As large as a model sees it."""
    picture = Image.fromarray(pixels(scene, number).astype(np.uint8))
    return np.asarray(picture.resize((128, 128), Image.Resampling.BICUBIC), dtype=float)


def shares(condition: str, seen: Callable[[Pixels], Any], day: int = 20) -> float:
    stage = "harvested" if condition == "empty_room" else "fruiting"
    return float(
        np.mean([seen(small(Scene(day, stage, condition, "white"), n)).mean() for n in range(8)])
    )


def test_conditions_show_in_a_models_few_pixels() -> None:
    def green(p: Pixels) -> Any:
        return p[..., 1] > np.maximum(p[..., 0], p[..., 2]) + 15

    def rusty(p: Pixels) -> Any:
        return p[..., 0] > 2.2 * p[..., 2]

    def brown(p: Pixels) -> Any:  # the skin of young caps; neither bags nor shadows
        return (p[..., 0] > 1.25 * p[..., 2]) & (p.mean(-1) < 80) & (p.mean(-1) > 30)

    def straw(p: Pixels) -> Any:
        return (p[..., 0] > 1.4 * p[..., 2]) & (p.mean(-1) > 110)

    assert shares("green_mould", green) > 0.01 > 10 * shares("healthy", green)
    assert shares("blotch", rusty) > 0.02 > 4 * shares("healthy", rusty)
    assert shares("dry_caps", straw) > 2 * shares("healthy", straw)
    assert shares("healthy", brown) > 2 * shares("dry_caps", brown)
    assert shares("healthy", brown) > 1.4 * shares("long_stems", brown)  # small caps
    assert shares("empty_room", brown) < 0.01
