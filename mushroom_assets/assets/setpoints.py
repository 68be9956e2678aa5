"""`hourly_setpoint_changes`: what the growers and controllers moved."""

import datetime as dt
from collections.abc import Sequence
from itertools import chain

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets.windows import RunPolicy, replace_windows
from mushroom_assets.domain import names, reach, setpoints
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.setpoints import HourlySetpointChanges
from mushroom_assets.domain.windows import Window
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.setpoints import setpoint_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.outdated import claim, mark
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.results import replace_rows
from mushroom_assets.storage.samples import read_samples
from mushroom_assets.storage.schema import hourly_setpoint_changes as table
from mushroom_assets.storage.setting import with_settings

# What is read, computed and committed at once: a week, of many rooms less, so that they take no
# more memory.
CHUNK_HOURS = 7 * 24
CHUNK_SAMPLES = 1_000_000


def setpoints_asset(clock: FarmClock, policy: RunPolicy) -> dg.AssetsDefinition:
    """The asset on a farm's clock."""

    @dg.asset(
        partitions_def=clock.hourly,
        deps=["sample", "point", "batch"],
        retry_policy=policy.retry,
        backfill_policy=policy.backfill,
        pool=policy.pool,
    )
    def hourly_setpoint_changes(
        context: dg.AssetExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.MaterializeResult[None]:
        farm = farm_file.read()
        run_id = context.run.run_id

        def replace(hours: Sequence[Window]) -> dict[str, Metadata]:
            follow(postgres.database(run_id), farm)
            with postgres.transaction(run_id) as connection:
                rows = replace_hours(connection, hours, farm, run_id)
                told = with_settings(connection, farm)
            return {key: setpoint_metadata(part, told) for key, part in rows.items()}

        return replace_windows(context, clock.hourly, replace, chunk=chunk_hours(farm))

    return hourly_setpoint_changes


def chunk_hours(farm: Farm) -> int:
    """How many hours are replaced in one transaction."""
    return min(CHUNK_HOURS, max(1, CHUNK_SAMPLES // max(1, setpoints.samples_an_hour(farm))))


def replace_hours(
    connection: sa.Connection, hours: Sequence[Window], farm: Farm, run_id: str
) -> dict[str, list[HourlySetpointChanges]]:
    """Compute the rows of consecutive hours anew, in the caller's transaction, and replace them.

    Returns:
        the rows by the hours' keys.
    """
    claim(connection, table, hours)
    rows = find_changes(connection, hours, farm)
    now = dt.datetime.now(dt.UTC)
    for row in chain.from_iterable(rows.values()):
        row["run_id"] = run_id
        row["detected_at"] = now
    made = list(chain.from_iterable(rows.values()))
    changed = replace_rows(connection, table, within(hours), made)
    days = {row["changed_at"].astimezone(farm.zone).date() for row in changed}
    if days:
        mark(connection, reach.of_days(names.REPORT, days, table.name, farm))
    return rows


def within(hours: Sequence[Window]) -> sa.ColumnElement[bool]:
    """The rows of consecutive hours."""
    return (table.c.changed_at >= hours[0].start) & (table.c.changed_at < hours[-1].end)


def find_changes(
    connection: sa.Connection, hours: Sequence[Window], farm: Farm
) -> dict[str, list[HourlySetpointChanges]]:
    """Find the changes of consecutive hours in the stored samples, by the hours' keys."""
    farm = with_settings(connection, farm)
    points = read_points(connection)
    batches = read_batches(connection)
    watched = list(setpoints.watched_points(points, farm))
    samples = read_samples(connection, watched, hours[0].start, hours[-1].end, carried=True)
    found: dict[str, list[HourlySetpointChanges]] = {}
    for rules, part in setpoints.by_rules(hours, points, farm):
        changes = setpoints.detect(samples, rules)
        found |= setpoints.records(changes, part, points, farm, batches)
    return found
