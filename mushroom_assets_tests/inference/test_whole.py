"""Files that are whole give their pixels, damaged ones and those that claim too much say so.

`test_images` has orientation, limits and colours. That Pillow lets each of these damages pass is
tested too: where it no longer does, a special way is no longer needed.
"""

import hashlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mushroom_assets.inference.images import ImageFault, read_photo
from mushroom_assets.inference.whole import HARMLESS

END = b"\xff\xd9"  # a JPEG's end marker
PACKET = 1460  # bytes of a network packet


def scene(mode: str = "RGB", size: tuple[int, int] = (576, 324)) -> Image.Image:
    blocks = np.random.default_rng(0).integers(0, 256, (20, 36, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def claiming(jpeg: bytes, width: int, height: int) -> bytes:
    """The file with another size in its frame header: marker, length, precision, height, width."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


def png(width: int, height: int, rows: int, *, value: int, bits: int = 8, kind: int = 2) -> bytes:
    """A PNG whose header claims `height` rows and whose data has `rows`, all of one value."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checked = name + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    channels = {0: 1, 2: 3, 6: 4}[kind]
    row = b"\0" + bytes([value]) * (width * channels * bits // 8)
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    packed = zlib.compress(row * rows)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", packed[:9]), chunk(b"IDAT", packed[9:])]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


WHOLE = encoded(scene(), quality=90)
MIDDLE = len(WHOLE) // 2
RESTARTS = encoded(scene(), quality=90, restart_marker_blocks=4)
PROGRESSIVE = encoded(scene(), quality=90, progressive=True)
GIF = encoded(scene(), "GIF")
CMYK = encoded(scene("CMYK"), quality=90)


def without(data: bytes, count: int = PACKET) -> bytes:
    middle = len(data) // 2
    return data[:middle] + data[middle + count :]


# Damage that Pillow lets pass
PASSING = {
    "a lost packet": without(WHOLE),
    "a packet of zeros": WHOLE[:MIDDLE] + bytes(PACKET) + WHOLE[MIDDLE + PACKET :],
    "a packet from elsewhere": WHOLE[:MIDDLE] + WHOLE[-PACKET:] + WHOLE[MIDDLE + PACKET :],
    "lost between restart markers": without(RESTARTS),
    "lost of a progressive one": without(PROGRESSIVE),
    "lost of a grey one": without(encoded(scene("L"), quality=90)),
    "lost of one with inks": without(CMYK),
    "cut off, with an end marker": WHOLE[:MIDDLE] + END,
    "the header claims 244 times as much": claiming(WHOLE, 9000, 9000)[:-2] + END,
    "the header claims a tenth more": claiming(WHOLE, 576, 356),
    "the header claims less": claiming(WHOLE, 576, 300),
    "bytes left over": WHOLE[:-2] + bytes(20) + END,
    "a PNG without its last row": png(320, 180, 179, value=200),
    "a PNG with a tenth of its rows": png(320, 180, 18, value=200, bits=16),
    "a GIF that fills a part": GIF[:6] + struct.pack("<HH", 3000, 2000) + GIF[10:],
}
# And damage that it notices
NOTICED = {
    "cut off": WHOLE[:MIDDLE],
    "without its end marker": WHOLE[:-2],
    "a PNG cut off": encoded(scene(), "PNG")[:-100],
    "a PNG with bytes lost": without(encoded(scene(), "PNG")),
    "a WebP cut off": encoded(scene(), "WEBP")[:-100],
    "a TIFF cut off": encoded(scene(), "TIFF")[:-100],
    "a BMP that claims more": encoded(scene(), "BMP")[:22]
    + struct.pack("<i", 330)
    + encoded(scene(), "BMP")[26:],
    "a GIF cut off": GIF[: len(GIF) // 2],
}


@pytest.mark.parametrize("data", [*PASSING.values(), *NOTICED.values()], ids=[*PASSING, *NOTICED])
def test_damage_is_unreadable_with_the_reason(data: bytes) -> None:
    with pytest.raises(ImageFault) as raised:
        read_photo(data, min_side=96)
    assert raised.value.status == "unreadable"
    assert len(raised.value.reason.removeprefix("damaged or cut off: ")) > 10
    assert raised.value.content_sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("data", PASSING.values(), ids=PASSING)
def test_pillow_lets_that_damage_pass(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as file:
        file.draft(None, (200, 200))
        assert min(file.convert("RGB").size) >= 162


def test_a_file_that_claims_more_keeps_the_size_that_it_claims() -> None:
    with pytest.raises(ImageFault, match="premature end of data") as raised:
        read_photo(claiming(WHOLE, 9000, 8000), min_side=96)
    assert (raised.value.width, raised.value.height) == (9000, 8000)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE + bytes(1000),  # what cameras append: a thumbnail, notes of the maker
        WHOLE + WHOLE,
        WHOLE[:-2] + b"\0\0\0\0" + END,  # filled up to whole words
        WHOLE[:-2] + b"\xff\xff" + END,  # the standard's own way to fill up
        claiming(WHOLE, 576, 335),  # the last row of blocks has 336 rows in the data: 21 of 16
        png(320, 180, 180, value=0),
        png(320, 180, 180, value=0, bits=16, kind=0),
        png(321, 180, 180, value=0, kind=6),
    ],
    ids=["appended", "twice", "padded", "filled", "in the last block", "black", "grey", "clear"],
)
def test_what_is_whole_is_not_refused(data: bytes) -> None:
    assert read_photo(data, min_side=96).width in (320, 321, 576)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": 0},
        {"subsampling": 1, "progressive": True},
        {"restart_marker_blocks": 4},
        {"mode": "L"},
        {"mode": "CMYK"},
        {"form": "MPO", "save_all": True, "append_images": [scene()]},
    ],
    ids=["usual", "fine colours", "progressive", "restarts", "grey", "inks", "two pictures"],
)
@pytest.mark.parametrize("side", [192, 400, 900])
def test_the_pixels_are_pillows_to_the_bit(options: dict[str, Any], side: int) -> None:
    """So what was stored before holds: no vector changes with the decoder."""
    options = dict(options)
    image = scene(options.pop("mode", "RGB"), (1283, 803))
    data = encoded(image, options.pop("form", "JPEG"), **options)
    with Image.open(io.BytesIO(data)) as file:
        file.draft(None, (side, side))
        expected = np.asarray(file.convert("RGB"))
    np.testing.assert_array_equal(read_photo(data, min_side=side).image, expected)


def test_a_chroma_of_odd_proportions_is_left_to_pillow() -> None:
    """4:1:0, which libjpeg-turbo's own names do not have: as its message says."""
    sampled = WHOLE.index(b"\xff\xc0") + 11  # of the first component: across and down
    assert WHOLE[sampled] == 0x22
    odd = WHOLE[:sampled] + b"\x42" + WHOLE[sampled + 1 :]
    photo = read_photo(odd[:-2] + END, min_side=96)
    assert (photo.width, photo.height) == (576, 324)


@pytest.mark.parametrize(
    ("warning", "harmless"),
    [
        ("Corrupt JPEG data: 1 extraneous bytes before marker 0xd9", True),
        ("Corrupt JPEG data: 4 extraneous bytes before marker 0xd9", True),
        ("Corrupt JPEG data: 9 extraneous bytes before marker 0xd9", False),
        ("Corrupt JPEG data: 14 extraneous bytes before marker 0xd9", False),
        ("Corrupt JPEG data: 1 extraneous bytes before marker 0xd5", False),
        ("Corrupt JPEG data: premature end of data segment", False),
    ],
)
def test_only_a_word_of_padding_at_the_end_is_harmless(warning: str, harmless: bool) -> None:
    assert bool(HARMLESS.fullmatch(warning)) == harmless
