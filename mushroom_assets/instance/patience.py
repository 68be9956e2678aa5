"""How long Dagster's storage waits for PostgreSQL, what it waits for, and what it says meanwhile.

It depends on the process: the daemon has nothing better to do and waits for ever, the webserver
answers people at once, runs and ticks wait as long as the farm's own door to the database does.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import psycopg
from sqlalchemy import exc

from mushroom_assets.faults.database import (
    DatabaseRefused,
    DatabaseUnavailable,
    first_line,
    is_transient,
    remedy,
)
from mushroom_assets.faults.outage import Outage
from mushroom_assets.faults.retry import GivenUp, Retry

T = TypeVar("T")
# Not under `mushroom_assets`: Dagster writes what those loggers say into the log of a run, and that
# is what waits here.
log = logging.getLogger("dagster.farm_storage")
DEADLINE_S = 150.0  # two minutes without PostgreSQL, and what it needs to recover
TELL_S = 30.0  # one line in so many seconds, however many threads wait
WAITS = Retry(attempts=100_000, base_s=0.5, cap_s=5.0, deadline_s=DEADLINE_S)
READ_ONLY = "25006"


@dataclass
class Patience:
    """How long a process waits for PostgreSQL, and since when it has been away.

    The time counts from the first failure of the process, not of the call: after the deadline each
    further call is tried once.

    Attributes:
        endpoint: what messages call the database.
        deadline_s: of the wait.
    """

    endpoint: str
    deadline_s: float = DEADLINE_S
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _outage: Outage = field(init=False, repr=False)
    _told: float | None = None
    _away: bool = False  # it was told, and not yet that it is back
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        """Nothing is away yet."""
        self._outage = Outage(self.clock)

    def call(self, work: Callable[[], T]) -> T:
        """The result of `work`, tried again while the database is away.

        Raises:
            DatabaseUnavailable: it stayed away.
        """
        retry = self._outage.left(replace(WAITS, deadline_s=self.deadline_s))
        try:
            result = retry.call(work, self._passes, self._tell, sleep=self.sleep, clock=self.clock)
        except GivenUp as end:
            raise DatabaseUnavailable(
                f"Dagster's storage at {self.endpoint} cannot be used, {end.attempts} attempts in "
                f"{end.spent_s:.0f} s: {first_line(end.fault)}. Remedy: {self._remedy(end.fault)}"
            ) from end.fault
        self._over()
        return result

    def _passes(self, fault: Exception) -> bool:
        # Who waits for ever waits for a corrected password too.
        refused = isinstance(fault, DatabaseRefused) and self.deadline_s == float("inf")
        if not passes(fault) and not refused:
            return False
        self._outage.begin()
        return True

    def _tell(self, fault: Exception, attempt: int, wait_s: float) -> None:
        with self._lock:
            now = self.clock()
            if self._told is not None and now - self._told < TELL_S:
                return
            self._told = now
            self._away = True
        limit = "" if self.deadline_s == float("inf") else f" for {self.deadline_s:.0f} s"
        log.warning(
            "Dagster's storage at %s cannot be used: %s. It is tried again%s. "
            "Remedy: %s; nothing is lost meanwhile",
            self.endpoint,
            first_line(fault).rstrip("."),
            limit,
            remedy(fault),
        )

    def _over(self) -> None:
        away_s = self._outage.end()
        if away_s is None:
            return
        with self._lock:
            news = self._away
            self._away = False
        if news:
            log.warning("Dagster's storage at %s is back after %.0f s", self.endpoint, away_s)

    def _remedy(self, fault: BaseException) -> str:
        if not self.deadline_s:  # people who asked are told at once
            return f"{remedy(fault)}, then do it again"
        return f"{remedy(fault)}; what was not done is asked for again when it is back"


def passes(fault: BaseException) -> bool:
    """Whether a fault passes by itself; also of a server that has yet to be made the primary."""
    cause = fault.orig if isinstance(fault, exc.DBAPIError) else fault
    read_only = isinstance(cause, psycopg.Error) and cause.sqlstate == READ_ONLY
    return read_only or is_transient(fault)
