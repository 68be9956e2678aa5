"""What a machine needs before anything starts: a free port, room on the disk, Dagster's home.

No process is started here.
"""

import contextlib
import errno
import os
import shutil
import socket
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from mushroom_assets.settings import Settings

MIN_RUNS = 2  # at once, as the packaged dagster.yaml has it
LAST_PORT = 65535
MAX_RUNS = 8  # each holds 0.2 to 0.4 GB and up to 10 of PostgreSQL's 100 connections


class ServerError(RuntimeError):
    """The machine cannot run it; the message says what is wrong and what to do."""


@contextlib.contextmanager
def telling_what_cannot_be_written(setting: str, root: Path) -> Iterator[None]:
    """Tell which setting's folder cannot be made or written; a full disk stays what it is.

    Raises:
        ServerError: a folder or file under `root`, which the setting names, cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        fault = f"{setting}={root} cannot be made or written: {error.strerror} ({error.filename})"
        remedy = f"set {setting} to a folder that this user may make and write"
        raise ServerError(f"{fault}. Remedy: {remedy}") from error


def require_free_port(host: str, port: int, option: str = "--port") -> None:
    """Fail before any work when a port is taken that `option` gives."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, TypeError) as error:  # TypeError: no host can be called so
            raise ServerError(_port_fault(host, port, option, error)) from error


def _port_fault(host: str, port: int, option: str, error: OSError | TypeError) -> str:
    """Why nothing can listen there, and what to do."""
    number = getattr(error, "errno", None)
    reason = getattr(error, "strerror", None) or str(error)
    remedy = "give an address of this machine, e.g. --host 127.0.0.1"
    if number == errno.EADDRINUSE:
        other = port + 1 if port < LAST_PORT else port - 1
        reason = "in use by another program"
        remedy = f"choose another, e.g. {option} {other}"
    elif number == errno.EACCES:
        remedy = f"choose one from 1024 on, e.g. {option} 3000"
    return f"port {port} on {host} is {reason}. Remedy: {remedy}"


def require_space(directory: Path, needed_bytes: int) -> None:
    """Fail before any work when the disk of MUSHROOM_HOME, `directory`, cannot hold it."""
    with telling_what_cannot_be_written("MUSHROOM_HOME", directory):
        directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free < needed_bytes:
        raise ServerError(
            f"{directory} has {free / 1e9:.1f} GB free, {needed_bytes / 1e9:.1f} GB are needed. "
            "Remedy: make room, or set MUSHROOM_HOME to a folder on a larger disk"
        )


def prepare_dagster_home(settings: Settings) -> None:
    """Make Dagster's home with the packaged `dagster.yaml`.

    A `dagster.yaml` of a DAGSTER_HOME of the user's own is left alone.
    """
    own = not settings.owns_dagster_home
    setting = "DAGSTER_HOME" if own else "MUSHROOM_HOME"
    root = settings.dagster_home if own else settings.home
    target = settings.dagster_home / "dagster.yaml"
    packaged = resources.files("mushroom_assets").joinpath("dagster.yaml")
    written = _for_cores(packaged.read_text(encoding="utf-8"), os.cpu_count() or 1)
    with telling_what_cannot_be_written(setting, root):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not own or not target.exists():
            beside = target.with_suffix(f".{socket.gethostname()}-{os.getpid()}")
            beside.write_text(written, encoding="utf-8")
            beside.replace(target)  # others that share the folder read it whole


def _for_cores(packaged: str, cores: int) -> str:
    """The file with as many runs at once as there are cores, two to eight.

    Backfills get one run less. The file is edited as text, since Dagster reads these numbers from
    no environment variable.
    """
    runs = min(max(cores, MIN_RUNS), MAX_RUNS)
    here = packaged.replace(f"max_concurrent_runs: {MIN_RUNS} ", f"max_concurrent_runs: {runs} ")
    return here.replace(
        f"dagster/backfill, limit: {MIN_RUNS - 1}", f"dagster/backfill, limit: {runs - 1}"
    )
