"""Stored files to small pictures, several at a time. No torch here, no rows, no Markdown."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mushroom_assets.inference.images import ImageFault, thumbnail

# Threads that wait for the store; decoding in them takes 6 ms a picture and releases Python's lock
READERS = 8


def thumbnails(paths: Sequence[str], read: Callable[[str], bytes]) -> dict[str, bytes]:
    """JPEGs by path, as `images.thumbnail`; a file that has vanished or cannot be used has none.

    Args:
        paths: files in the store.
        read: bytes of a path; FileNotFoundError and PermissionError mean this file, any other error
            ends the work.
    """

    def draw(path: str) -> bytes | None:
        try:
            return thumbnail(read(path))
        except (FileNotFoundError, PermissionError, ImageFault):
            return None

    pool = ThreadPoolExecutor(READERS, "thumbnail")
    try:
        pictures = pool.map(draw, paths)
        return {
            path: picture
            for path, picture in zip(paths, pictures, strict=True)
            if picture is not None
        }
    finally:  # after a fault of the store nobody waits for the reads still in the queue
        pool.shutdown(cancel_futures=True)
