"""Runs on two machines by Celery: a real Redis, two workers, a real daemon, and what breaks.

How the machines are made is the business of `kit.machines`.
"""

import time
from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from dagster._core.launcher import LaunchRunContext
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG as TASK

from mushroom_assets.service.launcher import examine_run_launcher
from mushroom_assets.service.ui import ask_ui
from mushroom_assets_tests.faults.farm import slow_down
from mushroom_assets_tests.kit.machines import Spread, farm_on_machines
from mushroom_assets_tests.kit.running import UNFINISHED
from mushroom_assets_tests.kit.servers import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
CLIP = "daily_clip_inference"
QUICK = "daily_env_stats"
STATUS = dg.DagsterRunStatus
LONG_S = 600.0  # far more than it takes, for slow machines


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spread]:
    """A farm that is up, with its machines A and B; nothing is made but what a test asks for."""
    with farm_on_machines(tmp_path_factory.mktemp("farm")) as spread:
        slow_down(spread.server.uri)  # so that faults meet runs at work
        spread.up()
        until(spread.serves)  # and has made Dagster's tables
        for machine in spread.machines:
            machine.start()
        spread.leave_only()
        until(spread.all_ready)
        yield spread


@pytest.fixture
def instance(farm: Spread) -> Iterator[dg.DagsterInstance]:
    """Dagster's record; broker and machines are there before and after."""
    with farm.instance() as instance:
        yield instance
        if not farm.broker.answers():
            farm.broker.start()
        for machine in farm.machines:
            if not machine.processes():
                machine.start()
        until(farm.all_ready)
        until(lambda: not instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)), LONG_S)


def is_now(
    instance: dg.DagsterInstance, run: dg.DagsterRun, *statuses: STATUS
) -> Callable[[], bool]:
    """Whether a run has one of some statuses."""

    def holds() -> bool:
        found = instance.get_run_by_id(run.run_id)
        return found is not None and found.status in statuses

    return holds


def newest(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return instance.get_runs(limit=1)[0]


def said(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """What the run's page says, errors included."""
    found = []
    for entry in instance.all_logs(run.run_id):
        told = entry.dagster_event.event_specific_data if entry.dagster_event else None
        found += [entry.message, f"{getattr(told, 'error', None)}"]
    return "\n".join(found)


def ended(instance: dg.DagsterInstance, run_id: str) -> float:
    """When a run ended."""
    record = instance.get_run_record_by_id(run_id)
    assert record is not None
    return record.end_time or 0.0


def printed(farm: Spread, instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """What the UI shows of a run's standard error."""
    (captured,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
    log = captured.get_dagster_event().logs_captured_data.file_key
    query = f'{{capturedLogs(logKey: ["{run.run_id}", "compute_logs", "{log}"]) {{stderr}}}}'
    return str(ask_ui("127.0.0.1", farm.port, query, timeout_s=60)["capturedLogs"]["stderr"])


def test_what_a_machine_had_when_it_lost_its_power_is_made_by_the_other(
    farm: Spread, instance: dg.DagsterInstance, record_property: Callable[[str, object], None]
) -> None:
    days = farm.days()[:5:2]  # three, each a run: days that follow each other share one
    farm.backfill(CLIP, days)
    lost = farm.machines[0]
    until(lambda: bool(farm.writing() & lost.executing(instance)))
    (victim,) = farm.writing() & lost.executing(instance)
    lost.kill()
    killed = time.time()
    key = dg.AssetKey(CLIP)
    until(lambda: instance.get_materialized_partitions(key) >= set(days), LONG_S)
    record_property("seconds from the kill until all was made", time.time() - killed)
    until(lambda: not instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)), LONG_S)

    rows = farm.rows(CLIP)
    assert sorted(f"{row['image_path']}" for row in rows) == sorted(farm.pictures(days))
    runs = {run.run_id: run for run in instance.get_runs()}
    assert runs[victim].status is STATUS.FAILURE
    record_property("seconds from the kill to the failure", ended(instance, victim) - killed)
    assert "has not renewed its lease" in said(instance, runs[victim])
    (again,) = (run for run in runs.values() if run.parent_run_id == victim)
    assert {run.status for run in runs.values()} == {STATUS.FAILURE, STATUS.SUCCESS}
    assert len(runs) == len(days) + 1
    took = {machine.name: machine.took(runs.values()) for machine in farm.machines}
    assert victim in took["A"]
    assert again.run_id in took["B"]
    assert set(runs) == took["A"] | took["B"]
    assert not took["A"] & took["B"]
    assert "mushroom-tiny" in printed(farm, instance, again)


def test_a_run_is_cancelled_where_it_runs_and_not_retried(
    farm: Spread, instance: dg.DagsterInstance
) -> None:
    farm.launch(QUICK)
    run = newest(instance)
    until(farm.writes)
    assert farm.terminate(run.run_id) == "TerminateRunSuccess"
    until(is_now(instance, run, STATUS.CANCELED), LONG_S)
    assert "lease" not in said(instance, run)  # its process said so itself
    assert newest(instance).run_id == run.run_id


def test_a_run_that_no_machine_took_is_cancelled_and_not_begun_later(
    farm: Spread, instance: dg.DagsterInstance
) -> None:
    for machine in farm.machines:
        machine.stop()
    farm.launch(QUICK)
    run = newest(instance)
    until(is_now(instance, run, STATUS.STARTING))
    until(lambda: TASK in newest(instance).tags)
    # All that Dagster lets people do with a run that is being launched
    answer = farm.terminate(run.run_id, "MARK_AS_CANCELED_IMMEDIATELY")
    assert answer == "TerminateRunSuccess"
    assert is_now(instance, run, STATUS.CANCELED)()
    farm.machines[0].start()
    until(lambda: "was canceled before execution could start" in said(instance, run))
    assert is_now(instance, run, STATUS.CANCELED)()


def test_while_the_broker_is_away_runs_go_on_and_others_wait_in_the_queue(
    farm: Spread, instance: dg.DagsterInstance
) -> None:
    farm.launch(QUICK)
    living = newest(instance)
    until(farm.writes)
    farm.broker.stop()
    farm.launch(QUICK)
    waiting = newest(instance)
    until(lambda: "did not take the run" in said(instance, waiting))
    until(is_now(instance, living, STATUS.SUCCESS), LONG_S)
    assert is_now(instance, waiting, STATUS.QUEUED, STATUS.STARTING)()
    farm.broker.start()
    until(is_now(instance, waiting, STATUS.SUCCESS), LONG_S)
    assert newest(instance).run_id == waiting.run_id  # nothing was retried


def test_a_run_that_was_handed_out_twice_is_executed_once(
    farm: Spread, instance: dg.DagsterInstance
) -> None:
    for machine in farm.machines:
        machine.stop()
    farm.launch(QUICK)
    until(lambda: TASK in newest(instance).tags)
    instance.run_launcher.launch_run(LaunchRunContext(newest(instance), None))
    run = newest(instance)
    for machine in farm.machines:
        machine.start()
    until(is_now(instance, run, STATUS.SUCCESS), LONG_S)

    def refused() -> bool:
        logs = "".join(machine.log for machine in farm.machines)
        return "run was handed out twice" in logs or "duplicate run" in said(instance, run)

    until(refused)
    started = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_START)
    assert len(started) == 1


def test_a_machine_that_stood_still_commits_nothing_and_then_works_on(
    farm: Spread, instance: dg.DagsterInstance
) -> None:
    farm.launch(QUICK)
    run = newest(instance)
    until(farm.writes)
    (still,) = (each for each in farm.machines if each.executing(instance))
    still.freeze()
    until(is_now(instance, run, STATUS.FAILURE), LONG_S)
    until(lambda: newest(instance).parent_run_id == run.run_id)
    again = newest(instance)
    until(is_now(instance, again, STATUS.SUCCESS), LONG_S)
    still.thaw()
    until(lambda: not still.executing(instance), LONG_S)
    assert is_now(instance, run, STATUS.FAILURE)()
    assert {row["run_id"] for row in farm.rows(QUICK)} == {again.run_id}


def test_doctor_counts_the_slots(farm: Spread) -> None:
    with farm.settings() as settings:
        told = examine_run_launcher(settings)
    where = f"redis://:**@127.0.0.1:{farm.broker.port}/0"
    assert told == f"FarmCeleryLauncher at {where}: 2 workers with 2 slots for 2 runs"
