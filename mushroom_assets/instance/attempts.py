"""Runs that failed: which partitions they left behind, when, and whether they died of an outage.

From Dagster's own record, without bookkeeping besides. How long to wait after a failure is the
business of `automation`.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import dagster as dg
from dagster import AssetPartitionStatus

from mushroom_assets.instance.outstanding import PASSES_WITHIN, keys_of, makes

ENDED_BADLY = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
BACKFILL = "dagster/backfill"
REASON = "dagster/failure_reason"
RETRIED = "dagster/auto_retry_run_id"
WILL_RETRY = "dagster/will_retry"
STEP_FAILED = "STEP_FAILURE"  # a reason

# Classes of errors that end a run when something that it needs was away, and of an interrupt by a
# shutdown: the same run may succeed once it is back. Permanent faults have other names, since
# `faults.run` raises them as Failure.
OUTAGES = {
    "DatabaseUnavailable",
    "ImageStoreUnavailable",
    *("OperationalError", "InterfaceError", "DagsterPostgresException"),
    *("AdminShutdown", "CrashShutdown", "CannotConnectNow", "TooManyConnections"),
    *("ConnectionError", "ConnectionRefusedError", "ConnectionResetError"),
    *("ConnectionAbortedError", "BrokenPipeError", "TimeoutError"),
    *("DagsterUserCodeUnreachableError", "DagsterCodeLocationLoadError"),
    "DagsterExecutionInterruptedError",
}
OUTAGE_TEXTS = ("too many retries for DB connection",)


class Attempt(NamedTuple):
    """A run of an asset that failed, or was cancelled, and will not be retried by Dagster.

    Attributes:
        run: as Dagster has it.
        ended: when it did.
        keys: the partitions that it was asked for, those included that it made.
    """

    run: dg.DagsterRun
    ended: dt.datetime
    keys: Sequence[str]


def failed_runs(instance: dg.DagsterInstance, since: dt.datetime) -> list[dg.RunRecord]:
    """Every run that failed or was cancelled since, in the order of their ends."""
    found = instance.get_run_records(dg.RunsFilter(statuses=ENDED_BADLY, updated_after=since))
    return sorted((each for each in found if ended(each) > since), key=ended)


def ended(record: dg.RunRecord) -> dt.datetime:
    """When a run ended."""
    if record.end_time is None:  # one that never began
        return record.update_timestamp
    return dt.datetime.fromtimestamp(record.end_time, dt.UTC)


def attempts(
    records: Sequence[dg.RunRecord],
    asset: dg.AssetKey,
    definition: dg.PartitionsDefinition,
    now: dt.datetime,
) -> Iterator[Attempt]:
    """Those of an asset, without what Dagster retries by itself: the last retry stands for all."""
    for record in records:
        run = record.dagster_run
        if makes(run, asset) and not is_retried(record, now):
            yield Attempt(run, ended(record), keys_of(run, definition))


def is_retried(record: dg.RunRecord, now: dt.datetime) -> bool:
    """Whether a failed run has its automatic retry, or will soon.

    A promised retry that has not come within some minutes never will: its launch met an outage, or
    the failure became visible late (https://github.com/dagster-io/dagster/issues/33741).
    """
    tags = record.dagster_run.tags
    if tags.get(WILL_RETRY) != "true":
        return False
    return RETRIED in tags or awaits_retry(record, now)


def awaits_retry(record: dg.RunRecord, now: dt.datetime) -> bool:
    """Whether Dagster has promised to retry a run and may still do so."""
    tags = record.dagster_run.tags
    promised = tags.get(WILL_RETRY) == "true" and RETRIED not in tags
    return promised and ended(record) > now - PASSES_WITHIN


def is_outage(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run failed because something was away for a time, not for a fault of its own.

    So it is where no step failed, since then its process died or could not be started, and where
    a step's error is one of `OUTAGES`. A cancelled run is not: somebody wanted it.
    """
    if run.status is not dg.DagsterRunStatus.FAILURE:
        return False
    if run.tags.get(REASON) != STEP_FAILED:
        return True
    failed = dg.DagsterEventType.STEP_FAILURE
    events = instance.get_records_for_run(run.run_id, of_type=failed).records
    steps = [each.event_log_entry.get_dagster_event().step_failure_data for each in events]
    return bool(steps) and all(
        step.user_failure_data is None and tells_outage(step.error) for step in steps
    )


def tells_outage(error: Any) -> bool:
    """Whether an error as Dagster stores it, or one that it came from, tells of an outage."""
    while error is not None:
        if (error.cls_name or "").rpartition(".")[2] in OUTAGES:
            return True
        if any(text in error.message for text in OUTAGE_TEXTS):
            return True
        error = error.cause
    return False


def left_failed(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    definition: dg.PartitionsDefinition,
    keys: Sequence[str],
) -> set[str]:
    """Those of the partitions that nothing has made since a run of theirs failed."""
    if not keys:
        return set()
    status = instance.get_status_by_partition(asset, keys, definition) or {}
    return {key for key in keys if status.get(key) in (None, AssetPartitionStatus.FAILED)}
