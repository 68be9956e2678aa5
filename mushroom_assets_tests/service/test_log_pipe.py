"""All lines go through one pipe, to stdout and into a file, and outlive who passes them on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

# A child prints numbers, as a program would; this process watches as the supervisor does
PROGRAM = """
import subprocess, sys, time
from mushroom_assets.service.log_pipe import one_pipe
from mushroom_assets.settings import load_settings
count = "import time\\nfor n in range(40): print(n, flush=True); time.sleep(0.1)"
print("before", flush=True)
with one_pipe(load_settings(), "farm") as passing:
    passing.start()
    child = subprocess.Popen([sys.executable, "-c", count])
    while child.poll() is None:
        passing.watch()
        time.sleep(0.1)
    print("last")
print("after")
"""
NUMBERS = [f"{number}" for number in range(40)]


@pytest.fixture
def program(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    settings = {"MUSHROOM_LOG_DIR": f"{tmp_path}/logs", "PYTHONPATH": ":".join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=settings, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def test_lines_are_on_stdout_and_in_the_file(
    program: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    told, _ = program.communicate(timeout=60)
    assert told.splitlines() == ["before", *NUMBERS, "last", "after"]
    kept = (tmp_path / "logs" / "farm.log").read_text().splitlines()
    assert kept == [*NUMBERS, "last"]


def test_who_passes_them_on_is_started_again_when_it_was_killed(
    program: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    file = tmp_path / "logs" / "farm.log"
    while not file.exists() or len(file.read_text()) < 5:
        time.sleep(0.05)
    children = psutil.Process(program.pid).children()
    (passing,) = [child for child in children if "log_lines" in " ".join(child.cmdline())]
    passing.kill()
    told, _ = program.communicate(timeout=60)
    lines = [each for each in told.splitlines() if "starting it again" not in each]
    # What it had read and not yet passed on is gone with it
    assert lines[-2:] == ["last", "after"]
    assert lines[-20:-2] == NUMBERS[-18:]
    assert len(lines) >= 0.8 * len(NUMBERS)


def passed(file: str, *written: str) -> list[str]:
    """What the process at the other end writes to stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "mushroom_assets.service.log_lines", "json", file],
        input="".join(f"{line}\n" for line in written),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_full_disk_costs_the_lines_of_the_file_alone_and_is_told_once() -> None:
    written = [f'{{"event": "{number}"}}' for number in range(5)]
    told = [json.loads(line) for line in passed("/dev/full", *written)]
    events = [line["event"] for line in told if "level" not in line]
    assert events == ["0", "1", "2", "3", "4"]
    (fault,) = [line for line in told if "level" in line]
    assert fault["event"].startswith("/dev/full cannot be written: lines are on stdout alone.")
    assert "No space left" in fault["error"]


def test_yesterdays_lines_go_into_a_file_of_their_day(tmp_path: Path) -> None:
    file = tmp_path / "farm.log"
    file.write_text("yesterday\n")
    then = time.time() - 86_400
    os.utime(file, (then, then))
    passed(str(file), '{"event": "today"}')
    assert file.read_text() == '{"event": "today"}\n'
    (old,) = tmp_path.glob("farm.log.*")
    assert old.name == time.strftime("farm.log.%Y-%m-%d", time.gmtime(then))
    assert old.read_text() == "yesterday\n"
