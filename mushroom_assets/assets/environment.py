"""`daily_env_stats`: the day's climate of every room."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets.course import read_course
from mushroom_assets.assets.windows import PICTURED, pictured, replace_windows
from mushroom_assets.domain import environment
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.definition import definition
from mushroom_assets.metadata.environment import environment_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.results import lock_for_replace, replace_rows
from mushroom_assets.storage.samples import reading_ahead
from mushroom_assets.storage.schema import daily_env_stats as table

CHUNK_DAYS = 31  # committed at once
# Read and computed at once, but a day at least: many rooms take hardly more memory than few
PIECE_SAMPLES = 100_000


def environment_asset(clock: FarmClock, farm: Farm, **policy: Any) -> dg.AssetsDefinition:
    """The asset on a farm's clock; `policy` holds its retry and backfill policies."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=["sample", "batch"],
        **definition(table, farm),
        **policy,
    )
    def daily_env_stats(
        context: dg.AssetExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.MaterializeResult:
        with permanent_faults_fail_at_once():
            farm = farm_file.read()

        # A year is computed in the time that three pictures take: of a long run none is drawn.
        drawn = pictured(context) if len(context.partition_keys) <= PICTURED else frozenset()

        def replace(days: Sequence[Window]) -> dict[str, Metadata]:
            with postgres.transaction(context.run.run_id) as connection:
                rows = replace_days(connection, days, farm, context.run.run_id)
                courses = {
                    day.key: read_course(connection, day, farm) for day in days if day.key in drawn
                }
            ribbons = {key: course.ribbons() for key, course in courses.items()}
            return {
                key: environment_metadata(part, farm, ribbons.get(key))
                for key, part in rows.items()
            }

        return replace_windows(context, clock.daily, replace, chunk=CHUNK_DAYS)

    return daily_env_stats


def replace_days(
    connection: sa.Connection, days: Sequence[Window], farm: Farm, run_id: str
) -> dict[str, list[dict[str, Any]]]:
    """Compute the rows of consecutive days anew, in the caller's transaction; returns them by the
    days' keys.
    """
    lock_for_replace(connection, table)
    sources = environment.sources(read_points(connection), farm)
    batches = read_batches(connection)
    stamp = {"run_id": run_id, "computed_at": dt.datetime.now(dt.UTC)}
    size = max(1, PIECE_SAMPLES // max(1, environment.samples_a_day(farm)))
    pieces = [days[first : first + size] for first in range(0, len(days), size)]
    lookback = dt.timedelta(seconds=environment.lookback_s(farm))
    spans = [(piece[0].before(lookback), piece[-1].end) for piece in pieces]
    rows: dict[str, list[dict[str, Any]]] = {}
    with reading_ahead(
        connection, [point for ids in sources.values() for point in ids], spans
    ) as read:
        for piece, samples in zip(pieces, read, strict=True):
            for day in piece:
                found = environment.summarise_day(samples, day, sources, farm, batches)
                rows[day.key] = [row | stamp for row in found]
    window = table.c.stat_date.between(days[0].date, days[-1].date)
    replace_rows(connection, table, window, [row for part in rows.values() for row in part])
    return rows
