"""`mushroom up` as a user starts it: from nothing, stopped by Ctrl-C, and once more to the UI."""

import datetime as dt
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from mushroom_assets.automation.timetable import PARTITIONED
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.service.ui import ask_ui
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.command import command_line
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


def stop_while_results_are_made(home: Path, port: int, log: Path) -> None:
    """Ctrl-C under the bar of the first start."""
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


def test_a_demo_that_was_stopped_goes_on_and_is_whole_when_the_ui_is_up_and_ends_whole(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    port = free_port()
    stop_while_results_are_made(home, port, tmp_path / "log")
    first = counts(home)
    with running(home, port) as (lines, started):
        schedules = ask_ui("127.0.0.1", port, SCHEDULES)["schedulesOrError"]["results"]
        nodes = ask_ui("127.0.0.1", port, STANDING)["assetNodes"]
        stats = partition_stats(port)
        healthy = said(home, "health", "--port", port)
        standing = said(home, "status")
    psutil.wait_procs(started, timeout=30)
    assert [process for process in started if process.is_running()] == []
    assert {schedule["name"]: schedule["scheduleState"]["status"] for schedule in schedules} == {
        "daily_env_stats_schedule": "RUNNING",
        "hourly_setpoint_changes_schedule": "RUNNING",
        "daily_clip_inference_schedule": "RUNNING",
        "standing_checks_schedule": "RUNNING",
        "feeds_schedule": "RUNNING",
        "retention_schedule": "RUNNING",  # skips while the farm keeps everything
    }
    assert healthy == (0, "healthy\n")
    assert standing[0] == 0, standing[1]
    file = home / "demo-farm.yaml"
    farm = parse_farm(file.read_text(encoding="utf-8"))
    assert f"simulated from {farm.first_day} on, by {file}" in "".join(lines)
    all_is_made(nodes, stats, farm.first_day)
    holds_what_was_there(first, counts(home), len(farm.rooms))


def said(home: Path, *command: object) -> tuple[int, str]:
    """Exit code and output of a command beside the farm."""
    done = subprocess.run(
        command_line(*command),
        env=os.environ | {"MUSHROOM_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def all_is_made(
    nodes: list[dict[str, Any]], stats: dict[str, dict[str, int]], first_day: dt.date
) -> None:
    """Every partition from the first day on, and all checks of them."""
    for node in nodes:
        asset = node["assetKey"]["path"][0]
        if asset in PARTITIONED:
            assert node["partitionKeys"][0].startswith(f"{first_day}")
            # The hour that has closed since is the schedule's
            made = stats[asset]["numMaterialized"]
            assert made >= max(1, stats[asset]["numPartitions"] - 1), asset
            assert stats[asset]["numFailed"] == 0
            checks = {check["name"]: check for check in node["assetChecksOrError"]["checks"]}
            assert checks["partitions_complete"]["executionForLatestMaterialization"] is not None


def holds_what_was_there(
    first: sa.Row[tuple[int, int, int]], second: sa.Row[tuple[int, int, int]], rooms: int
) -> None:
    """The samples of before, those that are due since, and the results of all."""
    assert first.samples > rooms * 46 * 1440 * 0.7  # at least a day, with its holes
    late = rooms * 46 * 60  # at most an hour's
    assert first.samples <= second.samples <= first.samples + late
    assert second.statistics % (rooms * 5) == 0  # quantities
    assert second.statistics >= rooms * 5
    assert second.reports % rooms == 0
    assert second.reports >= rooms


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
