"""No image is lost: every kind of bad file becomes a row with its reason, the good do not notice.

What a good image's row says is `test_vision`'s business, what decoding does to pixels that of
`inference.test_images`.
"""

import datetime as dt
import errno
import io
import os
import socket
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from fsspec.implementations.local import LocalFileSystem
from PIL import Image

from mushroom_assets.resources import ClipResource, ImageStore
from mushroom_assets.storage.day_locks import lock_days, lock_table
from mushroom_assets.storage.schema import daily_clip_inference, image_quarantine
from mushroom_assets_tests.kit import plant
from mushroom_assets_tests.kit.cameras import ASSET, DAY
from mushroom_assets_tests.kit.small import SmallFarm, without

FOLDER = "A/20260110"
RANDOM = ClipResource(pretrained="random-seed0")  # labels do not matter here


def picture(seed: int = 0, size: tuple[int, int] = (160, 120)) -> Image.Image:
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def jpeg(image: Image.Image, **options: Any) -> bytes:
    return encoded(image, "JPEG", quality=95, subsampling=0, **options)


def plain(value: float, mode: str = "RGB") -> Image.Image:
    """An image of one grey, 0 to 1."""
    if mode == "I;16":
        return Image.fromarray(np.full((120, 160), round(value * 65535), dtype=np.uint16))
    return Image.new("RGB", (160, 120), (round(value * 255),) * 3).convert(mode)


def animation(form: str) -> bytes:
    return encoded(
        plain(0.8), form, save_all=True, append_images=[plain(0), plain(0)], duration=100
    )


def turned(orientation: int) -> bytes:
    """The same picture as eight cameras save it that hang turned or mirrored."""
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = picture()
    if orientation in back:
        image = image.transpose(back[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(image, exif=exif)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + size
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def claiming(data: bytes, width: int, height: int) -> bytes:
    """The JPEG with another size in its frame's header."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def name(camera: str, suffix: str = "jpg", minute: int = 0) -> str:
    return f"A_{camera}_202615_2026011008{minute:02d}00.{suffix}"


def cut(data: bytes, where: int | bytes) -> bytes:
    return data[: where if isinstance(where, int) else data.index(where)]


WHOLE = jpeg(picture())
EXIF = jpeg(picture(), exif=b"Exif\0\0" + b"II*\0" + b"\0" * 500)

# (file's name, its bytes, brightness of the picture)
ACCEPTED: list[tuple[str, bytes, float]] = [
    (name("png"), encoded(plain(0.8), "PNG"), 0.8),
    (name("jpeg", "png"), jpeg(plain(0.8)), 0.8),
    (name("upper", "JPG"), jpeg(plain(0.8)), 0.8),
    (name("cmyk-adobe"), jpeg(plain(0.8, "CMYK")), 0.8),
    (name("png16"), encoded(plain(0.8, "I;16"), "PNG"), 0.8),
    (name("tiff16"), encoded(plain(0.8, "I;16"), "TIFF"), 0.8),
    (name("palette"), encoded(plain(0.8, "P"), "PNG"), 0.8),
    (name("grey-alpha"), encoded(plain(0.8, "LA"), "PNG"), 0.8),
    (name("progressive"), jpeg(plain(0.8), progressive=True), 0.8),
    (name("gif"), animation("GIF"), 0.8),
    (name("webp"), animation("WEBP"), 0.8),
    (name("apng"), animation("PNG"), 0.8),
    (name("tab\tnewline\n\x01bell\"quote'back\\slash{}%s"), jpeg(plain(0.8)), 0.8),
    (name("é" * 100), jpeg(plain(0.8)), 0.8),
    (name("鹿茸菇"), jpeg(plain(0.8)), 0.8),
    *(
        (name(f"turned{n}"), turned(n), float(np.asarray(picture().convert("L")).mean() / 255))
        for n in range(1, 9)
    ),
]
# (file's name, its bytes, status, what the reason says)
REFUSED: list[tuple[str, bytes, str, str]] = [
    (name("empty"), b"", "unreadable", "empty"),
    (name("text"), b"no picture at all", "unreadable", "not an image"),
    (name("html"), b"<html>404</html>", "unreadable", "not an image"),
    *(
        (name(f"cut{n}"), cut(WHOLE, n), "unreadable", "")
        for n in (1, 2, 3, 11, 20, 100, 300, len(WHOLE) // 2)
    ),
    (name("cut-tables"), cut(WHOLE, b"\xff\xdb"), "unreadable", ""),
    (name("cut-frame"), cut(WHOLE, b"\xff\xc0"), "unreadable", ""),
    (name("cut-scan"), cut(WHOLE, b"\xff\xda"), "unreadable", ""),
    (name("cut-exif"), cut(EXIF, 200), "unreadable", ""),
    (name("cut-png"), encoded(picture(), "PNG")[:400], "unreadable", "cut off"),
    (name("cut-ended"), WHOLE[: len(WHOLE) // 2] + WHOLE[-2:], "unreadable", "premature end"),
    (name("packet"), WHOLE[:2000] + WHOLE[3460:], "unreadable", "Corrupt JPEG data"),
    (name("claims"), claiming(WHOLE, 9000, 9000), "unreadable", "Corrupt JPEG data"),
    (name("bomb"), png_header(60_000, 60_000), "rejected", "60000x60000: more than 100 million"),
    (name("large"), png_header(12_000, 12_000), "rejected", "more than 100 million pixels"),
    (name("ribbon"), encoded(picture(size=(640, 8)), "PNG"), "rejected", "more than 16 times"),
    (name("small"), jpeg(picture(size=(72, 54))), "rejected", "72x54: the short side"),
    (name("upload", "tmp"), WHOLE, "rejected", "the name is not"),
    (name("note", "txt"), WHOLE, "rejected", "the name is not"),
    (name("part", "jpg.part"), WHOLE, "rejected", "the name is not"),
    ("holiday.jpg", WHOLE, "rejected", "the name is not"),
    ("Thumbs.db", b"x", "rejected", "the name is not"),
    ("A_cam_202615_20260110250000.jpg", WHOLE, "rejected", "no date and time"),
    ("A_cam_202615_20260111080000.jpg", WHOLE, "rejected", "the folder's day is 20260110"),
    ("x" * 251 + ".jpg", WHOLE, "rejected", "the name is not"),
]


class Careless(ImageStore):
    """A store in which files called `gone` vanish between listing and reading."""

    def read(self, path: str) -> bytes:
        if "gone" in path and self.root:
            (Path(self.root) / path).unlink(missing_ok=True)
        return super().read(path)


class Night(SmallFarm):
    """A small farm with an image store on disk."""

    @property
    def folder(self) -> Path:
        return self.path.parent / "images" / FOLDER

    def shoot(self, file: str | bytes, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / os.fsdecode(file)).write_bytes(data)

    def judge(self) -> dict[str, dict[str, Any]]:
        """Run the day; its rows by file name."""
        store = Careless(root=str(self.path.parent / "images"), attempts=1)
        result = self.run(ASSET, DAY, resources={"image_store": store, "clip": RANDOM})
        assert result.success
        assert self.done(ASSET) == {DAY}
        return {row["image_path"].removeprefix(f"{FOLDER}/"): row for row in self.rows(ASSET)}


@pytest.fixture
def night(small: SmallFarm) -> Night:
    return Night(small.farm, small.path, small.database, small.instance)


def same(row: dict[str, Any]) -> dict[str, Any]:
    """What of a row two runs agree on exactly: all but the vector and what comes of it.

    In its last digits a vector depends on its batch.
    """
    return without(
        row, "embedding", "scores", "stage_probability", "stage_margin", "condition_probability"
    )


# Pytest forgets what the module asks for
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_every_kind_of_file_is_a_row_and_none_disturbs_another(night: Night) -> None:
    good = {name("good", minute=n): jpeg(picture(n)) for n in range(1, 4)}
    for file, data in good.items():
        night.shoot(file, data)
    alone = night.judge()
    others = {file: data for file, data, _ in ACCEPTED}
    others |= {file: data for file, data, _, _ in REFUSED}
    for file, data in others.items():
        night.shoot(file, data)
    rows = night.judge()
    assert rows.keys() == {*good, *others}
    for file in good:
        assert same(rows[file]) == same(alone[file])
        np.testing.assert_allclose(rows[file]["embedding"], alone[file]["embedding"], atol=1e-5)
    wrong = {file: rows[file]["error"] for file, *_ in ACCEPTED if rows[file]["status"] != "ok"}
    assert wrong == {}
    assert {file: rows[file]["status"] for file, *_ in REFUSED} == {
        file: status for file, _, status, _ in REFUSED
    }
    for file, _, _, reason in REFUSED:
        assert reason in rows[file]["error"], file
        assert len(rows[file]["error"]) > 10, file
        assert (rows[file]["embedding"], rows[file]["stage"]) == (None, None)


def test_an_accepted_picture_is_seen_as_it_was_meant(night: Night) -> None:
    for file, data, _ in ACCEPTED:
        night.shoot(file, data)
    rows = night.judge()
    for file, _, brightness in ACCEPTED:
        # Half a step of 8 bits, and JPEG
        assert rows[file]["brightness"] == pytest.approx(brightness, abs=0.006), file
        assert (rows[file]["width"], rows[file]["height"]) == (160, 120)
    upright = np.asarray(rows[name("turned1")]["embedding"])
    turned_back = min(
        upright @ rows[name(f"turned{orientation}")]["embedding"] for orientation in range(2, 9)
    )
    assert turned_back > 0.9999
    assert upright @ rows[name("png")]["embedding"] < turned_back  # another picture does differ


def test_the_same_content_under_two_names_is_two_rows_of_one_hash(night: Night) -> None:
    for camera in ("one", "two"):
        night.shoot(name(camera), WHOLE)
    one, two = night.judge().values()
    assert one["content_sha256"] == two["content_sha256"]
    names = ("image_path", "camera", "embedding")
    assert without(one, *names) == without(two, *names)
    np.testing.assert_allclose(one["embedding"], two["embedding"], atol=1e-6)


def test_names_that_are_not_utf_8_are_rows_with_the_bytes_escaped(night: Night) -> None:
    night.shoot(name("good"), WHOLE)
    night.shoot(b"A_caf\xe9_202615_20260110080000.jpg", WHOLE)
    night.shoot(b"holiday\xff.jpg", WHOLE)
    rows = night.judge()
    assert {file: row["status"] for file, row in rows.items()} == {
        name("good"): "ok", name("caf\\udce9"): "ok", "holiday\\udcff.jpg": "rejected"
    }  # fmt: skip
    assert rows[name("caf\\udce9")]["camera"] == "caf\\udce9"


@pytest.mark.timeout(60)  # opening a pipe would wait for ever
def test_what_is_no_file_is_a_row_too(night: Night) -> None:
    night.shoot(name("good"), WHOLE)
    (night.folder / name("link")).symlink_to(night.folder / name("good"))
    (night.folder / name("nowhere")).symlink_to(night.folder / "nothing")
    (night.folder / name("circle")).symlink_to(night.folder / name("circle"))
    (night.folder / name("folder")).mkdir()
    (night.folder / "more").mkdir()
    (night.folder / "more" / name("inside")).write_bytes(WHOLE)
    os.mkfifo(night.folder / name("pipe"))
    here = os.open(night.folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        # A socket's own path holds 107 bytes only
        listener.bind(f"/proc/self/fd/{here}/{name('socket')}")
    os.close(here)
    rows = night.judge()
    assert {file: row["status"] for file, row in rows.items()} == {
        name("good"): "ok",
        name("link"): "ok",
        name("nowhere"): "unreadable",
        name("circle"): "unreadable",
        name("folder") + "/": "rejected",
        "more/": "rejected",
        name("pipe"): "unreadable",
        name("socket"): "unreadable",
    }
    reasons = {
        "nowhere": "a link that leads nowhere",
        "circle": "symbolic links",
        "pipe": "pipe",
        "socket": "socket",
    }
    for camera, reason in reasons.items():
        assert reason in rows[name(camera)]["error"]
    assert "a folder inside a day's folder" in rows["more/"]["error"]


def test_a_file_that_vanishes_or_may_not_be_read_is_a_row(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    for camera in ("good", "gone", "denied"):
        night.shoot(name(camera), WHOLE)
    read = LocalFileSystem.cat_file

    def denying(self: LocalFileSystem, path: str, **options: Any) -> bytes:
        if "denied" in path:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return bytes(read(self, path, **options))

    monkeypatch.setattr(LocalFileSystem, "cat_file", denying)
    rows = night.judge()
    found = {
        row["camera"]: (row["status"], row["error"], row["content_sha256"] is None)
        for row in rows.values()
    }
    assert found["good"] == ("ok", None, False)
    assert found["gone"] == ("unreadable", "the file vanished", True)
    assert found["denied"][0] == "unreadable"
    assert "Permission denied" in found["denied"][1]
    assert found["denied"][2]


def test_what_no_day_will_look_at_is_in_quarantine_as_of_the_latest_run(night: Night) -> None:
    night.shoot(name("good"), WHOLE)
    root = night.folder.parent.parent
    (root / "elsewhere" / "20260110").mkdir(parents=True)
    (root / "A" / "2026-01-10").mkdir()
    (root / "A" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(WHOLE)
    (root / "loose\n.jpg").write_bytes(WHOLE)
    night.judge()
    found = {
        row["image_path"]: row
        for row in plant.rows(night.database, image_quarantine, provenance=True)
    }
    assert found.keys() == {"A/2026-01-10/", "A/caf\\udce9.jpg", "elsewhere/", "loose\n.jpg"}
    assert all("Remedy: " in row["reason"] for row in found.values())
    (root / "loose\n.jpg").unlink()
    night.judge()
    assert {
        row["image_path"] for row in plant.rows(night.database, image_quarantine)
    } == found.keys() - {"loose\n.jpg"}


def test_two_days_at_work_at_once_leave_one_quarantine(night: Night) -> None:
    night.shoot(name("good"), WHOLE)
    root = night.folder.parent.parent
    table = image_quarantine
    found = {"reason": "", "run_id": "another", "noticed_at": dt.datetime.now(dt.UTC)}
    with ThreadPoolExecutor(1) as pool:
        with night.database.transaction() as other:
            lock_days(other, daily_clip_inference, [dt.date(2026, 1, 9)])
            lock_table(other, table)
            rows = [found | {"image_path": path} for path in ("loose.jpg", "gone.jpg")]
            other.execute(sa.insert(table), rows)
            (root / "loose.jpg").write_bytes(WHOLE)
            run = pool.submit(night.judge)
            while not other.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                assert not run.done()
        run.result()
    assert [row["image_path"] for row in plant.rows(night.database, table)] == ["loose.jpg"]
