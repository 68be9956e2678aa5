"""A run is alive or it is not: its lease, the watch over leases, and what a zombie may write."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.events import EngineEventData

from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.instance import watch
from mushroom_assets.instance.lease import BEAT_S, RunElsewhere
from mushroom_assets.instance.watch import BLIND_S, LOOK_S, Watch
from mushroom_assets.resources import PostgresResource
from mushroom_assets.storage import leases
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.leases import LAPSE_S, Lease, RunEnded, require_running
from mushroom_assets.storage.locks import DAEMON, ProcessLock, me
from mushroom_assets_tests.instance.events import FARM, event_storage
from mushroom_assets_tests.kit.servers import until

ME = (socket.gethostname(), os.getpid())
STATUS = dg.DagsterRunStatus
LAUNCHER = "run_launcher: {module: mushroom_assets.instance.launcher, class: FarmRunLauncher}"
DEAD_PID = 2**22  # Linux numbers no process so high


@pytest.fixture
def instance(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An instance in a database with the farm's tables."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    (tmp_path / "dagster.yaml").write_text(f"{FARM}\n{LAUNCHER}\ntelemetry: {{enabled: false}}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def held(database: Database) -> dict[str, Lease]:
    with database.transaction() as connection:
        return leases.leases(connection)


def test_a_run_has_a_lease_while_it_runs_which_is_renewed(
    instance: dg.DagsterInstance, database: Database
) -> None:
    seen = []

    @dg.asset
    def made(context: dg.AssetExecutionContext) -> None:
        seen.append(held(database)[context.run.run_id])
        time.sleep(1.5 * BEAT_S)
        seen.append(held(database)[context.run.run_id])

    assert dg.materialize([made], instance=instance).success
    assert [(lease.host, lease.pid) for lease in seen] == [ME, ME]
    assert seen[1].beat > seen[0].beat
    assert held(database) == {}


def test_a_run_that_fails_gives_its_lease_back(
    instance: dg.DagsterInstance, database: Database
) -> None:
    @dg.asset
    def made() -> None:
        raise dg.Failure("bad")

    assert not dg.materialize([made], instance=instance, raise_on_error=False).success
    assert held(database) == {}


def test_a_second_process_takes_only_a_lease_that_has_lapsed(database: Database) -> None:
    with database.transaction() as connection:
        assert leases.take(connection, "r")
        assert leases.take(connection, "r")  # its own
        connection.execute(sa.text("UPDATE farm.run_lease SET pid = :pid"), {"pid": DEAD_PID})
        assert not leases.take(connection, "r")
        assert leases.renew(connection, {"r"}) == set()
        connection.execute(
            sa.text("UPDATE farm.run_lease SET renewed_at = now() - make_interval(secs => :s)"),
            {"s": LAPSE_S + 1},
        )
        assert leases.take(connection, "r")
        assert leases.renew(connection, {"r"}) == {"r"}


def test_a_second_process_of_a_run_is_refused_before_it_executes_anything(
    instance: dg.DagsterInstance, database: Database
) -> None:
    run = dg.DagsterRun(job_name="job", status=STATUS.STARTING)
    instance.run_storage.add_run(run)
    with database.transaction() as connection:
        leases.take(connection, run.run_id)
        connection.execute(sa.text("UPDATE farm.run_lease SET pid = :pid"), {"pid": DEAD_PID})
    begun = EngineEventData.in_process(os.getpid())
    with pytest.raises(RunElsewhere, match=rf"pid {DEAD_PID} on {ME[0]}.*Remedy: none"):
        instance.report_engine_event("Started process for run", run, begun)
    assert instance.all_logs(run.run_id) == []
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is STATUS.STARTING  # it goes on in the first


def test_a_lease_that_was_renewed_meanwhile_is_not_taken_away(database: Database) -> None:
    with database.transaction() as connection:
        leases.take(connection, "r")
        seen = leases.leases(connection)["r"]
        leases.renew(connection, ["r"])
        assert not leases.revoke(connection, "r", seen)
        assert leases.revoke(connection, "r", leases.leases(connection)["r"])
        assert leases.leases(connection) == {}


@dataclass
class Farm:
    """Runs in some status, watched by a clock that only a test moves."""

    instance: dg.DagsterInstance
    now: float = 0.0

    def __post_init__(self) -> None:
        engine = event_storage(self.instance)._engine
        self.watch = Watch(self.instance, engine.connect, lambda: self.now)

    def run(
        self, status: dg.DagsterRunStatus, *, lease: bool, tags: dict[str, str] | None = None
    ) -> str:
        run = dg.DagsterRun(job_name="job", status=status, tags=tags)
        self.instance.run_storage.add_run(run)
        if lease:
            with self.watch.connect() as connection:
                leases.take(connection, run.run_id)
        return run.run_id

    def looks_for(self, seconds: float, *, renewing: str = "") -> list[str]:
        """What ended in so many seconds of looks."""
        ended = []
        last = self.now + seconds
        while self.now < last:
            self.now += LOOK_S
            if renewing:
                with self.watch.connect() as connection:
                    leases.renew(connection, [renewing])
            ended += self.watch.look()
        return ended

    def status(self, run_id: str) -> dg.DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status


@pytest.fixture
def farm(instance: dg.DagsterInstance) -> Farm:
    return Farm(instance)


@pytest.mark.parametrize("lease", [True, False])
@pytest.mark.parametrize(
    ("status", "end"),
    [(STATUS.STARTED, STATUS.FAILURE), (STATUS.CANCELING, STATUS.CANCELED)],
)
def test_a_run_without_a_living_process_ends_within_thirty_seconds(
    farm: Farm, status: dg.DagsterRunStatus, end: dg.DagsterRunStatus, lease: bool
) -> None:
    dead = farm.run(status, lease=lease)
    alive = farm.run(STATUS.STARTED, lease=True)
    assert farm.looks_for(LAPSE_S - LOOK_S, renewing=alive) == []
    # The last beat, up to a look until it is seen, and up to a look after it has lapsed
    assert BEAT_S + LAPSE_S + 2 * LOOK_S <= 30
    assert farm.looks_for(3 * LOOK_S, renewing=alive) == [dead]
    assert farm.status(dead) is end
    assert farm.status(alive) is STATUS.STARTED


def test_a_run_that_died_before_it_started_ends_too(farm: Farm) -> None:
    died = farm.run(STATUS.STARTING, lease=True)
    coming = farm.run(STATUS.STARTING, lease=False)  # run monitoring has its timeout
    assert farm.looks_for(2 * LAPSE_S) == [died]
    assert farm.status(coming) is STATUS.STARTING


def test_the_lease_of_a_run_that_somebody_else_ended_is_taken_away(
    farm: Farm, database: Database
) -> None:
    run_id = farm.run(STATUS.STARTED, lease=True)
    run = farm.instance.get_run_by_id(run_id)
    assert run is not None
    farm.instance.report_run_failed(run, "its process was seen to end")
    assert farm.looks_for(LAPSE_S - LOOK_S) == []
    assert held(database).keys() == {run_id}
    assert farm.looks_for(3 * LOOK_S) == []
    assert held(database) == {}


def test_time_in_which_nothing_was_seen_does_not_count(farm: Farm) -> None:
    run = farm.run(STATUS.STARTED, lease=True)
    assert farm.looks_for(LAPSE_S - LOOK_S) == []
    farm.now += BLIND_S + 1  # the database was away, or the machine asleep
    assert farm.looks_for(LAPSE_S - LOOK_S) == []
    assert farm.looks_for(3 * LOOK_S) == [run]


def test_the_end_says_whose_process_is_gone(farm: Farm) -> None:
    run_id = farm.run(STATUS.STARTED, lease=True)
    farm.looks_for(2 * LAPSE_S)
    failed = farm.instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    message = failed[0].get_dagster_event().message or ""
    assert f"pid {ME[1]} on {ME[0]}" in message
    assert "has not renewed its lease" in message


@pytest.mark.parametrize("ended", [False, True], ids=["in progress", "ended by somebody else"])
def test_what_a_silent_process_has_locked_is_free_for_its_successor(
    farm: Farm, database: Database, ended: bool
) -> None:
    run_id = farm.run(STATUS.CANCELED if ended else STATUS.STARTED, lease=True)
    theirs = Database(database.url, application_name=f"mushroom_assets {run_id}")
    with database.transaction() as bystander, theirs.session() as zombie:
        zombie.exec_driver_sql("BEGIN; LOCK TABLE farm.batch IN ACCESS EXCLUSIVE MODE")
        assert farm.looks_for(2 * LAPSE_S) == ([] if ended else [run_id])
        bystander.exec_driver_sql("LOCK TABLE farm.batch IN ACCESS EXCLUSIVE MODE NOWAIT")
        with pytest.raises(sa.exc.OperationalError, match="terminating connection"):
            zombie.exec_driver_sql("COMMIT")
    theirs.dispose()


@pytest.mark.parametrize(
    "tags",
    [{}, {".dagster/grpc_info": '{"host": "localhost", "socket": "/nowhere/code.sock"}'}],
    ids=["never launched", "its code server is gone"],
)
def test_a_run_that_no_process_answers_for_can_be_cancelled(
    farm: Farm, tags: dict[str, str]
) -> None:
    run_id = farm.run(STATUS.STARTED, lease=False, tags=tags)
    assert farm.instance.run_launcher.terminate(run_id)
    assert farm.status(run_id) is STATUS.CANCELING
    said = [entry.message for entry in farm.instance.all_logs(run_id)]
    assert any("It is canceled when its lease has lapsed" in message for message in said)
    assert farm.looks_for(2 * LAPSE_S) == [run_id]
    assert farm.status(run_id) is STATUS.CANCELED
    assert not farm.instance.run_launcher.terminate(run_id)  # it has ended


def test_a_process_that_does_not_renew_its_lease_is_not_asked_to_end(
    farm: Farm, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code server would wait for it for ever, and launch nothing meanwhile."""
    asked: list[str] = []

    def terminate(_: dg.DefaultRunLauncher, run_id: str) -> bool:
        asked.append(run_id)
        return True

    monkeypatch.setattr(dg.DefaultRunLauncher, "terminate", terminate)
    living = farm.run(STATUS.STARTED, lease=True)
    with farm.watch.connect() as connection:  # it lives as long as the test
        beat = threading.Timer(0.5, leases.renew, [connection, [living]])
        beat.start()
        assert farm.instance.run_launcher.terminate(living)
        beat.join()
    assert asked == [living]
    silent = farm.run(STATUS.STARTED, lease=True)
    with database.transaction() as connection:
        aged = "UPDATE farm.run_lease SET renewed_at = now() - interval '7 s' WHERE run_id = :run"
        connection.execute(sa.text(aged), {"run": silent})
    assert farm.instance.run_launcher.terminate(silent)
    assert asked == [living]
    assert farm.status(silent) is STATUS.CANCELING


def zombie(instance: dg.DagsterInstance, database: Database) -> dg.ExecuteInProcessResult:
    """A run that is taken for dead while it works, and then goes on."""

    @dg.asset
    def made(context: dg.AssetExecutionContext, postgres: PostgresResource) -> None:
        with (
            permanent_faults_fail_at_once(),
            postgres.transaction(context.run.run_id) as connection,
        ):
            connection.execute(sa.text("INSERT INTO farm.batch VALUES ('607', '2026-01-01', 1)"))
            context.instance.report_run_failed(context.run, "taken for dead")

    resources = {"postgres": PostgresResource(url=database.url)}
    return dg.materialize([made], instance=instance, resources=resources, raise_on_error=False)


def test_a_zombie_commits_no_rows_and_its_run_stays_failed(
    instance: dg.DagsterInstance, database: Database
) -> None:
    result = zombie(instance, database)
    (failure,) = result.get_step_failure_events()
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert told.description is not None
    assert f"run {result.run_id} was ended as FAILURE" in told.description
    assert "Remedy" in told.description
    with database.transaction() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM farm.batch")) == 0
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status is STATUS.FAILURE
    assert run.run_id not in instance.get_materialized_partitions(dg.AssetKey("made"))


def test_the_success_of_a_zombie_is_a_line_in_its_log_and_no_event(
    instance: dg.DagsterInstance,
) -> None:
    """https://github.com/dagster-io/dagster/issues/15325."""

    @dg.asset
    def made(context: dg.AssetExecutionContext) -> None:
        context.instance.report_run_failed(context.run, "taken for dead")

    result = dg.materialize([made], instance=instance, raise_on_error=False)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status is STATUS.FAILURE
    ends = {dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE}
    kinds = [
        entry.dagster_event_type
        for entry in instance.all_logs(result.run_id)
        if entry.dagster_event_type in ends
    ]
    assert kinds == [dg.DagsterEventType.RUN_FAILURE]  # the one that was taken for dead
    said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert "PIPELINE_SUCCESS came after the run had ended" in said


def test_who_ends_a_run_waits_for_a_commit_that_has_begun(
    instance: dg.DagsterInstance, database: Database
) -> None:
    run = dg.DagsterRun(job_name="job", status=STATUS.STARTED)
    instance.run_storage.add_run(run)
    ended = threading.Thread(target=instance.report_run_failed, args=(run, "taken for dead"))
    with database.transaction() as connection:
        require_running(connection, run.run_id)
        ended.start()
        time.sleep(1)
        assert ended.is_alive()
    ended.join(timeout=30)
    with pytest.raises(RunEnded), database.transaction() as connection:
        require_running(connection, run.run_id)


def test_without_dagsters_tables_beside_the_farm_nothing_is_refused(database: Database) -> None:
    with database.transaction() as connection:
        require_running(connection, "unknown")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watch_that_a_fault_ended_is_begun_anew_with_the_next_heartbeat(
    farm: Farm, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def look() -> list[str]:
        looks.append(1)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(watch, "LOOK_S", 0.01)
    monkeypatch.setattr(farm.watch, "look", look)
    place = watch.Place(database.url)
    for count in (1, 2):
        place.take(lambda: farm.watch)
        until(lambda count=count: len(looks) == count, timeout_s=10)  # type: ignore[misc]
        until(lambda: not any(thread.name == "leases" for thread in threading.enumerate()))
    place.leave()


DAEMON_PROCESS = """
import sys
import dagster as dg
from dagster._daemon.types import DaemonHeartbeat
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    instance.add_daemon_heartbeat(DaemonHeartbeat(1e9, "SENSOR", "a", []))
    print("beats", flush=True)
    sys.stdin.readline()
"""


def test_a_second_daemon_is_refused_by_the_name_of_the_first_and_not_after_its_death(
    instance: dg.DagsterInstance, database: Database, tmp_path: Path
) -> None:
    lock = ProcessLock(Database(database.url, application_name=me("test")), DAEMON)
    other = Database(database.url, application_name="dagster-daemon far.example 4711")
    first = ProcessLock(other, DAEMON)
    assert first.take() is None
    holder = lock.take()
    assert holder is not None
    assert holder[:3] == ("dagster-daemon", "far.example", 4711)
    command = [sys.executable, "-c", DAEMON_PROCESS, str(tmp_path)]
    refused = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    assert refused.returncode != 0
    assert "dagster-daemon, pid 4711 on far.example" in refused.stderr + refused.stdout
    assert "Remedy: stop one of the two" in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr + refused.stdout
    first.release()
    other.dispose()
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "beats\n"
        taken = lock.take()
        assert taken is not None
        assert taken.pid == daemon.pid
        daemon.kill()
    until(lambda: lock.take() is None, timeout_s=10)
    lock.release()
    lock.database.dispose()
