"""The cameras: keys by the contract's pattern, what shots claim, files that open or do not."""

import dataclasses
import datetime as dt
import io
import re

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.simulation.cameras import Shot, render, shots

ROOMS = ["607", "608", "611", "612"]
DAYS = [dt.date(2025, 12, 1) + dt.timedelta(days=later) for later in range(90)]
KEY = re.compile(
    r"(?P<folder>[^/]+)/(?P<day>\d{8})/(?P<room>[^_]+)_(?P<camera>\d+)_(?P<batch>\d{6,8})_(?P<stamp>\d{14})\.jpg"
)


@pytest.fixture(scope="module")
def season(farm: Farm) -> list[Shot]:
    return [shot for day in DAYS for shot in shots(farm, ROOMS, day, seed=1)]


def test_keys_parse_back_to_the_shot(farm: Farm, season: list[Shot]) -> None:
    written = set()
    for shot in season:
        parts = KEY.fullmatch(shot.key)
        assert parts
        assert parts["folder"] == farm.folder(shot.room_id)
        assert (parts["room"], parts["camera"]) == (shot.room_id, shot.camera)
        assert parts["day"] == f"{shot.captured_at:%Y%m%d}"
        captured = dt.datetime.strptime(parts["stamp"], "%Y%m%d%H%M%S").replace(tzinfo=farm.zone)
        assert captured == shot.captured_at
        assert (captured.minute, captured.second) == (1, 30)
        short, long = (
            f"{shot.in_date.year}{shot.in_date.month}{shot.in_date.day}",
            f"{shot.in_date:%Y%m%d}",
        )
        assert parts["batch"] in (short, long)
        written.add(len(parts["batch"]))
        assert shot.growth_day == (shot.captured_at.date() - shot.in_date).days + 1
    assert {7, 8} <= written
    assert len({shot.key for shot in season}) == len(season)
    assert len({shot.camera for shot in season}) == 8


def test_two_cameras_a_room_one_shot_an_hour_minus_drop_outs(season: list[Shot]) -> None:
    assert 160 < len(season) / len(DAYS) < 190
    per_camera_day: dict[tuple[str, dt.date], list[int]] = {}
    for shot in season:
        per_camera_day.setdefault((shot.camera, shot.captured_at.date()), []).append(
            shot.captured_at.hour
        )
    counts = [len(hours) for hours in per_camera_day.values()]
    assert max(counts) == 24
    assert min(counts) <= 18


def test_labels_are_the_farms_and_follow_the_growth(farm: Farm, season: list[Shot]) -> None:
    assert {shot.stage for shot in season} == set(farm.vision.stages)
    others = [
        shot
        for seed in (2, 3, 4)
        for day in DAYS[::3]
        for shot in shots(farm, ROOMS, day, seed=seed)
    ]
    assert {shot.condition for shot in season + others} == set(farm.vision.conditions)
    assert sum(shot.condition == "healthy" for shot in season) / len(season) > 0.8
    assert all(shot.growth_day == 1 for shot in season if shot.condition == "empty_room")
    for shot in season:
        if shot.growth_day > 1:
            days = {
                "substrate": (2, 4),
                "primordia": (5, 7),
                "fruiting": (8, 23),
                "harvest": (24, 27),
            }[shot.stage]
            assert days[0] <= shot.growth_day <= days[1]


def test_shots_are_a_function_of_seed_room_and_day(farm: Farm) -> None:
    day = DAYS[40]
    assert shots(farm, ROOMS, day, seed=1) == shots(farm, ROOMS, day, seed=1)
    assert shots(farm, ROOMS, day, seed=1) != shots(farm, ROOMS, day, seed=2)
    assert shots(farm, ["611"], day, seed=1) == [
        s for s in shots(farm, ROOMS, day, seed=1) if s.room_id == "611"
    ]


@pytest.mark.parametrize(
    ("day", "hours"), [(dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 24)]
)
def test_an_hour_that_the_clocks_skip_or_repeat(brussels: Farm, day: dt.date, hours: int) -> None:
    counts = []
    for seed in range(12):
        taken = [shot for shot in shots(brussels, ["north"], day, seed=seed)]
        assert len({shot.key for shot in taken}) == len(taken)
        counts += [
            sum(shot.camera == camera for shot in taken)
            for camera in {shot.camera for shot in taken}
        ]
    assert max(counts) == hours


def test_a_farm_with_labels_of_its_own_gets_its_own() -> None:
    farm = parse_farm(
        "{timezone: UTC, first_day: 2026-01-01, rooms: {a: {}},"
        " vision: {unknown_margin: 0, templates: ['{}'], sound: good,"
        " stages: {young: {prompts: [x]}, old: {prompts: [y]}},"
        " conditions: {good: {prompts: [x]}, bad: {prompts: [y]}}}}"
    )
    taken = shots(farm, ["a"], DAYS[0], seed=1)
    assert {(shot.stage, shot.condition) for shot in taken} == {("young", "good")}


@pytest.mark.parametrize("size", [(960, 540), (320, 180), (64, 36)])
def test_a_sound_shot_is_a_jpeg_of_the_size_asked_for(
    season: list[Shot], size: tuple[int, int]
) -> None:
    of_each = {(shot.stage, shot.condition): shot for shot in season if shot.fault is None}
    for shot in of_each.values():
        file = render(shot, seed=1, size=size)
        with Image.open(io.BytesIO(file)) as picture:
            picture.load()
            assert (picture.format, picture.size, picture.mode) == ("JPEG", size, "RGB")
        if size == (960, 540):
            assert 40_000 < len(file) < 125_000


def test_a_faulted_shot_does_not_open(season: list[Shot]) -> None:
    faulted = {shot.fault: shot for shot in season}
    assert set(faulted) == {None, "truncated", "empty"}
    assert sum(shot.fault is not None for shot in season) / len(DAYS) < 3
    assert render(faulted["empty"], seed=1) == b""
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(render(faulted["empty"], seed=1)))
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(render(faulted["truncated"], seed=1))).load()


def test_pictures_differ_by_shot_and_seed_and_show_their_condition(season: list[Shot]) -> None:
    def pixels(shot: Shot, seed: int = 1) -> np.ndarray:
        return np.asarray(
            Image.open(io.BytesIO(render(shot, seed=seed, size=(320, 180)))), dtype=float
        )

    noon = next(
        s
        for s in season
        if s.captured_at.hour == 12 and s.growth_day == 3 and s.condition == "healthy"
    )
    assert np.array_equal(pixels(noon), pixels(noon))
    assert not np.array_equal(pixels(noon), pixels(noon, seed=2))
    ripe = dataclasses.replace(noon, growth_day=26, stage="harvest")
    dark = dataclasses.replace(noon, condition="dark_frame")
    assert pixels(dark).mean() < 20 < pixels(noon).mean()
    assert pixels(ripe).mean() < pixels(noon).mean()  # brown caps instead of white bags


def test_a_camera_keeps_its_view_and_two_cameras_differ(season: list[Shot]) -> None:
    def bare(shot: Shot) -> np.ndarray:
        shown = dataclasses.replace(shot, condition="empty_room", stage="harvested", growth_day=1)
        picture = Image.open(io.BytesIO(render(shown, seed=1, size=(320, 180)))).convert("L")
        return np.asarray(picture, dtype=float).ravel()

    clear = [
        s
        for s in season
        if s.captured_at.hour == 12 and s.fault is None and s.room_id in ("607", "611")
    ]
    by_camera = {
        c: [bare(s) for s in clear if s.camera == c][:5] for c in sorted({s.camera for s in clear})
    }
    alike = {
        (a, b): np.median(
            [np.corrcoef(x, y)[0, 1] for x in by_camera[a] for y in by_camera[b] if x is not y]
        )
        for a in by_camera
        for b in by_camera
    }
    assert len(by_camera) == 4
    # The median passes over a fogged or covered frame
    assert min(alike[c, c] for c in by_camera) > 0.95
    assert max(value for (a, b), value in alike.items() if a != b) < 0.9
