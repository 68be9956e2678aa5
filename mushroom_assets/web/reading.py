"""How the pages read the database: few connections, short limits, and one question for all.

A request never waits for the database in a thread of its own: what a page shows is a look
(`service.looks`), shared by all who ask for the same at the same time. While the database is away
every page knows it at once, and since when.
"""

import datetime as dt
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.faults.retry import Retry
from mushroom_assets.service.looks import Look
from mushroom_assets.storage.connection import Database, Limits

log = logging.getLogger(__name__)
T = TypeVar("T")
FRESH_S = 3.0  # so old may be what a page shows; a sample comes once a minute
WAIT_S = 6.0  # longer than a statement may take
AWAY_WAIT_S = 0.3  # while it is away: whoever asks is told so, the next look goes on beside
KEPT = 64  # pages that are looked at at once, a room's day each
LIMITS = Limits(
    pool_size=3,
    max_overflow=1,
    pool_timeout_s=2,
    connect_timeout_s=2,
    statement_timeout_s=4,
    answer_s=5,
    tcp_user_timeout_ms=4000,
)


class Away(NamedTuple):
    """The database does not answer: since when it is known, UTC, and what it said."""

    since: dt.datetime
    told: str


class NotThere(Exception):
    """The database is away or refuses; `away` says since when."""

    def __init__(self, away: Away) -> None:
        super().__init__(away.told)
        self.away = away


class Reader:
    """Looks at the farm's database, by what is looked at."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.database = Database(url, LIMITS, Retry(attempts=1), "mushroom web")
        self._clock = clock
        self._looks: OrderedDict[Hashable, Look[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._away: Away | None = None

    @property
    def away(self) -> Away | None:
        """Since when the database is away, None while it is there."""
        return self._away

    async def shared(
        self,
        key: Hashable,
        work: Callable[[sa.Connection], T],
        fresh_s: float = FRESH_S,
    ) -> T:
        """What `work` reads, by whoever asked for the same last; `fresh_s` old at most.

        Raises:
            NotThere: the database is away, or does not answer in time.
        """
        look: Look[T] = self._look(key, work, fresh_s)
        wait_s = WAIT_S if self._away is None else AWAY_WAIT_S
        seen = await look.seen(wait_s)
        if seen is None:
            raise NotThere(self._gone(f"no answer in {WAIT_S:.0f} s"))
        return seen.value

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """What `work` returns, in a transaction; what was looked at before is forgotten.

        Raises:
            NotThere: the database is away or refuses.
        """
        written = self._answered(work)
        self.forget()
        return written

    def forget(self) -> None:
        """Look anew at what was looked at before."""
        with self._lock:
            self._looks.clear()

    def _look(self, key: Hashable, work: Callable[[sa.Connection], T], fresh_s: float) -> "Look[T]":
        with self._lock:
            found = self._looks.pop(key, None)
            if found is None:
                found = Look(lambda: self._answered(work), fresh_s=fresh_s, clock=self._clock)
            self._looks[key] = found
            while len(self._looks) > KEPT:
                self._looks.popitem(last=False)
            return found

    def _answered(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self.database.transaction() as connection:
                found = work(connection)
        except (DatabaseUnavailable, DatabaseRefused) as error:
            raise NotThere(self._gone(str(error))) from error
        if self._away is not None:
            log.info("the database is back")
            self._away = None
        return found

    def _gone(self, told: str) -> Away:
        if self._away is None:
            log.warning("the pages have no database: %s", told)
            self._away = Away(dt.datetime.now(dt.UTC), told)
        return self._away
