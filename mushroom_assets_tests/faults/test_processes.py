"""A farm that runs loses its processes and its server, and comes back by itself with every row.

Each fault meets a run at work. Other losses of the server and of all, and hundreds of schedules
drawn from seeds, by `make soak-processes N=100`.
"""

from collections.abc import Iterator

import dagster as dg
import pytest

from mushroom_assets_tests.faults.farm import small_farm_running
from mushroom_assets_tests.faults.processes import Act, Trial, drawn
from mushroom_assets_tests.kit.running import Running
from mushroom_assets_tests.kit.servers import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
ASSET = "daily_env_stats"
LONGER_THAN_A_LEASE_S = 30


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A farm that is up for all tests here, and in which only one asset is asked for."""
    with small_farm_running(tmp_path_factory.mktemp("running")) as running:
        running.up()
        until(running.healthy)
        running.leave_only("catching_up", f"{ASSET}_schedule")
        yield running


def broken_by(running: Running, *acts: Act, backfills: bool = False) -> list[str]:
    """What a schedule breaks."""
    running.forget()
    trial = Trial(running, list(acts), backfills, asks=(ASSET,), expects=(ASSET,))
    trial.play()
    return trial.broken()


def statuses(running: Running) -> list[str]:
    """Of all runs, oldest first."""
    with running.instance() as instance:
        return [run.status.value for run in reversed(instance.get_runs())]


@pytest.mark.parametrize(
    ("process", "runs"),
    [
        ("worker", ["FAILURE", "SUCCESS"]),
        ("daemon", ["SUCCESS"]),  # no parent of its runs
        ("code server", ["FAILURE", "SUCCESS"]),  # ends with all that it started
    ],
)
def test_a_killed_process_costs_no_row(running: Running, process: str, runs: list[str]) -> None:
    assert broken_by(running, Act(0, "kill", process)) == []
    assert statuses(running) == runs


def test_who_is_silent_for_longer_than_its_lease_can_neither_write_nor_succeed(
    running: Running,
) -> None:
    assert broken_by(running, Act(0, "stop", "worker", LONGER_THAN_A_LEASE_S)) == []
    assert statuses(running) == ["FAILURE", "SUCCESS"]
    with running.instance() as instance:
        last, first = instance.get_runs()

        def said(words: str) -> bool:
            logged = [
                f"{entry.user_message}{entry.message}" for entry in instance.all_logs(first.run_id)
            ]
            return any(words in line for line in logged)

        assert said("has not renewed its lease")
        until(lambda: said("came after the run had ended"))  # it works on for some seconds
        assert statuses(running) == ["FAILURE", "SUCCESS"]
    assert {row["run_id"] for row in running.rows(ASSET)} == {last.run_id}


def test_an_outage_in_a_run_costs_no_row_and_fails_nothing(running: Running) -> None:
    assert broken_by(running, Act(0, "kill postmaster", lasts_s=15)) == []
    assert statuses(running) == ["SUCCESS"]


def test_a_run_whose_worker_stands_still_is_terminated_and_the_next_is_launched(
    running: Running,
) -> None:
    """Asked to cancel it, Dagster's code server would wait for the worker and launch nothing."""
    running.forget()
    running.launch(ASSET)
    until(running.writes)
    workers = running.find("worker")
    for worker in workers:
        worker.suspend()
    with running.instance() as instance:
        (run,) = instance.get_runs()
        assert running.terminate(run.run_id) == "TerminateRunSuccess"
        until(lambda: statuses(running) == ["CANCELED"])
        running.launch(ASSET)
        until(lambda: statuses(running) == ["CANCELED", "SUCCESS"])
        for worker in workers:
            worker.resume()
    assert running.healthy()


def test_a_run_asked_for_while_the_code_server_ends_waits_for_the_next_one(
    running: Running,
) -> None:
    """It ends once the run at work has ended, and launches nothing meanwhile."""
    running.forget()
    running.launch(ASSET)
    until(running.writes)
    running.launch(ASSET)
    for server in running.find("code server"):
        server.terminate()
    until(lambda: statuses(running) == ["SUCCESS", "SUCCESS"])


def test_an_outage_in_a_backfill_costs_no_row_and_fails_nothing(running: Running) -> None:
    assert broken_by(running, Act(0, "restart", lasts_s=15), backfills=True) == []
    with running.instance() as instance:
        (backfill,) = instance.get_backfills()
        assert backfill.status.value == "COMPLETED_SUCCESS"
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
        assert instance.get_runs_count(failed) == 0


def test_after_a_power_cut_the_next_start_makes_what_was_under_way(running: Running) -> None:
    assert broken_by(running, Act(0, "power cut")) == []


@pytest.mark.parametrize("seed", [2])  # `make soak-processes` has more
def test_nothing_breaks_under_the_faults_of_a_seed(running: Running, seed: int) -> None:
    assert broken_by(running, *drawn(seed)) == []
