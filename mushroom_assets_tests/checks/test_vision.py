"""Rules of `daily_clip_inference`: each fault is found among rows as the asset stores them.

One test is of a real run over a broken file.
"""

import datetime as dt
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mushroom_assets.resources import ImageStore
from mushroom_assets.storage.schema import daily_clip_inference
from mushroom_assets_tests.kit.evaluations import (
    DAY,
    ERROR,
    NEXT,
    VISION,
    WARN,
    checks_only,
    examples,
    failing,
    offending,
    verdicts,
)
from mushroom_assets_tests.kit.plant import write_farm
from mushroom_assets_tests.kit.small import SmallFarm

TODAY = dt.date.fromisoformat(DAY)
GOOD: dict[str, Any] = {
    "model_id": "m/w/1",
    "run_id": "r",
    "computed_at": dt.datetime(2026, 1, 6, tzinfo=dt.UTC),
    "status": "ok",
    "embedding": [0.6, 0.8],
    "stage": "fruiting",
    "stage_probability": 0.9,
    "stage_margin": 0.8,
    "condition": "healthy",
    "condition_probability": 0.9,
    "sharpness": 400.0,
    "brightness": 0.4,
}


def images(small: SmallFarm, camera: str, *days_ago: int, count: int = 6, **columns: Any) -> None:
    """Rows of images of a camera of room A, or of that named before the slash (`B/cam1`)."""
    room, _, name = camera.rpartition("/")
    place = {"room_id": room or "A", "camera": name}
    rows = []
    for ago in days_ago:
        for number in range(count):
            path = {"image_path": f"{camera}-{ago}-{number}"}
            day = {"image_date": TODAY - dt.timedelta(days=ago)}
            rows.append(GOOD | place | path | day | columns)
    with small.database.transaction() as connection:
        connection.execute(daily_clip_inference.insert(), rows)


@pytest.fixture
def seen(small: SmallFarm) -> SmallFarm:
    """A week and a day of good images of both rooms, 6 a day."""
    for camera in ("A/cam1", "B/cam1"):
        images(small, camera, *range(8))
    return small


def test_good_images_pass_every_check(seen: SmallFarm) -> None:
    assert failing(checks_only(seen, VISION, DAY)) == set()


def test_a_truncated_image_is_a_warning_with_its_path_and_reason(
    small: SmallFarm, tmp_path: Path
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (120, 90), (200, 180, 160)).save(file, "JPEG")
    names = {f"A/20260105/A_cam_202611_202601050{hour}0000.jpg": hour for hour in (7, 8)}
    for name, hour in names.items():
        target = tmp_path / "images" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.getvalue()[: 300 if hour == 8 else None])
    doors = {"image_store": ImageStore(root=str(tmp_path / "images"))}
    result = small.run(VISION, DAY, resources=doors)
    assert result.success
    assert failing(result) == {"images_readable", "cameras_deliver"}  # room B has no image
    found = verdicts(result)["images_readable"]
    assert (found.severity, offending(found)) == (WARN, 1)
    (example,) = examples(found)
    broken = "A/20260105/A_cam_202611_20260105080000.jpg"
    assert example.startswith(f"2026-01-05, {broken}, unreadable, ")
    assert "check the camera" in (found.description or "")
    (tmp_path / "images" / broken).write_bytes(file.getvalue())
    again = small.run(VISION, DAY, resources=doors)
    assert verdicts(again)["images_readable"].passed


@pytest.mark.parametrize(
    "corruption",
    [
        "stage = NULL", "condition = NULL", "stage_probability = NULL", "stage_probability = 1.2",
        "condition_probability = 'NaN'", "embedding = '[0.6, 0.9]'", "embedding = '[0, 0]'",
    ],
)  # fmt: skip
def test_broken_labels_and_vectors_are_an_error(seen: SmallFarm, corruption: str) -> None:
    seen.execute(f"UPDATE farm.{VISION} SET {corruption} WHERE image_path = 'A/cam1-0-3'")
    result = checks_only(seen, VISION, DAY)
    assert failing(result) == {"labels_complete"}
    found = verdicts(result)["labels_complete"]
    assert (found.severity, found.blocking) == (ERROR, True)
    assert examples(found) == [f"{DAY}, A/cam1-0-3, m/w/1"]


def test_an_image_that_could_not_be_used_needs_no_labels(seen: SmallFarm) -> None:
    images(
        seen, "A/cam1", 0, count=1, image_path="x", status="unreadable", embedding=None, stage=None
    )
    assert failing(checks_only(seen, VISION, DAY)) == {"images_readable"}


def test_a_camera_of_the_last_seven_days_without_an_image_is_a_warning(seen: SmallFarm) -> None:
    images(seen, "A/cam2", 7, count=1)
    images(seen, "A/cam3", 8, count=1)
    result = checks_only(seen, VISION, DAY)
    assert failing(result) == {"cameras_deliver"}
    found = verdicts(result)["cameras_deliver"]
    assert (found.severity, examples(found)) == (WARN, [f"{DAY}, A, cam2"])


def test_a_room_without_any_image_is_a_warning_for_as_long_as_it_lasts(small: SmallFarm) -> None:
    images(small, "A/cam1", 20)
    for day in ("2025-12-17", DAY):  # a day later, and after 20 days
        found = verdicts(checks_only(small, VISION, day), day)["cameras_deliver"]
        assert examples(found) == [f"{day}, {room}, every camera" for room in "AB"]


def test_a_farm_without_cameras_is_not_told_so_every_day(small: SmallFarm) -> None:
    assert failing(checks_only(small, VISION, DAY)) == set()


def test_each_day_of_a_range_has_its_own_week_before(seen: SmallFarm) -> None:
    images(seen, "B/cam2", 2)
    result = checks_only(seen, VISION, "2026-01-02", DAY)
    silent = {
        day for day in ("2026-01-02", "2026-01-03", "2026-01-04", DAY) if failing(result, day)
    }
    assert silent == {"2026-01-04", DAY}


@pytest.mark.parametrize(("probability", "warned"), [(0.69, False), (0.67, True)])
def test_a_confidence_below_three_quarters_of_last_weeks_is_a_warning(
    seen: SmallFarm, probability: float, warned: bool
) -> None:
    # The week before: 6 days of 0.9 and, 7 days ago, twice as many images of 0.9: 0.9; 3/4 is 0.675
    today = f"room_id = 'A' AND image_date = '{DAY}'"
    seen.execute(f"UPDATE farm.{VISION} SET stage_probability = {probability} WHERE {today}")
    # Of another model nothing is said
    images(seen, "A/cam1", 7, model_id="old/w/1", stage_probability=0.1)
    result = checks_only(seen, VISION, DAY)
    assert failing(result) == ({"confidence_steady"} if warned else set())
    if warned:
        assert examples(verdicts(result)["confidence_steady"]) == [f"{DAY}, A, 0.67, 0.9"]


def test_few_images_say_nothing_of_confidence(small: SmallFarm) -> None:
    images(small, "A/cam1", *range(1, 8))
    images(small, "B/cam1", *range(8))
    images(small, "A/cam1", 0, count=5, stage_probability=0.1)
    assert verdicts(checks_only(small, VISION, DAY))["confidence_steady"].passed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("sharpness = 99", "blurred or fogged"), ("brightness = 0.09", "dark all day"),
        ("sharpness = 101", None), ("brightness = 0.11", None),
    ],
)  # fmt: skip
def test_a_camera_that_sees_little_is_a_warning(
    seen: SmallFarm, change: str, reason: str | None
) -> None:
    seen.execute(f"UPDATE farm.{VISION} SET {change} WHERE room_id = 'B' AND image_date = '{DAY}'")
    result = checks_only(seen, VISION, DAY, NEXT)
    assert failing(result) == ({"lenses_clear"} if reason else set())
    if reason:
        assert examples(verdicts(result)["lenses_clear"]) == [f"{DAY}, B, cam1, {reason}"]


def test_one_bright_image_shows_that_a_camera_is_not_blind(seen: SmallFarm) -> None:
    others = f"image_date = '{DAY}' AND image_path NOT LIKE '%%-5'"
    seen.execute(f"UPDATE farm.{VISION} SET brightness = 0.01 WHERE {others}")
    assert failing(checks_only(seen, VISION, DAY)) == set()


UNREADABLE = {"status": "unreadable", "error": "cut off", "embedding": None}


def shot(
    small: SmallFarm, room: str, file: str, ago: int, content: str | None, **columns: Any
) -> None:
    """A row of an image as its file is called: `<room>_<camera>_<in-date>_<hour>`."""
    _, camera, _, hour = file.split("_")
    day = TODAY - dt.timedelta(days=ago)
    at = small.at(day.isoformat(), int(hour))
    path = f"{room}/{day:%Y%m%d}/{file}.jpg"
    place = {"room_id": room, "camera": camera, "image_path": path, "image_date": day}
    what = {"captured_at": at, "content_sha256": content}
    with small.database.transaction() as connection:
        connection.execute(daily_clip_inference.insert(), GOOD | place | what | columns)


def test_a_camera_that_sends_the_same_bytes_again_and_again_is_a_warning(small: SmallFarm) -> None:
    for hour in range(3):
        shot(small, "A", f"A_cam1_x_{hour}", 0, "frozen")
    for ago in (0, 6, 7):  # once a day, and a week back
        shot(small, "B", f"B_cam1_x_{ago}", ago, "still")
    # Of another model the same shots are no more shots
    shot(small, "A", "A_cam1_x_0", 0, "frozen", model_id="old/w/1")
    result = checks_only(small, VISION, DAY, only="cameras_live")
    found = verdicts(result)["cameras_live"]
    assert (found.severity, found.passed) == (WARN, False)
    assert examples(found) == [
        f"{DAY}, A, cam1, 3, 2026-01-05 00:00:00", f"{DAY}, B, cam1, 3, 2025-12-29 07:00:00"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shots", "columns"),
    [
        ([("A_cam1_x_1", 0, "a"), ("A_cam1_x_2", 0, "a")], {}),  # an upload sent again
        ([("A_cam1_x_1", 0, "a"), ("A_cam1_x_2", 1, "a"), ("A_cam1_x_3", 8, "a")], {}),
        ([("A_cam1_x_1", 1, "a"), ("A_cam1_x_2", 1, "a"), ("A_cam1_x_3", 1, "a")], {}),
        ([("A_cam1_x_1", 0, "a"), ("A_cam2_x_2", 0, "a"), ("A_cam3_x_3", 0, "a")], {}),
        # One shot under three names: in-dates corrected and the file sent again
        ([("A_cam1_x_1", 0, "a"), ("A_cam1_y_1", 0, "a"), ("A_cam1_z_1", 0, "a")], {}),
        # Black pictures may be equal; the check of lenses tells of dark days
        ([(f"A_cam1_x_{n}", 0, "a") for n in range(5)], {"brightness": 0.0}),
        ([(f"A_cam1_x_{n}", 0, None) for n in range(5)], UNREADABLE),
        ([(f"A_cam1_x_{n}", 0, "a") for n in range(5)], UNREADABLE),
    ],
    ids=["twice", "long ago", "yesterday", "cameras", "names", "black", "no bytes", "unreadable"],
)
def test_what_is_no_frozen_camera_is_not_told(
    small: SmallFarm, shots: list[tuple[str, int, str | None]], columns: dict[str, Any]
) -> None:
    for file, ago, content in shots:
        shot(small, "A", file, ago, content, **columns)
    assert verdicts(checks_only(small, VISION, DAY, only="cameras_live"))["cameras_live"].passed


def test_a_file_that_names_another_room_than_its_folder_is_a_warning(small: SmallFarm) -> None:
    rooms = "rooms: {A: {folder: north}, B: {}, south: {folder: A}}"
    text = small.path.read_text().replace("rooms: {A: {}, B: {}}", rooms)
    small = replace(small, farm=write_farm(small.path, text))
    for file in ("B_cam1_x_1", "B_cam1_x_2", "B_cam2_x_1", "south_cam3_x_1"):
        shot(small, "A", file, 0, "")
    # Its own folder, its own name (but a folder of another room is called so, too), no room's
    for file in ("north_cam5_x_1", "A_cam4_x_1", "C_cam6_x_1"):
        shot(small, "A", file, 0, "")
    shot(small, "B", "B_cam1_x_1", 0, "")
    shot(small, "B", "B_cam1_x_1", 0, "", model_id="old/w/1")
    shot(small, "B", "A_cam8_x_1", 0, "")  # whose the word A is, nobody knows
    shot(small, "B", "south_no_camera_9", 0, "", camera=None)  # a name that could not be read
    result = checks_only(small, VISION, DAY, NEXT, only="rooms_agree")
    found = verdicts(result)["rooms_agree"]
    assert (found.severity, offending(found)) == (WARN, 3)
    assert examples(found) == [
        f"{DAY}, A, B, cam1, 2", f"{DAY}, A, B, cam2, 1", f"{DAY}, A, south, cam3, 1"
    ]  # fmt: skip
    assert "another room's report" in (found.description or "")
    assert verdicts(result, NEXT)["rooms_agree"].passed
