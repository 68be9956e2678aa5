"""`daily_env_stats`: the day's climate of every room."""

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.assets.course import read_ribbons
from mushroom_assets.assets.windows import PICTURED, RunPolicy, replace_windows
from mushroom_assets.domain import environment, names, reach
from mushroom_assets.domain.environment import EnvironmentDay
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.peers import RoomAge, quoting
from mushroom_assets.domain.sensors import find_sources, neighbourhood, point_ids
from mushroom_assets.domain.windows import Window
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.metadata.environment import environment_metadata
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.outdated import claim, mark
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.results import read_room_ages, replace_rows
from mushroom_assets.storage.samples import reading_ahead
from mushroom_assets.storage.schema import daily_env_stats as table
from mushroom_assets.storage.setting import with_settings

CHUNK_DAYS = 31  # committed at once
# Of a run of more than a week the pictures of so many rooms' days: each takes 0.17 s of a core, as
# long as the statistics of a hundred.
ROOM_DAYS_DRAWN = 28
# Read and computed at once, but a day at least: many rooms take hardly more memory than few
PIECE_SAMPLES = 100_000


def environment_asset(clock: FarmClock, policy: RunPolicy) -> dg.AssetsDefinition:
    """The asset on a farm's clock."""

    @dg.asset(
        partitions_def=clock.daily,
        deps=["sample", "batch"],
        retry_policy=policy.retry,
        backfill_policy=policy.backfill,
        pool=policy.pool,
    )
    def daily_env_stats(
        context: dg.AssetExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> dg.MaterializeResult[None]:
        farm = farm_file.read()
        run_id = context.run.run_id
        drawn = drawn_days(context.partition_keys, farm)

        def replace(days: Sequence[Window]) -> dict[str, Metadata]:
            follow(postgres.database(run_id), farm)
            with postgres.transaction(run_id) as connection:
                found = replace_days(connection, days, farm, run_id)
                ribbons = read_ribbons(connection, days, drawn, farm)
            shown: dict[str, Metadata] = {}
            for key, day in found.items():
                shown[key] = environment_metadata(day, farm, ribbons.get(key))
            return shown

        return replace_windows(context, clock.daily, replace, chunk=CHUNK_DAYS)

    return daily_env_stats


def drawn_days(days: Sequence[str], farm: Farm) -> frozenset[str]:
    """Those of a run's days, oldest first, that show a picture: the newest.

    All of a week, fewer of a month if there are many rooms, of a longer run the newest alone.
    """
    count = PICTURED
    if len(days) > CHUNK_DAYS:
        count = min(count, 1)
    elif len(days) > PICTURED:
        count = min(count, max(1, ROOM_DAYS_DRAWN // len(farm.rooms)))
    return frozenset(days[max(0, len(days) - count) :])


def replace_days(
    connection: sa.Connection, days: Sequence[Window], farm: Farm, run_id: str
) -> dict[str, EnvironmentDay]:
    """Compute the rows of consecutive days anew, in the caller's transaction, and replace them.

    Returns:
        what the days were like, by their keys.
    """
    claim(connection, table, days)
    found = summarise_days(connection, days, farm)
    now = dt.datetime.now(dt.UTC)
    made = list(chain.from_iterable(day.rows for day in found.values()))
    for row in made:
        row["run_id"] = run_id
        row["computed_at"] = now
    changed = replace_rows(connection, table, within(days), made)
    _mark_reports(connection, changed, farm)
    return found


def within(days: Sequence[Window]) -> sa.ColumnElement[bool]:
    """The rows of consecutive days."""
    return table.c.stat_date.between(days[0].date, days[-1].date)


def _mark_reports(
    connection: sa.Connection, changed: Sequence[Mapping[str, Any]], farm: Farm
) -> None:
    """Mark the reports of what changed, and those of later days that quote it."""
    ages = {RoomAge.of(row) for row in changed}
    days = {age.day for age in ages} | quoting(ages, read_room_ages(connection, ages))
    if days:
        mark(connection, reach.of_days(names.REPORT, days, table.name, farm))


def summarise_days(
    connection: sa.Connection, days: Sequence[Window], farm: Farm
) -> dict[str, EnvironmentDay]:
    """What consecutive days were like, from the stored samples, by the days' keys."""
    farm = with_settings(connection, farm)
    sources = find_sources(read_points(connection), farm)
    batches = read_batches(connection)
    size = max(1, PIECE_SAMPLES // max(1, environment.samples_a_day(farm)))
    pieces = [days[first : first + size] for first in range(0, len(days), size)]
    around = neighbourhood(farm)
    before = dt.timedelta(seconds=around.before)
    after = dt.timedelta(seconds=around.after)
    spans = [(piece[0].before(before), piece[-1].after(after)) for piece in pieces]
    found: dict[str, EnvironmentDay] = {}
    with reading_ahead(connection, point_ids(sources), spans) as read:
        for piece, samples in zip(pieces, read, strict=True):
            for day in piece:
                found[day.key] = environment.summarise_day(samples, day, sources, farm, batches)
    return found
