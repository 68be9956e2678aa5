"""The pipeline's order, bounds and ends, with a model of arithmetic: on cores, and as for a GPU."""

import io
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mushroom_assets.domain.image_row import Outcome
from mushroom_assets.domain.vision import EncodedImage
from mushroom_assets.faults.retry import Retry
from mushroom_assets.inference.images import content_sha256
from mushroom_assets.inference.pipeline import ASKING, embed
from mushroom_assets.storage.connection import Database, Limits
from mushroom_assets.storage.vision.embeddings import EmbeddingMemory

PATIENCE_S = 60  # for what comes at once or never
SHAPES = pytest.mark.parametrize("on_cores", [True, False], ids=["cores", "gpu"])
MB = 1_000_000


def picture(grey: int, mark: int = 0) -> bytes:
    """A grey square; the mark changes the bytes and no pixel."""
    file = io.BytesIO()
    Image.new("L", (96, 96), grey).save(file, "PNG")
    return file.getvalue() + bytes([mark])


class Model:
    """An encoder by arithmetic: a picture's vector is its grey, and one."""

    name = "model/weights"
    min_side = 96
    precision = "fp32"

    def __init__(self, *, on_cores: bool, workers: int = 2, batch: int = 8) -> None:
        self.on_cores = on_cores
        self.workers = workers
        self.batch = batch
        self.given: list[int] = []
        self.threads: set[str] = set()

    def preprocess(self, image: Image.Image) -> Any:
        return np.asarray(image.resize((1, 1)))

    def encode_images(self, pixels: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        self.given.append(len(pixels))
        grey = pixels[:, 0, 0, 0].astype(np.float32)
        return np.stack([grey, np.ones_like(grey)], axis=1)


class Kept:
    """A memory of this process, and how many threads were in it at most."""

    def __init__(self, images: Sequence[EncodedImage] = ()) -> None:
        self.images = {image.content_sha256: image for image in images}
        self.batches: list[int] = []
        self.most = 0
        self._inside = 0
        self._lock = threading.Lock()

    def recall(self, hashes: Sequence[str]) -> Mapping[str, EncodedImage]:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        time.sleep(0)  # let others in
        with self._lock:
            self._inside -= 1
            return {sha: self.images[sha] for sha in hashes if sha in self.images}

    def keep(self, images: Sequence[EncodedImage]) -> None:
        self.batches.append(len(images))
        self.images |= {image.content_sha256: image for image in images}


def run(
    paths: Sequence[str],
    read: Callable[[str], bytes],
    model: Any,
    memory: Any = None,
    sizes: Mapping[str, int] | None = None,
) -> list[Outcome]:
    return list(embed(paths, read, model, memory or Kept(), sizes or {}))


class Ahead:
    """A store that counts the files that were asked for and whose outcome nobody has yet."""

    def __init__(self) -> None:
        self.asked = 0
        self.most = 0
        self._taken = 0
        self._changed = threading.Condition()

    def read(self, path: str) -> bytes:
        with self._changed:
            self.asked += 1
            self.most = max(self.most, self.asked - self._taken)
            self._changed.notify_all()
        return picture(int(path) % 200)

    def taken(self) -> None:
        with self._changed:
            self._taken += 1

    def wait_for(self, asked: int) -> None:
        with self._changed:
            there = self._changed.wait_for(lambda: self.asked >= asked, PATIENCE_S)
        assert there, f"{self.asked} files were asked for, not {asked}"


def work_through(ahead: Ahead, count: int, model: Any, sizes: Mapping[str, int]) -> None:
    for _ in embed([str(n) for n in range(count)], ahead.read, model, Kept(), sizes):
        ahead.taken()


@SHAPES
def test_outcomes_come_in_the_order_of_the_paths_each_with_its_own_vector(on_cores: bool) -> None:
    paths = [str(n) for n in range(200)]
    later = threading.Event()

    def read(path: str) -> bytes:
        if path == "3":  # the others of its batch are there long before
            assert later.wait(PATIENCE_S)
        if path == "30":
            later.set()
        return picture(int(path))

    model = Model(on_cores=on_cores)
    outcomes = run(paths, read, model)
    assert [outcome.path for outcome in outcomes] == paths
    for outcome in outcomes:
        assert outcome.encoded is not None
        assert outcome.encoded.embedding.tolist() == [int(outcome.path), 1]
        assert (outcome.encoded.width, outcome.encoded.precision) == (96, "fp32")
        assert outcome.computed
    assert model.given == [8] * 25


def test_for_a_gpu_one_thread_encodes_whole_batches_of_what_all_decode() -> None:
    decoding = threading.Barrier(4)
    model = Model(on_cores=False, workers=4, batch=64)
    preprocess = model.preprocess

    def together(image: Image.Image) -> Any:
        decoding.wait(PATIENCE_S)  # passes only where four decode at the same time
        return preprocess(image)

    model.preprocess = together  # type: ignore[method-assign]
    memory = Kept()
    paths = [str(n) for n in range(128)]
    run(paths, lambda path: picture(int(path)), model, memory, dict.fromkeys(paths, 1000))
    assert model.given == memory.batches == [64, 64]
    assert len(model.threads) == 1
    assert model.threads.pop().startswith("encode")


@SHAPES
def test_so_many_reads_wait_for_the_store_together(on_cores: bool) -> None:
    """Two workers: 32 reads, whatever the store's latency."""
    together = threading.Barrier(32)

    def read(path: str) -> bytes:
        together.wait(PATIENCE_S)
        return picture(int(path))

    assert len(run([str(n) for n in range(64)], read, Model(on_cores=on_cores, batch=16))) == 64


@SHAPES
def test_reads_run_ahead_of_a_slow_model_so_far_and_no_further(on_cores: bool) -> None:
    """In hand are 2 batches of 8, in the queue or at the store as many files as readers, 32."""
    ahead = Ahead()
    model = Model(on_cores=on_cores)
    encode = model.encode_images

    def slow(pixels: Any) -> Any:
        ahead.wait_for(48)
        return encode(pixels)

    model.encode_images = slow  # type: ignore[method-assign]
    work_through(ahead, 200, model, {})
    assert (ahead.asked, ahead.most) == (200, 48)


@SHAPES
@pytest.mark.parametrize(
    ("size", "most"),
    [(60 * MB, 5), (75 * MB, 4), (160 * MB, 1), (2_000 * MB, 1), (9 * MB, 32)],
)
def test_bytes_in_hand_are_bounded(on_cores: bool, size: int, most: int) -> None:
    """300 MB in portions of at most 75; of 9 MB each, four portions of 8."""
    ahead = Ahead()
    sizes = {str(n): size for n in range(60)}
    work_through(ahead, 60, Model(on_cores=on_cores, workers=8, batch=16), sizes)
    assert (ahead.asked, ahead.most) == (60, most)


def test_files_whose_size_no_one_tells_count_two_megabytes() -> None:
    """Portions of 37, four of them: 296 MB."""
    ahead = Ahead()
    model = Model(on_cores=False, workers=16, batch=128)
    work_through(ahead, 400, model, {})
    assert ahead.most == 148
    assert max(model.given) <= 37


def fail(*_: Any) -> Any:
    raise ConnectionError("it is down")


@SHAPES
@pytest.mark.parametrize("part", ["read", "recall", "keep", "preprocess", "encode_images"])
def test_a_fault_ends_the_work_and_no_thread_stays(on_cores: bool, part: str) -> None:
    asked: list[str] = []
    model = Model(on_cores=on_cores)
    memory = Kept()

    def read(path: str) -> bytes:
        asked.append(path)
        return fail() if part == "read" and path == "40" else picture(int(path) % 200)

    for owner in (model, memory):
        if hasattr(owner, part):
            setattr(owner, part, fail)
    before = threading.active_count()
    with pytest.raises(ConnectionError, match="it is down"):
        run([str(n) for n in range(500)], read, model, memory)
    assert len(asked) < 500
    assert threading.active_count() == before


@SHAPES
def test_who_stops_asking_leaves_no_thread(on_cores: bool) -> None:
    """A cancelled run ends so: an interrupt strikes while it waits for the next outcome."""
    ahead = Ahead()
    before = threading.active_count()
    model: Any = Model(on_cores=on_cores)
    outcomes = embed([str(n) for n in range(500)], ahead.read, model, Kept())
    assert next(outcomes).path == "0"
    outcomes.close()  # type: ignore[attr-defined]
    assert ahead.asked < 500
    assert threading.active_count() == before


@SHAPES
def test_a_file_that_cannot_be_used_is_told_and_the_others_do_not_notice(on_cores: bool) -> None:
    faults = {"1": FileNotFoundError(2, "gone"), "40": PermissionError(13, "no right")}

    def read(path: str) -> bytes:
        if path in faults:
            raise faults[path]
        return b"no picture" if path == "50" else picture(int(path))

    outcomes = run([str(n) for n in range(60)], read, Model(on_cores=on_cores, batch=32))
    reasons = {outcome.path: outcome.fault.reason for outcome in outcomes if outcome.fault}
    assert list(reasons) == ["1", "40", "50"]
    assert reasons["1"] == "the file vanished"
    assert reasons["40"] == "cannot be read: no right"
    assert sum(outcome.encoded is not None for outcome in outcomes) == 57


@SHAPES
def test_a_content_is_encoded_once_and_a_kept_one_not_at_all(on_cores: bool) -> None:
    """Files 5 and 25 have the same bytes, and for a GPU another thread decodes each."""
    old = EncodedImage(
        content_sha256(picture(7)), np.array([9, 9], np.float32), 96, 96, 0.0, 0.5, "bf16"
    )
    memory = Kept([old])
    model = Model(on_cores=on_cores, batch=64)
    paths = [str(n) for n in range(60)]

    def read(path: str) -> bytes:
        return picture(5 if path == "25" else int(path))

    outcomes = run(paths, read, model, memory, dict.fromkeys(paths, 1000))
    assert sum(model.given) == 58
    assert outcomes[7].encoded is old  # with the precision it was made with
    assert not outcomes[7].computed
    assert outcomes[5].encoded is outcomes[25].encoded
    assert outcomes[5].computed
    assert outcomes[25].computed


def test_few_threads_ask_the_memory_at_the_same_time() -> None:
    memory = Kept()
    together = threading.Barrier(ASKING)
    recall = memory.recall

    def waiting(hashes: Sequence[str]) -> Mapping[str, EncodedImage]:
        together.wait(PATIENCE_S)  # four are let in
        return recall(hashes)

    memory.recall = waiting  # type: ignore[method-assign]
    paths = [str(n) for n in range(16 * 16)]
    model = Model(on_cores=False, workers=16, batch=64)
    run(paths, lambda path: picture(int(path)), model, memory, dict.fromkeys(paths, 1000))
    assert 1 <= memory.most <= ASKING


def test_sixteen_decoders_need_no_more_connections_than_that(database: Database) -> None:
    """A fifth would find the pool empty, and fail at once."""
    limits = Limits(pool_size=ASKING, max_overflow=0, pool_timeout_s=0.001)
    narrow = Database(database.url, limits=limits, retry=Retry(attempts=1))
    memory = EmbeddingMemory(narrow, "model/weights")
    paths = [str(n) for n in range(250)]
    try:
        for computed in (250, 0):
            model = Model(on_cores=False, workers=16, batch=64)
            outcomes = run(paths, lambda path: picture(int(path)), model, memory)
            assert sum(outcome.computed for outcome in outcomes) == computed
            assert {outcome.encoded and outcome.encoded.precision for outcome in outcomes} == {
                "fp32"
            }
    finally:
        narrow.dispose()
