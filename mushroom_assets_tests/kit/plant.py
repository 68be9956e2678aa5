"""A plant's rows into the tables, Dagster runs over them, and the results back."""

import datetime as dt
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.batches import insert_batches
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.points import register_points
from mushroom_assets.storage.samples import insert_samples
from mushroom_assets_tests.kit.runs import run_job

# Columns that differ from run to run.
PROVENANCE = ("run_id", "computed_at", "detected_at")


def write_farm(path: Path, text: str) -> Farm:
    """A farm file on disk, and the farm in it."""
    path.write_text(text, encoding="utf-8")
    return parse_farm(text, source=str(path))


def put_samples(
    database: Database,
    samples: Iterable[tuple[str, str, str, str, dt.datetime, float]],
    *,
    received: str = "2026-01-01",
) -> None:
    """Store samples given as (room, device_type, device_alias, point_alias, instant, value)."""
    point = ["room_id", "device_type", "device_alias", "point_alias"]
    frame = pd.DataFrame(samples, columns=[*point, "sampled_at", "value"])
    frame["sampled_at"] = pd.to_datetime(frame["sampled_at"], utc=True).dt.as_unit("us")
    frame["received_at"] = pd.Timestamp(received, tz="UTC")
    points = frame[point].drop_duplicates()
    with database.transaction() as connection:
        points = points.assign(point_id=register_points(connection, points).to_numpy())
        insert_samples(connection, frame.merge(points, on=point))


def put_batch(
    database: Database, room_id: str, in_date: dt.date, bag_count: int | None = None
) -> None:
    """Store one batch."""
    with database.transaction() as connection:
        frame = pd.DataFrame({"room_id": [room_id], "in_date": [in_date], "bag_count": [bag_count]})
        insert_batches(connection, frame)


def materialize(
    asset: str,
    database_url: str,
    farm: Farm,
    first: str,
    last: str | None = None,
    *,
    farm_file: Path | None = None,
    images: Path | None = None,
    instance: dg.DagsterInstance | None = None,
    resources: Mapping[str, Any] | None = None,
    raise_on_error: bool = True,
) -> dg.ExecuteInProcessResult:
    """Run `<asset>_job` for the partitions from `first` to `last`, as a schedule would."""
    doors: dict[str, Any] = {
        "postgres": PostgresResource(url=database_url, connect_attempts=1),
        "image_store": ImageStore(root=str(images) if images else None),
        "clip": ClipResource(),
        "farm_file": FarmFile(path=str(farm_file) if farm_file else None),
    }
    with ExitStack() as stack:
        return run_job(
            f"{asset}_job",
            farm,
            doors | dict(resources or {}),
            instance or stack.enter_context(dg.DagsterInstance.ephemeral()),
            tags=range_tags(first, last or first),
            raise_on_error=raise_on_error,
        )


def rows(database: Database, table: sa.Table, *, provenance: bool = False) -> list[dict[str, Any]]:
    """The rows of a result table in key order, without the columns that differ from run to run."""
    columns = [column for column in table.columns if provenance or column.name not in PROVENANCE]
    with database.transaction() as connection:
        statement = sa.select(*columns).order_by(*table.primary_key.columns)
        return [dict(row) for row in connection.execute(statement).mappings()]
