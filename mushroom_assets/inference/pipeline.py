"""From stored files to vectors: readers wait for the store, workers decode, and a model encodes.

On CPU a worker takes a batch from bytes to vectors on its own core. Workers never wait for each
other as the threads of one matrix product would: with decoding beside it, such a product is as slow
as its slowest thread. For a GPU one thread encodes what all workers decode. Earlier results are
remembered by content. This module knows no rows and no labels; `reading` bounds files and bytes.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from mushroom_assets.domain.image_row import Outcome
from mushroom_assets.domain.vision import VANISHED, EncodedImage
from mushroom_assets.inference.encoder import ClipEncoder, Pixels
from mushroom_assets.inference.images import ImageFault, content_sha256, read_photo
from mushroom_assets.inference.reading import (
    Portion,
    ended,
    files_in_hand,
    in_order,
    portions,
    readers,
)

# Files that a worker takes at a time where another thread encodes: one question to the memory
PART = 16
# Threads that ask or tell the memory at the same time: a process has 5 + 10 connections to the
# database, and 16 decoders would hold them all
ASKING = 4
NO_SIZES: Mapping[str, int] = {}
See = Callable[[str, Image.Image], None]  # a path and its picture, upright, maybe decoded smaller


class Memory(Protocol):
    """Earlier results by a file's bytes. Up to `ASKING` threads call this at the same time."""

    def recall(self, hashes: Sequence[str]) -> Mapping[str, EncodedImage]:
        """Earlier results for these contents, by SHA-256."""

    def keep(self, images: Sequence[EncodedImage]) -> None:
        """Store a batch that was just computed; a crash after this loses none of it."""


def embed(
    paths: Sequence[str],
    read: Callable[[str], bytes],
    encoder: ClipEncoder,
    memory: Memory,
    sizes: Mapping[str, int] = NO_SIZES,
    see: See | None = None,
) -> Iterator[Outcome]:
    """The outcome of every path, in order.

    Held in memory are the bytes of at most `reading.BYTES_AHEAD` (300 MB, or one file that is
    larger), one decoded picture a worker, and the model's input of a batch a worker, for a GPU of
    the files in hand (some 500, of 150 kB each). Neither the number of files nor their size adds to
    it, but for a file whose size is not told: that counts as 2 MB.

    Args:
        paths: files in the store.
        read: bytes of a path; FileNotFoundError (it vanished) and PermissionError (this one has no
            bytes for us) make it unreadable, any other error ends the work.
        encoder: the model.
        memory: asked before anything is decoded, told after every batch of `encoder.batch` images:
            a killed process loses at most the batches that are being computed.
        sizes: bytes of a path, where the listing tells them.
        see: gets the pictures that are decoded, each in the thread that decoded it.
    """
    line = _Line(read, encoder, memory, see)
    with ended([line.reading, line.workers, line.encoding]):
        work = portions(paths, sizes, _even(len(paths), encoder))
        for outcomes in in_order(work, line.start, line.most):
            yield from outcomes


class _Ready(NamedTuple):
    """A picture as the model takes it, and its facts for `EncodedImage`."""

    pixels: Pixels
    facts: dict[str, Any]


@dataclass(frozen=True)
class _Part:
    """Decoded files: hashes and faults by path, earlier results and new pictures by hash."""

    paths: list[str]
    hashes: dict[str, str] = field(default_factory=dict)
    faults: dict[str, ImageFault] = field(default_factory=dict)
    known: dict[str, EncodedImage] = field(default_factory=dict)
    ready: dict[str, _Ready] = field(default_factory=dict)


class _Line:
    """The threads of one `embed`, and what each does."""

    def __init__(
        self,
        read: Callable[[str], bytes],
        encoder: ClipEncoder,
        memory: Memory,
        see: See | None,
    ) -> None:
        self.reading = readers(encoder.workers)
        self.workers = ThreadPoolExecutor(encoder.workers, "decode", initializer=_one_core)
        self.encoding = ThreadPoolExecutor(1, "encode")  # its thread starts where one is needed
        # A batch being encoded and one being decoded; on CPU each worker has its own
        held = encoder.batch * (encoder.workers if encoder.on_cores else 2)
        self.most = files_in_hand(encoder.workers, held)
        self._read = read
        self._encoder = encoder
        self._memory = memory
        self._see = see
        self._asking = threading.BoundedSemaphore(ASKING)

    def start(self, portion: Portion) -> Future[list[Outcome]]:
        """Start to read, decode and encode a batch."""
        files = [(path, self.reading.submit(self._read, path)) for path in portion.paths]
        if self._encoder.on_cores:
            return self.workers.submit(lambda: self._encode([self._decode(files)]))
        cuts = range(0, len(files), PART)
        parts = [self.workers.submit(self._decode, files[cut : cut + PART]) for cut in cuts]
        return self.encoding.submit(lambda: self._encode([part.result() for part in parts]))

    def _decode(self, files: Sequence[tuple[str, Future[bytes]]]) -> _Part:
        part = _Part([path for path, _ in files])
        data = _bytes_of(files, part.faults)
        part.hashes.update((path, content_sha256(content)) for path, content in data.items())
        with self._asking:
            part.known.update(self._memory.recall(list(part.hashes.values())))
        for path, sha256 in part.hashes.items():
            content = data.pop(path)
            # One file under two paths is one picture
            if sha256 not in part.known and sha256 not in part.ready:
                try:
                    part.ready[sha256] = self._ready(path, content, sha256)
                except ImageFault as fault:
                    part.faults[path] = fault
        return part

    def _ready(self, path: str, content: bytes, sha256: str) -> _Ready:
        photo = read_photo(content, min_side=self._encoder.min_side, sha256=sha256)
        if self._see is not None:
            self._see(path, photo.image)
        facts = {
            "content_sha256": sha256,
            "width": photo.width,
            "height": photo.height,
            "sharpness": photo.sharpness,
            "brightness": photo.brightness,
            "precision": self._encoder.precision,
        }
        # The decoded picture ends here: of a file of 100 megapixels it takes 300 MB
        return _Ready(self._encoder.preprocess(photo.image), facts)

    def _encode(self, parts: Sequence[_Part]) -> list[Outcome]:
        ready = {sha256: seen for part in parts for sha256, seen in part.ready.items()}
        known = {sha256: seen for part in parts for sha256, seen in part.known.items()}
        if ready:
            vectors = self._encoder.encode_images(
                np.stack([seen.pixels for seen in ready.values()])
            )
            new = [
                EncodedImage(embedding=vector, **seen.facts)
                for seen, vector in zip(ready.values(), vectors, strict=True)
            ]
            with self._asking:
                self._memory.keep(new)
            known |= {image.content_sha256: image for image in new}
        return [outcome for part in parts for outcome in _outcomes(part, known, ready)]


def _even(count: int, encoder: ClipEncoder) -> int:
    """Files of a portion: at most a batch, and fewer if all workers then end at the same time.

    Of 200 files in batches of 16 one of two workers had 104 and the other 96.
    """
    if not encoder.on_cores:
        return encoder.batch
    rounds = math.ceil(count / (encoder.batch * encoder.workers)) or 1
    return math.ceil(count / (rounds * encoder.workers)) or 1


def _one_core() -> None:
    import torch

    torch.set_num_threads(1)  # of this thread; others that run already keep theirs


def _bytes_of(
    files: Sequence[tuple[str, Future[bytes]]], faults: dict[str, ImageFault]
) -> dict[str, bytes]:
    """Bytes of the files that can be read, by path; `faults` gets the reasons of the others."""
    data: dict[str, bytes] = {}
    for path, file in files:
        try:
            data[path] = file.result()
        except FileNotFoundError:
            faults[path] = ImageFault("unreadable", VANISHED)
        except PermissionError as error:
            faults[path] = ImageFault("unreadable", f"cannot be read: {error.strerror}")
    return data


def _outcomes(
    part: _Part, known: Mapping[str, EncodedImage], computed: Mapping[str, _Ready]
) -> Iterable[Outcome]:
    for path in part.paths:
        if path in part.faults:
            yield Outcome(path, fault=part.faults[path])
        else:
            sha256 = part.hashes[path]
            yield Outcome(path, known[sha256], computed=sha256 in computed)
