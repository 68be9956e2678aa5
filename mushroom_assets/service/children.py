"""Dagster's webserver and daemon as supervised processes of one machine.

Whoever outgrows it runs the same code location on Kubernetes, Celery or Ray: no asset depends on
this module. Dagster's home lives in `home`, the embedded PostgreSQL in `postgres`.
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from mushroom_assets.service.home import ServerError
from mushroom_assets.settings import Settings

log = logging.getLogger(__name__)
STOP_TIMEOUT_S = 20.0  # a stopping daemon lets its current tick end; then it is killed
RESTART_WAIT_S = (1.0, 60.0)  # first and longest wait before a process that ended is started again


@dataclass
class Child:
    """A supervised process; when it ends by itself it starts again, after a wait that doubles."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    clock: Callable[[], float] = time.monotonic
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restart_at: float = 0.0
    wait: float = field(default=RESTART_WAIT_S[0])

    def start(self) -> None:
        """Start it in a session of its own.

        So Ctrl-C reaches this process alone, which then stops the others in order.
        """
        self.started = self.clock()
        self.process = subprocess.Popen(  # noqa: S603 - a fixed command of our own
            self.command,
            env=dict(self.environment),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def watch(self) -> None:
        """Start it again if it ended."""
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return
            if self.clock() - self.started > RESTART_WAIT_S[1]:
                self.wait = RESTART_WAIT_S[0]  # it ran well for a while
            log.error(
                "%s ended with exit code %d, starting it again in %.0f s",
                self.name,
                code,
                self.wait,
            )
            self._signal_group(signal.SIGKILL)  # what it had started would go on without it
            self.process = None
            self.restart_at = self.clock() + self.wait
            self.wait = min(2 * self.wait, RESTART_WAIT_S[1])
        elif self.clock() >= self.restart_at:
            self.start()

    def stop(self) -> None:
        """Ask the process and all it started to end; kill what is left after `STOP_TIMEOUT_S`."""
        if self.process is None:
            return
        self._signal_group(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop in %.0f s and is killed", self.name, STOP_TIMEOUT_S)
        self._signal_group(signal.SIGKILL)
        self.process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def console_script(name: str) -> str:
    """Path of a command that was installed with this Python, whether or not it is on the PATH.

    Run it by `sys.executable`, so that it is this Python whatever its first line says.

    Raises:
        ServerError: it is not there.
    """
    beside = str(Path(sys.executable).parent)
    folders = os.pathsep.join([beside, sysconfig.get_path("scripts")])
    found = shutil.which(name, path=folders)
    if found is None:
        raise ServerError(
            f"{name} is not in {beside}. Remedy: install Dagster into this Python's environment"
        )
    return found


def dagster_children(
    settings: Settings, host: str, port: int, *, daemon: bool = True
) -> list[Child]:
    """The webserver, and the daemon that ticks schedules and launches runs."""
    ui = {"MUSHROOM_UI_URL": f"http://{reachable(host)}:{port}"}
    # Safe path: a file in the current folder must not stand in for a module that Dagster imports.
    python = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
    environment = ui | os.environ | settings.environment() | python
    workspace = ["-w", str(resources.files("mushroom_assets").joinpath("workspace.yaml"))]
    webserver = ["-m", "dagster_webserver", "-h", host, "-p", str(port), *workspace]
    scheduler = [console_script("dagster-daemon"), "run", *workspace]
    if sys.stdout.isatty():  # a person: warnings only, the UI has the rest
        webserver += ["--log-level", "warning", "--dagster-log-level", "warning"]
        scheduler += ["--log-level", "warning"]
    else:  # a log collector
        webserver += ["--log-format", "json"]
        scheduler += ["--log-format", "json"]
    children = [Child("webserver", [sys.executable, *webserver], environment)]
    if daemon:
        children.append(Child("daemon", [sys.executable, *scheduler], environment))
    return children


def reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on `host`."""
    return "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - not bound here


def supervise(children: Sequence[Child], every_minute: Callable[[], None]) -> None:
    """Keep the children running until KeyboardInterrupt or SystemExit, which the caller handles."""
    next_minute = time.monotonic() + 60
    while True:
        for child in children:
            child.watch()
        if time.monotonic() >= next_minute:
            next_minute += 60
            every_minute()
        time.sleep(0.5)
