"""A day of camera images for `bench_clip`: its files, and the asset on a database and a store.

No measuring of parts here.
"""

import datetime as dt
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg

from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.resources import ClipResource, ImageStore, PostgresResource
from mushroom_assets.simulation.cameras import render, shots
from mushroom_assets.storage.connection import Database

DAY = dt.date(2026, 1, 10)
FARM = parse_farm(reference_farm_text())
SIZE = (2880, 1616)
FRAMES = 60  # different pictures; bytes after a JPEG's end make each file's content its own


class DistantStore(ImageStore):
    """A store that takes `latency_s` to answer each read, however many wait."""

    latency_s: float = 0.0

    def read(self, path: str) -> bytes:
        """The bytes of a file, later."""
        time.sleep(self.latency_s)
        return super().read(path)


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

    def day_s(self, clip: ClipResource, *, computed: int, latency_s: float = 0.0) -> float:
        """Seconds of the asset's body for the day.

        Raises:
            RuntimeError: other than `computed` images were computed.
        """
        doors = {
            "postgres": PostgresResource(url=self.url),
            "image_store": DistantStore(root=str(self.images), latency_s=latency_s),
            "clip": clip,
        }
        job = build_definitions(FARM, doors).resolve_job_def("daily_clip_inference_job")
        quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(quiet, instance=instance, partition_key=DAY.isoformat())
        (success,) = [
            event
            for event in result.get_step_success_events()
            if event.step_key == "daily_clip_inference"
        ]
        (made,) = result.asset_materializations_for_node("daily_clip_inference")
        found = made.metadata["images_computed"].value
        if found != computed:
            raise RuntimeError(f"computed {found} images, not {computed}")
        return float(success.step_success_data.duration_ms) / 1000

    def anew_s(self, clip: ClipResource, *, count: int, latency_s: float = 0.0) -> float:
        """Seconds of a day of `count` images of which nothing is kept."""
        self.forget()
        return self.day_s(clip, computed=count, latency_s=latency_s)


def write_day(root: Path, count: int) -> Sequence[Path]:
    """The day's files, by their paths in a store at `root`."""
    seen = [shot for shot in shots(FARM, list(FARM.rooms), DAY, seed=0) if shot.fault is None]
    chosen = seen[:: len(seen) // FRAMES][: min(FRAMES, count)]
    with ThreadPoolExecutor() as pool:
        frames = list(pool.map(lambda shot: render(shot, seed=0, size=SIZE), chosen))
    midnight = dt.datetime.combine(DAY, dt.time())
    paths = []
    for n in range(count):
        room = list(FARM.rooms)[n % len(FARM.rooms)]
        at = midnight + dt.timedelta(seconds=86_400 * n // count)
        name = f"{room}_cam{n}_20260105_{at:%Y%m%d%H%M%S}.jpg"
        path = root / FARM.folder(room) / f"{DAY:%Y%m%d}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(frames[n % len(frames)] + n.to_bytes(4, "big"))
        paths.append(path)
    return paths
