"""`retention_job`: what the farm file says is kept no longer goes, and nothing else.

Each portion is a short transaction of its own: a job that is killed has removed some, and the next
one goes on. No result is lost, and none is computed anew from what is no longer there
(`storage.removals`). What may go of each table is known where the table is.
"""

import datetime as dt
from collections.abc import Callable, Iterable

import dagster as dg

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.instance.run_logs import are_here, remove_run_logs
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import old_months, remove_month
from mushroom_assets.storage.removals import Removed, record_removal
from mushroom_assets.storage.vision.removal import old_days, remove_day, remove_vectors

EVENTS = "event_logs"  # Dagster's table, as `removal` names it
Portions = Iterable[tuple[str, Removed]]  # what went, and how much it was


def retention_job(retry: dg.RetryPolicy, farm: Farm) -> dg.JobDefinition:
    """The job: an op for samples, one for rows of images, one for Dagster's record."""
    ops = [
        _op("remove_samples", "samples_days", samples, retry),
        _op("remove_image_rows", "image_rows_days", image_rows, retry),
        _op("remove_events", "events_days", events, retry),
    ]

    @dg.job(description=say("retention_job", farm))
    def retention_job() -> None:
        for op in ops:
            op()

    return retention_job


def _op(
    name: str,
    setting: str,
    remove: Callable[[Database, dt.datetime, str], Portions],
    retry: dg.RetryPolicy,
) -> dg.OpDefinition:
    """An op that removes what is older than a setting of the farm file's `keep` says."""

    @dg.op(name=name, description=remove.__doc__, retry_policy=retry)
    def op(context: dg.OpExecutionContext, postgres: PostgresResource, farm_file: FarmFile) -> None:
        farm = farm_file.read()
        days = getattr(farm.keep, setting)
        if days is None:
            context.log.info(f"keep.{setting} is not set: all is kept")
            return
        with permanent_faults_fail_at_once():
            before = bound(farm, days)
            database = postgres.database(context.run_id)
            _tell(context, before, remove(database, before, context.run_id))

    return op


def bound(farm: Farm, days: int) -> dt.datetime:
    """The farm's midnight so many days ago."""
    day = dt.datetime.now(farm.zone).date() - dt.timedelta(days=days)
    return dt.datetime.combine(day, dt.time(), farm.zone)


def samples(database: Database, before: dt.datetime, run_id: str) -> Portions:
    """Remove the months that end by an instant; yields each with what it held."""
    with database.transaction() as connection:
        months = old_months(connection, before)
    for month in months:
        with database.transaction() as connection:
            removed = remove_month(connection, month, run_id)
        yield f"samples of {month}", removed


def image_rows(database: Database, before: dt.datetime, run_id: str) -> Portions:
    """Remove rows of images of the days before a farm's midnight, then vectors without a row."""
    with database.transaction() as connection:
        days = old_days(connection, before.date())
    for day in days:
        end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), before.tzinfo)
        with database.transaction() as connection:
            removed = remove_day(connection, day, end, run_id)
        yield f"rows of images of {day}", removed
    while True:
        with database.transaction() as connection:
            removed = remove_vectors(connection, before, run_id)
        if not removed.rows:
            return
        yield "vectors of images", removed


def events(database: Database, before: dt.datetime, run_id: str) -> Portions:
    """Remove the log of runs that ended before an instant, where Dagster keeps it here."""
    with database.transaction() as connection:
        if not are_here(connection):
            return
    last = 0
    while True:
        with database.transaction() as connection:
            portion = remove_run_logs(connection, before, last)
            if portion is None:
                return
            if portion.events.rows:
                record_removal(connection, EVENTS, before, portion.events, run_id)
        last = portion.last
        yield f"events of old runs, of which {portion.runs} are gone whole", portion.events


def _tell(context: dg.OpExecutionContext, before: dt.datetime, portions: Portions) -> None:
    """Say in the log what went, and in the output's metadata how much it was.

    The portions are removed as they are asked for.
    """
    rows = 0
    size = 0
    for what, removed in portions:
        context.log.info(f"removed {what}: {removed.rows} rows, {removed.size} bytes")
        rows += removed.rows
        size += removed.size
    shown = {"removed_rows": rows, "removed_bytes": size, "removed_before": f"{before}"}
    context.add_output_metadata(shown)
