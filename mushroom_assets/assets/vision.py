"""`daily_clip_inference`: what the cameras saw."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import sqlalchemy as sa
from pydantic import Field

from mushroom_assets.assets.windows import pictured, replace_windows
from mushroom_assets.domain import environment, vision
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.growth import growth_on
from mushroom_assets.domain.image_key import ImageKeyError, day_prefixes, parse_image_key
from mushroom_assets.domain.probe import Probe, probe_columns
from mushroom_assets.domain.series import Series, known_at
from mushroom_assets.domain.windows import Window, to_us
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.vision import vision_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.results import lock_for_replace, replace_rows
from mushroom_assets.storage.samples import read_samples
from mushroom_assets.storage.schema import daily_clip_inference as table
from mushroom_assets.storage.schema import image_quarantine
from mushroom_assets.storage.vision.embeddings import EmbeddingMemory
from mushroom_assets.storage.vision.index_build import ensure_index
from mushroom_assets.storage.vision.labels import read_probes
from mushroom_assets.storage.vision.room_days import replace_room_days

if TYPE_CHECKING:
    from mushroom_assets.inference.pipeline import Outcome

CLIMATE_MAX_AGE_S = 300  # a sample older than this says nothing of the capture
CLIMATE = {"temperature_c": "temperature", "humidity_pct": "humidity", "co2_ppm": "co2"}


class VisionConfig(dg.Config):
    """What a run may ask for."""

    recompute: bool = Field(
        default=False, description="compute images again whose vectors are kept"
    )


def vision_asset(
    clock: FarmClock,
    retry_policy: dg.RetryPolicy,
    backfill_policy: dg.BackfillPolicy,
    pool: str | None,
) -> dg.AssetsDefinition:
    """The asset on a farm's clock; one run at a time holds the pool, and with it the model."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=["room_images", "sample", "batch"],
        retry_policy=retry_policy,
        backfill_policy=backfill_policy,
        pool=pool,
    )
    def daily_clip_inference(
        context: dg.AssetExecutionContext,
        config: VisionConfig,
        postgres: PostgresResource,
        image_store: ImageStore,
        clip: ClipResource,
        farm_file: FarmFile,
    ) -> dg.MaterializeResult[None]:
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
                circumstances = _read_circumstances(connection, farm, day)
                probes = read_probes(connection, encoder.name)
                stamp = {
                    "model_id": model_id,
                    "run_id": run_id,
                    "computed_at": dt.datetime.now(dt.UTC),
                }
                labels = _labels(judged, labeller, probes)
                rows = [
                    row | circumstances(row) | labels.get(path, {}) | stamp
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
    encoder: Any
    memory: EmbeddingMemory
    farm: Farm

    def files(self, day: Window) -> dict[str, tuple[str, Any]]:
        """The day's files: path -> room and what changes with the content."""
        prefixes = day_prefixes(self.farm, day.date)
        return {
            path: (room, fingerprint)
            for room, prefix in prefixes.items()
            for path, fingerprint in self.store.listing(prefix).items()
        }

    def judge(self, files: Mapping[str, tuple[str, Any]], day: Window) -> dict[str, dict[str, Any]]:
        """What the files say by themselves, a row each, by path.

        `computed`: the model worked on it in this run.
        """
        # With the encoder comes torch: only for inference
        from mushroom_assets.inference.pipeline import embed

        return {
            outcome.path: self._row(outcome, files[outcome.path][0], day)
            for outcome in embed(list(files), self.store.read, self.encoder, self.memory)
        }

    def judge_again(
        self,
        judged: Mapping[str, dict[str, Any]],
        files: Mapping[str, tuple[str, Any]],
        day: Window,
    ) -> dict[str, dict[str, Any]]:
        """With what came, went or changed while the model worked: of two runs the later one has the
        later files.
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

    def _row(self, outcome: "Outcome", room: str, day: Window) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(column.name for column in table.columns)
        row |= {"image_path": outcome.path, "room_id": room, "image_date": day.date, "status": "ok"}
        row["computed"] = outcome.computed
        if (fault := outcome.fault) is not None:
            row |= {
                "status": fault.status,
                "error": fault.reason,
                "content_sha256": fault.content_sha256,
            }
            row |= {"width": fault.width, "height": fault.height}
        if outcome.encoded is not None:
            row |= vars(outcome.encoded)
        try:
            key = parse_image_key(outcome.path, self.farm)
            row |= {"camera": key.camera, "captured_at": key.captured_at, "batch_date": key.in_date}
        except ImageKeyError as error:
            row |= {"status": "rejected", "error": str(error), "embedding": None}
        return row


def _quarantine(
    connection: sa.Connection, found: Iterable[tuple[str, str]], stamp: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Store what lies where no day will ever look, with the reason, instead of what lay there
    before.
    """
    noticed = {"run_id": stamp["run_id"], "noticed_at": stamp["computed_at"]}
    strays = [{"image_path": path, "reason": reason} | noticed for path, reason in found]
    replace_rows(connection, image_quarantine, sa.true(), strays)
    return strays


def _labels(
    judged: Mapping[str, dict[str, Any]], labeller: vision.Labeller, probes: Mapping[str, Probe]
) -> dict[str, dict[str, Any]]:
    """Zero-shot labels, and beside them the probe's, of all images that have a vector, by path."""
    paths = [path for path, row in judged.items() if row["embedding"] is not None]
    if not paths:
        return {}
    vectors = np.stack([judged[path]["embedding"] for path in paths])
    scores, own = labeller.score(vectors), probe_columns(probes, vectors)
    return {
        path: asdict(score) | columns
        for path, score, columns in zip(paths, scores, own, strict=True)
    }


def _read_circumstances(
    connection: sa.Connection, farm: Farm, day: Window
) -> Callable[[Mapping[str, Any]], Any]:
    """Read batches and climate of a day; returns what gives a row its batch, growth day and
    climate.
    """
    sources = environment.sources(read_points(connection), farm)
    since = day.before(dt.timedelta(seconds=CLIMATE_MAX_AGE_S))
    samples = read_samples(
        connection, [p for points in sources.values() for p in points], since, day.end
    )
    climate = environment.climate(samples, sources, farm)
    batches = read_batches(connection)
    return lambda row: _circumstances(row, climate, farm, batches)


def _circumstances(
    row: Mapping[str, Any],
    climate: Mapping[tuple[str, str], Series],
    farm: Farm,
    batches: Mapping[str, Sequence[dt.date]],
) -> dict[str, Any]:
    """Batch, growth day and climate at the capture.

    The batch table decides, the file's name is the fallback.
    """
    if row["captured_at"] is None:
        return {}
    captured_on, room = row["captured_at"].date(), row["room_id"]
    growth = growth_on(captured_on, batches.get(room, ()), farm.cycle_days)
    if growth.batch_date is None and row["batch_date"]:
        growth = growth_on(captured_on, [row["batch_date"]], farm.cycle_days)
    at = to_us(row["captured_at"])
    values = {
        column: known_at(climate[room, quantity], at, CLIMATE_MAX_AGE_S)
        for column, quantity in CLIMATE.items()
        if (room, quantity) in climate
    }
    return {"batch_date": growth.batch_date, "growth_day": growth.growth_day} | values
