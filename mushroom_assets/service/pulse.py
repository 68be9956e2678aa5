"""A process that lives but does nothing is noticed by the signs of life that stay away, and ended.

What counts as a sign of the code server lives in `code_server`, of the webserver in `ui`; that of
the daemon is here.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import psycopg
import sqlalchemy as sa

from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.service.children import Child
from mushroom_assets.storage.connection import Database

LIMIT_S = 180.0  # six beats of the daemon; no request of the UI and no start takes as long
GONE_LIMIT = 3  # times in a row: a reload changes servers in between


class Sign(Enum):
    """What was seen of a process."""

    ALIVE = "it answers"
    UNKNOWN = "it cannot be asked, for a fault of another"
    SILENT = "it does not answer"
    GONE = "has lost the process that it served from"
    BLIND = "could not reach the database when it loaded the definitions"  # and does not try again


@dataclass
class Pulse:
    """Ends a process that was silent for `limit_s`; its supervisor then starts it again."""

    child: Child
    sign: Callable[[], Sign]
    limit_s: float = LIMIT_S
    _last: float = field(default=0.0, init=False)
    _gone: int = field(default=0, init=False)

    def feel(self) -> None:
        """Look for a sign of life."""
        seen = self.sign()
        now = self.child.clock()
        if seen in (Sign.ALIVE, Sign.UNKNOWN):
            self._last = now
        self._gone = self._gone + 1 if seen in (Sign.GONE, Sign.BLIND) else 0
        silent_s = now - max(self._last, self.child.started)
        if self._gone >= GONE_LIMIT:
            self._end(seen.value)
        elif silent_s > self.limit_s:
            self._end(f"gave no sign of life for {silent_s:.0f} s")

    def _end(self, why: str) -> None:
        self._gone = 0
        self._last = self.child.clock()
        self.child.kill(why)


@dataclass
class Heartbeats:
    """The daemon's sign of life: a new heartbeat in Dagster's table, every 30 s.

    Attributes:
        database: the farm's.
        expected: whether Dagster's tables are known to be in it. Where a `dagster.yaml` of the
            user's own may have them elsewhere, the first beat has to show it.
    """

    database: Database
    expected: bool
    _newest: dt.datetime | None = field(default=None, init=False)

    def sign(self) -> Sign:
        """Whether the daemon beat since the last call."""
        query = sa.text("SELECT max(timestamp) FROM daemon_heartbeats")
        try:
            with self.database.transaction() as connection:
                newest = connection.scalar(query)
        except (DatabaseUnavailable, DatabaseRefused, sa.exc.DBAPIError, psycopg.Error):
            return Sign.UNKNOWN
        beat = newest != self._newest
        self.expected = self.expected or (beat and self._newest is not None)
        self._newest = newest
        if beat:
            return Sign.ALIVE
        return Sign.SILENT if self.expected else Sign.UNKNOWN
