"""A backfill that an outage ended goes on with what is left; others stay as they ended."""

import datetime as dt
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_shared.error import SerializableErrorInfo

from mushroom_assets.instance.backfills import continue_backfills
from mushroom_assets.instance.outstanding import RANGE_START

DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"]
ASSETS = {"days"}
QUEUED = dg.DagsterRunStatus.QUEUED
FILE = """
import dagster as dg
DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04")
@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.multi_run(1))
def days() -> dg.MaterializeResult:
    return dg.MaterializeResult()
defs = dg.Definitions([days], executor=dg.in_process_executor)
"""
AWAY = "import dagster as dg\ndefs = dg.Definitions()\n"
OVERRIDES = {
    "run_launcher": {
        "module": "dagster._core.launcher.sync_in_memory_run_launcher",
        "class": "SyncInMemoryRunLauncher",
    },
    "run_coordinator": {
        "module": "dagster._core.run_coordinator.queued_run_coordinator",
        "class": "QueuedRunCoordinator",
    },
}


@dg.asset(
    partitions_def=dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04"),
    backfill_policy=dg.BackfillPolicy.multi_run(1),
)
def days() -> None:
    """Only its partitions count: the runs execute `FILE`."""


@dataclass
class Daemon:
    """The backfill daemon, iteration by iteration; queued runs start when the test says so."""

    instance: dg.DagsterInstance
    folder: Path

    def iterate(self, source: str, times: int = 1, launch: Collection[str] = ()) -> None:
        """Look at every backfill with these definitions, and launch the runs of some partitions."""
        file = self.folder / "farm.py"
        file.write_text(source, encoding="utf-8")
        target = PythonFileTarget(str(file), "defs", None, "here")
        with create_test_daemon_workspace_context(target, self.instance) as workspace:
            for _ in range(times):
                list(execute_backfill_iteration(workspace, logging.getLogger("backfill")))
                for run in self.instance.get_runs(dg.RunsFilter(statuses=[QUEUED])):
                    if run.tags[RANGE_START] in launch:
                        self.instance.launch_run(run.run_id, workspace.create_request_context())

    def request(self, backfill_id: str) -> None:
        """As the UI does."""
        self.instance.add_backfill(
            PartitionBackfill.from_asset_partitions(
                backfill_id=backfill_id,
                asset_graph=dg.Definitions([days]).resolve_asset_graph(),
                partition_names=DAYS,
                asset_selection=[dg.AssetKey("days")],
                backfill_timestamp=dt.datetime.now(dt.UTC).timestamp(),
                tags={"by": "grower"},
                dynamic_partitions_store=self.instance,
                all_partitions=False,
                title=None,
                description=None,
                run_config=None,
            )
        )

    def end(self, backfill_id: str, status: BulkActionStatus, error: str, cls: str) -> None:
        backfill = self.get(backfill_id)._replace(status=status)
        told = SerializableErrorInfo(error, [], cls)
        stamp = dt.datetime.now(dt.UTC).timestamp()
        self.instance.update_backfill(backfill._replace(error=told, backfill_end_timestamp=stamp))

    def get(self, backfill_id: str) -> PartitionBackfill:
        found = self.instance.get_backfill(backfill_id)
        assert found is not None
        return found

    def go_on(self, minutes: float) -> list[str]:
        """Look for backfills to go on with, so many minutes from now."""
        now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
        return continue_backfills(self.instance, ASSETS, now)

    def runs(self, backfill_id: str) -> set[tuple[str, str]]:
        """Partition and status of a backfill's runs."""
        found = self.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill_id}))
        return {(run.tags[RANGE_START], run.status.value) for run in found}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with dg.instance_for_test(overrides=OVERRIDES) as instance:
        yield Daemon(instance, tmp_path)


def test_a_backfill_whose_definitions_were_away_goes_on_and_makes_what_was_cancelled(
    daemon: Daemon,
) -> None:
    daemon.request("asked")
    daemon.iterate(FILE, times=2, launch=DAYS[:1])
    assert daemon.runs("asked") == {
        (DAYS[0], "SUCCESS"), (DAYS[1], "QUEUED"), (DAYS[2], "QUEUED")
    }  # fmt: skip
    daemon.iterate(AWAY, times=3)
    assert daemon.get("asked").status is BulkActionStatus.FAILED
    assert daemon.runs("asked") == {
        (DAYS[0], "SUCCESS"), (DAYS[1], "CANCELED"), (DAYS[2], "CANCELED")
    }  # fmt: skip

    assert daemon.go_on(1.5) == []
    (again,) = daemon.go_on(2.5)
    assert daemon.go_on(3) == []
    assert daemon.get(again).tags["dagster/parent_backfill_id"] == "asked"
    assert daemon.get(again).tags["by"] == "grower"
    daemon.iterate(FILE, times=2, launch=DAYS)
    assert daemon.get(again).status is BulkActionStatus.COMPLETED_SUCCESS
    assert daemon.runs(again) == {(DAYS[1], "SUCCESS"), (DAYS[2], "SUCCESS")}
    assert daemon.instance.get_materialized_partitions(dg.AssetKey("days")) == set(DAYS)


OUTAGE = ("could not connect", "psycopg.OperationalError")


def test_one_that_a_person_cancelled_or_that_failed_by_its_own_fault_stays_as_it_ended(
    daemon: Daemon,
) -> None:
    daemon.request("cancelled")
    daemon.end("cancelled", BulkActionStatus.CANCELED, *OUTAGE)
    daemon.request("faulty")
    daemon.end("faulty", BulkActionStatus.FAILED, "Invariant failed", "CheckError")
    assert daemon.go_on(60) == []
    daemon.request("lost")
    daemon.end("lost", BulkActionStatus.FAILED, *OUTAGE)
    assert continue_backfills(daemon.instance, {"other"}, dt.datetime.now(dt.UTC)) == []
    assert daemon.go_on(3 * 24 * 60) == []  # long ago
    assert len(daemon.go_on(60)) == 1


def test_a_backfill_goes_on_three_times_a_day_with_longer_waits(daemon: Daemon) -> None:
    daemon.request("first")
    daemon.end("first", BulkActionStatus.FAILED, *OUTAGE)
    for wait in (2, 4, 8):
        assert daemon.go_on(wait - 0.5) == []
        (again,) = daemon.go_on(wait + 0.5)
        daemon.end(again, BulkActionStatus.FAILED, *OUTAGE)
    assert daemon.go_on(60) == []
    assert len(daemon.go_on(25 * 60)) == 1
