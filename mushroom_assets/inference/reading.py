"""Reading ahead of those who compute: how many files wait for the store, how many bytes are held.

Here live threads that only wait, and the order of what is in hand. Not here: what a store is (a
function gives a path's bytes) and what becomes of the bytes (`pipeline`, `thumbnails`).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

T = TypeVar("T")
# A worker takes 10 ms an image and more: with 16 reads in flight it does not notice a store that
# takes 160 ms to answer. Threads start as they are needed, and wait.
READS_A_WORKER = 16
MOST_READERS = 128  # 16 workers at 100 ms; the store opens as many connections (`image_store`)
BYTES_AHEAD = 300_000_000  # of files being read or waiting for a worker: 555 frames of 540 kB
PORTION_BYTES = BYTES_AHEAD // 4  # so that four portions are in hand even of large files
UNTOLD_BYTES = 2_000_000  # taken for a file whose size is not known: a frame of 5 to 8 megapixels


class Portion(NamedTuple):
    """Files that are worked on together, in order, and their bytes."""

    paths: list[str]
    size: int


def portions(paths: Iterable[str], sizes: Mapping[str, int], most: int) -> Iterator[Portion]:
    """Cut paths into portions of `most` files, or fewer that hold at most `PORTION_BYTES`.

    A file that is larger has a portion of its own.

    Args:
        paths: files in the store.
        sizes: bytes by path, as a listing tells them; one that is missing counts `UNTOLD_BYTES`.
        most: files in a portion.
    """
    held = Portion([], 0)
    for path in paths:
        size = sizes.get(path, UNTOLD_BYTES)
        if held.paths and (len(held.paths) == most or held.size + size > PORTION_BYTES):
            yield held
            held = Portion([], 0)
        held = Portion([*held.paths, path], held.size + size)
    if held.paths:
        yield held


def in_order(
    work: Iterable[Portion], start: Callable[[Portion], Future[T]], most: int
) -> Iterator[T]:
    """Results of all portions, in order; those that follow are started while one is awaited.

    Args:
        work: what is to be done.
        start: starts to read a portion, and the work on it.
        most: files in hand: no portion is started that makes more than these, or more bytes than
            `BYTES_AHEAD`. A single portion may be larger.
    """
    running: deque[tuple[Future[T], Portion]] = deque()
    files = 0
    size = 0
    for portion in work:
        while running and (files + len(portion.paths) > most or size + portion.size > BYTES_AHEAD):
            result, done = running.popleft()
            yield result.result()
            files -= len(done.paths)
            size -= done.size
        running.append((start(portion), portion))
        files += len(portion.paths)
        size += portion.size
    while running:
        yield running.popleft()[0].result()


def readers(workers: int) -> ThreadPoolExecutor:
    """Threads that wait for the store, enough for so many workers."""
    return ThreadPoolExecutor(min(READS_A_WORKER * workers, MOST_READERS), "read")


def files_in_hand(workers: int, held: int) -> int:
    """How many files `in_order` may have in hand: those that are held, and as many being read.

    Args:
        workers: threads that take the files.
        held: files that they hold together.
    """
    return held + max(held, min(READS_A_WORKER * workers, MOST_READERS))


@contextmanager
def ended(pools: Sequence[Executor]) -> Iterator[None]:
    """At the end, also after a fault, nothing that waits is begun, and no thread stays.

    Args:
        pools: who feeds others comes first: what those still wait for is then cancelled.
    """
    try:
        yield
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)
