"""`hourly_setpoint_changes`: what the growers and controllers moved."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets.windows import replace_windows
from mushroom_assets.domain import setpoints
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.definition import definition
from mushroom_assets.metadata.setpoints import setpoint_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.results import lock_for_replace, replace_rows
from mushroom_assets.storage.samples import read_samples
from mushroom_assets.storage.schema import hourly_setpoint_changes as table

# What is read, computed and committed at once: a week, of many rooms less, so that they take no
# more memory.
CHUNK_HOURS, CHUNK_SAMPLES = 7 * 24, 1_000_000


def setpoints_asset(clock: FarmClock, farm: Farm, **policy: Any) -> dg.AssetsDefinition:
    """The asset on a farm's clock; `policy` holds its retry and backfill policies."""

    @dg.asset(
        partitions_def=clock.hourly,
        deps=["sample", "point", "batch"],
        **definition(table, farm),
        **policy,
    )
    def hourly_setpoint_changes(
        context: dg.AssetExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.MaterializeResult:
        with permanent_faults_fail_at_once():
            farm = farm_file.read()

        def replace(hours: Sequence[Window]) -> dict[str, Metadata]:
            with postgres.transaction(context.run.run_id) as connection:
                rows = replace_hours(connection, hours, farm, context.run.run_id)
            return {key: setpoint_metadata(part, farm) for key, part in rows.items()}

        return replace_windows(context, clock.hourly, replace, chunk=chunk_hours(farm))

    return hourly_setpoint_changes


def chunk_hours(farm: Farm) -> int:
    """How many hours are replaced in one transaction."""
    return min(CHUNK_HOURS, max(1, CHUNK_SAMPLES // max(1, setpoints.samples_an_hour(farm))))


def replace_hours(
    connection: sa.Connection, hours: Sequence[Window], farm: Farm, run_id: str
) -> dict[str, list[dict[str, Any]]]:
    """Compute the rows of consecutive hours anew, in the caller's transaction; returns them by the
    hours' keys.
    """
    lock_for_replace(connection, table)
    start, end = hours[0].start, hours[-1].end
    points = read_points(connection)
    watched = setpoints.watched_points(points, farm)
    carried_since = hours[0].before(setpoints.LOOKBACK)
    samples = read_samples(connection, list(watched), start, end, carried_since=carried_since)
    found = setpoints.records(
        setpoints.detect(samples, watched), hours, points, farm, read_batches(connection)
    )
    stamp = {"run_id": run_id, "detected_at": dt.datetime.now(dt.UTC)}
    rows = {key: [row | stamp for row in part] for key, part in found.items()}
    window = (table.c.changed_at >= start) & (table.c.changed_at < end)
    replace_rows(connection, table, window, [row for part in rows.values() for row in part])
    return rows
