"""`daily_clip_inference`: what the cameras saw."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg
import sqlalchemy as sa
from pydantic import Field

from mushroom_assets.assets.cameras import Cameras, open_cameras, read_circumstances
from mushroom_assets.assets.windows import RunPolicy, pictured, replace_windows
from mushroom_assets.domain import names, reach
from mushroom_assets.domain.image_row import DailyClipInference, JudgedImage, image_labels
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.vision import vision_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.day_locks import lock_table
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.outdated import claim, mark
from mushroom_assets.storage.results import replace_rows
from mushroom_assets.storage.schema import daily_clip_inference as table
from mushroom_assets.storage.schema import image_quarantine
from mushroom_assets.storage.vision.index_build import ensure_index
from mushroom_assets.storage.vision.listings import store_listing
from mushroom_assets.storage.vision.probes import read_probes
from mushroom_assets.storage.vision.room_days import likened_to, replace_room_days


class VisionConfig(dg.Config):
    """What a run may ask for."""

    recompute: bool = Field(
        default=False, description="compute images again whose vectors are kept"
    )


def vision_asset(clock: FarmClock, policy: RunPolicy) -> dg.AssetsDefinition:
    """The asset on a farm's clock; one run at a time holds the pool, and with it the model."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=["room_images", "sample", "batch"],
        retry_policy=policy.retry,
        backfill_policy=policy.backfill,
        pool=policy.pool,
    )
    def daily_clip_inference(
        context: dg.AssetExecutionContext,
        config: VisionConfig,
        postgres: PostgresResource,
        image_store: ImageStore,
        clip: ClipResource,
        farm_file: FarmFile,
    ) -> dg.MaterializeResult[None]:
        farm = farm_file.read()
        with permanent_faults_fail_at_once():
            database = postgres.database(context.run.run_id)
            drawn = pictured(context)
            cameras = open_cameras(image_store, clip, database, farm, config.recompute, drawn)

        def replace(days: Sequence[Window]) -> dict[str, Metadata]:
            (day,) = days
            follow(database, farm)
            stored = replace_day(database, day, cameras, context.run.run_id)
            return {
                day.key: stored_metadata(stored, cameras, with_pictures=day.key in cameras.drawn)
            }

        result = replace_windows(context, clock.daily, replace, chunk=1)
        with permanent_faults_fail_at_once():
            ensure_index(database, cameras.encoder.name)
        return result

    return daily_clip_inference


class StoredDay(NamedTuple):
    """A day's rows as they are stored, what no day will look at, and how many were computed."""

    rows: list[DailyClipInference]
    strays: list[dict[str, Any]]
    computed: int


def replace_day(database: Database, day: Window, cameras: Cameras, run_id: str) -> StoredDay:
    """Judge a day's images and replace their rows, in one transaction.

    The model works before the transaction: other runs do not wait for it. What came meanwhile is
    judged inside.
    """
    encoder = cameras.encoder.name
    files = cameras.files(day)
    judged = cameras.judge(files, day)
    with database.transaction() as connection:
        claim(connection, table, [day])
        listed = cameras.files(day)
        store_listing(connection, day.date, listed)
        judged = cameras.judge_again(judged, files, listed, day)
        now = dt.datetime.now(dt.UTC)
        stamp = {"run_id": run_id, "computed_at": now}
        rows = [row | stamp for row in put_together(connection, judged, day, cameras)]
        changed = replace_rows(connection, table, within(day, cameras), rows)
        before = likened_to(connection, encoder, day.date)
        replace_room_days(connection, encoder, cameras.model_id, day.date, run_id)
        if changed:
            after = likened_to(connection, encoder, day.date)
            touched = reach.told_of([day.date]) | {found.day for found in before ^ after}
            mark(connection, reach.of_days(names.REPORT, touched, table.name, cameras.farm))
        strays = _quarantine(connection, cameras, stamp)
    return StoredDay(rows, strays, sum(row["computed"] for row in judged.values()))


def put_together(
    connection: sa.Connection, judged: Mapping[str, JudgedImage], day: Window, cameras: Cameras
) -> list[Any]:
    """A day's rows, but for who computed them: judged images, circumstances and labels."""
    surroundings = read_circumstances(connection, cameras.farm, day)
    probes = read_probes(connection, cameras.encoder.name)
    labels = image_labels(judged.values(), cameras.labeller, probes)
    model = {"model_id": cameras.model_id}
    rows: list[Any] = []
    for path, row in judged.items():
        rows.append({**row, **surroundings(row), **labels.get(path, {}), **model})
    return rows


def within(day: Window, cameras: Cameras) -> sa.ColumnElement[bool]:
    """The rows of a day by the model and the prompts of now."""
    return (table.c.image_date == day.date) & (table.c.model_id == cameras.model_id)


def _quarantine(
    connection: sa.Connection, cameras: Cameras, stamp: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Store what lies where no day will ever look, with the reason, instead of what lay there."""
    lock_table(connection, image_quarantine)
    noticed = {"run_id": stamp["run_id"], "noticed_at": stamp["computed_at"]}
    found = cameras.store.strays(cameras.farm)
    strays = [{"image_path": path, "reason": reason} | noticed for path, reason in found]
    replace_rows(connection, image_quarantine, sa.true(), strays)
    return strays


def stored_metadata(stored: StoredDay, cameras: Cameras, *, with_pictures: bool) -> Metadata:
    """What the UI shows of a stored day."""
    shown = vision_metadata(
        stored.rows,
        cameras.model_id,
        trained=cameras.encoder.trained,
        farm=cameras.farm,
        strays=stored.strays,
        draw=cameras.thumbnails if with_pictures else None,
    )
    precisions = sorted({row["precision"] for row in stored.rows if row["precision"]})
    made = {"images_computed": stored.computed, "precision": ", ".join(precisions) or "-"}
    return shown | made
