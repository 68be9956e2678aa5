"""The door to the images, on a folder: what lies there, what it gives, which faults it retries."""

import errno
import os
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from mushroom_assets.domain.farm import Farm
from mushroom_assets.faults.image_store import ImageStoreRefused, ImageStoreUnavailable
from mushroom_assets.faults.retry import Retry
from mushroom_assets.image_store.files import listed_size
from mushroom_assets.image_store.store import RETRY, Images
from mushroom_assets_tests.kit.image_stores import DAY, recording, why_not


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a day in an image store on disk."""
    made = tmp_path / DAY
    made.mkdir(parents=True)
    return made


def store_of(folder: Path, retry: Retry = RETRY) -> Images:
    return Images(str(folder.parent.parent), retry)


# What lies there


def test_a_listing_has_each_file_with_its_size_and_time_sorted(folder: Path) -> None:
    for name, size in (("b.jpg", 3), ("a.jpg", 5)):
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, ns=(0, 1_700_000_000_500_000_000 + size))
    listing = store_of(folder).listing(DAY)
    assert list(listing) == [f"{DAY}/a.jpg", f"{DAY}/b.jpg"] == store_of(folder).paths(DAY)
    for name, size in (("a.jpg", 5), ("b.jpg", 3)):
        assert list(listing[f"{DAY}/{name}"]) == pytest.approx([size, 1_700_000_000.5])


def test_the_listed_size_is_told_and_the_start_of_a_file_is_read_alone(folder: Path) -> None:
    (folder / "a.jpg").write_bytes(b"12345")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "more").mkdir()
    store = store_of(folder)
    sizes = {path: listed_size(mark) for path, mark in store.listing(DAY).items()}
    assert sizes == {f"{DAY}/a.jpg": 5, f"{DAY}/empty.jpg": 0, f"{DAY}/more/": None}
    starts = [store.read(f"{DAY}/a.jpg", at_most) for at_most in (3, 5, 9, None)]
    assert starts == [b"123", b"12345", b"12345", b"12345"]
    assert store.read(f"{DAY}/empty.jpg", 3) == b""
    with pytest.raises(FileNotFoundError):
        store.read(f"{DAY}/gone.jpg", 3)
    # Some stores list no size, with times or tags as marks
    assert listed_size(("2026-01-10T08:00:00+00:00", '"5d41402a"')) is None
    assert listed_size((1_700_000_000.5,)) is None


def test_a_fingerprint_changes_with_the_file_and_only_then(folder: Path) -> None:
    store = store_of(folder)
    path = folder / "a.jpg"
    path.write_bytes(b"one")
    (folder / "link.jpg").symlink_to(path)
    os.utime(path, (1000, 1000))
    first = store.listing(DAY)
    assert store.listing(DAY) == first
    path.write_bytes(b"two")  # the same size
    os.utime(path, (1001, 1001))
    second = store.listing(DAY)
    assert first.keys() == second.keys()
    for name in ("a.jpg", "link.jpg"):
        assert second[f"{DAY}/{name}"] != first[f"{DAY}/{name}"]


def test_everything_in_a_folder_is_listed_and_what_has_no_bytes_says_why(folder: Path) -> None:
    (folder / "good.jpg").write_bytes(b"good")
    (folder / "link.jpg").symlink_to(folder / "good.jpg")
    (folder / "nowhere.jpg").symlink_to(folder / "gone.jpg")
    (folder / "circle.jpg").symlink_to(folder / "circle.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "link to a folder").symlink_to(folder / "folder.jpg")
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(folder, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/socket.jpg")  # a socket's path holds 107 bytes only
        os.close(here)
    store = store_of(folder)
    listing = store.listing(DAY)
    names = {path.removeprefix(f"{DAY}/") for path in listing}
    assert names == {
        "good.jpg", "link.jpg", "nowhere.jpg", "circle.jpg",
        "folder.jpg/", "link to a folder/", "pipe.jpg", "socket.jpg",
    }  # fmt: skip
    assert listing[f"{DAY}/folder.jpg/"] == ()
    assert listing[f"{DAY}/link.jpg"] == listing[f"{DAY}/good.jpg"]
    assert store.read(f"{DAY}/link.jpg") == b"good"
    expected = {
        "nowhere.jpg": "a link that leads nowhere",
        "circle.jpg": os.strerror(errno.ELOOP),
        "folder.jpg/": "a folder, not a file",
        "folder.jpg": "a folder, pipe, socket or device, not a file",
        "pipe.jpg": "a folder, pipe, socket or device, not a file",
        "socket.jpg": "a folder, pipe, socket or device, not a file",
    }
    for name, reason in expected.items():
        assert why_not(partial(store.read, f"{DAY}/{name}")) == reason


def test_names_leave_as_utf_8_whatever_their_bytes_and_the_file_is_found_by_them(
    folder: Path,
) -> None:
    names = [
        b"caf\xe9.jpg",
        b"\xff\xfe\xed\xa0\x80.jpg",
        "鹿茸菇.jpg".encode(),
        b"tab\tline\n\x01 \"quote'.jpg",
        b"x" * 255,
    ]
    for number, name in enumerate(names):
        (folder / os.fsdecode(name)).write_bytes(b"%d" % number)
    (folder / "literal\\udce9.jpg").write_bytes(b"literal")
    store = store_of(folder)
    # encode: no lone surrogates
    found = {path.encode(): store.read(path) for path in store.listing(DAY)}
    start = f"{DAY}/".encode()
    assert found == {
        start + b"caf\\udce9.jpg": b"0", start + b"\\udcff\\udcfe\\udced\\udca0\\udc80.jpg": b"1",
        start + "鹿茸菇.jpg".encode(): b"2", start + names[3]: b"3", start + names[4]: b"4",
        start + b"literal\\udce9.jpg": b"literal",
    }  # fmt: skip


def test_a_folder_that_is_not_there_holds_nothing_and_a_missing_root_is_a_wrong_setting(
    folder: Path,
) -> None:
    store = store_of(folder)
    assert store.listing("7/20260111") == {}
    (folder.parent / "20260112").write_bytes(b"a file where a folder should be")
    assert store.listing("7/20260112") == store.listing("7/20260112/deeper") == {}
    for missing in (folder / "missing", folder.parent / "20260112"):
        for ask in (Images.listing, Images.read):
            with pytest.raises(
                ImageStoreRefused,
                match=r"is not there. Remedy: create it or correct MUSHROOM_IMAGE_ROOT",
            ):
                ask(Images(str(missing)), DAY)


def test_a_vanished_file_is_told_from_a_vanished_store(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store_of(folder).read(f"{DAY}/gone.jpg")


def test_a_root_that_may_lack_and_is_not_there_is_a_farm_without_cameras(
    tmp_path: Path, farm: Farm
) -> None:
    store = Images(str(tmp_path / "images"), may_lack=True)
    assert (store.listing(DAY), store.strays(farm)) == ({}, [])


def test_strays_are_what_no_day_will_look_at(folder: Path, farm: Farm) -> None:
    root = folder.parent.parent
    for path in (
        "7/20260110/607_cam_2026_20260110080000.jpg", "7/20260110/deeper/x.jpg",
        "611/20260110/x.txt", "608/20260110/x.jpg", "608/20260111/y.jpg", "loose.jpg",
        "7/loose.jpg", "611/2026-01-10/x.jpg", ".snapshot/x.jpg", "lost+found/y.jpg", "7/.hidden",
    ):  # fmt: skip
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    strays = store_of(folder).strays(farm)
    assert [path for path, _ in strays] == ["608/", "611/2026-01-10/", "7/loose.jpg", "loose.jpg"]


# Faults


class Attempts:
    """Stands in for reading: raises the given faults, one an attempt, then answers."""

    def __init__(self, *faults: Exception) -> None:
        self.faults: Iterator[Exception] = iter(faults)

    def __call__(self, *_: Any, **__: Any) -> bytes:
        for fault in self.faults:
            raise fault
        return b"answer"


def test_a_fault_that_passes_is_retried_with_growing_waits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.jpg").write_bytes(b"")
    stale = OSError(errno.ESTALE, "Stale file handle")
    monkeypatch.setattr(LocalFileSystem, "cat_file", Attempts(stale, stale, stale))
    store, waits = recording(store_of(folder))
    assert store.read(f"{DAY}/a.jpg") == b"answer"
    assert waits == [1, 2, 4]


def test_a_store_that_stays_away_is_reported_with_what_was_tried(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = OSError(errno.EIO, "Input/output error")
    monkeypatch.setattr(LocalFileSystem, "ls", Attempts(*[away] * 9))
    retry = Retry(attempts=5, base_s=2, cap_s=5, deadline_s=30)
    store, waits = recording(store_of(folder, retry), seconds_each=0.5)
    with pytest.raises(ImageStoreUnavailable) as raised:
        store.listing(DAY)
    assert waits == [2, 4, 5, 5]
    assert isinstance(raised.value, ConnectionError)
    for part in (
        f"could not list {DAY}",
        str(folder.parent.parent),
        "5 attempts in 2 s",
        "Input/output",
        "Remedy: ",
    ):
        assert part in str(raised.value)


def test_no_wait_reaches_beyond_the_deadline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = OSError(errno.ETIMEDOUT, "timed out")
    monkeypatch.setattr(LocalFileSystem, "ls", Attempts(*[slow] * 9))
    retry = Retry(attempts=9, base_s=1, cap_s=8, deadline_s=30)
    # 9 + 1 and 18 + 2 are within 30 s, 27 + 4 is not
    store, waits = recording(store_of(folder, retry), seconds_each=9)
    with pytest.raises(ImageStoreUnavailable, match="3 attempts in 27 s"):
        store.listing(DAY)
    assert waits == [1, 2]


def test_a_file_that_may_not_be_read_is_its_own_fault_a_folder_is_the_stores(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.jpg").write_bytes(b"")
    denied = PermissionError(errno.EACCES, "Permission denied", "a.jpg")
    monkeypatch.setattr(LocalFileSystem, "cat_file", Attempts(denied))
    monkeypatch.setattr(LocalFileSystem, "ls", Attempts(denied))
    store, waits = recording(store_of(folder))
    assert why_not(lambda: store.read(f"{DAY}/a.jpg")) == "Permission denied"
    with pytest.raises(
        ImageStoreRefused, match=r"refused to list .*Permission denied.* Remedy: give the user"
    ):
        store.listing(DAY)
    assert waits == []


def test_a_full_disk_is_told_with_its_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(LocalFileSystem, "pipe_file", Attempts(full))
    with pytest.raises(
        ImageStoreRefused, match=r"No space left on device. Remedy: make room on its disk"
    ):
        store_of(folder).write(f"{DAY}/a.jpg", b"x")


@pytest.mark.parametrize(
    "url", ["s4://cameras", "gs://cameras", "sftp://grower:chanterelle@nas/images"]
)
def test_a_url_that_cannot_be_opened_names_itself_without_its_password(url: str) -> None:
    with pytest.raises(ImageStoreRefused) as raised:
        Images(url).listing(DAY)
    assert url.replace("chanterelle", "***") in str(raised.value)
    assert "Remedy: correct the URL or install" in str(raised.value)
