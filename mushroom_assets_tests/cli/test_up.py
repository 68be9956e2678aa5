"""`mushroom up` as a user starts it: from nothing to the UI, stopped by Ctrl-C, and once more."""

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest
import sqlalchemy as sa

from mushroom_assets.automation.timetable import PARTITIONED
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.service.ui import ask_ui, ui_fault
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.command import command_line
from mushroom_assets_tests.kit.server import Server, server_in
from mushroom_assets_tests.kit.servers import free_port, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
FARM = """
timezone: Asia/Shanghai
first_day: {first_day}
rooms: {{"607": {{folder: "7"}}, "611": {{}}}}
"""
SCHEDULES = """{
  schedulesOrError(
    repositorySelector: {
      repositoryName: "__repository__", repositoryLocationName: "mushroom_assets"
    }
  ) {... on Schedules {results {name scheduleState {status}}}}
}"""
LOADED = """{
  workspaceOrError {... on Workspace {
    locationEntries {locationOrLoadError {... on PythonError {errorChain {error {message}}}}}
  }}
  instance {daemonHealth {allDaemonStatuses {healthy}}}
}"""
STANDING = """{
  assetNodes {
    assetKey {path}
    partitionKeys
    assetChecksOrError {... on AssetChecks {
      checks {name executionForLatestMaterialization {status}}
    }}
  }
}"""
COUNTS = """
SELECT (SELECT count(*) FROM farm.sample) AS samples,
       (SELECT count(*) FROM farm.daily_env_stats) AS statistics,
       (SELECT count(*) FROM farm.daily_room_report) AS reports"""


def up(home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """The command on a day of the farm beside its home, if there is any, and its environment."""
    settings = {"MUSHROOM_HOME": str(home)}
    own = home.parent / "farm.yaml"
    if own.exists():
        settings["MUSHROOM_CONFIG"] = str(own)
    command = command_line("up", "--days", 1, "--port", port, "--page-port", free_port())
    return command, os.environ | settings


def postmaster(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))


def write_farm_of_yesterday(folder: Path) -> None:
    """A farm file whose first full day is yesterday."""
    today = dt.datetime.now(ZoneInfo("Asia/Shanghai")).date()
    (folder / "farm.yaml").write_text(FARM.format(first_day=today - dt.timedelta(days=1)))


def partition_stats(port: int) -> dict[str, dict[str, int]]:
    """How many partitions of each asset there are, are made, and failed."""
    asked = "partitionStats {numMaterialized numPartitions numFailed}"
    nodes = ask_ui("127.0.0.1", port, f"{{assetNodes {{assetKey {{path}} {asked}}}}}")["assetNodes"]
    return {node["assetKey"]["path"][0]: node["partitionStats"] for node in nodes}


@contextmanager
def running(home: Path, port: int) -> Iterator[tuple[list[str], list[psutil.Process]]]:
    """The command until its UI is up, and on leaving Ctrl-C.

    Yields its output so far and every process it started.
    """
    command, environment = up(home, port)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        start_new_session=True,
    ) as process:
        lines: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if " is up" in line:
                break
        else:
            assert process.stderr is not None
            told = "".join([*lines, process.stderr.read()])
            pytest.fail(f"ended before the UI was up:\n{told}")
        started = psutil.Process(process.pid).children(recursive=True)
        started.append(postmaster(home))
        try:
            yield lines, started
        finally:
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=120)
            lines += [rest]
        assert process.returncode == 0, rest
        assert errors == "", "a line went to stderr"


def counts(home: Path) -> sa.Row[tuple[int, int, int]]:
    with embedded_postgres(home / "postgres") as uri:
        database = Database(uri)
        with database.transaction() as connection:
            found = connection.execute(sa.text(COUNTS)).one()
        database.dispose()
    return found


def test_up_fills_the_farm_serves_the_ui_stops_whole_and_resumes(tmp_path: Path) -> None:
    write_farm_of_yesterday(tmp_path)
    home = tmp_path / "home"
    port = free_port()
    with running(home, port) as (_, started):
        schedules = ask_ui("127.0.0.1", port, SCHEDULES)["schedulesOrError"]["results"]
        health = subprocess.run(
            command_line("health", "--port", port), capture_output=True, text=True, check=False
        )
        stats = partition_stats(port)
    assert {schedule["name"]: schedule["scheduleState"]["status"] for schedule in schedules} == {
        "daily_env_stats_schedule": "RUNNING",
        "hourly_setpoint_changes_schedule": "RUNNING",
        "daily_clip_inference_schedule": "RUNNING",
        "standing_checks_schedule": "RUNNING",
        "feeds_schedule": "RUNNING",
        "retention_schedule": "RUNNING",  # skips while the farm keeps everything
    }
    assert (health.returncode, health.stdout) == (0, "healthy\n")
    for asset in ("daily_env_stats", "daily_clip_inference", "daily_room_report"):
        assert stats[asset]["numMaterialized"] == stats[asset]["numPartitions"] >= 1, asset
        assert stats[asset]["numFailed"] == 0
    assert stats["hourly_setpoint_changes"]["numMaterialized"] >= 24
    psutil.wait_procs(started, timeout=30)
    assert [process for process in started if process.is_running()] == []

    first = counts(home)
    assert first.samples > 2 * 46 * 1440 * 0.7  # two rooms, at least a day, with its holes
    assert first.statistics % (2 * 5) == 0  # rooms times quantities
    assert first.statistics >= 10
    assert first.reports % 2 == 0  # rooms

    with running(home, port) as (lines, _):
        pass
    second = counts(home)
    assert "demo farm" in "".join(lines)
    # What the simulated plant delivered while the first start ran, at most an hour's rows
    late = 2 * 46 * 60
    assert first.samples <= second.samples <= first.samples + late
    # More only if a farm day ended in between
    assert second.statistics in (first.statistics, first.statistics + 10)


def test_a_demo_of_the_packaged_farm_is_whole_when_the_ui_is_up(tmp_path: Path) -> None:
    home = tmp_path / "home"
    port = free_port()
    with running(home, port) as (lines, _):
        nodes = ask_ui("127.0.0.1", port, STANDING)["assetNodes"]
        stats = partition_stats(port)
        status = subprocess.run(
            command_line("status"),
            env=os.environ | {"MUSHROOM_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
    file = home / "demo-farm.yaml"
    first_day = parse_farm(file.read_text(encoding="utf-8")).first_day
    assert f"simulated from {first_day} on, by {file}" in "".join(lines)
    for node in nodes:
        asset = node["assetKey"]["path"][0]
        if asset in PARTITIONED:
            assert node["partitionKeys"][0].startswith(f"{first_day}")
            # The hour that has closed since is the schedule's
            made = stats[asset]["numMaterialized"]
            assert made >= max(1, stats[asset]["numPartitions"] - 1), asset
            checks = {check["name"]: check for check in node["assetChecksOrError"]["checks"]}
            assert checks["partitions_complete"]["executionForLatestMaterialization"] is not None
    assert status.returncode == 0, status.stdout


def test_ctrl_c_while_results_are_made_stops_all_and_the_next_start_goes_on(
    tmp_path: Path,
) -> None:
    write_farm_of_yesterday(tmp_path)
    home = tmp_path / "home"
    log = tmp_path / "log"
    port = free_port()
    command, environment = up(home, port)
    with (
        log.open("w") as out,
        subprocess.Popen(command, stdout=out, env=environment, start_new_session=True) as process,
    ):
        until(lambda: "results:" in log.read_text())  # the bar
        database = postmaster(home)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 1
    assert "stopped. The same command again goes on from here" in log.read_text()
    psutil.wait_procs([database], timeout=30)
    assert not database.is_running()
    with running(home, port):
        reports = partition_stats(port)["daily_room_report"]
    assert reports["numMaterialized"] == reports["numPartitions"] >= 1


def test_a_failing_migration_leaves_the_ui_up_to_show_it_and_nothing_scheduled(
    tmp_path: Path,
) -> None:
    (tmp_path / "farm.yaml").write_text(FARM.format(first_day="2026-01-01"))
    home = tmp_path / "home"
    home.mkdir()
    port = free_port()
    with embedded_postgres(home / "postgres") as uri:
        database = Database(uri)
        with database.transaction() as connection:
            migrations.upgrade(connection)
            connection.execute(
                sa.text("UPDATE farm.alembic_version SET version_num = 'from_a_newer_release'")
            )
        database.dispose()
    with running(home, port) as (lines, _):
        shown = json.dumps(ask_ui("127.0.0.1", port, LOADED))
    assert "from_a_newer_release" in "".join(lines)
    assert "from_a_newer_release" in shown
    assert "Remedy" in shown
    assert '"healthy": true' not in shown  # no daemon: nothing is scheduled


@pytest.fixture
def server() -> Iterator[Server]:
    with server_in("mushroom-pg-") as server:
        yield server


def test_up_waits_for_a_late_database_and_outlives_an_outage(
    tmp_path: Path, server: Server
) -> None:
    port = free_port()
    command = command_line("up", "--no-demo", "--port", port, "--page-port", 0)
    environment = os.environ | {"DATABASE_URL": server.uri, "MUSHROOM_HOME": str(tmp_path)}
    log = tmp_path / "log"
    with (
        log.open("w") as out,
        subprocess.Popen(command, env=environment, stdout=out, start_new_session=True) as process,
    ):
        try:
            until(lambda: "attempt 1 of 120, next in 5.0 s" in log.read_text())
            server.start()
            until(lambda: ui_fault("127.0.0.1", port) is None)
            server.crash()
            until(lambda: ui_fault("127.0.0.1", port) is not None)
            time.sleep(15)  # longer than Dagster's own 12 s of connect retries
            server.start()
            until(lambda: ui_fault("127.0.0.1", port) is None)
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=60)
    assert code == 0


def refused(tmp_path: Path, *options: object) -> str:
    """What `up` says before any work."""
    done = subprocess.run(
        command_line("up", *options),
        env=os.environ | {"MUSHROOM_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert not (tmp_path / "postgres").exists()
    return done.stdout


def test_up_says_which_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for_the_ui = refused(tmp_path, "--port", port)
        for_the_page = refused(tmp_path, "--port", free_port(), "--page-port", port)
    told = f"mushroom: port {port} on 127.0.0.1 is in use by another program. Remedy: choose"
    assert for_the_ui == f"{told} another, e.g. --port {port + 1}\n"
    assert for_the_page == f"{told} another, e.g. --page-port {port + 1}\n"
    assert refused(tmp_path, "--port", port, "--page-port", port) == (
        f"mushroom: --port and --page-port are both {port}. Remedy: choose another for one, e.g. "
        f"--page-port {port + 1}; 0 is for no such server\n"
    )


def test_a_run_launcher_that_cannot_be_loaded_ends_it_before_anything_is_queued(
    tmp_path: Path, database_url: str
) -> None:
    home = tmp_path / "own"  # below MUSHROOM_HOME its file would be renewed
    home.mkdir()
    (home / "dagster.yaml").write_text("run_launcher: {module: no_such_module, class: X}\n")
    own = {"DATABASE_URL": database_url, "DAGSTER_HOME": str(home), "MUSHROOM_HOME": str(tmp_path)}
    done = subprocess.run(
        command_line("up", "--no-demo", "--port", free_port(), "--page-port", 0),
        env=os.environ | own,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told = done.stdout.splitlines()[-1]
    assert done.returncode == 1
    assert told.startswith(f"mushroom: the run launcher of {home}/dagster.yaml cannot be loaded: ")
    assert "no_such_module" in told
    assert done.stderr == ""
