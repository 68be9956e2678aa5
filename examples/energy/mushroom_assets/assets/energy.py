"""`daily_energy`: how long the air coolers are switched on."""

import datetime as dt
from collections.abc import Sequence
from itertools import chain

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets.windows import RunPolicy, replace_windows
from mushroom_assets.domain import energy
from mushroom_assets.domain.energy import DailyEnergy
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.windows import Window
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.energy import energy_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.day_locks import lock_days
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.results import replace_rows
from mushroom_assets.storage.samples import read_samples
from mushroom_assets.storage.schema import daily_energy as table


def energy_asset(clock: FarmClock, policy: RunPolicy) -> dg.AssetsDefinition:
    """The asset on a farm's clock."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=["sample", "point"],
        retry_policy=policy.retry,
        backfill_policy=policy.backfill,
        pool=policy.pool,
    )
    def daily_energy(
        context: dg.AssetExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.MaterializeResult[None]:
        farm = farm_file.read()
        run_id = context.run.run_id

        def replace(days: Sequence[Window]) -> dict[str, Metadata]:
            (day,) = days
            with postgres.transaction(run_id) as connection:
                rows = replace_day(connection, day, farm, run_id)
            return {day.key: energy_metadata(rows)}

        return replace_windows(context, clock.daily, replace, chunk=1)

    return daily_energy


def replace_day(
    connection: sa.Connection, day: Window, farm: Farm, run_id: str
) -> list[DailyEnergy]:
    """Compute a day's rows anew, in the caller's transaction, and replace them."""
    lock_days(connection, table, [day.date])
    rows = sum_day(connection, day, farm)
    for row in rows:
        row["run_id"] = run_id
        row["computed_at"] = dt.datetime.now(dt.UTC)
    replace_rows(connection, table, within(day), rows)
    return rows


def within(day: Window) -> sa.ColumnElement[bool]:
    """The rows of a day."""
    return table.c.stat_date == day.date


def sum_day(connection: sa.Connection, day: Window, farm: Farm) -> list[DailyEnergy]:
    """Compute a day's rows from the stored samples."""
    switches = energy.switches(read_points(connection), farm)
    since = day.before(dt.timedelta(seconds=farm.max_hold_s))
    ids = list(chain.from_iterable(switches.values()))
    return energy.hours_on(read_samples(connection, ids, since, day.end), day, switches, farm)
