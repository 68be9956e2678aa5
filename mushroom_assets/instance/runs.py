"""Dagster's record of runs in PostgreSQL: once a run has ended, nothing changes that.

Private names of Dagster: only `event_log` and `pooled` import this module.
"""

import datetime as dt
import logging
from contextlib import AbstractContextManager
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.events import RunFailureReason
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.tags import RUN_FAILURE_REASON_TAG, WILL_RETRY_TAG
from dagster._daemon.types import DaemonHeartbeat
from dagster_postgres import PostgresRunStorage

from mushroom_assets.instance.backfills import met_outage
from mushroom_assets.instance.engine import conninfo
from mushroom_assets.instance.tested import require_names
from mushroom_assets.instance.waiting import OfThread, Waiting, waiting
from mushroom_assets.instance.watch import Place, Watch
from mushroom_assets.storage import leases
from mushroom_assets.storage.leases import ENDED

require_names(PostgresRunStorage, "connect", "handle_run_event", "add_daemon_heartbeat")
log = logging.getLogger("dagster.daemon.farm_storage")
# Looks of the daemon, 30 s apart, at a backfill that meets an outage: a quarter of an hour. After
# that it fails, and `backfills` goes on with what is left.
OUTAGE_LOOKS = 30
WRITING = {
    "add_backfill",
    "add_historical_run",
    "add_run",
    "add_run_tags",
    "delete_run",
    "handle_run_event",
    "replace_job_origin",
    "set_cursor_values",
    "update_backfill",
}


@waiting(units=frozenset(WRITING))
class RunStorage(Waiting, PostgresRunStorage):
    """Runs, backfills and the daemon's cursors."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._mine = OfThread()
        self._place: Place | None = None
        super().__init__(*args, **options)

    def connect(self) -> AbstractContextManager[sa.Connection]:
        """A connection: inside a call that writes that of its transaction."""
        return self.opened()

    def add_daemon_heartbeat(self, daemon_heartbeat: DaemonHeartbeat) -> None:
        """Record a heartbeat of the daemon, which thereby has the only place at this database.

        Raises:
            SystemExit: another daemon has it.
        """
        if self._patience is not None:
            self._patience.deadline_s = float("inf")
        if self._place is None:
            self._place = Place(conninfo(self.postgres_url))
        self._place.take(lambda: Watch(self._instance, self._engine.connect))
        super().add_daemon_heartbeat(daemon_heartbeat)

    def silent_for(self, run_id: str) -> float | None:
        """Seconds since a run's process renewed its lease; None where nothing is known of it."""
        with self.connect() as connection:
            if connection.scalar(sa.text("SELECT to_regclass('farm.run_lease') IS NULL")):
                return None
            return leases.silent_for(connection, run_id)

    def dispose(self) -> None:
        """Leave the daemon's place."""
        super().dispose()
        if self._place is not None:
            self._place.leave()

    def update_backfill(self, partition_backfill: PartitionBackfill) -> None:
        """Record a backfill; one that met an outage does not fail but is looked at again.

        Dagster fails it, and cancels its runs, when it looks while database or definitions are
        away.
        """
        failing = partition_backfill.status is BulkActionStatus.FAILING
        looks = partition_backfill.failure_count
        if failing and looks <= OUTAGE_LOOKS and met_outage(partition_backfill):
            partition_backfill = partition_backfill._replace(status=BulkActionStatus.REQUESTED)
            log.warning(
                "backfill %s meets an outage and is looked at again in 30 s, time %d of %d",
                partition_backfill.backfill_id,
                looks,
                OUTAGE_LOOKS,
            )
        super().update_backfill(partition_backfill)

    def has_ended(self, run_id: str) -> bool:
        """Whether a run has ended; nobody else can end it before this transaction does."""
        status = sa.select(RunsTable.c.status).where(RunsTable.c.run_id == run_id)
        with self.transaction() as connection:
            return connection.scalar(status.with_for_update()) in ENDED

    def handle_run_event(
        self, run_id: str, event: dg.DagsterEvent, update_timestamp: dt.datetime | None = None
    ) -> None:
        """Bring a run's status up to an event; what comes after a run's end changes nothing.

        A process that was taken for dead may come back and tell of its success, while the run has
        failed and was started again (https://github.com/dagster-io/dagster/issues/15325).
        """
        with self.transaction():
            if not self.has_ended(run_id):
                super().handle_run_event(run_id, event, update_timestamp)

    def follow(self, event: dg.EventLogEntry) -> None:
        """Bring a run up to an event of it: its status, and whether Dagster will retry it.

        Dagster itself does so after the event was written. The daemon that looks for runs to retry
        may see the event before, take the run for one that goes on, and never look again.
        """
        happened = event.get_dagster_event()
        when = dt.datetime.fromtimestamp(event.timestamp, dt.UTC)
        self.handle_run_event(event.run_id, happened, when)
        if happened.is_run_failure and self._instance.run_retries_enabled:
            for run in self.get_runs(dg.RunsFilter(run_ids=[event.run_id])):
                reason = run.tags.get(RUN_FAILURE_REASON_TAG)
                known = RunFailureReason(reason) if reason else None
                again = auto_reexecution_should_retry_run(self._instance, run, known)
                self.add_run_tags(run.run_id, {WILL_RETRY_TAG: str(again).lower()})
