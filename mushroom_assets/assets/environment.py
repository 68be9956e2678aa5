"""`daily_env_stats`: the day's climate of every room."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets.windows import replace_windows
from mushroom_assets.domain import environment
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults import permanent_faults_fail_at_once
from mushroom_assets.metadata import GROUP, Metadata, definition_metadata, environment_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.results import lock_for_replace, replace_rows
from mushroom_assets.storage.samples import read_batches, read_points, read_samples
from mushroom_assets.storage.schema import daily_env_stats as table

# What is read, computed and committed at once: a month, of many rooms less.
CHUNK_DAYS, CHUNK_SAMPLES = 31, 1_000_000


def environment_asset(clock: FarmClock, **policy: Any) -> dg.AssetsDefinition:
    """The asset on a farm's clock; `policy` holds its retry and backfill policies."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=["sample", "batch"],
        group_name=GROUP,
        kinds={"postgres", "python"},
        metadata=definition_metadata(table),
        **policy,
    )
    def daily_env_stats(
        context: dg.AssetExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.MaterializeResult:
        """Daily environment statistics, one row per room and quantity.

        Temperature (°C), humidity (%), CO2 (ppm), and per sample derived vpd (kPa) and dew point (°C).
        Means are time-weighted, each value holding at most `max_hold_s`; `coverage` and `longest_gap_s` say how far a
        row can be trusted, `in_range` how much of the known time lay inside the growth day's target band. A room-day
        without data is a row with `sample_count` 0.
        """
        with permanent_faults_fail_at_once():
            farm = farm_file.read()

        def replace(days: Sequence[Window]) -> dict[str, Metadata]:
            with postgres.transaction(context.run.run_id) as connection:
                rows = replace_days(connection, days, farm, context.run.run_id)
            return {key: environment_metadata(part) for key, part in rows.items()}

        chunk = min(CHUNK_DAYS, CHUNK_SAMPLES // environment.samples_a_day(farm) or 1)
        return replace_windows(context, clock.daily, replace, chunk=chunk)

    return daily_env_stats


def replace_days(
    connection: sa.Connection, days: Sequence[Window], farm: Farm, run_id: str
) -> dict[str, list[dict[str, Any]]]:
    """Compute the rows of consecutive days anew, in the caller's transaction; returns them by the days' keys."""
    lock_for_replace(connection, table)
    sources = environment.sources(read_points(connection), farm)
    since = days[0].before(dt.timedelta(seconds=environment.lookback_s(farm)))
    samples = read_samples(connection, [point for ids in sources.values() for point in ids], since, days[-1].end)
    batches = read_batches(connection)
    stamp = {"run_id": run_id, "computed_at": dt.datetime.now(dt.UTC)}
    rows = {
        day.key: [row | stamp for row in environment.summarise_day(samples, day, sources, farm, batches)]
        for day in days
    }
    window = table.c.stat_date.between(days[0].date, days[-1].date)
    replace_rows(connection, table, window, [row for part in rows.values() for row in part])
    return rows
