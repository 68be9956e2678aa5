"""The door to PostgreSQL: engine, connect with retry, transactions.

`faults.database` says what an error means; the modules beside this one read and write. One layer
retries the connect (here), one the whole unit of work (Dagster's RetryPolicy). A statement is never
retried on its own: the transaction it belonged to is gone.
"""

import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import exc

from mushroom_assets.faults.database import (
    DatabaseRefused,
    DatabaseUnavailable,
    delay_remedy,
    first_line,
    is_transient,
    refusal_remedy,
    told,
)
from mushroom_assets.faults.outage import Outage
from mushroom_assets.faults.retry import GivenUp, Retry
from mushroom_assets.storage.answering import Answering

log = logging.getLogger(__name__)

_UNREADABLE = (
    "DATABASE_URL cannot be read. Remedy: write it as "
    "postgresql://user:password@host:5432/database, with the special characters of the password "
    "percent-encoded (@ is %40, / is %2F)"
)
# A process that died leaves its statement running with all that it locked: the server looks
# so often whether the client is still there. PostgreSQL has this from 14 on.
ORPHAN_MS = 5000
# Whatever the database's default is: under another, a transaction that waited for a lock would read
# what was there before it waited (`day_locks`).
ISOLATION = "READ COMMITTED"
# What a failed connect raises: the server's or the driver's fault, or no pooled connection free
_CONNECT_FAULTS = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)


@dataclass(frozen=True)
class Limits:
    """Pool and time limits of one process. Seconds, unless the name says otherwise."""

    pool_size: int = 5
    max_overflow: int = 10
    pool_recycle_s: int = 1800
    pool_timeout_s: float = 30
    connect_timeout_s: int = 10
    statement_timeout_s: int = 300
    answer_s: float = 360  # longer than a statement may take: the server hangs
    tcp_user_timeout_ms: int = 30_000  # unacknowledged data for this long: the peer is gone
    keepalives_idle_s: int = 30  # Linux would wait two hours


def parse_url(url: str) -> dict[str, str]:
    """The connection parameters of a libpq URI, as libpq itself reads it.

    Raises:
        DatabaseRefused: not a libpq connection string. The message quotes none of it, because it
            holds the password.
    """
    try:
        given = {
            key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None
        }
    except psycopg.ProgrammingError:
        raise DatabaseRefused(_UNREADABLE) from None
    # An unescaped @ or / in a password makes libpq take a part of it for the host or the port.
    ports = given.get("port", "").split(",")
    if "@" in given.get("host", "") or not all(port.isdecimal() or not port for port in ports):
        raise DatabaseRefused(_UNREADABLE)
    return given


def endpoint(url: str) -> str:
    """`user@host:port/database` without the password: what every message calls the database."""
    given = parse_url(url)
    login = f"{given.get('user', 'postgres')}@{given.get('host', 'localhost')}"
    return f"{login}:{given.get('port', '5432')}/{given.get('dbname', '')}"


@dataclass
class Database:
    """Transactions on one PostgreSQL database. Nothing connects before the first transaction.

    `sleep`, `clock` and `jitter` are parameters so that tests see the waits instead of waiting.
    """

    url: str
    limits: Limits = field(default_factory=Limits)
    retry: Retry = field(default_factory=Retry)
    application_name: str = "mushroom_assets"
    before_commit: Callable[[sa.Connection], None] | None = None  # it may refuse by raising
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[float, float], float] = random.uniform
    # By process: a pool must not cross a fork
    _engines: dict[int, sa.Engine] = field(default_factory=dict, repr=False)
    _outage: Outage = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Nothing is away yet."""
        self._outage = Outage(self.clock)

    @property
    def endpoint(self) -> str:
        """`user@host:port/database`, without the password."""
        return endpoint(self.url)

    @property
    def engine(self) -> sa.Engine:
        """This process's engine, made on first use."""
        pid = os.getpid()
        if pid not in self._engines:
            self._engines[pid] = self._make_engine()
        return self._engines[pid]

    def _make_engine(self) -> sa.Engine:
        limits = self.limits
        given = parse_url(self.url)
        given_options = given.pop("options", "")
        options = (
            f"-c statement_timeout={limits.statement_timeout_s * 1000} -c timezone=UTC "
            f"-c client_connection_check_interval={ORPHAN_MS} {given_options}"
        )
        defaults = {
            "client_encoding": "utf8",  # else a database of SQL_ASCII gives bytes for texts
            "connect_timeout": limits.connect_timeout_s,
            "keepalives": 1,
            "keepalives_idle": limits.keepalives_idle_s,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": limits.tcp_user_timeout_ms,
            # NAMEDATALEN - 1: the server cuts there
            "application_name": self.application_name[:63],
        }
        engine = sa.create_engine(
            # The URI's own parameters win over ours, except the options, which add up
            "postgresql+psycopg://",
            connect_args=defaults | given | {"options": options.strip()},
            isolation_level=ISOLATION,
            pool_size=limits.pool_size,
            max_overflow=limits.max_overflow,
            pool_recycle=limits.pool_recycle_s,
            pool_timeout=limits.pool_timeout_s,
            pool_pre_ping=True,
        )
        # Whoever sets another timeout in the URI knows how long statements take
        patience_s = None if "statement_timeout" in given_options else limits.answer_s

        @sa.event.listens_for(engine, "do_connect")
        def connect(dialect: Any, record: Any, arguments: Any, parameters: Any) -> Answering:
            connection = Answering.connect(*arguments, **parameters)
            connection.patience_s = patience_s
            return connection

        return engine

    def connect(self) -> sa.Connection:
        """A pooled connection, retried while the fault is transient.

        The deadline counts from the begin of the outage: after it each call is one attempt.

        Raises:
            DatabaseUnavailable: attempts or deadline used up.
            DatabaseRefused: the server refused; not retried.
        """

        def tell(fault: Exception, attempt: int, wait_s: float) -> None:
            log.warning(
                "connect to %s failed, %s, next in %.1f s: %s",
                self.endpoint, self.retry.count(attempt), wait_s, first_line(fault),
            )  # fmt: skip

        def passes(fault: Exception) -> bool:
            if not isinstance(fault, _CONNECT_FAULTS) or not is_transient(fault):
                return False
            self._outage.begin()
            return True

        retry = self._outage.left(self.retry)
        waits: dict[str, Any] = {"sleep": self.sleep, "clock": self.clock, "jitter": self.jitter}
        try:
            connection = retry.call(lambda: self.engine.connect(), passes, tell, **waits)
        except GivenUp as end:
            raise DatabaseUnavailable(
                f"no connection to {self.endpoint} after {end.attempts} attempts "
                f"in {end.spent_s:.0f} s: {first_line(end.fault)}. "
                f"Remedy: {delay_remedy(end.fault)}."
            ) from end.fault
        except _CONNECT_FAULTS as error:
            remedy = refusal_remedy(error) or "see the server's log"
            raise DatabaseRefused(
                f"{self.endpoint} refused: {first_line(error)}. Remedy: {remedy}."
            ) from error
        self._outage.end()
        return connection

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Raise what the server answers to the statements within as one message with a remedy.

        COPY raises psycopg's own errors, all else SQLAlchemy's.

        Raises:
            DatabaseUnavailable: the same work may succeed later.
            DatabaseRefused: it will not before somebody follows the remedy.
        """
        try:
            yield
        except (exc.DBAPIError, psycopg.Error) as error:
            message = told(error, self.endpoint)
            if message is None:
                raise
            raise message from error

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One unit of work: commits at the end, rolls back on any error.

        Only the connect is retried. Faults are raised as `telling` has them. A connection that met
        one is not used again: it may be lost, or its session know nothing of the remedy (what a
        role may and its settings are those of when it connected).

        An interrupt, by which a run is cancelled, ends the server's statement and the connection.
        Within a COPY the connection would not take the ROLLBACK: that fault would then stand for
        the interrupt, and count as transient.
        """
        with self.telling(), self.connect() as connection, connection.begin():
            driver: Any = connection.connection.driver_connection
            statement = driver.pgconn.get_cancel()
            try:
                yield connection
                if self.before_commit is not None:
                    self.before_commit(connection)
            except (exc.DBAPIError, psycopg.Error):
                connection.invalidate()
                raise
            except Exception:
                raise
            except BaseException:
                with suppress(psycopg.Error):
                    statement.cancel()
                connection.invalidate()
                raise

    @contextmanager
    def session(self) -> Iterator[sa.Connection]:
        """A connection outside any transaction, for statements that refuse one.

        Only the connect is retried. Faults are raised as `telling` has them. The connection does
        not go back to the pool: what is set in it, and the locks it takes, end with it.
        """
        with self.telling(), self.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()
            yield connection

    def dispose(self) -> None:
        """Close this process's pooled connections."""
        engine = self._engines.pop(os.getpid(), None)
        if engine is not None:
            engine.dispose()
