"""What a GPU needs, tried on a machine without: torch's CUDA calls are stood in for."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from mushroom_assets.inference import load as load_module
from mushroom_assets.inference.encoder import ClipEncoder
from mushroom_assets.inference.golden import golden_images
from mushroom_assets.inference.gpu import Feed, GpuMemoryShort, memory_told
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.inference.weights import find_weights

FULL = (
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.11 GiB of "
    "which 13.62 MiB is free."
)


class FakeCuda:
    """Streams and events that note what is asked of them; pinned memory is plain memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch

        self.notes: list[str] = []
        self._events = 0
        self._streams = 0
        empty = torch.empty
        self.computing = self.stream("computing")

        def pinned(*shape: Any, pin_memory: bool = False, **options: Any) -> Any:
            if pin_memory:
                self.notes.append(f"pin {shape[0][0]}")
            return empty(*shape, **options)

        @contextmanager
        def within(stream: Any) -> Iterator[None]:
            self.notes.append(f"on {stream.name}")
            yield
            self.notes.append("back")

        def record(tensor: Any, stream: Any) -> None:
            self.notes.append(f"used by {stream.name}")

        monkeypatch.setattr(torch, "empty", pinned)
        monkeypatch.setattr(torch.Tensor, "record_stream", record)
        monkeypatch.setattr(torch.cuda, "stream", within)
        monkeypatch.setattr(torch.cuda, "Stream", lambda: self.stream("copying"))
        monkeypatch.setattr(torch.cuda, "Event", self.event)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: self.computing)
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: self.notes.append("empty cache"))

    def stream(self, name: str) -> Any:
        class Stream:
            def wait_event(stream, event: Any) -> None:
                self.notes.append(f"{name} waits for {event.number}")

        stream = Stream()
        stream.name = name  # type: ignore[attr-defined]
        return stream

    def event(self) -> Any:
        class Event:
            number = self._events

            def record(event) -> None:
                self.notes.append(f"record {event.number}")

            def synchronize(event) -> None:
                self.notes.append(f"until {event.number}")

        self._events += 1
        return Event()


class OnGpu(ClipEncoder):
    """The CPU, taken for a GPU."""

    @property
    def on_cores(self) -> bool:
        return False


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda(monkeypatch)


@pytest.fixture
def on_gpu(cuda: FakeCuda) -> ClipEncoder:
    weights = find_weights(None, "random-seed0")
    encoder = OnGpu(weights, load_module._build(weights, "cpu"), "cpu", 128, 1)
    encoder.batch = 3
    return encoder


def test_two_pinned_buffers_take_turns_and_each_is_empty_when_it_is_filled(cuda: FakeCuda) -> None:
    feed = Feed("cpu")
    batches = [np.full((n, 2, 2, 3), n, np.uint8) for n in (4, 3, 5)]
    tensors = [feed(batch) for batch in batches]
    for batch, tensor in zip(batches, tensors, strict=True):
        assert tensor.shape == batch.shape
    after = ["back", "computing waits for {}", "used by computing"]
    each = ["until {}", "pin {}", "on copying", "record {}", *after]
    assert cuda.notes == [
        line.format(size if line.startswith("pin") else turn)
        for turn, size in ((0, 4), (1, 3), (0, 5))  # the last is larger than its buffer was
        for line in each
    ]
    cuda.notes.clear()
    feed(batches[1])
    assert cuda.notes[:2] == ["until 1", "on copying"]  # it fits: nothing is pinned anew


def test_vectors_through_the_feed_are_those_of_the_cores(on_gpu: ClipEncoder) -> None:
    golden = golden_images(128)
    expected = load_encoder(None, "random-seed0", "cpu", "fp32").encode_images(golden)
    # 3, 3 and 2: the first buffer is filled again; on a real GPU `to` gives a copy
    found = np.concatenate([on_gpu.encode_images(golden[n : n + 3]) for n in (0, 3, 6)])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert on_gpu.encode_images(golden[:0]).shape == (0, 128)


def full_above(encoder: ClipEncoder, most: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A GPU on which batches of more than `most` have no room; returns the sizes it was given."""
    import torch

    given: list[int] = []
    encode = encoder._model.encode_image

    def limited(batch: Any) -> Any:
        given.append(len(batch))
        if len(batch) > most:
            raise torch.OutOfMemoryError(FULL)
        return encode(batch)

    monkeypatch.setattr(encoder._model, "encode_image", limited)
    return given


def test_where_a_batch_has_no_room_an_eighth_is_tried_from_then_on(
    on_gpu: ClipEncoder,
    cuda: FakeCuda,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    on_gpu.batch = 8
    given = full_above(on_gpu, 1, monkeypatch)
    golden = golden_images(128)
    expected = load_encoder(None, "random-seed0", "cpu", "fp32").encode_images(golden)
    with caplog.at_level(logging.WARNING):
        found = on_gpu.encode_images(golden)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert given == [8, *[1] * 8]
    assert cuda.notes.count("empty cache") == 1
    assert "the GPU cannot encode with mushroom-tiny/random-seed0, 8 at a time" in caplog.text
    given.clear()
    on_gpu.encode_images(golden[:2])
    assert (given, on_gpu.batch) == ([1, 1], 1)


def test_a_full_gpu_is_told_with_a_remedy(
    on_gpu: ClipEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = full_above(on_gpu, 0, monkeypatch)
    on_gpu.batch = 8
    with pytest.raises(GpuMemoryShort) as raised:
        on_gpu.encode_images(golden_images(128))
    assert str(raised.value) == (
        "the GPU has too little free memory to encode with mushroom-tiny/random-seed0, 1 at a "
        "time: CUDA out of memory. Remedy: end what else runs on it (nvidia-smi lists it), choose "
        "a smaller MUSHROOM_CLIP_MODEL, or set MUSHROOM_CLIP_DEVICE=cpu"
    )
    assert given == [8, 1]


def test_so_is_one_that_has_no_room_for_the_model() -> None:
    import torch

    with (
        pytest.raises(GpuMemoryShort, match=r"to load ViT-L-14: CUDA out of memory\. Remedy: end"),
        memory_told("load ViT-L-14"),
    ):
        raise torch.OutOfMemoryError(FULL)


def test_on_a_real_gpu() -> None:
    """Vectors are the cores' and batches hold 128 pictures of 224 px, 256 small ones."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    encoder = load_encoder(None, "random-seed0", "cuda", "fp32")
    assert encoder.batch == 256
    pixels = np.concatenate([golden_images(128)] * 100)  # 800: both buffers are filled twice
    expected = load_encoder(None, "random-seed0", "cpu", "fp32").encode_images(pixels[:8])
    np.testing.assert_allclose(
        encoder.encode_images(pixels), np.concatenate([expected] * 100), atol=1e-3
    )
