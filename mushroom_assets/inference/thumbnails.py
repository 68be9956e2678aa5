"""Stored files to small pictures, several at a time. No torch here, no rows, no Markdown."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from mushroom_assets.inference.images import ImageFault, thumbnail
from mushroom_assets.inference.reading import (
    Portion,
    ended,
    files_in_hand,
    in_order,
    portions,
    readers,
)

DRAWERS = 4  # threads that decode, which releases Python's lock; others share the machine


def thumbnails(paths: Sequence[str], read: Callable[[str], bytes]) -> dict[str, bytes]:
    """JPEGs by path, as `images.thumbnail`; a file that has vanished or cannot be used has none.

    Args:
        paths: files in the store.
        read: bytes of a path; FileNotFoundError and PermissionError mean this file, any other error
            ends the work.
    """
    reading = readers(DRAWERS)
    drawing = ThreadPoolExecutor(DRAWERS, "thumbnail")

    def start(portion: Portion) -> Future[bytes | None]:
        (path,) = portion.paths
        return drawing.submit(_draw, reading.submit(read, path))

    with ended([reading, drawing]):
        each = portions(paths, {}, most=1)
        pictures = list(in_order(each, start, files_in_hand(DRAWERS, DRAWERS)))
    drawn = zip(paths, pictures, strict=True)
    return {path: picture for path, picture in drawn if picture is not None}


def _draw(file: Future[bytes]) -> bytes | None:
    try:
        return thumbnail(file.result())
    except (FileNotFoundError, PermissionError, ImageFault):
        return None
