"""Dagster's record of runs that ended long ago: their log is removed, what they made stays.

Dagster itself never removes any of it (https://github.com/dagster-io/dagster/issues/4100), and to
delete a run takes its materializations too. Private tables of Dagster, in the farm's database: the
caller's connection reaches them. When a run is old is the business of the farm file.
"""

import datetime as dt
from typing import NamedTuple

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.storage.removals import Removed

RUNS_AT_ONCE = 200  # about 10,000 rows a transaction
# What Dagster asks of a partition or an asset long after the run: rows of these kinds stay. No
# observation does: of a source there are thousands a year, and each tells of its own moment.
_LASTING = [
    dg.DagsterEventType.ASSET_MATERIALIZATION.value,
    dg.DagsterEventType.ASSET_FAILED_TO_MATERIALIZE.value,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
]
_ARE_HERE = "SELECT to_regclass('public.event_logs') IS NOT NULL"
# A backfill that goes on counts its runs
_OLD_RUNS = """
    SELECT id, run_id FROM public.runs
    WHERE id > :after AND status IN ('SUCCESS', 'FAILURE', 'CANCELED')
      AND coalesce(to_timestamp(end_time), update_timestamp AT TIME ZONE 'UTC') < :before
      AND NOT EXISTS (
          SELECT FROM public.bulk_actions AS backfill
          WHERE backfill.key = runs.backfill_id
            AND backfill.status IN ('REQUESTED', 'CANCELING', 'FAILING'))
    ORDER BY id LIMIT :portion"""
# Of the evaluations of a check the latest stays, of each partition
_FORGET_EVALUATIONS = """
    DELETE FROM public.asset_check_executions AS older
    WHERE run_id = ANY(:runs) AND EXISTS (
        SELECT FROM public.asset_check_executions AS newer
        WHERE newer.asset_key = older.asset_key AND newer.check_name = older.check_name
          AND coalesce(newer.partition, '') = coalesce(older.partition, '')
          AND newer.id > older.id AND newer.execution_status <> 'PLANNED')"""
# A partition was planned and not made: by that Dagster knows it as failed, until it is made
_FORGET_EVENTS = """
    WITH gone AS (
        DELETE FROM public.event_logs AS event USING public.runs AS run
        WHERE run.run_id = ANY(:runs) AND event.run_id = run.run_id AND (
            event.dagster_event_type IS NULL
            OR NOT event.dagster_event_type = ANY(:lasting)
            OR event.dagster_event_type = 'ASSET_MATERIALIZATION_PLANNED' AND (
                run.status = 'SUCCESS' OR EXISTS (
                    SELECT FROM public.event_logs AS made
                    WHERE made.asset_key = event.asset_key
                      AND made.dagster_event_type = 'ASSET_MATERIALIZATION'
                      AND made.partition = event.partition AND made.id > event.id))
            OR event.dagster_event_type LIKE 'ASSET_CHECK_EVALUATION%' AND NOT EXISTS (
                SELECT FROM public.asset_check_executions AS latest
                WHERE latest.evaluation_event_storage_id = event.id))
        RETURNING pg_column_size(event.*) AS size)
    SELECT count(*), coalesce(sum(size), 0) FROM gone"""
# Of which nothing is left that points to it; its tags go with it
_FORGET_RUNS = """
    DELETE FROM public.runs AS run
    WHERE run_id = ANY(:runs)
      AND NOT EXISTS (SELECT FROM public.event_logs AS event WHERE event.run_id = run.run_id)
      AND NOT EXISTS (
          SELECT FROM public.asset_check_executions AS latest WHERE latest.run_id = run.run_id)"""


class Portion(NamedTuple):
    """Runs whose log was removed: the number of the last one, the events, and runs gone whole."""

    last: int
    events: Removed
    runs: int


def are_here(connection: sa.Connection) -> bool:
    """Whether Dagster keeps its record in this database."""
    return bool(connection.scalar(sa.text(_ARE_HERE)))


def remove_run_logs(connection: sa.Connection, before: dt.datetime, after: int) -> Portion | None:
    """Remove the log of the next runs that ended before an instant, in the caller's transaction.

    Materializations, what failed and was never made since, and the latest evaluation
    of each check stay, with their runs.

    Args:
        connection: in a transaction on the database of Dagster's record.
        before: aware.
        after: the number of the run to go on behind; 0 for the first ones.

    Returns:
        None where there are no more.
    """
    asked = {"after": after, "before": before, "portion": RUNS_AT_ONCE}
    found = connection.execute(sa.text(_OLD_RUNS), asked).all()
    if not found:
        return None
    runs = {"runs": [row.run_id for row in found]}
    connection.execute(sa.text(_FORGET_EVALUATIONS), runs)
    events, size = connection.execute(sa.text(_FORGET_EVENTS), runs | {"lasting": _LASTING}).one()
    gone = connection.execute(sa.text(_FORGET_RUNS), runs).rowcount
    return Portion(found[-1].id, Removed(events, int(size)), gone)
