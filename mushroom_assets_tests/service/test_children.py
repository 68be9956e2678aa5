"""How the processes of one machine are kept running and stopped, with real processes."""

import os
import signal
import sys
from pathlib import Path

import pytest

from mushroom_assets.service import children, programs
from mushroom_assets.service.children import Child
from mushroom_assets.service.home import ServerError

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
    found = Path(programs.console_script("dagster-daemon"))
    assert found.parent == Path(sys.executable).parent
    with pytest.raises(ServerError, match=r"nobody-s is not in .*Remedy: install Dagster"):
        programs.console_script("nobody-s")


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
    clock = Clock()
    diary = tmp_path / "diary"
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
