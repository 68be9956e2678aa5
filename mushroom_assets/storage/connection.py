"""The door to PostgreSQL: engine, connect with retry, and which faults are worth a retry.

One layer retries the connect (here), one the whole unit of work (Dagster's RetryPolicy). A statement is never
retried on its own: the transaction it belonged to is gone.
"""

import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import exc

log = logging.getLogger(__name__)

# SQLSTATE classes and codes that pass by themselves: connection exception, insufficient resources, operator
# intervention (shutdown, crash, cancel), rollback by the server, lock not available.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRANSIENT_CLASSES = ("08", "53", "57", "40")
_TRANSIENT_CODES = ("55P03",)

# A failed connect carries no SQLSTATE (libpq keeps it to itself), only the server's words. Each refusal that no
# waiting mends, with its remedy. Words in another server language count as transient: retried, then reported.
_REFUSALS = (
    (r"password authentication failed|no password supplied", "check the user name and password in DATABASE_URL"),
    (r'database ".*" does not exist', "create the database, or correct its name in DATABASE_URL"),
    (r'role ".*" (does not exist|is not permitted to log in)', "create the role, or correct the user in DATABASE_URL"),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects", "let this host in with a line in the server's pg_hba.conf"),
    (r"permission denied for database", "grant the role CONNECT on the database"),
    (r"server does not support SSL|certificate verify failed", "correct sslmode or the certificates in DATABASE_URL"),
    (r"invalid (connection option|port number|sslmode value)|invalid URI", "correct DATABASE_URL"),
)
_UNREADABLE = (
    "DATABASE_URL cannot be read. Remedy: write it as postgresql://user:password@host:5432/database, with the special "
    "characters of the password percent-encoded (@ is %40, / is %2F)"
)


# The same for a refused statement, which has a SQLSTATE: undefined table, column, schema or type; no privilege.
_STATEMENT_REMEDIES = dict.fromkeys(
    ("42P01", "42703", "3F000", "42704"), "run `mushroom init`, which makes the tables and brings them up to date"
) | {"42501": "grant the role its rights on schema farm"}


class DatabaseUnavailable(ConnectionError):
    """No connection within the allowed attempts and time; a later try may succeed."""


class DatabaseRefused(RuntimeError):
    """The server answered and said no (password, database, role, pg_hba): retrying is of no use."""


@dataclass(frozen=True)
class Retry:
    """Retry of the connect: exponential back-off with full jitter.

    Waits are drawn from U(0, min(cap_s, base_s * 2**n)), n from 0
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    With `fixed_s` every wait is that long instead. `deadline_s` bounds the whole, waits included.
    """

    attempts: int = 6
    base_s: float = 1.0
    cap_s: float = 20.0
    deadline_s: float = 90.0
    fixed_s: float | None = None

    def wait_s(self, attempt: int, jitter: Callable[[float, float], float]) -> float:
        """Seconds to wait after the `attempt`-th failure, counted from 1."""
        if self.fixed_s is not None:
            return self.fixed_s
        return jitter(0.0, min(self.cap_s, self.base_s * 2 ** (attempt - 1)))


@dataclass(frozen=True)
class Limits:
    """Pool and time limits of one process. Seconds, unless the name says otherwise."""

    pool_size: int = 5
    max_overflow: int = 10
    pool_recycle_s: int = 1800
    pool_timeout_s: float = 30
    connect_timeout_s: int = 10
    statement_timeout_s: int = 300
    tcp_user_timeout_ms: int = 30_000  # unacknowledged data for this long: the peer is gone
    keepalives_idle_s: int = 30  # Linux would wait two hours


def parse_url(url: str) -> dict[str, str]:
    """The connection parameters of a libpq URI, as libpq itself reads it.

    Raises:
        DatabaseRefused: not a libpq connection string. The message quotes nothing of it: it holds the password.
    """
    try:
        given = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
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
    user, host, database = given.get("user", "postgres"), given.get("host", "localhost"), given.get("dbname", "")
    return f"{user}@{host}:{given.get('port', '5432')}/{database}"


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: connection lost, server restarting, deadlock, too many clients."""
    if isinstance(error, DatabaseUnavailable | exc.TimeoutError):  # the latter: no pooled connection came free
        return True
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return False
    if cause.sqlstate is None:  # no answer from the server: the connection itself failed
        return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError) and _remedy(cause) is None
    return cause.sqlstate.startswith(_TRANSIENT_CLASSES) or cause.sqlstate in _TRANSIENT_CODES


def statement_remedy(error: BaseException) -> str | None:
    """What to do about a statement that the server refused, None where nothing is known to help."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    return _STATEMENT_REMEDIES.get(cause.sqlstate or "") if isinstance(cause, psycopg.Error) else None


def _remedy(error: BaseException) -> str | None:
    text = str(error)
    return next((remedy for pattern, remedy in _REFUSALS if re.search(pattern, text)), None)


def _first_line(error: BaseException) -> str:
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig else error
    return " ".join(str(cause).split())


@dataclass
class Database:
    """Transactions on one PostgreSQL database. Nothing connects before the first transaction.

    `sleep`, `clock` and `jitter` are parameters so that tests see the waits instead of waiting.
    """

    url: str
    limits: Limits = field(default_factory=Limits)
    retry: Retry = field(default_factory=Retry)
    application_name: str = "mushroom_assets"
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[float, float], float] = random.uniform
    _engines: dict[int, sa.Engine] = field(default_factory=dict, repr=False)  # by process: a pool must not cross a fork

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
        limits, given = self.limits, parse_url(self.url)
        options = f"-c statement_timeout={limits.statement_timeout_s * 1000} -c timezone=UTC {given.pop('options', '')}"
        defaults = {
            "connect_timeout": limits.connect_timeout_s,
            "keepalives": 1,
            "keepalives_idle": limits.keepalives_idle_s,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": limits.tcp_user_timeout_ms,
            "application_name": self.application_name[:63],  # NAMEDATALEN - 1: the server cuts there
        }
        return sa.create_engine(
            "postgresql+psycopg://",  # the URI's own parameters win over ours, but for the options, which add up
            connect_args=defaults | given | {"options": options.strip()},
            pool_size=limits.pool_size,
            max_overflow=limits.max_overflow,
            pool_recycle=limits.pool_recycle_s,
            pool_timeout=limits.pool_timeout_s,
            pool_pre_ping=True,
        )

    def connect(self) -> sa.Connection:
        """A pooled connection, retried while the fault is transient.

        Raises:
            DatabaseUnavailable: attempts or deadline used up.
            DatabaseRefused: the server refused; not retried.
        """
        started = self.clock()
        for attempt in range(1, self.retry.attempts + 1):
            try:
                return self.engine.connect()
            except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
                self._wait_or_give_up(error, attempt, started)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _wait_or_give_up(self, error: exc.SQLAlchemyError, attempt: int, started: float) -> None:
        if not is_transient(error):
            remedy = _remedy(error) or "see the server's log"
            raise DatabaseRefused(f"{self.endpoint} refused: {_first_line(error)}. Remedy: {remedy}.") from error
        wait, spent = self.retry.wait_s(attempt, self.jitter), self.clock() - started
        if attempt == self.retry.attempts or spent + wait > self.retry.deadline_s:
            raise DatabaseUnavailable(
                f"no connection to {self.endpoint} after {attempt} attempts in {spent:.0f} s: {_first_line(error)}. "
                "Remedy: start PostgreSQL, or correct DATABASE_URL."
            ) from error
        log.warning(
            "connect to %s failed, attempt %d of %d, next in %.1f s: %s",
            self.endpoint, attempt, self.retry.attempts, wait, _first_line(error),
        )  # fmt: skip
        self.sleep(wait)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One unit of work: commits at the end, rolls back on any error. Only the connect is retried.

        An interrupt, by which a run is cancelled, ends the server's statement and the connection, which within a COPY
        would not take the ROLLBACK: a fault that would stand for the interrupt, and count as transient.
        """
        with self.connect() as connection, connection.begin():
            driver: Any = connection.connection.driver_connection
            statement = driver.pgconn.get_cancel()
            try:
                yield connection
            except Exception:
                raise
            except BaseException:
                with suppress(psycopg.Error):
                    statement.cancel()
                connection.invalidate()
                raise

    @contextmanager
    def session(self) -> Iterator[sa.Connection]:
        """A connection outside any transaction, for statements that refuse one; only the connect is retried.

        It does not go back to the pool: what is set in it, and the locks it takes, end with it.
        """
        with self.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.detach()
            yield connection

    def dispose(self) -> None:
        """Close this process's pooled connections."""
        if engine := self._engines.pop(os.getpid(), None):
            engine.dispose()
