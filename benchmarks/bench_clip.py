"""A day of camera images: what the machine could do, what each part takes, what the asset takes.

    make bench, or: python benchmarks/bench_clip.py [--quick | --gpu] [--images N] [--runs N]
        [--anyway]

The images are frames of 2880x1616 as the simulated cameras draw them. Weights are random, which no
part's time depends on. In each run every figure, what it is compared with and its limit are
measured in turn; medians are printed, and shares and ratios of medians. Where others took more than
a twentieth of the cores meanwhile, no ratio is printed: their load hits one peer more than the
other. `--anyway` prints it, marked. `--gpu` measures the GPU's path alone, in a few minutes.
"""

import argparse
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clip_day import FRAMES, SIZE, Plant, write_day
from clip_parts import (
    Others,
    cpu_name,
    decode_core_s,
    gflops,
    model_core_s,
    pixels_of,
    plain_loop,
    seconds,
)

from mushroom_assets.domain import vision
from mushroom_assets.resources import ClipResource
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage import migrations

GFLOP = 8.82  # of the image tower of ViT-B-32, an image; a multiplication and an addition are two
BATCHES = (4, 8, 16, 32)
GPU_BATCHES = (32, 128, 256)
LATENCY_S = 0.05  # of a store far away
MOST_OTHERS = 0.05  # of the cores
RANDOM = {"model": "ViT-B-32", "pretrained": "random-seed0"}
LARGE = ClipResource(**RANDOM, precision="fp32")
AUTO = ClipResource(**RANDOM)
TINY = ClipResource()
MODELS = {"ViT-B-32": LARGE, "mushroom-tiny": TINY}
MEMORY_LIMIT_MB = {"ViT-B-32": 2000, "mushroom-tiny": 1000}
Taken = Mapping[str, list[float]]


class Table:
    """The lines: a figure, its unit, how many runs, and what it is beside others."""

    anyway = False

    def __init__(self) -> None:
        self.others = 0.0  # the largest share of the cores that they took in one of the runs

    def line(
        self, what: str, taken: Sequence[float], unit: str, *, ratio: str = "", target: str = ""
    ) -> None:
        """Print the median; `ratio` only where the machine was ours, or marked."""
        if ratio and self.others > MOST_OTHERS:
            busy = f"others took {self.others:.0%}"
            ratio = f"{ratio} (BUSY: {busy})" if self.anyway else f"no ratio: {busy}"
        value = statistics.median(taken)
        print(f"{what:58}{value:10.2f} {unit:11}{len(taken):4}  {ratio:34}{target}", flush=True)


def measure(parts: Mapping[str, Callable[[], float]], runs: int, table: Table) -> Taken:
    """Each part's figures, the parts in turn, so that a disturbance meets all alike."""
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(runs):
        others = Others()
        for name, part in parts.items():
            taken[name].append(part())
        table.others = max(table.others, others.share())
    return taken


def warmed(clip: ClipResource) -> Any:
    """The encoder, loaded; the texts of the farm file are encoded once a process."""
    from clip_day import FARM

    encoder = clip.encoder()
    vision.Labeller(FARM.vision, encoder.encode_texts, encoder.logit_scale)
    return encoder


def days_of(name: str, clip: ClipResource, plant: Plant, files: Sequence[Path]) -> dict[str, Any]:
    """A model's parts: decode and model on one core each, the day, and from a distant store."""
    encoder = warmed(clip)
    pixels = pixels_of(files, encoder)
    some = files[: max(FRAMES, 16 * encoder.workers)]
    count = len(files)
    return {
        f"{name} decode": lambda: decode_core_s(encoder, some),
        f"{name} model": lambda: model_core_s(encoder, pixels, encoder.batch),
        f"{name} day": lambda: plant.anew_s(clip, count=count),
        f"{name} far": lambda: plant.anew_s(clip, count=count, latency_s=LATENCY_S),
    }


def show_days(name: str, clip: ClipResource, taken: Taken, count: int, table: Table) -> None:
    """The lines of `days_of`: what the core-seconds allow, and what a day makes of it."""
    encoder = clip.encoder()
    decode, model = (statistics.median(taken[f"{name} {part}"]) for part in ("decode", "model"))
    on_cores = encoder.on_cores
    table.line(f"{name}, decode", _times(1000, taken[f"{name} decode"]), "core-ms")
    what = "core-ms" if on_cores else "GPU-ms"
    title = f"{name}, model ({encoder.precision}, batch {encoder.batch})"
    table.line(title, _times(1000, taken[f"{name} model"]), what)
    # On a GPU decoding and model overlap: the slower one decides
    image_s = (decode + model) / encoder.workers
    allowed = 1 / (image_s if on_cores else max(decode / encoder.workers, model))
    print(f"{f'{name}, these allow':58}{allowed:10.2f} images/s")
    for part, store in (("day", "end to end"), ("far", f"the same, store of {LATENCY_S:.2f} s")):
        rates = [count / took for took in taken[f"{name} {part}"]]
        ratio = f"{statistics.median(rates) / allowed:.2f} of what they allow"
        table.line(f"{name}, {store}", rates, "images/s", ratio=ratio, target="target 0.90")


def _times(factor: float, values: Sequence[float]) -> list[float]:
    return [factor * value for value in values]


def cpu_table(plant: Plant, files: Sequence[Path], runs: int, table: Table) -> None:
    """Models on the cores, a day with each, and the plain loops."""
    count = len(files)
    encoder = warmed(LARGE)
    pixels = pixels_of(files, encoder)
    models = {"ViT-B-32 fp32": LARGE, "ViT-B-32 auto": AUTO, "mushroom-tiny": TINY}
    parts: dict[str, Callable[[], float]] = {
        "products": lambda: gflops(encoder.workers, "float32"),
        "whole": lambda: decode_core_s(encoder, files[:FRAMES], whole=True),
    }
    for batch in BATCHES:
        parts[f"batch {batch}"] = lambda batch=batch: model_core_s(encoder, pixels, batch)
    for name, clip in models.items():
        parts |= days_of(name, clip, plant, files)
    parts["again"] = lambda: plant.day_s(TINY, computed=0)
    for name, at_once in (("naive", 1), ("fair", 8)):
        parts[name] = lambda at_once=at_once: loop_s(encoder, plant, files, at_once)
    taken = measure(parts, runs, table)
    table.line("machine: float32 products, a thread a worker", taken["products"], "GFLOP/s")
    machine = statistics.median(taken["products"]) / encoder.workers
    for batch in BATCHES:
        core_s = taken[f"batch {batch}"]
        share = f"{GFLOP / statistics.median(core_s) / machine:.2f} of the products"
        table.line(f"ViT-B-32 fp32, batch {batch}", _times(1000, core_s), "core-ms", ratio=share)
    table.line("ViT-B-32, decode in full", _times(1000, taken["whole"]), "core-ms")
    for name, clip in models.items():
        show_days(name, clip, taken, count, table)
    table.line("mushroom-tiny, the same day again", taken["again"], "s")
    show_loops(taken, count, table)


def loop_s(encoder: Any, plant: Plant, files: Sequence[Path], at_once: int) -> float:
    """Seconds of a plain loop over the day."""
    plant.forget()
    return seconds(lambda: plain_loop(encoder, plant, files, at_once=at_once))


def show_loops(taken: Taken, count: int, table: Table) -> None:
    """The plain loops' lines, in float32 as they are, and what the day is beside them."""
    large = statistics.median(taken["ViT-B-32 fp32 day"])
    for name, title in (
        ("naive", "plain loop, full decode, an image at a time"),
        ("fair", "plain loop, decoded smaller, batches of 8"),
    ):
        ratio = f"end to end is {statistics.median(taken[name]) / large:.2f} times it"
        rates = [count / took for took in taken[name]]
        table.line(f"ViT-B-32 fp32, {title}", rates, "images/s", ratio=ratio)


def gpu_table(plant: Plant, files: Sequence[Path], runs: int, table: Table) -> None:
    """The GPU's models, in three batches, and a day with each.

    Raises:
        SystemExit: torch sees no GPU.
    """
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU. Remedy: run --gpu where it does")

    print(torch.cuda.get_device_name())
    models = {"ViT-B-32 auto": AUTO, "mushroom-tiny": TINY}
    parts: dict[str, Callable[[], float]] = {}
    for name, clip in models.items():
        encoder = warmed(clip)
        many = pixels_of(files, encoder).repeat(16, axis=0)
        for batch in GPU_BATCHES:
            parts[f"{name}, batch {batch}"] = lambda encoder=encoder, many=many, batch=batch: (
                1 / model_core_s(encoder, many, batch)
            )
        parts |= days_of(name, clip, plant, files)
    taken = measure(parts, runs, table)
    for name, clip in models.items():
        for batch in GPU_BATCHES:
            table.line(f"{name}, batch {batch}", taken[f"{name}, batch {batch}"], "images/s")
        show_days(name, clip, taken, len(files), table)


def memory(plant: Plant, count: int, table: Table) -> None:
    """Fresh processes work off the day, before this one loads much."""
    for name, limit in MEMORY_LIMIT_MB.items():
        plant.forget()
        arguments = ["--child", name, plant.url, f"{plant.images}", f"{count}"]
        command = [sys.executable, __file__, *arguments]  # S603: it is ourselves
        peak = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
        found = [float(peak.stdout.split()[-1])]
        table.line(f"peak memory of a day, {name}", found, "MB", target=f"limit {limit}")


def child(name: str, url: str, images: str, count: str) -> None:
    """A day in a process of its own; prints its peak memory in MB."""
    Plant(url, Path(images)).day_s(MODELS[name], computed=int(count))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def bench(plant: Plant, files: Sequence[Path], asked: argparse.Namespace) -> None:
    """Print the table."""
    size = statistics.mean(file.stat().st_size for file in files)
    print(f"{cpu_name()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    print(f"{len(files)} images of {SIZE[0]}x{SIZE[1]}, {size / 1e3:.0f} kB; medians")
    print(f"{'':58}{'':10} {'':11}{'runs':>4}  share or ratio")
    table = Table()
    table.anyway = asked.anyway
    if asked.gpu:
        gpu_table(plant, files, asked.runs, table)
    else:
        memory(plant, len(files), table)
        cpu_table(plant, files, asked.runs, table)
    print(f"others took {table.others:.0%} of the cores; load {os.getloadavg()[0]:.1f} at the end")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, help="of the day; 200, with --gpu 1,500")
    parser.add_argument("--runs", type=int, help="of each measurement; 3")
    parser.add_argument("--quick", action="store_true", help="40 images, one run")
    parser.add_argument("--gpu", action="store_true", help="the GPU's path alone")
    parser.add_argument("--anyway", action="store_true", help="ratios on a busy machine, marked")
    asked = parser.parse_args()
    asked.images = asked.images or (40 if asked.quick else 1500 if asked.gpu else 200)
    asked.runs = asked.runs or (1 if asked.quick else 3)
    return asked


def main() -> None:
    """Work in a folder and a database of its own."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)  # the runs' own lines
    if sys.argv[1:2] == ["--child"]:
        return child(*sys.argv[2:])
    asked = arguments()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        embedded_postgres(Path(home) / "pg") as url,
    ):
        plant = Plant(url, Path(home) / "images")
        with plant.database.transaction() as connection:
            migrations.upgrade(connection)
        bench(plant, write_day(plant.images, asked.images), asked)
        plant.database.dispose()


if __name__ == "__main__":
    main()
