"""From stored files to vectors: read and decode in threads while the model works, batch by batch.

Memory holds two batches of preprocessed pixels, whatever the number of files. Rows and labels are not known here.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mushroom_assets.inference.encoder import ClipEncoder
from mushroom_assets.inference.images import ImageFault, Photo, content_sha256, read_photo

BATCH = 16  # images; the tiny model and ViT-B-32 are both within 5 % of their best here
READERS = 4  # threads: they wait for the store and decode outside the interpreter's lock


@dataclass(frozen=True)
class Outcome:
    """What became of one file: a photo with its vector, or a fault."""

    path: str
    photo: Photo | None = None
    fault: ImageFault | None = None
    embedding: npt.NDArray[np.float32] | None = None


def embed(paths: Sequence[str], read: Callable[[str], bytes], encoder: ClipEncoder) -> Iterator[Outcome]:
    """The outcome of every path, in order.

    Args:
        paths: files in the store.
        read: bytes of a path; a file that vanished (FileNotFoundError) is unreadable, any other error is raised.
        encoder: the model.
    """

    def prepare(path: str) -> tuple[Outcome, npt.NDArray[np.float32] | None]:
        try:
            photo = read_photo(read(path), min_side=encoder.min_side)
        except FileNotFoundError:
            return Outcome(path, fault=ImageFault("unreadable", "the file vanished", content_sha256(b""))), None
        except ImageFault as fault:
            return Outcome(path, fault=fault), None
        return Outcome(path, photo), encoder.preprocess(photo.image)

    batches = [paths[first : first + BATCH] for first in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(READERS) as readers:
        ahead = [readers.submit(prepare, path) for batch in batches[:1] for path in batch]
        for number in range(len(batches)):
            prepared = [future.result() for future in ahead]
            ahead = [readers.submit(prepare, path) for batch in batches[number + 1 : number + 2] for path in batch]
            yield from _encode(prepared, encoder)


def _encode(
    prepared: Sequence[tuple[Outcome, npt.NDArray[np.float32] | None]], encoder: ClipEncoder
) -> Iterator[Outcome]:
    pixels = [array for _, array in prepared if array is not None]
    vectors = iter(encoder.encode_images(np.stack(pixels)) if pixels else ())
    for outcome, array in prepared:
        yield outcome if array is None else replace(outcome, embedding=next(vectors))
