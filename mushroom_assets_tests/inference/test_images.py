"""Files to pixels: every kind of bad file, and what a good one keeps."""

import hashlib
import io
import pickle
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image, ImageChops

from mushroom_assets.inference import images
from mushroom_assets.inference.images import ImageFault, read_photo, thumbnail


def encoded(image: Image.Image, form: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def scene(width: int = 320, height: int = 180, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(
        0, 256, (height // 4, width // 4, 3), dtype=np.uint8
    )
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def fault_of(data: bytes) -> ImageFault:
    with pytest.raises(ImageFault) as raised:
        read_photo(data, min_side=96)
    # Of a large file only the start may have been read
    known = None if len(data) > 64_000_000 else hashlib.sha256(data).hexdigest()
    assert raised.value.content_sha256 == known
    return raised.value


def test_the_smallest_side_is_accepted() -> None:
    assert read_photo(encoded(scene(64, 64)), min_side=96).height == 64


def test_a_photo_keeps_its_size_and_hash() -> None:
    data = encoded(scene())
    photo = read_photo(data, min_side=96)
    assert (photo.width, photo.height, photo.image.mode) == (320, 180, "RGB")
    assert photo.content_sha256 == hashlib.sha256(data).hexdigest()
    assert photo.image.size == (320, 180)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_the_content_decides_the_format(form: str) -> None:
    """No file name comes in: a PNG that is called .jpg is a PNG."""
    pixels = np.asarray(read_photo(encoded(scene(), form), min_side=96).image, dtype=float)
    # GIF has 256 colours, JPEG loses some
    assert np.abs(pixels - np.asarray(scene(), dtype=float)).mean() < 12


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"", "unreadable", "0 bytes"),
        (b"<html>404 Not Found</html>", "unreadable", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unreadable", "not an image"),
        (encoded(scene())[:2000], "unreadable", "cut off"),
        (encoded(scene(), "PNG")[:2000], "unreadable", "cut off"),
        (encoded(scene(17, 1)), "rejected", "17x1: one side is more than 16 times the other"),
        (encoded(scene(640, 63)), "rejected", "640x63: the short side has less than 64 px"),
        (encoded(Image.new("1", (1, 1)), "PNG"), "rejected", "1x1: the short side has less than"),
        (encoded(Image.new("F", (9, 9)), "TIFF"), "rejected", "floats"),
        (bytes(64_000_001), "rejected", "more than 64 MB"),
    ],
    ids=[
        *("empty", "html", "eps", "cut jpeg", "cut png", "ribbon", "low", "point", "floats"),
        "large",
    ],
)
def test_a_bad_file_says_why(data: bytes, status: str, reason: str) -> None:
    fault = fault_of(data)
    assert fault.status == status
    assert reason in fault.reason


def test_a_cut_file_still_tells_its_size() -> None:
    fault = fault_of(encoded(scene())[:2000])
    assert (fault.width, fault.height) == (320, 180)


@pytest.mark.parametrize("side", [12_000, 20_000], ids=["over our limit", "over Pillow's limit"])
def test_a_decompression_bomb_is_rejected_undecoded(side: int) -> None:
    # To decode it would say that it is cut off
    bomb = encoded(Image.new("1", (side, side)), "PNG")[:1000]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow's own limits say nothing
        fault = fault_of(bomb)
    assert (fault.status, fault.width, fault.height) == ("rejected", side, side)
    assert fault.reason == f"{side}x{side}: more than 100 million pixels"


def test_a_fault_survives_a_process_boundary() -> None:
    fault = pickle.loads(pickle.dumps(fault_of(encoded(scene(17, 1)))))
    assert (fault.status, fault.width, fault.height) == ("rejected", 17, 1)
    assert str(fault) == "rejected: 17x1: one side is more than 16 times the other"


def test_damaged_bytes_give_a_photo_or_a_fault_never_another_error() -> None:
    draw = random.Random(0)
    files = [encoded(scene(96, 64), form) for form in ("JPEG", "PNG", "WEBP", "BMP", "GIF")]
    outcomes = set()
    for _ in range(400):
        data = bytearray(draw.choice(files))
        for _ in range(draw.choice([1, 5, 20])):
            data[draw.randrange(len(data))] = draw.randrange(256)
        end = draw.choice([len(data), draw.randrange(len(data) // 2, len(data) + 1)])
        try:
            read_photo(bytes(data[:end]), min_side=64)
            outcomes.add("photo")
        except ImageFault as fault:
            outcomes.add(fault.status)
    assert {"photo", "unreadable"} <= outcomes


# How a camera that hangs so saves an upright scene;
# https://www.cipa.jp/std/documents/e/DC-X008-Translation-2019-E.pdf has the values with where row 0
# and column 0 lie: 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, 7 right
# bottom, 8 left bottom.
SAVED = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[::-1],
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
}


@pytest.mark.parametrize("orientation", SAVED)
def test_exif_turns_the_image_upright(orientation: int) -> None:
    upright = np.asarray(scene())
    exif = Image.Exif()
    exif[images.EXIF_ORIENTATION] = orientation
    saved = Image.fromarray(np.ascontiguousarray(SAVED[orientation](upright)))
    photo = read_photo(encoded(saved, exif=exif, quality=95, subsampling=0), min_side=96)
    assert (photo.width, photo.height) == (320, 180)
    difference = np.asarray(photo.image, dtype=float) - upright.astype(float)
    assert np.abs(difference).mean() < 5  # another orientation differs by 70


def test_cmyk_becomes_rgb_with_inks_as_adobe_stores_them_and_as_others_do() -> None:
    inks = Image.new("RGB", (96, 64), (200, 40, 90)).convert("CMYK")
    adobe = encoded(inks, quality=95)
    plain = without_adobe(encoded(ImageChops.invert(inks), quality=95))
    for data in (adobe, plain):
        assert Image.open(io.BytesIO(data)).mode == "CMYK"
        seen = np.asarray(read_photo(data, min_side=32).image)[20, 20]
        np.testing.assert_allclose(seen, (200, 40, 90), atol=4)


def without_adobe(jpeg: bytes) -> bytes:
    """The file without Adobe's marker, by which readers know that its inks are turned around."""
    start = jpeg.index(b"\xff\xee")
    return jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big") :]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(form: str) -> None:
    steps = np.array([[0, 257, 257 * 100, 65535]], dtype=np.uint16).repeat(64, 0).repeat(16, 1)
    photo = read_photo(encoded(Image.fromarray(steps), form), min_side=2)
    np.testing.assert_array_equal(np.asarray(photo.image)[0, ::16, 0], [0, 1, 100, 255])


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    photo = read_photo(
        encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), min_side=32
    )
    assert photo.image.getpixel((5, 5)) == (255, 0, 0)


def test_brightness_is_the_mean_grey() -> None:
    assert read_photo(
        encoded(Image.new("L", (300, 260), 51), "PNG"), min_side=64
    ).brightness == pytest.approx(0.2)
    assert read_photo(encoded(Image.new("RGB", (80, 66)), "PNG"), min_side=64).brightness == 0


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    pixels = np.zeros((192, 192), dtype=np.uint8)
    pixels[100, 100] = 100
    # at the point -400, at its four neighbours 100, elsewhere 0, over the 190 x 190 inner points
    expected = (400**2 + 4 * 100**2) / 190**2  # their mean is 0
    assert read_photo(
        encoded(Image.fromarray(pixels), "PNG"), min_side=64
    ).sharpness == pytest.approx(expected)


def test_sharpness_falls_with_blur_and_hardly_depends_on_the_scale_of_decoding() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1616, 2880), dtype=np.uint8)
    data = encoded(Image.fromarray(noise).resize((2880, 1616)), quality=80)
    *smaller, full = photos = [read_photo(data, min_side=side) for side in (128, 224, 600, 1600)]
    assert [photo.image.size for photo in photos] == [
        (360, 202),
        (720, 404),
        (1440, 808),
        (2880, 1616),
    ]
    assert {(photo.width, photo.height) for photo in photos} == {(2880, 1616)}
    for photo in smaller:
        assert photo.sharpness == pytest.approx(full.sharpness, rel=0.01)
        assert photo.brightness == pytest.approx(full.brightness, abs=0.001)
    blurred = read_photo(encoded(full.image.resize((72, 40)).resize((720, 404))), min_side=224)
    assert blurred.sharpness < full.sharpness / 10


def test_reading_needs_no_torch() -> None:
    program = """
import mushroom_assets.inference.images, sys
assert not {"torch", "torchvision"} & set(sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_thumbnail_is_the_picture_in_small() -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30)]
    photo = Image.new("RGB", (2880, 1616))
    for number, colour in enumerate(colours):
        photo.paste(colour, (720 * number, 0, 720 * (number + 1), 1616))
    small = Image.open(io.BytesIO(thumbnail(encoded(photo))))
    assert (small.format, small.size) == ("JPEG", (144, 81))
    for number, colour in enumerate(colours):
        np.testing.assert_allclose(np.asarray(small)[40, 36 * number + 18], colour, atol=12)


def test_a_thumbnail_stands_upright_and_small_pictures_stay_as_they_are() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sizes = [Image.open(io.BytesIO(thumbnail(encoded(scene(640, 360), exif=exif)))).size]
    sizes += [
        Image.open(io.BytesIO(thumbnail(encoded(scene(100, 64), form)))).size
        for form in ("PNG", "GIF")
    ]
    assert sizes == [(81, 144), (100, 64), (100, 64)]


def test_a_thumbnail_has_few_bytes_whatever_it_shows() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (144, 144, 3), dtype=np.uint8)
    sizes = [
        len(thumbnail(encoded(image, "PNG"))) for image in (Image.fromarray(noise), scene(144, 144))
    ]
    assert max(sizes) <= images.THUMBNAIL_BYTES
    with Image.open(io.BytesIO(encoded(Image.fromarray(noise), quality=60))) as plain:
        assert len(encoded(plain, quality=60)) > images.THUMBNAIL_BYTES  # so the bound was at work


@pytest.mark.parametrize(
    "data", [b"", b"no picture", encoded(scene())[:2000], encoded(scene(17, 1))]
)
def test_what_is_no_photo_is_no_thumbnail(data: bytes) -> None:
    with pytest.raises(ImageFault):
        thumbnail(data)
