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

# The same for a refused statement, which has a SQLSTATE: undefined table, column, schema or type;
# no privilege.
_STATEMENT_REMEDIES = dict.fromkeys(
    ("42P01", "42703", "3F000", "42704"),
    "run `mushroom init`, which makes the tables and brings them up to date",
) | {"42501": "grant the role its rights on schema farm"}


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
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return False
    if cause.sqlstate is None:  # no answer from the server: the connection itself failed
        of_connection = isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
        return of_connection and refusal_remedy(cause) is None
    return passes_by_itself(cause.sqlstate)


def passes_by_itself(sqlstate: str) -> bool:
    """Whether the same statement may succeed later that the server answered with this SQLSTATE."""
    return sqlstate.startswith(_TRANSIENT_CLASSES) or sqlstate in _TRANSIENT_CODES


def statement_remedy(error: BaseException) -> str | None:
    """What to do about a statement that the server refused, None where nothing is known to help."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    return _STATEMENT_REMEDIES.get(cause.sqlstate or "")


def refusal_remedy(error: BaseException) -> str | None:
    """What to do about a connect that the server refused, None where the fault passes by itself."""
    text = str(error)
    return next((remedy for pattern, remedy in _REFUSALS if re.search(pattern, text)), None)


def first_line(error: BaseException) -> str:
    """What the server or its driver says, on one line."""
    cause = error.orig if isinstance(error, exc.DBAPIError) and error.orig else error
    return " ".join(str(cause).split())
