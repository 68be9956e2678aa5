"""One machine: what stops it before any work, and how its processes are kept running and stopped.

Real processes.
"""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest
import yaml

from mushroom_assets.service import children
from mushroom_assets.service.children import Child
from mushroom_assets.service.home import (
    ServerError,
    prepare_dagster_home,
    require_free_port,
    require_space,
)
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.service.ui import wait_for_ui
from mushroom_assets.settings import load_settings

# A leader that starts a process which says on a pipe that it is there, keeps the pipe open and
# ignores SIGTERM.
LEADER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", '''
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pipe = open(sys.argv[1], "w")
print("there", file=pipe, flush=True)
time.sleep(600)''', sys.argv[1]])
time.sleep(600)
"""


def test_a_command_is_found_beside_its_python_when_the_environment_is_not_active(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = Path(children.console_script("dagster-daemon"))
    assert found.parent == Path(sys.executable).parent
    with pytest.raises(ServerError, match=r"nobody-s is not in .*Remedy: install Dagster"):
        children.console_script("nobody-s")


def test_a_port_in_use_is_told_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = f"port {port} on 127.0.0.1 is in use by another program. Remedy: choose another, e.g. --port {port + 1}"
        with pytest.raises(ServerError, match=told):
            require_free_port("127.0.0.1", port)
    require_free_port("127.0.0.1", port)


def test_an_address_that_is_not_this_machine_s_is_told_too() -> None:
    with pytest.raises(ServerError, match=r"on 192.0.2.1 is Cannot assign requested address"):
        require_free_port("192.0.2.1", 3000)


def test_a_disk_that_is_too_small_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ServerError) as caught:
        require_space(tmp_path / "new", 10**18)
    assert str(caught.value).startswith(f"{tmp_path / 'new'} has ")
    assert "GB free, 1000000000.0 GB are needed. Remedy: make room, or set MUSHROOM_HOME" in str(
        caught.value
    )
    require_space(tmp_path / "new", 1)


def test_an_embedded_database_that_cannot_start_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(
        ServerError, match=r"embedded PostgreSQL in .* does not start.*or set DATABASE_URL"
    ):
        with embedded_postgres(tmp_path / "postgres"):
            pass


def test_the_dagster_home_of_the_farm_is_renewed_and_one_s_own_is_left_alone(
    tmp_path: Path,
) -> None:
    settings = load_settings({"MUSHROOM_HOME": str(tmp_path)})
    file = tmp_path / "dagster" / "dagster.yaml"
    prepare_dagster_home(settings)
    packaged = file.read_text(encoding="utf-8")
    assert "DATABASE_URL" in packaged
    file.write_text("old: true\n", encoding="utf-8")
    prepare_dagster_home(settings)
    assert file.read_text(encoding="utf-8") == packaged
    own = tmp_path / "own" / "dagster.yaml"
    own.parent.mkdir()
    own.write_text("mine: true\n", encoding="utf-8")
    prepare_dagster_home(load_settings({"DAGSTER_HOME": str(own.parent)}))
    assert own.read_text(encoding="utf-8") == "mine: true\n"


@pytest.mark.parametrize(("cores", "runs"), [(1, 2), (2, 2), (4, 4), (64, 8)])
def test_as_many_runs_at_once_as_the_machine_has_cores_and_one_place_is_the_timetables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, runs: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    prepare_dagster_home(load_settings({"MUSHROOM_HOME": str(tmp_path)}))
    written = yaml.safe_load((tmp_path / "dagster" / "dagster.yaml").read_text(encoding="utf-8"))
    assert written["concurrency"]["runs"] == {
        "max_concurrent_runs": runs,
        "tag_concurrency_limits": [{"key": "dagster/backfill", "limit": runs - 1}],
    }


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def child(code: str, *arguments: object, clock: Clock | None = None) -> Child:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return Child("worker", command, os.environ, clock=clock or Clock())


def end(worker: Child) -> None:
    """Wait for the process to end by itself, and let the supervisor see it."""
    assert worker.process is not None
    worker.process.wait(60)
    worker.watch()


def test_a_process_that_ends_is_started_again_after_a_wait_that_doubles(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, diary = Clock(), tmp_path / "diary"
    worker = child("import sys; open(sys.argv[1], 'a').write('x'); sys.exit(3)", diary, clock=clock)
    worker.start()
    waits = []
    for _ in range(8):
        end(worker)
        waits.append(worker.restart_at - clock.now)
        clock.now = worker.restart_at - 0.001
        worker.watch()
        assert worker.process is None
        clock.now = worker.restart_at
        worker.watch()
    end(worker)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert diary.read_text(encoding="utf-8") == "x" * 9
    assert "worker ended with exit code 3, starting it again in 1 s" in caplog.text


def test_after_a_good_while_the_wait_is_short_again() -> None:
    clock = Clock()
    worker = child("pass", clock=clock)
    worker.start()
    for _ in range(3):
        end(worker)
        clock.now = worker.restart_at
        worker.watch()
    clock.now += 60.001
    end(worker)
    assert worker.restart_at - clock.now == 1
    worker.stop()


def test_a_process_that_runs_is_left_alone_until_it_is_stopped() -> None:
    worker = child("import time; time.sleep(600)")
    worker.start()
    assert worker.process is not None
    pid = worker.process.pid
    worker.watch()
    assert worker.process.pid == pid
    assert os.getpgid(pid) == pid != os.getpgid(0)  # Ctrl-C in the terminal does not reach it
    worker.stop()
    assert worker.process.returncode == -signal.SIGTERM
    worker.stop()


def test_stop_ends_the_whole_group_even_those_that_ignore_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    worker = child(LEADER, tmp_path / "pipe")
    worker.start()
    with (tmp_path / "pipe").open() as pipe:
        assert pipe.readline() == "there\n"
        worker.stop()
        assert pipe.read() == ""  # the end of the pipe: nobody holds it any more
    assert worker.process is not None
    assert worker.process.returncode == -signal.SIGTERM


def test_a_process_that_does_not_stop_in_time_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "STOP_TIMEOUT_S", 0.1)
    os.mkfifo(tmp_path / "pipe")
    worker = child(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + LEADER, tmp_path / "pipe"
    )
    worker.start()
    with (tmp_path / "pipe").open() as pipe:
        assert pipe.readline() == "there\n"
        worker.stop()
        assert pipe.read() == ""
    assert worker.process is not None
    assert worker.process.returncode == -signal.SIGKILL


def test_stopping_what_was_never_started_is_nothing() -> None:
    worker = child("pass")
    worker.stop()
    assert worker.process is None


def test_a_ui_that_nobody_serves_is_not_up() -> None:
    with socket.socket() as bound:  # bound but not listening: it refuses
        bound.bind(("127.0.0.1", 0))
        assert wait_for_ui("127.0.0.1", bound.getsockname()[1], [], timeout_s=0.1) is False
