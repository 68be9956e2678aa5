"""A day of camera images: what the machine could do, what each part takes, what the asset takes.

    make bench

The images are frames of 2880x1616 as the simulated cameras draw them, some sixty different ones;
bytes after a JPEG's end make each file's content its own. Weights are random, which no part's time
depends on. The limit of the model is the quickest product of large matrices on the same cores,
measured in between; shares and ratios say more than rates.
"""

import argparse
import datetime as dt
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain import vision
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.resources import ClipResource, ImageStore, PostgresResource
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.simulation.cameras import render, shots
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database

DAY = dt.date(2026, 1, 10)
FARM = parse_farm(reference_farm_text())
SIZE = (2880, 1616)
FRAMES = 60
GFLOP = 8.82  # of the image tower of ViT-B-32, an image; a multiplication and an addition are two
BATCHES = (4, 8, 16, 32)
AT_ONCE = 64  # images in one measurement of the model: a batch of 32 for two workers
LARGE = ClipResource(model="ViT-B-32", pretrained="random-seed0", precision="fp32")
TINY = ClipResource()
HALF = ClipResource(model="ViT-B-32", pretrained="random-seed0", precision="bf16")
MODELS = {"ViT-B-32": LARGE, "mushroom-tiny": TINY}
MEMORY_LIMIT_MB = {"ViT-B-32": 2000, "mushroom-tiny": 1000}
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


def show(
    what: str, value: float, unit: str, *, runs: int = 1, share: str = "", target: str = ""
) -> None:
    """One line of the table."""
    print(f"{what:52}{value:10.2f} {unit:13}{runs:4}  {share:34}{target}", flush=True)


class Clock:
    """What is measured by: wall seconds.

    On a shared machine it is this process' CPU seconds over the cores.
    """

    shared = False

    @classmethod
    def now(cls) -> float:
        """Its seconds, from some moment on."""
        return time.process_time() / (os.cpu_count() or 1) if cls.shared else time.perf_counter()


def seconds(work: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = Clock.now()
    work()
    return Clock.now() - started


def workers(count: int) -> ThreadPoolExecutor:
    """Threads with a core each, as the pipeline has them."""
    import torch

    return ThreadPoolExecutor(count, initializer=lambda: torch.set_num_threads(1))


def each(pool: ThreadPoolExecutor, work: Callable[[Any], Any], items: Sequence[Any]) -> float:
    """Seconds until all items are done."""
    return seconds(lambda: list(pool.map(work, items)))


def write_day(root: Path, count: int) -> list[Path]:
    """The day's files, by their paths in a store at `root`; each content once."""
    seen = [shot for shot in shots(FARM, list(FARM.rooms), DAY, seed=0) if shot.fault is None]
    chosen = seen[:: len(seen) // FRAMES][:FRAMES]
    with ThreadPoolExecutor(2) as pool:
        frames = list(pool.map(lambda shot: render(shot, seed=0, size=SIZE), chosen))
    midnight = dt.datetime.combine(DAY, dt.time())
    paths = []
    for n in range(count):
        room = list(FARM.rooms)[n % len(FARM.rooms)]
        at = midnight + dt.timedelta(seconds=400 * n)
        name = f"{room}_cam{n}_20260105_{at:%Y%m%d%H%M%S}.jpg"
        path = root / FARM.folder(room) / f"{DAY:%Y%m%d}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(frames[n % len(frames)] + n.to_bytes(4, "big"))
        paths.append(path)
    return paths


class Plant:
    """A database, the images, and the asset on both."""

    def __init__(self, url: str, images: Path) -> None:
        self.url = url
        self.images = images
        self.database = Database(url)

    def forget(self) -> None:
        """No vector is kept, no row stored."""
        with self.database.transaction() as connection:
            connection.exec_driver_sql("TRUNCATE farm.image_embedding, farm.daily_clip_inference")

    def day_s(self, clip: ClipResource, *, computed: int) -> float:
        """Seconds of the asset's body for the day (shared: of its run).

        Raises:
            RuntimeError: other than `computed` images were computed.
        """
        doors = {
            "postgres": PostgresResource(url=self.url),
            "image_store": ImageStore(root=str(self.images)),
            "clip": clip,
        }
        job = build_definitions(FARM, doors).resolve_job_def("daily_clip_inference_job")
        quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        with dg.DagsterInstance.ephemeral() as instance:
            started = Clock.now()
            result = job.execute_in_process(quiet, instance=instance, partition_key=DAY.isoformat())
            whole = Clock.now() - started
        (success,) = [
            event
            for event in result.get_step_success_events()
            if event.step_key == "daily_clip_inference"
        ]
        (made,) = result.asset_materializations_for_node("daily_clip_inference")
        found = made.metadata["images_computed"].value
        if found != computed:
            raise RuntimeError(f"computed {found} images, not {computed}")
        return whole if Clock.shared else float(success.step_success_data.duration_ms) / 1000


def gemm(side: int, dtype: str, device: str) -> Callable[[Any], float]:
    """A square product, done over and over for a quarter of a second; gives its GFLOP."""
    import torch

    a, b = (torch.randn(side, side, device=device).to(getattr(torch, dtype)) for _ in range(2))

    def work(_: Any) -> float:
        done = 0
        started = time.perf_counter()
        while time.perf_counter() - started < 0.25:
            torch.matmul(a, b)
            if device == "cuda":
                torch.cuda.synchronize()
            done += 1
        return 2e-9 * side**3 * done

    return work


def gflops(count: int, dtype: str, device: str) -> tuple[float, float]:
    """GFLOP/s of products on all cores: each worker's on one thread, and one on all threads."""
    import torch

    if device == "cuda":
        work = gemm(8192, dtype, device)
        work(None)
        started = Clock.now()
        return 0.0, work(None) / (Clock.now() - started)
    work = gemm(1536, dtype, device)
    with workers(count) as pool:
        started = Clock.now()
        alone = sum(pool.map(work, range(count))) / (Clock.now() - started)
    torch.set_num_threads(count)
    started = Clock.now()
    return alone, work(None) / (Clock.now() - started)


def model_rate(encoder: Any, pixels: Any, batch: int) -> float:
    """Images/s of the model alone, in batches of that size on the pipeline's workers."""
    parts = [pixels[start : start + batch] for start in range(0, len(pixels), batch)]
    usual = encoder.batch
    encoder.batch = batch
    try:
        with workers(encoder.workers) as pool:
            each(pool, encoder.encode_images, parts[: encoder.workers])
            return len(pixels) / each(pool, encoder.encode_images, parts)
    finally:
        encoder.batch = usual


def model(encoder: Any, pixels: Any, runs: int) -> dict[int, float]:
    """The table's part on the model alone; returns images/s by batch."""
    dtype = {"fp32": "float32", "bf16": "bfloat16"}[encoder.precision]
    limits = []
    rates = []
    for _ in range(runs):  # in turn, so that a disturbance meets all alike
        limits.append(gflops(encoder.workers, dtype, encoder.device))
        rates.append([model_rate(encoder, pixels, batch) for batch in BATCHES])
    alone, together = (statistics.median(column) for column in zip(*limits, strict=True))
    if alone:
        show(
            f"machine: {dtype} products, {encoder.workers} workers of 1 thread",
            alone,
            "GFLOP/s",
            runs=runs,
        )
    show(f"machine: {dtype} product, the whole {encoder.device}", together, "GFLOP/s", runs=runs)
    found = {}
    for batch, column in zip(BATCHES, zip(*rates, strict=True), strict=True):
        found[batch] = statistics.median(column)
        share = f"{found[batch] * GFLOP / max(alone, together):.2f} of the products"
        best = "target 0.85 at the best" if encoder.precision == "fp32" else ""
        label = f"model ({encoder.precision}, {encoder.workers} workers), batch {batch}"
        show(label, found[batch], "images/s", runs=runs, share=share, target=best)
    return found


def decode_s(encoder: Any, files: Sequence[Path], *, whole: bool) -> float:
    """Core-seconds from a file to the model's pixels, all workers busy."""
    from mushroom_assets.inference.images import read_photo

    side = SIZE[0] if whole else encoder.min_side
    with workers(encoder.workers) as pool:
        taken = each(
            pool,
            lambda path: encoder.preprocess(read_photo(path.read_bytes(), min_side=side).image),
            files,
        )
    return taken * encoder.workers / len(files)


def naive_loop(encoder: Any, plant: Plant, files: Sequence[Path]) -> None:
    """What a notebook would do, one image at a time.

    Open, open_clip's own transform, the model on all threads, one INSERT.
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
    with torch.inference_mode():
        for path in files:
            pixels = transform(Image.open(path)).unsqueeze(0).to(encoder.device)
            (vector,) = (
                torch.nn.functional.normalize(loaded.encode_image(pixels), dim=-1).cpu().tolist()
            )
            room = path.name.split("_")[0]
            values = (f"{path}", "naive", room, DAY, "ok", f"{path}", f"{vector}", "naive")
            with plant.database.transaction() as connection:
                connection.exec_driver_sql(insert, values)


def days(plant: Plant, clip: ClipResource, count: int, runs: int) -> float:
    """Images/s of whole days, from files to rows, nothing kept before: the median."""
    prompts_s(clip.encoder())  # loading and the prompts, once a process, are not counted
    taken = []
    for _ in range(runs):
        plant.forget()
        taken.append(plant.day_s(clip, computed=count))
    return count / statistics.median(taken)


def prompts_s(encoder: Any) -> float:
    """Seconds that the texts of the farm file take a process, once.

    The encoder remembers them afterwards.
    """
    started = time.perf_counter()
    vision.Labeller(FARM.vision, encoder.encode_texts, encoder.logit_scale)
    return time.perf_counter() - started


def half(pixels: Any, runs: int) -> ClipResource | None:
    """The model in bfloat16, where the machine has it."""
    from mushroom_assets.inference.golden import golden_images

    try:
        encoder = HALF.encoder()
    except ValueError as error:
        print(f"bf16: {error}")
        return None
    golden = golden_images(encoder.image_size)
    cosines = (encoder.encode_images(golden) * LARGE.encoder().encode_images(golden)).sum(axis=1)
    show(
        "bf16: smallest cosine of the golden images",
        float(cosines.min()),
        "",
        share=f"{cosines.min():.5f}",
    )
    model(encoder, pixels, runs)
    return HALF


def whole_days(
    plant: Plant, files: Sequence[Path], allowed: float, bf16: ClipResource | None, runs: int
) -> None:
    """The table's part from files to rows."""
    count = len(files)
    encoder = LARGE.encoder()
    show("the farm file's prompts, once a process", prompts_s(encoder), "s")
    large = days(plant, LARGE, count, runs)
    share = f"{large / allowed:.2f} of decode + model"
    show("end to end, ViT-B-32", large, "images/s", runs=runs, share=share, target="target 0.90")
    again = statistics.median(plant.day_s(LARGE, computed=0) for _ in range(runs))
    show("end to end, the same day again, nothing computed", again, "s", runs=runs)
    naive = []
    for _ in range(runs):
        plant.forget()
        naive.append(seconds(lambda: naive_loop(encoder, plant, files)))
    rate = count / statistics.median(naive)
    ratio = f"end to end is {large / rate:.2f} times it"
    show("naive loop, ViT-B-32", rate, "images/s", runs=runs, share=ratio, target="target 1.6")
    if bf16:
        faster = days(plant, bf16, count, runs)
        ratio = f"{faster / rate:.2f} times naive, {faster / large:.2f} fp32"
        show("end to end, ViT-B-32, bf16", faster, "images/s", runs=runs, share=ratio)
    tiny = days(plant, TINY, count, runs)
    ratio = f"{tiny / large:.1f} times ViT-B-32"
    show("end to end, mushroom-tiny", tiny, "images/s", runs=runs, share=ratio, target="target 10")


def memory(plant: Plant, count: int) -> None:
    """The table's part on memory: fresh processes work off the day, before this one loads much."""
    for name, limit in MEMORY_LIMIT_MB.items():
        plant.forget()
        arguments = ["--child", name, plant.url, f"{plant.images}", f"{count}"]
        command = [sys.executable, __file__, *arguments]  # S603: it is ourselves
        peak = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
        show(
            f"peak memory of a day, {name}",
            float(peak.stdout.split()[-1]),
            "MB",
            target=f"limit {limit}",
        )


def child(name: str, url: str, images: str, count: str) -> None:
    """A day in a process of its own; prints its peak memory in MB."""
    Plant(url, Path(images)).day_s(MODELS[name], computed=int(count))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def pixels_of(files: Sequence[Path], encoder: Any) -> Iterator[Any]:
    """The model's input, `AT_ONCE` images."""
    from mushroom_assets.inference.images import read_photo

    for n in range(AT_ONCE):
        photo = read_photo(files[n % len(files)].read_bytes(), min_side=encoder.min_side)
        yield encoder.preprocess(photo.image)


def bench(plant: Plant, files: Sequence[Path], runs: int) -> None:
    """Print the table."""
    size = statistics.mean(file.stat().st_size for file in files)
    print(f"{len(files)} images of {SIZE[0]}x{SIZE[1]}, {size / 1e3:.0f} kB")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; medians")
    print("CPU seconds of this process over the cores" if Clock.shared else "wall seconds")
    print(f"{'':52}{'':10} {'':13}{'runs':>4}  share or ratio")
    memory(plant, len(files))
    encoder = LARGE.encoder()
    pixels = np.stack(list(pixels_of(files, encoder)))
    rates = model(encoder, pixels, runs)
    bf16 = half(pixels, runs)
    some = files[:FRAMES]
    quick = statistics.median(decode_s(encoder, some, whole=False) for _ in range(runs))
    full = statistics.median(decode_s(encoder, some, whole=True) for _ in range(runs))
    show("file to pixels, as the pipeline does", 1000 * quick, "core-ms/image", runs=runs)
    show(
        "file to pixels, full decode",
        1000 * full,
        "core-ms/image",
        runs=runs,
        share=f"{full / quick:.1f} times",
    )
    # On a GPU decoding and model overlap: the slower one decides.
    own = rates[encoder.batch]
    decoding = encoder.workers / quick if encoder.device == "cpu" else (os.cpu_count() or 1) / quick
    allowed = 1 / (1 / decoding + 1 / own) if encoder.device == "cpu" else min(decoding, own)
    show("decode + model allow", allowed, "images/s", runs=runs)
    whole_days(plant, files, allowed, bf16, runs)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


def main() -> None:
    """Read the command line."""
    warnings.filterwarnings("ignore")
    if sys.argv[1:2] == ["--child"]:
        return child(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200, help="images of the day")
    parser.add_argument("--runs", type=int, default=3, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="40 images, one run")
    parser.add_argument(
        "--shared",
        action="store_true",
        help="others compute here too: count CPU seconds over cores",
    )
    asked = parser.parse_args()
    Clock.shared = asked.shared
    count, runs = (40, 1) if asked.quick else (asked.images, asked.runs)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        embedded_postgres(Path(home) / "pg") as url,
    ):
        plant = Plant(url, Path(home) / "images")
        with plant.database.transaction() as connection:
            migrations.upgrade(connection)
        bench(plant, write_day(plant.images, count), runs)
        plant.database.dispose()


if __name__ == "__main__":
    main()
