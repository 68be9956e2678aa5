"""Locks that a process holds as long as it lives, and who holds one.

The server lets go of such a lock when the process or its machine is gone. What is locked is named
by the caller: the daemon's place, the whole farm. Locks of a transaction live in `day_locks`.
"""

import os
import socket
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg
import sqlalchemy as sa
from sqlalchemy import exc

from mushroom_assets.storage.connection import Database

FARM = "farm"  # `mushroom up` holds it
DAEMON = "daemon"  # Dagster's daemon holds it
SPACE = "mushroom_assets"  # of advisory locks: two numbers name one, the first is this word's hash
# A machine that is gone is noticed after 10 + 3 * 5 s; by default Linux takes two hours. Over a
# unix socket they say nothing, and are not needed.
KEEPALIVE = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
HOLDER = """
SELECT activity.application_name, activity.backend_start
FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 2
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND held.classid::int = hashtext(:space) AND held.objid::bigint::bit(32)::int = hashtext(:name)
"""


class Holder(NamedTuple):
    """Who holds a lock: `what` it is, on which host, in which process, since when (UTC, ISO)."""

    what: str
    host: str
    pid: int
    since: str

    def is_me(self) -> bool:
        """Whether it is this process: by a connection that the server has yet to give up."""
        return me(self.what) == f"{self.what} {self.host} {self.pid}"

    def __str__(self) -> str:
        """In words."""
        return f"{self.what}, pid {self.pid} on {self.host}, since {self.since}"


@dataclass
class ProcessLock:
    """One holder at a time of a name in a database, over a connection of its own.

    Attributes:
        database: whose `application_name` is `me(what)`, so that others see who holds it.
        name: what is locked.
    """

    database: Database
    name: str
    _connection: sa.Connection | None = field(default=None, repr=False)

    def take(self) -> Holder | None:
        """Take the lock, or make sure of it: call it again to notice that the server restarted.

        Returns:
            None where this process holds it, else who does.

        Raises:
            DatabaseUnavailable: no connection in the attempts of the database.
            DatabaseRefused: the server said no.
        """
        if self._connection is not None and _answers(self._connection):
            return None
        self.release()
        with self.database.telling():
            return self._take()

    def _take(self) -> Holder | None:
        connection = self.database.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        for setting, value in KEEPALIVE.items():
            connection.execute(
                sa.text("SELECT set_config(:setting, :value, false)"),
                {"setting": setting, "value": str(value)},
            )
        lock = sa.text("SELECT pg_try_advisory_lock(hashtext(:space), hashtext(:name))")
        if connection.scalar(lock, self._named):
            self._connection = connection
            return None
        with connection:
            return self._holder(connection)

    def release(self) -> None:
        """Let go of it; others may take it once the server has ended the connection."""
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.close()

    def holder(self) -> Holder | None:
        """Who holds it now, None where nobody does."""
        with self.database.transaction() as connection:
            return self._holder(connection)

    @property
    def _named(self) -> dict[str, str]:
        return {"space": SPACE, "name": self.name}

    def _holder(self, connection: sa.Connection) -> Holder | None:
        row = connection.execute(sa.text(HOLDER), self._named).first()
        if row is None:
            return None
        return _parsed(row.application_name, f"{row.backend_start:%Y-%m-%dT%H:%M:%SZ}")


def me(what: str) -> str:
    """The `application_name` of a holder: what it is, host and pid, in the server's 63 bytes."""
    host = socket.gethostname()[:30]
    return f"{what} {host} {os.getpid()}"


def _parsed(application_name: str, since: str) -> Holder:
    what, host, pid = ["", *application_name.rsplit(" ", 2)][-3:]
    return Holder(what, host, int(pid) if pid.isdecimal() else 0, since)


def _answers(connection: sa.Connection) -> bool:
    """Whether the server still knows the connection, and so its locks."""
    try:
        connection.execute(sa.text("SELECT 1"))
    except (exc.DBAPIError, psycopg.Error):
        return False
    return True
