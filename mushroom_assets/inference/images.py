"""Camera files to pixels: decoding, orientation, sharpness, brightness, thumbnails.

And why a file could not be used. No torch here, no model, no store: bytes come in. What a model
does to the pixels is the business of `encoder`.
"""

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from mushroom_assets.domain.image_row import MAX_BYTES, too_large
from mushroom_assets.inference.whole import whole_pixels

# No EPS or PDF: those make Pillow start other programs
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
MAX_PIXELS = 100_000_000  # 20 times a 2880x1616 frame; a PNG of that size takes 300 MB decoded
# A model scales the short side to its input: 1x100000 would become 224 x 22 million
MAX_ASPECT = 16
# Px of the short side. Camera modules begin at 96, the packaged model's input is 128 and sharpness
# is measured at 192: of less than a third of that, more is made up than seen
MIN_SIDE = 64
# Px of the short side at which sharpness is measured; an eighth of a 2880x1616 frame has 202
WORK_SIDE = 192
EXIF_ORIENTATION = 0x0112
# Px at most; a 2880x1616 frame becomes 144x81. Six fit beside each other in Dagster's window
THUMBNAIL = (144, 144)
THUMBNAIL_BYTES = 6_000  # a rendered shelf takes 1,200 to 3,000 at the first quality
THUMBNAIL_QUALITIES = (60, 40, 20)  # white noise takes 4,800 at the last
PREVIEW_QUALITY = 78  # of what a person looks at in a browser
# What Pillow 13 raises on damaged files (found by flipping and cutting bytes of each format),
# beside its own OSErrors.
DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    IndexError,
    KeyError,
    struct.error,
    zlib.error,
)
# MAX_PIXELS decides, with a reason and the size, before anything is decoded
Image.MAX_IMAGE_PIXELS = None


class ImageFault(Exception):
    """A file that cannot become a vector.

    `status` is "unreadable" (not to be decoded) or "rejected" (decodable, but not accepted);
    `reason` is plain text; `content_sha256` is that of the bytes, None where they could not be
    read; `width` and `height` are in px, None where the file does not tell.
    """

    def __init__(
        self,
        status: Literal["unreadable", "rejected"],
        reason: str,
        content_sha256: str | None = None,
        width: int | None = None,
        height: int | None = None,
    ) -> None:
        super().__init__(status, reason, content_sha256, width, height)
        self.status = status
        self.reason = reason
        self.content_sha256 = content_sha256
        self.width = width
        self.height = height

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}"


@dataclass(frozen=True)
class Photo:
    """A decoded file.

    Attributes:
        image: RGB, upright; possibly smaller than the file (see `read_photo`).
        width: of the file in px, after orientation.
        height: of the file in px, after orientation.
        content_sha256: of the file's bytes, 64 hex digits.
        sharpness: variance of the Laplacian of the grey image (0..255) scaled to a short side of
            192 px, unit grey².
        brightness: mean of the grey image, 0 (black) to 1 (white).
    """

    image: Image.Image
    width: int
    height: int
    content_sha256: str
    sharpness: float
    brightness: float


def content_sha256(data: bytes) -> str:
    """The SHA-256 of a file's bytes, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def read_photo(data: bytes, *, min_side: int, sha256: str | None = None) -> Photo:
    """Decode a camera file, large JPEGs at a half, a quarter or an eighth of their size.

    Args:
        data: the file. Its content, not its name, decides the format; the first frame of an
            animation counts.
        min_side: the least px that the short side keeps when a JPEG is decoded smaller (a model
            wants `ClipEncoder.min_side`). Smaller files keep their size.
        sha256: `content_sha256` of the data, from a caller who has it.

    Raises:
        ImageFault: empty, damaged, cut off, no image, or larger, smaller or narrower than accepted.
    """
    if len(data) > MAX_BYTES:  # then whoever read it has read no further, and the hash is of a part
        raise ImageFault("rejected", too_large())
    sha256 = sha256 or content_sha256(data)
    # The decoder's DCT scaling. A 2880x1616 frame of 540 kB takes 5.7 ms in all (4.9 to decode) at
    # an eighth, which is enough for 128 px, and 6.8 ms (5.8) at a quarter, which 224 px need.
    image, width, height = _decode(data, max(min_side, WORK_SIDE), sha256)
    return Photo(image, width, height, sha256, *_sharpness_and_brightness(image))


def thumbnail(data: bytes) -> bytes:
    """A camera file as a small JPEG, at most 144x144 px and about 6 kB, upright.

    Raises:
        ImageFault: as `read_photo`.
    """
    image, _, _ = _decode(data, min(THUMBNAIL), None)
    return sketch(image)


def preview(data: bytes, side: int) -> bytes:
    """A camera file as a JPEG whose longer side has `side` px at most, upright.

    Raises:
        ImageFault: as `read_photo`.
    """
    # Of a picture that is twice as wide as high the short side has half of the px
    image, _, _ = _decode(data, side // 2, None)
    image.thumbnail((side, side))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=PREVIEW_QUALITY, optimize=True)
    return file.getvalue()


def sketch(image: Image.Image) -> bytes:
    """A decoded picture as `thumbnail` has it: 0.8 ms, where a frame's file takes 6.5 ms."""
    image = image.copy()
    image.thumbnail(THUMBNAIL)
    for quality in THUMBNAIL_QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= THUMBNAIL_BYTES:
            break
    return file.getvalue()


def _decode(data: bytes, side: int, sha256: str | None) -> tuple[Image.Image, int, int]:
    """The picture in RGB, upright, and the file's own width and height, upright as well.

    A large JPEG is decoded smaller; its short side keeps at least `side` px.
    """
    if not data:
        raise ImageFault("unreadable", "the file is empty (0 bytes)", sha256)
    size: tuple[int | None, int | None] = (None, None)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as file:
            size = file.size
            # Before the orientation, for which Pillow decodes a PNG
            refusal = _refusal(file.mode, *file.size)
            if refusal:
                raise ImageFault("rejected", refusal, sha256, *file.size)
            width, height = _upright_size(file)
            size = (width, height)
            image = whole_pixels(file, data, side)
            return _rgb(image, file), width, height
    except UnidentifiedImageError as error:
        reason = f"not an image of a known format ({', '.join(FORMATS)})"
        raise ImageFault("unreadable", reason, sha256) from error
    except DECODE_ERRORS as error:
        raise ImageFault("unreadable", f"damaged or cut off: {error}", sha256, *size) from error


def _upright_size(file: Image.Image) -> tuple[int, int]:
    # The four that turn by a quarter
    sideways = file.getexif().get(EXIF_ORIENTATION) in (5, 6, 7, 8)
    return (file.height, file.width) if sideways else (file.width, file.height)


def _refusal(mode: str, width: int, height: int) -> str | None:
    if mode in ("I", "F"):
        kind = "32-bit integers" if mode == "I" else "floats"
        return f"its pixels are {kind}, which have no agreed white"
    if width * height > MAX_PIXELS:
        return f"{width}x{height}: more than {MAX_PIXELS // 1_000_000} million pixels"
    if max(width, height) > MAX_ASPECT * min(width, height):
        return f"{width}x{height}: one side is more than {MAX_ASPECT} times the other"
    if min(width, height) < MIN_SIDE:
        return f"{width}x{height}: the short side has less than {MIN_SIDE} px"
    return None


def _rgb(image: Image.Image, file: Image.Image) -> Image.Image:
    """A file's pixels upright and with eight bits a channel, whatever the file has."""
    image.info = file.info  # where it says how it was held
    ImageOps.exif_transpose(image, in_place=True)
    if isinstance(file, JpegImageFile) and file.mode == "CMYK" and "adobe" not in file.info:
        # Pillow turns all inks around, but only Adobe stores them so
        image = ImageChops.invert(image)
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255, which turns nearly every 16-bit picture white.
        grey = np.asarray(image).astype(np.uint16) // 257
        image = Image.fromarray(grey.astype(np.uint8))
    return image.convert("RGB")


def _sharpness_and_brightness(image: Image.Image) -> tuple[float, float]:
    grey = image.convert("L")
    brightness = float(np.asarray(grey).mean()) / 255
    # Halving first brings every scale of decoding to the same point: sharpness then agrees within
    # 0.1 % on frames, 0.7 % on noise and 5 % on waves of 6 to 12 px, whichever model asked; a plain
    # resize differs by up to 42 %.
    halvings = max((min(grey.size) // WORK_SIDE).bit_length() - 1, 0)
    grey = grey.reduce(2**halvings)
    scale = WORK_SIDE / min(grey.size)
    size = (round(grey.width * scale), round(grey.height * scale))
    g = np.asarray(grey.resize(size, Image.Resampling.BILINEAR), dtype=np.float32)
    laplacian = g[1:-1, :-2] + g[1:-1, 2:] + g[:-2, 1:-1] + g[2:, 1:-1] - 4 * g[1:-1, 1:-1]
    return float(laplacian.var(dtype=np.float64)), brightness
