"""From stored files to vectors: a worker takes a batch from bytes to vectors on its own core.

Workers never wait for each other as the threads of one matrix product would: with decoding beside
it, such a product is as slow as its slowest thread. Memory holds two batches of files a worker,
whatever their number. Earlier results are remembered by content. This module knows no rows and no
labels.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from mushroom_assets.domain.image_row import Outcome
from mushroom_assets.domain.vision import VANISHED, EncodedImage
from mushroom_assets.inference.encoder import ClipEncoder
from mushroom_assets.inference.images import ImageFault, Photo, content_sha256, read_photo

READERS = 4  # threads that wait for the store while the workers compute


class Memory(Protocol):
    """Earlier results by a file's bytes. The workers call this, each from its own thread."""

    def recall(self, hashes: Sequence[str]) -> Mapping[str, EncodedImage]:
        """Earlier results for these contents, by SHA-256."""

    def keep(self, images: Sequence[EncodedImage]) -> None:
        """Store a batch that was just computed; a crash after this loses none of it."""


def embed(
    paths: Sequence[str], read: Callable[[str], bytes], encoder: ClipEncoder, memory: Memory
) -> Iterator[Outcome]:
    """The outcome of every path, in order.

    Args:
        paths: files in the store.
        read: bytes of a path; FileNotFoundError (it vanished) and PermissionError (this one has no
            bytes for us) make it unreadable, any other error ends the work.
        encoder: the model.
        memory: asked before anything is decoded, told after every batch of `encoder.batch` images:
            a killed process loses at most the batches that its workers are computing.
    """
    readers = ThreadPoolExecutor(READERS, "read")
    workers = ThreadPoolExecutor(encoder.workers, "encode", initializer=_one_core)
    running: deque[Future[list[Outcome]]] = deque()
    try:
        for first in range(0, len(paths), encoder.batch):
            batch = paths[first : first + encoder.batch]
            files = [(path, readers.submit(read, path)) for path in batch]
            running.append(workers.submit(_embed_batch, files, encoder, memory))
            # Each worker has one batch in hand and one whose files are being read
            if len(running) == 2 * encoder.workers:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()
    finally:  # after a fault of the store nobody waits for the reads still in the queue
        readers.shutdown(cancel_futures=True)
        workers.shutdown(cancel_futures=True)


def _one_core() -> None:
    import torch

    torch.set_num_threads(1)  # of this thread; others that run already keep theirs


def _embed_batch(
    files: Sequence[tuple[str, Future[bytes]]], encoder: ClipEncoder, memory: Memory
) -> list[Outcome]:
    data, faults = _read(files)
    hashes = {path: content_sha256(content) for path, content in data.items()}
    known = dict(memory.recall(list(hashes.values())))
    photos: dict[str, Photo] = {}  # by content: one file under two paths is one photo
    for path, sha256 in hashes.items():
        if sha256 not in known and sha256 not in photos:
            try:
                photos[sha256] = read_photo(data[path], min_side=encoder.min_side, sha256=sha256)
            except ImageFault as fault:
                faults[path] = fault
    known |= _encode(photos, encoder, memory)
    outcomes = []
    for path, _ in files:
        if path in faults:
            outcomes.append(Outcome(path, fault=faults[path]))
        else:
            sha256 = hashes[path]
            outcomes.append(Outcome(path, known[sha256], computed=sha256 in photos))
    return outcomes


def _read(
    files: Sequence[tuple[str, Future[bytes]]],
) -> tuple[dict[str, bytes], dict[str, ImageFault]]:
    """Bytes of the files that can be read, and faults of the others, by path."""
    data: dict[str, bytes] = {}
    faults: dict[str, ImageFault] = {}
    for path, file in files:
        try:
            data[path] = file.result()
        except FileNotFoundError:
            faults[path] = ImageFault("unreadable", VANISHED)
        except PermissionError as error:
            faults[path] = ImageFault("unreadable", f"cannot be read: {error.strerror}")
    return data, faults


def _encode(
    photos: Mapping[str, Photo], encoder: ClipEncoder, memory: Memory
) -> dict[str, EncodedImage]:
    if not photos:
        return {}
    pixels = np.stack([encoder.preprocess(photo.image) for photo in photos.values()])
    vectors = encoder.encode_images(pixels)
    encoded = {
        sha256: EncodedImage(
            content_sha256=sha256,
            embedding=vector,
            width=photo.width,
            height=photo.height,
            sharpness=photo.sharpness,
            brightness=photo.brightness,
        )
        for (sha256, photo), vector in zip(photos.items(), vectors, strict=True)
    }
    memory.keep(list(encoded.values()))
    return encoded
