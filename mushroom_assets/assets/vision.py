"""`daily_clip_inference`: what the cameras saw."""

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
import sqlalchemy as sa
from pydantic import Field

from mushroom_assets.assets.windows import pictured, replace_windows
from mushroom_assets.domain import environment, vision
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_key import day_prefixes
from mushroom_assets.domain.image_row import (
    Circumstances,
    DailyClipInference,
    JudgedImage,
    circumstances,
    image_labels,
    judged_image,
)
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.definition import definition
from mushroom_assets.metadata.vision import vision_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.results import lock_for_replace, replace_rows
from mushroom_assets.storage.samples import read_batches, read_points, read_samples
from mushroom_assets.storage.schema import daily_clip_inference as table
from mushroom_assets.storage.schema import image_quarantine
from mushroom_assets.storage.vision.embeddings import EmbeddingMemory
from mushroom_assets.storage.vision.index import ensure_index
from mushroom_assets.storage.vision.labels import read_probes
from mushroom_assets.storage.vision.search import replace_room_days

if TYPE_CHECKING:
    from mushroom_assets.inference.encoder import ClipEncoder


class VisionConfig(dg.Config):
    """What a run may ask for."""

    recompute: bool = Field(
        default=False, description="compute images again whose vectors are kept"
    )


def vision_asset(clock: FarmClock, farm: Farm, **policy: Any) -> dg.AssetsDefinition:
    """The asset on a farm's clock; `policy` holds its retry and backfill policies and its pool."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=["room_images", "sample", "batch"],
        **definition(table, farm),
        **policy,
    )
    def daily_clip_inference(
        context: dg.AssetExecutionContext,
        config: VisionConfig,
        postgres: PostgresResource,
        image_store: ImageStore,
        clip: ClipResource,
        farm_file: FarmFile,
    ) -> dg.MaterializeResult:
        run_id = context.run.run_id
        with permanent_faults_fail_at_once():
            farm, encoder, database = farm_file.read(), clip.encoder(), postgres.database(run_id)
            model_id = vision.model_id(encoder.name, farm.vision)
            labeller = vision.Labeller(farm.vision, encoder.encode_texts, encoder.logit_scale)
            cameras = _Cameras(
                image_store,
                encoder,
                EmbeddingMemory(database, encoder.name, forget=config.recompute),
                farm,
            )
        with_pictures = pictured(context)

        def replace(days: Sequence[Window]) -> dict[str, Metadata]:
            (day,) = days
            files = cameras.files(day)
            judged = cameras.judge(files, day)
            with postgres.transaction(run_id) as connection:
                lock_for_replace(connection, table)
                judged = cameras.judge_again(judged, files, day)
                surroundings = _read_circumstances(connection, farm, day)
                probes = read_probes(connection, encoder.name)
                stamp = {
                    "model_id": model_id,
                    "run_id": run_id,
                    "computed_at": dt.datetime.now(dt.UTC),
                }
                labels = image_labels(judged.values(), labeller, probes)
                rows: list[dict[str, Any]] = [
                    {**row, **surroundings(row), **labels.get(path, {}), **stamp}
                    for path, row in judged.items()
                ]
                replace_rows(
                    connection,
                    table,
                    (table.c.image_date == day.date) & (table.c.model_id == model_id),
                    rows,
                )
                replace_room_days(connection, encoder.name, model_id, day.date, run_id)
                strays = _quarantine(connection, image_store.strays(farm), stamp)
            computed = sum(row["computed"] for row in judged.values())
            draw = cameras.thumbnails if day.key in with_pictures else None
            shown = vision_metadata(
                rows, model_id, trained=encoder.trained, farm=farm, strays=strays, draw=draw
            )
            return {day.key: shown | {"images_computed": computed}}

        result = replace_windows(context, clock.daily, replace, chunk=1)
        with permanent_faults_fail_at_once():
            ensure_index(database, encoder.name)
        return result

    return daily_clip_inference


@dataclass(frozen=True)
class _Cameras:
    """A day's files and what the model makes of them."""

    store: ImageStore
    encoder: "ClipEncoder"
    memory: EmbeddingMemory
    farm: Farm

    def files(self, day: Window) -> dict[str, tuple[str, Any]]:
        """The day's files: path -> room and what changes with the content."""
        found: dict[str, tuple[str, Any]] = {}
        for room, prefix in day_prefixes(self.farm, day.date).items():
            listing = self.store.listing(prefix)
            found |= {path: (room, fingerprint) for path, fingerprint in listing.items()}
        return found

    def judge(self, files: Mapping[str, tuple[str, Any]], day: Window) -> dict[str, JudgedImage]:
        """What the files say by themselves, a row each, by path.

        `computed`: the model worked on it in this run.
        """
        # With the encoder comes torch: only for inference
        from mushroom_assets.inference.pipeline import embed

        judged = {}
        for outcome in embed(list(files), self.store.read, self.encoder, self.memory):
            room, _ = files[outcome.path]
            judged[outcome.path] = judged_image(outcome, room, day.date, self.farm)
        return judged

    def judge_again(
        self,
        judged: Mapping[str, JudgedImage],
        files: Mapping[str, tuple[str, Any]],
        day: Window,
    ) -> dict[str, JudgedImage]:
        """With what came, went or changed while the model worked.

        Of two runs the later one has the later files.
        """
        now = self.files(day)
        changed = {path: file for path, file in now.items() if files.get(path) != file}
        kept = {
            path: row
            for path, row in judged.items()
            if path in now or row["error"] == vision.VANISHED
        }
        return kept | self.judge(changed, day)

    def thumbnails(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Small JPEGs of the files that are still there."""
        # Brings Pillow: only for inference
        from mushroom_assets.inference.thumbnails import thumbnails

        return thumbnails(paths, self.store.read)


def _quarantine(
    connection: sa.Connection, found: Iterable[tuple[str, str]], stamp: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Store what lies where no day will ever look, with the reason.

    It takes the place of what lay there before.
    """
    noticed = {"run_id": stamp["run_id"], "noticed_at": stamp["computed_at"]}
    strays = [{"image_path": path, "reason": reason} | noticed for path, reason in found]
    replace_rows(connection, image_quarantine, sa.true(), strays)
    return strays


def _read_circumstances(
    connection: sa.Connection, farm: Farm, day: Window
) -> Callable[[DailyClipInference], Circumstances]:
    """Read batches and climate of a day; returns what gives a row its circumstances."""
    sources = environment.sources(read_points(connection), farm)
    point_ids = list(itertools.chain.from_iterable(sources.values()))
    since = day.before(dt.timedelta(seconds=vision.CLIMATE_MAX_AGE_S))
    samples = read_samples(connection, point_ids, since, day.end)
    climate = environment.climate(samples, sources, farm)
    batches = read_batches(connection)
    return partial(circumstances, climate=climate, farm=farm, in_dates=batches)
