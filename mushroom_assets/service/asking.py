"""Short questions to the database: where it is, how long its answer is waited for, what is a fault.

For `mushroom health` and the watch, which must answer while the database does not: nothing is
imported that takes time, neither Dagster nor SQLAlchemy. Which rows are a fault lives in `rules`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString, NamedTuple, Self
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mushroom_assets.settings import Settings
from mushroom_assets.storage.answering import Answering

CONNECT_S = 2  # libpq takes no less
STATEMENT_MS = 1000  # by the server's clock
ANSWER_S = 1.5  # by ours, where the server is silent

# Spills 0.3 MB into a temporary file: a full disk refuses it. No table is written.
SPILL: LiteralString = """
SET work_mem = '64kB'; SELECT count(*) FROM generate_series(1, 20000)"""
WRITABLE: LiteralString = """
SELECT NOT pg_is_in_recovery() AND NOT current_setting('default_transaction_read_only')::bool"""

# Disk full, temp_file_limit, a fault of the disk, read-only
REFUSALS = (
    psycopg.errors.DiskFull,
    psycopg.errors.ConfigurationLimitExceeded,
    psycopg.errors.IoError,
    psycopg.errors.ReadOnlySqlTransaction,
)
Connection = psycopg.Connection[Any]


class Fault(NamedTuple):
    """What is wrong and what to do, with the part of the farm that it is about."""

    part: str
    fault: str
    remedy: str

    @classmethod
    def told(cls, part: str, message: object) -> Self:
        """The fault of a message, or of an error, that ends in its remedy."""
        fault, _, remedy = " ".join(str(message).split()).partition(". Remedy: ")
        return cls(part, fault, remedy)

    def __str__(self) -> str:
        """As a line for people."""
        return f"{self.fault}. Remedy: {self.remedy}"


class Unhealthy(Exception):
    """The database cannot even be looked for; the message says why and what to do."""


def address(settings: Settings) -> str | None:
    """Where the database is, None where there is none.

    Raises:
        Unhealthy: it is the embedded one, and that does not run.
    """
    return settings.database_url or embedded_url(settings.postgres_dir)


def embedded_url(directory: Path) -> str | None:
    """Where the embedded PostgreSQL is, None where there is none.

    Raises:
        Unhealthy: there is one, and it does not run.
    """
    if not (directory / "PG_VERSION").exists():
        return None
    try:
        lines = (directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return f"postgresql://postgres@/postgres?host={quote(lines[4].strip())}"
    except (OSError, IndexError) as error:
        remedy = "start it with `mushroom up`"
        told = f"the embedded PostgreSQL in {directory} does not run"
        raise Unhealthy(f"{told}. Remedy: {remedy}") from error


@contextmanager
def asked(
    url: str, who: str, *, statement_ms: int = STATEMENT_MS, answer_s: float = ANSWER_S
) -> Iterator[Connection]:
    """A connection of `who` on which every question has a short limit; statements commit alone.

    Raises:
        psycopg.Error: the database is away, or what was asked within was not answered.
    """
    options = f"{conninfo_to_dict(url).get('options') or ''}"
    limited = make_conninfo(
        url,
        client_encoding="utf8",
        connect_timeout=CONNECT_S,
        application_name=who,
        options=f"{options} -c statement_timeout={statement_ms}",
    )
    with Answering.connect(limited, autocommit=True) as connection:
        connection.patience_s = answer_s
        yield connection


def away(url: str, error: psycopg.Error) -> Fault:
    """What it means that the database did not answer."""
    reason = " ".join(str(error).split())
    remedy = "start PostgreSQL, or see what `mushroom doctor` says of it"
    try:
        given = conninfo_to_dict(url)
        name = f"{given.get('host', 'localhost')}:{given.get('port', 5432)}/{given.get('dbname')}"
    except psycopg.Error:  # its message would quote the password
        remedy = "see what `mushroom doctor` says of it"
        return Fault("database", "DATABASE_URL cannot be read", remedy)
    if isinstance(error, psycopg.errors.QueryCanceled):
        remedy = "see its load, and what locks its tables"
        return Fault("database", f"the database {name} answers too slowly: {reason}", remedy)
    did = "does not answer" if error.sqlstate is None else "refused"
    return Fault("database", f"the database {name} {did}: {reason}", remedy)


def refusal(connection: Connection) -> Fault | None:
    """What keeps the database from taking writes."""
    try:
        if not scalar(connection, WRITABLE):
            remedy = (
                "point DATABASE_URL at the primary server, or take default_transaction_read_only "
                "from the role, the database or postgresql.conf"
            )
            return Fault("database", "the database is read-only", remedy)
        connection.execute(SPILL)
    except REFUSALS as error:
        told = " ".join(str(error).split())
        return Fault("database", f"the database refuses writes: {told}", "make room on its disk")
    return None


def scalar(connection: Connection, query: LiteralString, *values: object) -> Any:
    """The first value of the first row, None without one."""
    row = connection.execute(query, values or None).fetchone()
    return None if row is None else row[0]
