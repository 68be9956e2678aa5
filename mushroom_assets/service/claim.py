"""One `mushroom up` a home, one farm a database: a second one is refused.

The home is claimed by a lock on a file in it, the database by one in the database. Both end with
their holder, however it ends.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import sqlalchemy as sa

from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.faults.retry import Retry
from mushroom_assets.service.home import ServerError, telling_what_cannot_be_written
from mushroom_assets.settings import Settings
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.locks import DAEMON, FARM, Holder, ProcessLock, me

log = logging.getLogger(__name__)
FILE = "up.lock"
# After a kill the guard needs up to 10 s to end what was started, and the database a moment more
TIDYING_S = 15.0
# The guard empties the file of a killed one at once: who is still named after 2 s is alive
NAMED_S = 2.0


@contextlib.contextmanager
def home_claimed(home: Path, ui: str) -> Iterator[int]:
    """Claim a home for this process and its guard; yields the descriptor of the locked file.

    Raises:
        ServerError: another `mushroom up` serves the home, or it cannot be written.
    """
    with telling_what_cannot_be_written("MUSHROOM_HOME", home):
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor, home)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n{ui}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, home: Path) -> None:
    begun = time.monotonic()
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        waited = time.monotonic() - begun
        named = os.pread(descriptor, 1000, 0).decode().split()
        if named and waited > NAMED_S:
            raise ServerError(
                f"`mushroom up` (pid {named[0]}) already serves this home, {home}. "
                f"Remedy: stop it (kill {named[0]}), or use it at {named[-1]}"
            )
        if waited > TIDYING_S:
            raise ServerError(
                f"a former `mushroom up` of this home, {home}, is still being ended after "
                f"{waited:.0f} s. Remedy: start again in a minute"
            )
        time.sleep(0.2)


@contextlib.contextmanager
def farm_claimed(settings: Settings, patient: Database) -> Iterator[Callable[[], None]]:
    """Claim the database for this process; waits for the database as long as `patient` does.

    Yields what makes sure of the claim, to be called every few seconds: a restart of the server
    takes it away.

    Raises:
        ServerError: the database has a farm, or a daemon, of another process.
    """
    patient.connect().close()
    once = Database(
        settings.require_database_url(),
        retry=Retry(attempts=1),
        application_name=me("mushroom up"),
    )
    lock = ProcessLock(once, FARM)
    daemon = ProcessLock(once, DAEMON)
    try:
        _wait_for_former(lambda: lock.take() or daemon.holder(), once.endpoint)
        yield lambda: _make_sure(lock)
    finally:
        lock.release()
        once.dispose()


def _wait_for_former(holder: Callable[[], Holder | None], endpoint: str) -> None:
    deadline = time.monotonic() + TIDYING_S
    other = holder()
    if other is not None:
        log.info("waiting %.0f s for %s to leave %s", TIDYING_S, other, endpoint)
    while other is not None:
        if time.monotonic() > deadline:
            raise ServerError(_taken(endpoint, other))
        time.sleep(0.5)
        other = holder()


def _make_sure(lock: ProcessLock) -> None:
    try:
        other = lock.take()
    except (DatabaseUnavailable, DatabaseRefused, sa.exc.DBAPIError, psycopg.Error):
        return  # whoever needs the database tells it; the claim is made sure of when it is back
    if other is not None:
        raise ServerError(_taken(lock.database.endpoint, other))


def _taken(endpoint: str, other: Holder) -> str:
    return (
        f"the database {endpoint} already serves a farm: {other}. Remedy: stop that one, or give "
        "this farm a database of its own by DATABASE_URL"
    )
