"""What a machine needs before anything starts: a free port, room on the disk, Dagster's home.

No process is started here.
"""

import errno
import os
import shutil
import socket
from importlib import resources
from pathlib import Path

from mushroom_assets.settings import Settings

MIN_RUNS = 2  # at once, as the packaged dagster.yaml has it
MAX_RUNS = 8  # each holds 0.2 to 0.4 GB and up to 10 of PostgreSQL's 100 connections


class ServerError(RuntimeError):
    """The machine cannot run it; the message says what is wrong and what to do."""


def require_free_port(host: str, port: int) -> None:
    """Fail before any work when the UI's port is taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            reason = "in use by another program" if in_use else error.strerror
            remedy = f"choose another, e.g. --port {port + 1}"
            raise ServerError(f"port {port} on {host} is {reason}. Remedy: {remedy}") from error


def require_space(directory: Path, needed_bytes: int) -> None:
    """Fail before any work when the disk cannot hold it."""
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
    target = settings.dagster_home / "dagster.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    if settings.owns_dagster_home or not target.exists():
        packaged = resources.files("mushroom_assets").joinpath("dagster.yaml")
        written = _for_cores(packaged.read_text(encoding="utf-8"), os.cpu_count() or 1)
        target.write_text(written, encoding="utf-8")


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
