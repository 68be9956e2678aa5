"""Is the farm served? The first fault in words, with the remedy.

For container checks on a busy machine: it answers in 5 s, so nothing is imported that takes time,
neither Dagster nor SQLAlchemy nor pandas, and every question has a short limit. Nothing is mended
here, and nothing printed. The questions to the database live in `asking`, the rules about its rows
in `rules`.
"""

import shutil
import threading
import time
from pathlib import Path

import psycopg

from mushroom_assets.service import asking, rules
from mushroom_assets.service.asking import Fault, Unhealthy
from mushroom_assets.service.ui import ui_fault
from mushroom_assets.settings import Settings

UI_S = 3.0  # 0.1 s is usual
MIN_FREE = 100_000_000  # bytes: a run's log, and six of PostgreSQL's files of 16 MB


def fault(settings: Settings, host: str, port: int) -> str | None:
    """What is wrong and what to do, None where nothing is.

    The cause comes before what it brings about: disk, database, UI and daemon, runs.
    """
    ui = _Ui(host, port, settings.path_prefix)
    begun = time.monotonic()
    ui.start()
    disk = _disk(settings.home)
    database, rows = _database(settings)
    ui.join(max(0.0, begun + UI_S - time.monotonic()))
    found = disk or database or ui.fault or rows
    return None if found is None else str(found)


class _Ui(threading.Thread):
    """Asks the UI beside the rest. Who sends a byte a second is not waited for."""

    def __init__(self, host: str, port: int, prefix: str) -> None:
        super().__init__(daemon=True)
        self._address = (host, port)
        self._prefix = prefix
        self.fault: str | None = (
            f"the UI on port {port} does not answer in {UI_S:.0f} s. "
            "Remedy: see why in the log of `mushroom up`"
        )

    def run(self) -> None:
        self.fault = ui_fault(*self._address, timeout_s=UI_S, prefix=self._prefix)


def _disk(home: Path) -> str | None:
    if not home.exists():
        return None
    free = shutil.disk_usage(home).free
    if free >= MIN_FREE:
        return None
    remedy = "make room, or move MUSHROOM_HOME to a larger disk"
    return f"the disk of {home} is full: {free / 1e6:.0f} MB are free. Remedy: {remedy}"


def _database(settings: Settings) -> tuple[Fault | None, Fault | None]:
    """What is wrong with the database, and what its rows say is wrong with daemon and runs."""
    try:
        url = asking.address(settings)
    except Unhealthy as error:
        return Fault.told("database", error), None
    if url is None:
        return None, None
    try:
        with asking.asked(url, "mushroom health") as connection:
            return asking.refusal(connection), next(rules.faults(connection), None)
    except psycopg.Error as error:
        return asking.away(url, error), None
