"""The record of runs and backfills: what an event changes at once, and what an outage does not."""

import datetime as dt
import logging

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.events import DagsterEvent
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring import execute_run_monitoring_iteration
from dagster_shared.error import SerializableErrorInfo

from mushroom_assets.instance.runs import OUTAGE_LOOKS
from mushroom_assets_tests.instance.events import FARM, Open, table

STATUS = dg.DagsterRunStatus
LOG = logging.getLogger("monitoring")


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-03"))
def days() -> None:
    """Only its partitions count."""


def started(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run = dg.DagsterRun(job_name="job", status=STATUS.STARTED)
    instance.run_storage.add_run(run)
    return run


def test_the_event_of_a_failure_is_never_seen_without_status_and_promise_of_a_retry(
    open_on: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who saw it first took the run for one that goes on, and it was never retried."""
    instance = open_on(FARM + "\nrun_retries: {enabled: true, max_retries: 2}")
    seen = []
    run = started(instance)
    follow = type(instance.run_storage).follow  # type: ignore[attr-defined]  # ours

    def look_then_follow(storage: object, event: dg.EventLogEntry) -> None:
        seen.extend(table(instance, "SELECT dagster_event_type FROM event_logs"))
        follow(storage, event)
        seen.extend(table(instance, "SELECT status FROM runs"))

    monkeypatch.setattr(type(instance.run_storage), "follow", look_then_follow)
    instance.report_run_failed(run, "died")
    assert seen == [("STARTED",)]  # another connection sees neither before both are there
    failed = instance.get_run_by_id(run.run_id)
    assert failed is not None
    assert failed.status is STATUS.FAILURE
    assert failed.tags["dagster/will_retry"] == "true"
    assert table(instance, "SELECT value FROM run_tags WHERE key = 'dagster/will_retry'") == [
        ("true",)
    ]


def test_a_third_failure_is_not_promised_a_retry(open_on: Open) -> None:
    instance = open_on(FARM + "\nrun_retries: {enabled: true, max_retries: 0}")
    run = started(instance)
    instance.report_run_failed(run, "died")
    failed = instance.get_run_by_id(run.run_id)
    assert failed is not None
    assert failed.tags["dagster/will_retry"] == "false"


def test_an_event_of_success_ends_the_run_at_its_time(open_on: Open) -> None:
    instance = open_on(FARM)
    run = started(instance)
    event = DagsterEvent("PIPELINE_SUCCESS", "job", message="done")
    instance.report_dagster_event(event, run.run_id, timestamp=1e9)
    record = instance.get_run_record_by_id(run.run_id)
    assert record is not None
    assert record.dagster_run.status is STATUS.SUCCESS
    assert record.end_time == 1e9


@pytest.mark.parametrize(
    ("error", "count", "expected"),
    [
        ("sqlalchemy.exc.OperationalError", 1, BulkActionStatus.REQUESTED),
        ("DagsterAssetBackfillDataLoadError", 1, BulkActionStatus.REQUESTED),
        ("sqlalchemy.exc.OperationalError", OUTAGE_LOOKS + 1, BulkActionStatus.FAILING),
        ("DagsterInvariantViolationError", 1, BulkActionStatus.FAILING),
    ],
)
def test_a_backfill_that_met_an_outage_is_looked_at_again(
    open_on: Open, error: str, count: int, expected: BulkActionStatus
) -> None:
    instance = open_on(FARM)
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id="b",
        asset_graph=dg.Definitions([days]).resolve_asset_graph(),
        partition_names=["2026-01-01"],
        asset_selection=[days.key],
        backfill_timestamp=dt.datetime.now(dt.UTC).timestamp(),
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
    away = "Asset days existed at storage-time, but no longer does"
    message = away if error.endswith("LoadError") else "bad"
    failing = backfill._replace(status=BulkActionStatus.FAILING, failure_count=count)
    instance.update_backfill(failing._replace(error=SerializableErrorInfo(message, [], error)))
    stored = instance.get_backfill("b")
    assert stored is not None
    assert stored.status is expected
    assert stored.failure_count == count


def test_a_run_whose_launch_failed_half_way_ends_after_a_minute(open_on: Open) -> None:
    """Of Dagster's run monitoring, with what the packaged dagster.yaml says."""
    instance = open_on(FARM + "\nrun_monitoring: {enabled: true, start_timeout_seconds: 60}")
    run = dg.DagsterRun(job_name="job")
    instance.run_storage.add_run(run)

    def looked() -> dg.DagsterRunStatus:
        with create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance) as workspace:
            assert list(execute_run_monitoring_iteration(workspace, LOG)) == [None]
        (found,) = instance.get_runs()
        return found.status

    assert looked() is STATUS.NOT_STARTED
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]  # ours
        older = "UPDATE runs SET create_timestamp = create_timestamp - interval '61 s'"
        connection.execute(sa.text(older))
    assert looked() is STATUS.FAILURE
