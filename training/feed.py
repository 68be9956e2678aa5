"""Which pictures a step of the training sees: varied renders, and beside them foreign ones.

One thread prepares the next step's pictures while the model learns from the last. Chance depends on
seed, epoch and step alone, so that a run can be repeated.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.foreign import shuffled
from training.variations import DARK, altered, moved, section_of, varied

Pixels = NDArray[np.uint8]
FOREIGN = 8  # renders to every foreign picture, which is seen twice
SHUFFLED = 0.2  # of the foreign ones, the share that are renders whose tiles are shuffled
ALTERED = 0.5  # and the share that are altered as renders are
CROPPED = 0.8  # of their views, the share that show a section


class Batch(NamedTuple):
    """A step's pictures.

    Attributes:
        pixels: shape (n + 2 m, side, side, 3), n renders, then m foreign pictures, and then the
            same m seen otherwise.
        chosen: shape (n,), which renders.
        plain: shape (n,), as `Varied` has it.
        doubt: shape (n,), as `Varied` has it.
    """

    pixels: Pixels
    chosen: NDArray[np.int64]
    plain: NDArray[np.bool_]
    doubt: NDArray[np.float32]


def batches(
    renders: Pixels, foreign: Pixels | None, size: int, seed: int, epoch: int
) -> Iterator[Batch]:
    """The steps of an epoch: every render once, in another order each time.

    Args:
        renders: shape (count, side, side, 3).
        foreign: a pool of pictures without any crop, of the same form; None for an epoch without
            them, of renders that are only moved.
        size: renders in a step.
        seed: of the whole training.
        epoch: its number.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(renders))
    starts = range(0, len(order) - size + 1, size)

    def prepared(start: int) -> Batch:
        random = np.random.default_rng([seed, epoch, start])
        chosen = np.sort(order[start : start + size])
        if foreign is None:
            return _plain(moved(renders[chosen], random), chosen)
        seen = varied(renders[chosen], random)
        beside = _foreign(renders[chosen], foreign, random)
        views = [_view(beside, random) for _ in range(2)]
        pixels = np.concatenate([seen.pixels, *views])
        return Batch(pixels, chosen, seen.plain, seen.doubt)

    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(prepared, starts[0])
        for start in starts[1:]:
            ready = coming.result()
            coming = thread.submit(prepared, start)
            yield ready
        yield coming.result()


def _plain(pixels: Pixels, chosen: NDArray[np.int64]) -> Batch:
    count = len(chosen)
    return Batch(pixels, chosen, np.ones(count, dtype=bool), np.zeros(count, dtype=np.float32))


def _foreign(renders: Pixels, pool: Pixels, random: np.random.Generator) -> Pixels:
    """Foreign pictures beside some renders: of the pool, and of the renders' own tiles."""
    some = pool[random.integers(0, len(pool), len(renders) // FOREIGN)]
    bright = renders[renders.mean(axis=(1, 2, 3)) > DARK]
    out = np.rot90(some, int(random.integers(4)), axes=(1, 2)).copy()
    for i, (tiles, change) in enumerate(random.random((len(out), 2)).tolist()):
        if tiles < SHUFFLED and len(bright):
            out[i] = shuffled(bright[int(random.integers(len(bright)))], random)
        if change < ALTERED:
            out[i] = altered(out[i], random)
    return out


def _view(pictures: Pixels, random: np.random.Generator) -> Pixels:
    """The same pictures from elsewhere: most often a section; a place beside, mirrored.

    The lamp's colour and the focus stay: where they did not, 0.74 of the parts of photographs were
    nearest to one of the same photograph, in place of 0.84, as colours said nothing any more.
    """
    out = pictures.copy()
    for i, chance in enumerate(random.random(len(out)).tolist()):
        if chance < CROPPED:
            out[i] = section_of(out[i], random)
    return moved(out, random)
