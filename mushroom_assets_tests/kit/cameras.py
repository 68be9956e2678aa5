"""Farms with cameras: an image store on disk, pictures in it, and what the model said of them."""

import datetime as dt
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import dagster as dg
import numpy as np
from PIL import Image

from mushroom_assets.domain.prompts import model_id
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.resources import ClipResource, FarmFile, PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.plant import put_batch, put_samples, write_farm
from mushroom_assets_tests.kit.runs import run_job
from mushroom_assets_tests.kit.small import SmallFarm

ASSET = "daily_clip_inference"
DAY = "2026-01-10"
DAYS = (DAY, "2026-01-11", "2026-01-12")
FARM = 'timezone: Asia/Shanghai\nfirst_day: 2025-12-01\nrooms: {"607": {folder: "7"}, "611": {}}\n'
# To be added to FARM: other prompts than its own
OTHER_PROMPTS = """vision:
  unknown_margin: 0.001
  unfamiliar_below: 0
  templates: ['{}', 'a photo of {}']
  stages:
    "it's %s": {prompts: [soil]}
    b: {prompts: [a mushroom]}
    c: {prompts: [a blue square, red]}
  conditions: {d: {prompts: [noise]}, e: {prompts: [a painting]}}
  sound: d
"""


def picture(seed: int) -> bytes:
    """A JPEG of coloured blocks, 160x120."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize((160, 120), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


class Cameras(SmallFarm):
    """A farm with cameras: an image store on disk."""

    @classmethod
    @contextmanager
    def open(cls, database: Database, folder: Path) -> Iterator[Self]:
        """A farm in a folder, with a Dagster instance of its own; its image store is not made."""
        path = folder / "farm.yaml"
        with dg.DagsterInstance.ephemeral() as instance:
            yield cls(write_farm(path, FARM), path, database, instance)

    @property
    def store(self) -> Path:
        return self.path.parent / "images"

    def shoot(self, path: str, data: bytes) -> None:
        target = self.store / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def judge(
        self, day: str = DAY, last: str | None = None, **options: Any
    ) -> dg.ExecuteInProcessResult:
        return self.run(ASSET, day, last, **({"images": self.store} | options))

    def found(self) -> dict[str, dict[str, Any]]:
        return {row["image_path"]: row for row in self.rows(ASSET)}

    def sense(self, room: str, point: str, at: dt.datetime, value: float) -> None:
        device = "mushroom_env_status"
        put_samples(self.database, [(room, device, f"{device}_{room}", point, at, value)])


class Relabelled(Cameras):
    """A farm whose stored vectors are given new labels by `relabel_images_job`."""

    def judge_three_days(self) -> None:
        """Two good images on each of DAYS, two bad ones on the second, under the first prompts."""
        put_batch(self.database, "607", dt.date(2026, 1, 2))
        for number, day in enumerate(DAYS):
            digits = day.replace("-", "")
            for hour in (8, 9):
                name = f"607_cam1_202615_{digits}{hour:02}0130.jpg"
                self.shoot(f"7/{digits}/{name}", picture(10 * number + hour))
        self.shoot("611/20260111/611_cam1_202615_20260111080130.jpg", b"no picture at all")
        self.shoot("611/20260111/holiday.jpg", picture(3))
        self.judge(DAYS[0], DAYS[-1])

    def relabel(
        self, since: str | None = None, until: str | None = None, *, raise_on_error: bool = True
    ) -> dg.ExecuteInProcessResult:
        """Run the job for the days from `since` to `until`, both included."""
        config = {"since": since, "until": until}
        doors = {
            "postgres": PostgresResource(url=self.database.url, connect_attempts=1),
            "clip": ClipResource(),
            "farm_file": FarmFile(path=str(self.path)),
        }
        return run_job(
            "relabel_images_job",
            self.farm,
            doors,
            self.instance,
            ops={"relabel_images": {"config": config}},
            raise_on_error=raise_on_error,
        )

    def ask_otherwise(self) -> str:
        """Other prompts in the farm file; returns their model_id."""
        self.farm = write_farm(self.path, FARM + OTHER_PROMPTS)
        return self.model()

    def model(self) -> str:
        """The model_id under the prompts of now."""
        return model_id(load_encoder(None, None).name, self.farm.vision)

    def of(self, model: str) -> list[dict[str, Any]]:
        """All rows of a model_id, vectors as lists."""
        rows = [row for row in self.rows(ASSET, provenance=True) if row["model_id"] == model]
        return [row | {"embedding": _plain(row["embedding"])} for row in rows]


def _plain(vector: Any) -> list[float] | None:
    return None if vector is None else np.asarray(vector).tolist()
