"""What `bench_clip` compares a day with: the machine, decoding, the model, and two plain loops."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from clip_day import DAY, SIZE, Plant

COLUMNS = (
    "image_path",
    "model_id",
    "room_id",
    "image_date",
    "status",
    "content_sha256",
    "embedding",
    "run_id",
)
AT_ONCE = 64  # images in one measurement of the model


def seconds(work: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cpu_name() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class Others:
    """The share of the cores that others take: their seconds, and those the hypervisor keeps."""

    def __init__(self) -> None:
        self._before = self._now()

    def share(self) -> float:
        """Of all cores, since the last call."""
        before = self._before
        self._before = now = self._now()
        wall = (now[0] - before[0]) * (os.cpu_count() or 1)
        return max(0.0, (now[1] - before[1] - (now[2] - before[2])) / wall)

    def _now(self) -> tuple[float, float, float]:
        """Wall seconds, seconds of all cores that were not idle, and those of our processes."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # in user, too
        own = 0.0
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            try:
                own += sum(process.cpu_times()[:4])  # with those of children that have ended
            except psutil.NoSuchProcess:
                continue
        return time.perf_counter(), sum(times) - idle - guests, own


def workers(count: int) -> ThreadPoolExecutor:
    """Threads with a core each, as the pipeline has them."""
    import torch

    return ThreadPoolExecutor(count, initializer=lambda: torch.set_num_threads(1))


def each(pool: ThreadPoolExecutor, work: Callable[[Any], Any], items: Sequence[Any]) -> float:
    """Seconds until all items are done."""
    return seconds(lambda: list(pool.map(work, items)))


def gflops(count: int, dtype: str) -> float:
    """GFLOP/s of square products on all cores, each worker's on one thread."""
    import torch

    side = 1536
    a, b = (torch.randn(side, side).to(getattr(torch, dtype)) for _ in range(2))

    def work(_: Any) -> float:
        done = 0
        until = time.perf_counter() + 0.25
        while time.perf_counter() < until:
            torch.matmul(a, b)
            done += 1
        return 2e-9 * side**3 * done

    with workers(count) as pool:
        started = time.perf_counter()
        return sum(pool.map(work, range(count))) / (time.perf_counter() - started)


def pixels_of(files: Sequence[Path], encoder: Any) -> Any:
    """The model's input, `AT_ONCE` images."""
    from mushroom_assets.inference.images import read_photo

    photos = []
    for n in range(AT_ONCE):
        photo = read_photo(files[n % len(files)].read_bytes(), min_side=encoder.min_side)
        photos.append(encoder.preprocess(photo.image))
    return np.stack(photos)


def model_core_s(encoder: Any, pixels: Any, batch: int) -> float:
    """Core-seconds an image of the model alone, on the pipeline's workers; on a GPU seconds."""
    count = encoder.workers if encoder.on_cores else 1
    parts = [pixels[start : start + batch] for start in range(0, len(pixels), batch)]
    usual = encoder.batch
    encoder.batch = batch
    try:
        with workers(count) as pool:
            each(pool, encoder.encode_images, parts[:count])
            return count * each(pool, encoder.encode_images, parts) / len(pixels)
    finally:
        encoder.batch = usual


def decode_core_s(encoder: Any, files: Sequence[Path], *, whole: bool = False) -> float:
    """Core-seconds from a file to the model's pixels, all workers busy."""
    from mushroom_assets.inference.images import read_photo

    side = SIZE[0] if whole else encoder.min_side

    def decode(path: Path) -> Any:
        return encoder.preprocess(read_photo(path.read_bytes(), min_side=side).image)

    with workers(encoder.workers) as pool:
        return encoder.workers * each(pool, decode, files) / len(files)


def plain_loop(encoder: Any, plant: Plant, files: Sequence[Path], *, at_once: int) -> None:
    """What a notebook would do: Pillow, open_clip's own transform, the model on all threads.

    With one image at a time it decodes them in full and has a transaction for each. With more it
    has five lines more: JPEGs are decoded smaller, and a batch is one product and one transaction.
    """
    import open_clip
    import torch
    from PIL import Image

    torch.set_num_threads(encoder.workers)
    loaded = encoder._model  # the same weights; nothing else of the encoder is used
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**loaded.visual.preprocess_cfg), is_train=False
    )
    # S608: the names are our own
    insert = (
        f"INSERT INTO farm.daily_clip_inference ({', '.join(COLUMNS)}, computed_at)"  # noqa: S608
        f" VALUES ({', '.join(['%s'] * len(COLUMNS))}, now())"
    )

    def opened(path: Path) -> Image.Image:
        image = Image.open(path)
        if at_once > 1:
            image.draft("RGB", (encoder.min_side, encoder.min_side))
        return image

    with torch.inference_mode():
        for start in range(0, len(files), at_once):
            batch = files[start : start + at_once]
            pixels = torch.stack([transform(opened(path)) for path in batch]).to(encoder.device)
            features = loaded.encode_image(pixels)
            vectors = torch.nn.functional.normalize(features, dim=-1).cpu().tolist()
            rows = []
            for path, vector in zip(batch, vectors, strict=True):
                room = path.name.split("_")[0]
                row = (f"{path}", "plain", room, DAY, "ok", f"{path}", f"{vector}", "plain")
                rows.append(row)
            with plant.database.transaction() as connection:
                connection.exec_driver_sql(insert, rows)
