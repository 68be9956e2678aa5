"""Small pictures of stored files: which have none, and what ends the work."""

import io
import threading

import numpy as np
import pytest
from PIL import Image

from mushroom_assets.inference.thumbnails import DRAWERS, thumbnails


def picture(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (320, 180), grey).save(file, "JPEG")
    return file.getvalue()


def brightness(data: bytes) -> int:
    middle = np.asarray(Image.open(io.BytesIO(data)).convert("L").resize((1, 1)))
    return int(middle[0, 0])


def test_every_path_gets_its_own_picture() -> None:
    greys = {f"7/{grey}.jpg": grey for grey in range(0, 250, 5)}
    found = thumbnails(list(greys), lambda path: picture(greys[path]))
    assert {path: brightness(data) for path, data in found.items()} == pytest.approx(greys, abs=2)
    assert thumbnails([], picture) == {}  # type: ignore[arg-type]


def test_files_that_cannot_be_used_have_none_and_the_others_do_not_notice() -> None:
    faults = {"gone": FileNotFoundError(2, "gone"), "closed": PermissionError(13, "no right")}
    files = {"empty": b"", "cut": picture(9)[:200], "good": picture(9)}

    def read(path: str) -> bytes:
        if path in faults:
            raise faults[path]
        return files[path]

    assert list(thumbnails([*faults, *files], read)) == ["good"]


def test_a_fault_of_the_store_ends_the_work_and_no_reader_stays() -> None:
    asked = []

    def read(path: str) -> bytes:
        asked.append(path)
        raise ConnectionError("the store is down")

    before = threading.active_count()
    with pytest.raises(ConnectionError, match="the store is down"):
        thumbnails([str(number) for number in range(500)], read)
    assert len(asked) < 500
    assert threading.active_count() == before


def test_files_are_waited_for_together() -> None:
    """16 reads for each of four threads that draw, whatever the store's latency."""
    count = 16 * DRAWERS
    together = threading.Barrier(count)

    def read(path: str) -> bytes:
        together.wait(timeout=60)
        return picture(9)

    assert len(thumbnails([str(number) for number in range(count)], read)) == count


def test_reads_wait_for_those_who_draw() -> None:
    """In hand are four files at most, and 64 more that are read or wait."""
    paths = [str(number) for number in range(300)]
    asked = 0
    asking = threading.Condition()

    def read(path: str) -> bytes:
        nonlocal asked
        with asking:
            asked += 1
            asking.notify_all()
            if path == "0":  # the first holds up the line until no more are asked for
                assert asking.wait_for(lambda: asked == 68, 60)
                assert not asking.wait_for(lambda: asked > 68, 0.2)
        return picture(9)

    assert len(thumbnails(paths, read)) == 300
