"""What an error of PostgreSQL means: does it pass by itself, or refuse, and what is to be done?

Here are the two exceptions of the door to PostgreSQL and the reading of its errors. No retrying
here (`faults.retry`), no connection (`storage.connection`).
"""

import re

import psycopg
from sqlalchemy import exc

# SQLSTATE classes and codes that pass by themselves: connection exception, insufficient resources,
# operator intervention (shutdown, crash, cancel), rollback by the server, lock not available.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_TRANSIENT_CLASSES = ("08", "53", "57", "40")
_TRANSIENT_CODES = ("55P03",)

# A failed connect carries no SQLSTATE (libpq keeps it to itself), only the server's words. These
# are the refusals that waiting does not mend, each with its remedy. Words in another server
# language count as transient: retried, then reported.
_REFUSALS = (
    (
        r"password authentication failed|no password supplied",
        "check the user name and password in DATABASE_URL",
    ),
    (r'database ".*" does not exist', "create the database, or correct its name in DATABASE_URL"),
    (
        r'role ".*" (does not exist|is not permitted to log in)',
        "create the role, or correct the user in DATABASE_URL",
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "let this host in with a line in the server's pg_hba.conf",
    ),
    (r"permission denied for database", "grant the role CONNECT on the database"),
    (
        r"server does not support SSL|certificate verify failed",
        "correct sslmode or the certificates in DATABASE_URL",
    ),
    (r"invalid (connection option|port number|sslmode value)|invalid URI", "correct DATABASE_URL"),
)

# Connects that pass by themselves, but not before somebody does something.
_DELAYS = (
    (
        r"too many (clients|connections)|remaining connection slots",
        "raise max_connections or the role's CONNECTION LIMIT, or end other programs' connections",
    ),
    (
        r"starting up|shutting down|not (yet )?accepting connections|in recovery mode",
        "wait until PostgreSQL is up; its log says what it is doing",
    ),
)
_START = "start PostgreSQL, or correct DATABASE_URL"

# What to do about a statement that failed, by its SQLSTATE: refused ones, and below them those that
# pass when somebody has done it.
_INIT = "run `mushroom init`, which makes the tables and brings them up to date"
_INSTALL = (
    "install pgvector on the database's server (a package such as postgresql-18-pgvector), "
    "then run `mushroom init`"
)
_DAMAGED = "see the server's log: its disk or its files are damaged"
_PATIENCE = "raise the timeout that this names for the role, or set it to 0"
_STATEMENT_REMEDIES = {
    "42P01": _INIT,  # undefined table
    "42703": _INIT,  # column
    "3F000": _INIT,  # schema
    "42704": _INIT,  # type
    "58P01": _INSTALL,  # undefined file: the extension's library
    "42501": "grant the role the right that this names. `mushroom init` needs CREATE on the "
    "database and must own schema farm; all else needs that schema's tables",
    "25006": "connect to the primary, or switch default_transaction_read_only off for the role",
    "54000": "shorten the text that this speaks of; names hold 200 characters",
    "22P05": "use a database whose encoding is UTF8",
    "25P03": _PATIENCE,  # idle in transaction
    "25P04": _PATIENCE,  # transaction timeout
    "58030": _DAMAGED,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
    "53100": "make room on the disk of the database, then do the same again",
    "53200": "give the server more memory, or, where this speaks of shared memory, a larger "
    "max_locks_per_transaction; then do the same again",
}
_AGAIN = "do the same again: what was stored stays, and nothing is stored twice"
_LOST = f"see that PostgreSQL is up, then {_AGAIN}"


class DatabaseUnavailable(ConnectionError):
    """No connection within the allowed attempts and time; a later try may succeed."""


class DatabaseRefused(RuntimeError):
    """The server answered and said no (password, database, role, pg_hba): retrying is of no use."""


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later.

    It may after a lost connection, a server's restart, a deadlock, or with too many clients.
    """
    # TimeoutError: no pooled connection came free
    if isinstance(error, DatabaseUnavailable | exc.TimeoutError):
        return True
    cause = _cause(error)
    if not isinstance(cause, psycopg.Error):
        return False
    if cause.sqlstate is None:  # no answer from the server: the connection itself failed
        of_connection = isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
        return of_connection and refusal_remedy(cause) is None
    return passes_by_itself(cause.sqlstate)


def passes_by_itself(sqlstate: str) -> bool:
    """Whether the same statement may succeed later that the server answered with this SQLSTATE."""
    return sqlstate.startswith(_TRANSIENT_CLASSES) or sqlstate in _TRANSIENT_CODES


def told(error: BaseException, endpoint: str) -> DatabaseUnavailable | DatabaseRefused | None:
    """A statement's fault as one message: endpoint, what happened, what to do.

    None where nothing is known to help: a fault of ours.
    """
    cause = _cause(error)
    if not isinstance(cause, psycopg.Error):
        return None
    remedy = _statement_remedy(cause)
    if is_transient(cause):
        broken = f"the work at {endpoint} was broken off: {first_line(cause)}"
        by_default = _LOST if (cause.sqlstate or "57P").startswith(("08", "57P")) else _AGAIN
        return DatabaseUnavailable(f"{broken}. Remedy: {remedy or by_default}.")
    if remedy is None:
        return None
    return DatabaseRefused(f"{endpoint} refused: {first_line(error)}. Remedy: {remedy}.")


def _statement_remedy(cause: psycopg.Error) -> str | None:
    # "Not supported" is many things; the extension's name is the same in every language
    if cause.sqlstate == "0A000" and re.search(r"\bvector\b", str(cause)):
        return _INSTALL
    return _STATEMENT_REMEDIES.get(cause.sqlstate or "")


def remedy(error: BaseException) -> str:
    """What to do about any fault of the database, be it of a connect or of a statement."""
    cause = _cause(error)
    by_code = _statement_remedy(cause) if isinstance(cause, psycopg.Error) else None
    return by_code or refusal_remedy(error) or delay_remedy(error)


def refusal_remedy(error: BaseException) -> str | None:
    """What to do about a connect that the server refused, None where the fault passes by itself."""
    return _said(_REFUSALS, error)


def delay_remedy(error: BaseException) -> str:
    """What to do about a connect that failed again and again, though the fault may pass."""
    return _said(_DELAYS, error) or _START


def _said(remedies: tuple[tuple[str, str], ...], error: BaseException) -> str | None:
    text = str(error)
    return next((remedy for pattern, remedy in remedies if re.search(pattern, text)), None)


def first_line(error: BaseException) -> str:
    """What the server or its driver says, on one line, without the statement's text."""
    cause = _cause(error)
    said = [str(cause)]
    if isinstance(cause, psycopg.Error) and cause.diag.message_primary:
        diag = cause.diag
        said = [text for text in (diag.message_primary, diag.message_hint) if text]
    return " ".join(". ".join(said).split()).rstrip(".")


def _cause(error: BaseException) -> BaseException:
    """The driver's error, which SQLAlchemy wraps."""
    return error.orig if isinstance(error, exc.DBAPIError) and error.orig else error
