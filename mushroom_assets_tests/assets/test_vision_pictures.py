"""A run of `daily_clip_inference` shows pictures of its newest days, from files still there.

What is written under them is `metadata.test_vision`'s business.
"""

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from PIL import Image
from pydantic import PrivateAttr

from mushroom_assets.assets.windows import PICTURED
from mushroom_assets.resources import ClipResource, ImageStore
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.cameras import ASSET, DAY, Cameras
from mushroom_assets_tests.kit.markdown import pictures

COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 200, 30),
    "blue": (30, 30, 200),
    "grey": (128, 128, 128),
}
RANDOM = ClipResource(pretrained="random-seed0")


@pytest.fixture
def cameras(database: Database, tmp_path: Path) -> Iterator[Cameras]:
    with Cameras.open(database, tmp_path) as cameras:
        yield cameras


def frame(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (960, 540), COLOURS[colour]).save(file, "JPEG", quality=80)
    return file.getvalue()


def name(hour: int, room: str = "611", camera: str = "cam1", day: str = "20260110") -> str:
    return f"{room}_{camera}_202615_{day}{hour:02}0130.jpg"


def nearest(picture: Image.Image) -> str:
    """Which of the colours a picture has all over."""
    mean = np.asarray(picture.convert("RGB"), dtype=float).mean(axis=(0, 1))
    return min(COLOURS, key=lambda colour: float(np.abs(mean - COLOURS[colour]).sum()))


def shown(cameras: Cameras) -> dict[str, dict[str, str]]:
    """The Markdown of each day's latest materialization, by key."""
    records = cameras.instance.fetch_materializations(
        dg.AssetKey(ASSET), limit=100, ascending=True
    ).records
    events = [record.asset_materialization for record in records if record.asset_materialization]
    return {str(event.partition): markdown(event) for event in events}


def markdown(event: dg.AssetMaterialization) -> dict[str, str]:
    return {
        key: str(value.value)
        for key, value in event.metadata.items()
        if isinstance(value, dg.MarkdownMetadataValue)
    }


def test_every_picture_is_that_of_its_file(cameras: Cameras) -> None:
    taken = {
        name(2, "607"): "red",
        name(6, "607"): "green",
        name(2): "blue",
        name(2, camera="cam2"): "grey",
        name(22): "red",
    }
    for file, colour in taken.items():
        folder = "7" if file.startswith("607") else "611"
        cameras.shoot(f"{folder}/20260110/{file}", frame(colour))
    cameras.judge()
    found = shown(cameras)[DAY]
    drawn = pictures(found["contact_sheet"])
    assert {file: nearest(picture) for file, picture in drawn.items()} == taken
    assert {picture.size for picture in drawn.values()} == {(144, 81)}
    assert "least_certain" not in found  # plain colours are unlike all that was learned


def test_only_the_newest_days_of_a_run_have_pictures_and_a_days_own_run_draws_them(
    cameras: Cameras,
) -> None:
    days = [f"2026-01-{number:02}" for number in range(1, PICTURED + 4)]
    for day in days:
        digits = day.replace("-", "")
        cameras.shoot(f"611/{digits}/{name(10, day=digits)}", frame("green"))

    def with_pictures() -> set[str]:
        return {
            day
            for day, found in shown(cameras).items()
            if "data:image/jpeg" in found["contact_sheet"]
        }

    cameras.judge(days[0], days[-1])
    assert with_pictures() == set(days[-PICTURED:])
    assert "Materialize this day alone" in shown(cameras)[days[0]]["contact_sheet"]
    cameras.judge(days[0])
    assert with_pictures() == {days[0], *days[-PICTURED:]}


class Forgetful(ImageStore):
    """Every file can be read once."""

    _read: Counter[str] = PrivateAttr(default_factory=Counter)

    def read(self, path: str) -> bytes:
        self._read[path] += 1
        if self._read[path] > 1:
            raise FileNotFoundError(path)
        return super().read(path)


def test_files_that_vanish_after_the_model_saw_them_leave_the_captions(cameras: Cameras) -> None:
    cameras.shoot(f"611/20260110/{name(10)}", frame("green"))
    cameras.judge()  # a vector that is kept is not decoded again
    result = cameras.judge(resources={"image_store": Forgetful(root=str(cameras.store))})
    found = shown(cameras)[DAY]
    (row,) = cameras.rows(ASSET)
    assert (result.success, row["status"]) == (True, "ok")
    assert pictures(found["contact_sheet"]) == {}
    assert "1 of the day's 1 pictures" in found["contact_sheet"]
    assert "10:01" in found["contact_sheet"]


def test_what_the_model_sees_is_made_small_on_the_way(cameras: Cameras) -> None:
    for hour, colour in zip((2, 10), COLOURS, strict=False):
        cameras.shoot(f"611/20260110/{name(hour)}", frame(colour))
    cameras.shoot(f"611/20260110/{name(12)}", b"no picture")
    cameras.judge(resources={"image_store": Forgetful(root=str(cameras.store))})
    assert len(pictures(shown(cameras)[DAY]["contact_sheet"])) == 2


def test_a_day_without_images_shows_none(cameras: Cameras) -> None:
    cameras.store.mkdir()
    cameras.judge(resources={"clip": RANDOM})
    assert list(shown(cameras)[DAY]) == ["note"]
