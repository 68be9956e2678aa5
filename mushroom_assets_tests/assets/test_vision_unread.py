"""Files that are refused by their names or sizes: rows as any others, and nobody reads them.

Run as a module it is a process of its own, whose memory is measured: see `main`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mushroom_assets.image_store.files import files_in
from mushroom_assets.resources import ClipResource, ImageStore
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import image_embedding
from mushroom_assets_tests.kit import plant
from mushroom_assets_tests.kit.cameras import Cameras, picture

FOLDER = "611/20260110"
GOOD = f"{FOLDER}/611_cam1_202615_20260110080130.jpg"
LARGE = f"{FOLDER}/611_cam1_202615_20260110090130.jpg"
VIDEO = f"{FOLDER}/611_cam1_202615_20260110080130.mp4"
OTHER_DAY = f"{FOLDER}/611_cam1_202615_20260111080130.jpg"
RANDOM = ClipResource(pretrained="random-seed0")  # labels do not matter here
GIGABYTE = 1_000_000_000


class Recording(ImageStore):
    """A store that remembers what was read: all of a file, or its start."""

    def read(self, path: str) -> bytes:
        READS.append((path, None))
        return super().read(path)

    def read_start(self, path: str, at_most: int) -> bytes:
        READS.append((path, at_most))
        return super().read_start(path, at_most)


READS: list[tuple[str, int | None]] = []


@pytest.fixture
def cameras(database: Database, tmp_path: Path) -> Iterator[Cameras]:
    READS.clear()
    with Cameras.open(database, tmp_path) as farm:
        yield farm


def film(cameras: Cameras, path: str, size: int) -> None:
    """A file of so many bytes, none of which takes room on the disk."""
    cameras.shoot(path, b"")
    os.truncate(cameras.store / path, size)


def judged(cameras: Cameras) -> dict[str, dict[str, Any]]:
    store = Recording(root=str(cameras.store))
    assert cameras.judge(resources={"image_store": store, "clip": RANDOM}).success
    return cameras.found()


def test_what_its_name_or_its_size_refuses_is_a_row_that_nobody_read(cameras: Cameras) -> None:
    cameras.shoot(GOOD, picture(1))
    cameras.shoot(OTHER_DAY, picture(2))
    cameras.shoot(f"{FOLDER}/Thumbs.db", picture(3))
    film(cameras, VIDEO, 2 * GIGABYTE)
    film(cameras, LARGE, 1_200_000_000)
    rows = judged(cameras)
    assert {path for path, _ in READS} == {GOOD}
    status = {path: row["status"] for path, row in rows.items()}
    assert status.pop(GOOD) == "ok"
    assert status == dict.fromkeys([OTHER_DAY, f"{FOLDER}/Thumbs.db", VIDEO, LARGE], "rejected")
    assert rows[LARGE]["error"] == "1200 MB, more than 64 MB"
    assert rows[LARGE]["camera"] == "cam1"
    assert "the name is not <room>_" in rows[VIDEO]["error"]
    assert "the folder's day is 20260110" in rows[OTHER_DAY]["error"]
    for path in status:
        assert (rows[path]["content_sha256"], rows[path]["width"]) == (None, None), path
    kept = plant.rows(cameras.database, image_embedding)
    assert [row["content_sha256"] for row in kept] == [rows[GOOD]["content_sha256"]]


def test_of_a_file_whose_size_is_not_listed_no_more_is_read_than_shows_that_it_is_too_large(
    cameras: Cameras, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_sizes(*asked: Any) -> list[Any]:
        return [file._replace(fingerprint=("a tag",)) for file in files_in(*asked)]

    monkeypatch.setattr("mushroom_assets.image_store.store.files_in", without_sizes)
    cameras.shoot(GOOD, picture(1))
    film(cameras, LARGE, 1_200_000_000)
    rows = judged(cameras)
    assert {(path, at_most) for path, at_most in READS if at_most} == {
        (GOOD, 64_000_001), (LARGE, 64_000_001)
    }  # fmt: skip
    assert rows[GOOD]["status"] == "ok"
    assert (rows[LARGE]["status"], rows[LARGE]["error"]) == ("rejected", "more than 64 MB")
    assert rows[LARGE]["content_sha256"] is None


@pytest.mark.long
def test_a_video_of_2_gb_beside_the_pictures_costs_no_memory(
    cameras: Cameras, tmp_path: Path
) -> None:
    for number in range(60):
        cameras.shoot(GOOD.replace("cam1", f"cam{number}"), picture(number))
    film(cameras, VIDEO, 2 * GIGABYTE)
    film(cameras, LARGE, 2 * GIGABYTE)
    asked = [sys.executable, "-m", __name__, cameras.database.url, str(tmp_path)]
    done = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True)
    refused = {path for path, row in cameras.found().items() if row["status"] != "ok"}
    assert (len(cameras.found()), refused) == (62, {VIDEO, LARGE})
    assert int(done.stdout.split()[-1]) < GIGABYTE


def main() -> None:
    """Judge the day of a farm with cameras, and print the most bytes that this process held."""
    url, folder = sys.argv[1:]
    with Cameras.open(Database(url), Path(folder)) as farm:
        assert farm.judge(resources={"clip": RANDOM}).success
    # Not `ru_maxrss`: a process begins with what the one that started it held
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (held,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    sys.stdout.write(f"{int(held) * 1024}\n")


if __name__ == "__main__":
    main()
