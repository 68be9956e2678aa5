"""What a GPU needs besides: pixels that are copied while it computes, and a word when it is full.

Nothing here knows a model. torch is imported inside functions, as everywhere in this room.
"""

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

log = logging.getLogger(__name__)
T = TypeVar("T")
LESS = 8  # a batch that the GPU's memory cannot hold is tried again in parts of an eighth


class GpuMemoryShort(ConnectionError):
    """The GPU's memory does not hold what is asked of it.

    Other programs may take it up just now: a later try may succeed, so it counts as a fault that
    passes (`faults.run`), and the message says what to do if it does not.
    """


class Feed:
    """Copies batches to the GPU through two pinned buffers in turn, on a stream of its own.

    While the GPU computes with one batch, the next is copied. A buffer is filled again when what it
    held has left it. From pageable memory the driver would copy to a buffer of its own first, and
    hold the thread meanwhile.
    """

    def __init__(self, device: str) -> None:
        import torch

        self._device = device
        self._stream = torch.cuda.Stream()
        self._turns = itertools.cycle([_Buffer(), _Buffer()])
        self._filling = threading.Lock()

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> Any:
        """The pixels as a tensor on the GPU; what is queued on it afterwards finds it filled."""
        import torch

        with self._filling:
            buffer = next(self._turns)
            pinned = buffer.holding(pixels)
            with torch.cuda.stream(self._stream):
                batch = pinned.to(self._device, non_blocking=True)
                buffer.left.record()
            computing = torch.cuda.current_stream()
            computing.wait_event(buffer.left)
        batch.record_stream(computing)  # else the copying stream could reuse its memory too early
        return batch


class _Buffer:
    """Pinned memory, as large as the largest batch so far, and the event that it has been copied.

    Pinning takes milliseconds: once, not for every batch.
    """

    def __init__(self) -> None:
        import torch

        self.left = torch.cuda.Event()
        self._memory: Any = None

    def holding(self, pixels: npt.NDArray[np.uint8]) -> Any:
        import torch

        self.left.synchronize()
        if self._memory is None or len(self._memory) < len(pixels):
            self._memory = torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=True)
        pinned = self._memory[: len(pixels)]
        np.copyto(pinned.numpy(), pixels)
        return pinned


@contextmanager
def memory_told(what: str) -> Iterator[None]:
    """Raise torch's OutOfMemoryError with what was tried and a remedy.

    Raises:
        GpuMemoryShort: the GPU's memory is too small, or others hold it.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        first = str(error).split(". ")[0]
        raise GpuMemoryShort(
            f"the GPU has too little free memory to {what}: {first}. Remedy: end what else runs on "
            "it (nvidia-smi lists it), choose a smaller MUSHROOM_CLIP_MODEL, or set "
            "MUSHROOM_CLIP_DEVICE=cpu"
        ) from error


def with_less_memory(work: Callable[[int], T], step: int, what: str) -> tuple[T, int]:
    """Work in steps; where the GPU's memory does not hold them, once more in smaller ones.

    Returns:
        The result, and the step that was small enough: for the next time.

    Raises:
        GpuMemoryShort: the smaller steps do not fit either.
    """
    import torch

    try:
        return work(step), step
    except torch.OutOfMemoryError as error:
        log.warning("the GPU cannot %s, %d at a time: %s", what, step, error)
    # Not within the `except`: the error holds the frames, and they the tensors
    torch.cuda.empty_cache()
    smaller = max(1, step // LESS)
    with memory_told(f"{what}, {smaller} at a time"):
        return work(smaller), smaller
