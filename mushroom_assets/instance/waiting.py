"""What Dagster's storage does while PostgreSQL is away: it waits, and loses or doubles nothing.

Every call of the storage is tried again as a whole until the database answers. Calls that write
several rows do it in one transaction each, and where the answer to its COMMIT was lost the server
is asked what became of it. How long is waited depends on the process: the daemon has nothing better
to do and waits for ever, the webserver answers people at once. Only `pooled` and `event_log` import
this module.
"""

import functools
import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar

import psycopg2  # type: ignore[import-untyped]  # it has none; what dagster-postgres connects by
import sqlalchemy as sa
from sqlalchemy import exc

from mushroom_assets.faults.database import (
    DatabaseRefused,
    DatabaseUnavailable,
    first_line,
    passes_by_itself,
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
READ_ONLY = "25006"  # what a server says that has yet to be made the primary
# What gives a connection or a thread of its own, or needs no database
NOT_CALLS = {
    "call",
    "connect",
    "dispose",
    "end_watch",
    "index_connection",
    "index_transaction",
    "opened",
    "optimize_for_webserver",
    "register_instance",
    "run_connection",
    "together",
    "transaction",
    "watch",
}


class OfThread(threading.local):
    """What a thread has open: a call of the storage, the transaction of one that writes."""

    calling = False
    connection: sa.Connection | None = None


class Written(NamedTuple):
    """What a transaction returned, and its number at the server; None where it wrote nothing."""

    result: Any
    number: str | None


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
                f"Dagster's storage at {self.endpoint} does not answer, {end.attempts} attempts in "
                f"{end.spent_s:.0f} s: {first_line(end.fault)}. Remedy: start PostgreSQL; what was "
                "not done is asked for again when it is back"
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
        log.warning(
            "Dagster's storage at %s does not answer: %s. It is tried again for %.0f s. "
            "Remedy: start PostgreSQL; nothing is lost meanwhile",
            self.endpoint,
            first_line(fault).rstrip("."),
            self.deadline_s,
        )

    def _over(self) -> None:
        away_s = self._outage.end()
        if away_s is None:
            return
        with self._lock:
            told = self._told
            self._told = None
        if told is not None:
            log.warning("Dagster's storage at %s is back after %.0f s", self.endpoint, away_s)


def passes(fault: BaseException) -> bool:
    """Whether a fault of psycopg2 passes by itself: a connection that is gone, a server that rests.

    SQLAlchemy wraps most of them. psycopg2 has no SQLSTATE where the connection itself failed.
    """
    if isinstance(fault, DatabaseUnavailable | exc.TimeoutError):
        return True
    cause = fault.orig if isinstance(fault, exc.DBAPIError) else fault
    if not isinstance(cause, psycopg2.Error):
        return False
    if cause.pgcode is not None:
        return passes_by_itself(cause.pgcode) or cause.pgcode == READ_ONLY
    # Of the class itself: its subclasses are faults of the statement.
    return type(cause) in (
        psycopg2.OperationalError,
        psycopg2.InterfaceError,
        psycopg2.DatabaseError,
    )


@contextmanager
def not_used_again(connection: sa.Connection) -> Iterator[None]:
    """Keep a connection that met a fault out of the pool: another may lead to a mended server."""
    try:
        yield
    except (exc.DBAPIError, psycopg2.Error):
        connection.invalidate()
        raise


class Waiting:
    """A part of the storage whose calls wait for the database. `waiting` wraps them."""

    _engine: sa.Engine
    _patience: Patience | None = None
    _mine: OfThread

    @contextmanager
    def opened(self) -> Iterator[sa.Connection]:
        """A connection: inside a call that writes that of its transaction."""
        if self._mine.connection is not None:
            yield self._mine.connection
            return
        with self._engine.connect() as connection, not_used_again(connection):
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One transaction for all that this thread writes inside."""
        if self._mine.connection is not None:
            yield self._mine.connection
            return
        options = {"isolation_level": "READ COMMITTED"}
        with (
            self._engine.connect().execution_options(**options) as connection,
            not_used_again(connection),
            connection.begin(),
        ):
            self._mine.connection = connection
            try:
                yield connection
            finally:
                self._mine.connection = None

    def call(self, method: Callable[[], T], *, writes: bool) -> T:
        """What a method of the storage returns, tried again while the database is away."""
        if self._mine.calling or self._patience is None:  # the outermost waits for all
            return method()
        self._mine.calling = True
        try:
            return self._patience.call(self._written_once(method) if writes else method)
        finally:
            self._mine.calling = False

    def _written_once(self, method: Callable[[], T]) -> Callable[[], T]:
        """The method in a transaction, not done again where an earlier attempt was committed."""
        attempts: list[Written] = []

        def attempt() -> T:
            if attempts and self._was_committed(attempts[-1]):
                return attempts[-1].result  # type: ignore[no-any-return]
            with self.transaction() as connection:
                result = method()
                number = connection.scalar(sa.text("SELECT pg_current_xact_id_if_assigned()::text"))
                attempts.append(Written(result, number))
            return result

        return attempt

    def _was_committed(self, written: Written) -> bool:
        if written.number is None:
            return False
        with self._engine.connect() as connection:
            status = connection.scalar(
                sa.text("SELECT pg_xact_status(cast(:number AS xid8))"), {"number": written.number}
            )
        if status == "in progress":
            raise DatabaseUnavailable("an earlier attempt has not ended yet")
        return bool(status == "committed")


def waiting(*, units: frozenset[str]) -> Callable[[type[Any]], type[Any]]:
    """Let the calls of a class wait.

    Args:
        units: those that write several rows, or must not be done twice.
    """

    def wrap(owner: type[Any]) -> type[Any]:
        for name in dir(owner):
            found = inspect.getattr_static(owner, name)
            if name.startswith("_") or name in NOT_CALLS or not inspect.isfunction(found):
                continue
            setattr(owner, name, _waiting(found, writes=name in units))
        return owner

    return wrap


def _waiting(method: Callable[..., Any], *, writes: bool) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Waiting, *args: Any, **options: Any) -> Any:
        return self.call(lambda: method(self, *args, **options), writes=writes)

    return call
