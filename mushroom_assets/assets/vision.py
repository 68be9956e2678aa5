"""`daily_clip_inference`: what the cameras saw."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from mushroom_assets.assets.windows import replace_windows
from mushroom_assets.domain import environment, vision
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.growth import growth_on
from mushroom_assets.domain.windows import Window, to_us
from mushroom_assets.faults import permanent_faults_fail_at_once
from mushroom_assets.metadata import GROUP, Metadata, definition_metadata, vision_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.results import lock_for_replace, replace_rows
from mushroom_assets.storage.samples import read_batches, read_points, read_samples
from mushroom_assets.storage.schema import daily_clip_inference as table

CLIMATE_MAX_AGE_S = 300  # a sample older than this says nothing of the capture
CLIMATE = {"temperature_c": "temperature", "humidity_pct": "humidity", "co2_ppm": "co2"}


def vision_asset(clock: FarmClock, **policy: Any) -> dg.AssetsDefinition:
    """The asset on a farm's clock; `policy` holds its retry and backfill policies and its pool."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=["room_images", "sample", "batch"],
        group_name=GROUP,
        kinds={"postgres", "pytorch"},
        metadata=definition_metadata(table),
        **policy,
    )
    def daily_clip_inference(
        context: dg.AssetExecutionContext,
        postgres: PostgresResource,
        image_store: ImageStore,
        clip: ClipResource,
        farm_file: FarmFile,
    ) -> dg.MaterializeResult:
        """CLIP inference on the day's camera images, one row per image and model.

        The vector of the image alone, zero-shot stage and condition by prompt ensemble with every label's probability,
        and the climate at the capture.
        A label without a clear lead is `unknown`. An image that cannot be used is a row with its reason. `model_id`
        names model, weights and prompts: `random` in it means untrained weights, whose labels mean nothing.
        """
        with permanent_faults_fail_at_once():
            farm, encoder = farm_file.read(), clip.encoder()
            model_id = vision.model_id(encoder.name, farm.vision)
            labeller = vision.Labeller(farm.vision, encoder.encode_texts, encoder.logit_scale)

        def replace(days: Sequence[Window]) -> dict[str, Metadata]:
            (day,) = days
            judged = list(_judge_images(image_store, encoder, labeller, farm, day))
            with postgres.transaction(context.run.run_id) as connection:
                lock_for_replace(connection, table)
                sources = environment.sources(read_points(connection), farm)
                since = day.before(dt.timedelta(seconds=CLIMATE_MAX_AGE_S))
                samples = read_samples(connection, [p for points in sources.values() for p in points], since, day.end)
                climate = environment.climate(samples, sources, farm)
                batches = read_batches(connection)
                stamp = {"model_id": model_id, "run_id": context.run.run_id, "computed_at": dt.datetime.now(dt.UTC)}
                rows = [row | _circumstances(row, climate, farm, batches) | stamp for row in judged]
                replace_rows(connection, table, (table.c.image_date == day.date) & (table.c.model_id == model_id), rows)
            return {day.key: vision_metadata(rows, model_id, trained=encoder.trained, farm=farm)}

        return replace_windows(context, clock.daily, replace, chunk=1)

    return daily_clip_inference


def _judge_images(
    store: ImageStore, encoder: Any, labeller: vision.Labeller, farm: Farm, day: Window
) -> Iterator[dict[str, Any]]:
    """What the images of a day say by themselves, a row each."""
    from mushroom_assets.inference.pipeline import embed  # with the encoder comes torch: only for inference

    rooms = {path: room for room, prefix in vision.day_prefixes(farm, day.date).items() for path in store.paths(prefix)}
    for outcome in embed(list(rooms), store.read, encoder):
        row: dict[str, Any] = dict.fromkeys(column.name for column in table.columns)
        row |= {"image_path": outcome.path, "room_id": rooms[outcome.path], "image_date": day.date, "status": "ok"}
        if outcome.fault is not None:
            fault = outcome.fault
            row |= {"status": fault.status, "error": fault.reason, "content_sha256": fault.content_sha256}
            row |= {"width": fault.width, "height": fault.height}
        if outcome.photo is not None:
            row |= {key: value for key, value in vars(outcome.photo).items() if key in row}
        try:
            key = vision.parse_image_key(outcome.path, farm)
        except vision.ImageKeyError as error:
            yield row | {"status": "rejected", "error": str(error)}
            continue
        row |= {"camera": key.camera, "captured_at": key.captured_at, "batch_date": key.in_date}
        if outcome.embedding is not None:
            row |= {"embedding": outcome.embedding} | asdict(labeller.score(outcome.embedding[None])[0])
        yield row


def _circumstances(
    row: dict[str, Any],
    climate: Mapping[tuple[str, str], environment.Series],
    farm: Farm,
    batches: Mapping[str, Sequence[dt.date]],
) -> dict[str, Any]:
    """Batch, growth day and climate at the capture. The batch table decides, the file's name is the fallback."""
    if row["captured_at"] is None:
        return {}
    captured_on, room = row["captured_at"].date(), row["room_id"]
    growth = growth_on(captured_on, batches.get(room, ()), farm.cycle_days)
    if growth.batch_date is None and row["batch_date"]:
        growth = growth_on(captured_on, [row["batch_date"]], farm.cycle_days)
    at = to_us(row["captured_at"])
    values = {
        column: environment.known_at(climate[room, quantity], at, CLIMATE_MAX_AGE_S)
        for column, quantity in CLIMATE.items()
        if (room, quantity) in climate
    }
    return {"batch_date": growth.batch_date, "growth_day": growth.growth_day} | values
