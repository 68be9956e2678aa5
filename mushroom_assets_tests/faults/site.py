"""A server, a small farm's database on it, and what an evil operator does to both.

The farm's own role owns the tables; the operator has a connection of its own that no fault touches.
Here is no schedule of faults and no work.
"""

import datetime as dt
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months
from mushroom_assets.storage.schema import metadata
from mushroom_assets_tests.kit.databases import NO_RETRY, execute, uri_of

ROLE = "farmer"
DATABASE = "trial"
BALLAST = "ballast"
DISK_BYTES = 48_000_000  # the tables take 12 MB


@dataclass
class Site:
    """The server with the database, and the operator's connection."""

    socket: str
    operator: psycopg.Connection
    disk: Path | None  # the small disk that holds the tables; None where none can be mounted
    why_no_disk: str = ""

    def url(self, port: int) -> str:
        """The database through a proxy's port."""
        return f"postgresql://{ROLE}@127.0.0.1:{port}/{DATABASE}"

    @property
    def direct(self) -> str:
        """The farm's database without a proxy."""
        return f"postgresql://{ROLE}@/{DATABASE}?host={Path(self.socket).parent}"

    def terminate(self) -> None:
        """End every session of the farm's role."""
        self.operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [ROLE]
        )

    def crowd(self) -> None:
        """The sessions of now end, and the server takes no others."""
        self.operator.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
        self.terminate()

    def forbid_writing(self) -> None:
        """The sessions of now end, and others can only read."""
        self.operator.execute(f"ALTER ROLE {ROLE} SET default_transaction_read_only = on")
        self.terminate()

    def fill_disk(self) -> None:
        """No table can grow; nothing happens where there is no small disk."""
        if self.disk is not None:
            with (self.disk / BALLAST).open("wb", buffering=0) as ballast:
                with_room = True
                while with_room:
                    with_room = _append(ballast.fileno())

    def mend(self) -> None:
        """Undo all of it."""
        if self.disk is not None:
            (self.disk / BALLAST).unlink(missing_ok=True)
        self.operator.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
        self.operator.execute(f"ALTER ROLE {ROLE} RESET default_transaction_read_only")

    def empty(self) -> None:
        """No samples and no results; whoever still works on them is ended."""
        self.terminate()
        with psycopg.connect(self.direct) as connection:
            tables = ", ".join(name for name in metadata.tables if name != "farm.setting")
            connection.execute(f"TRUNCATE {tables} RESTART IDENTITY")


def _append(ballast: int) -> bool:
    try:
        return os.write(ballast, bytes(1 << 16)) == 1 << 16
    except OSError:  # full
        return False


@contextmanager
def open_site(server_uri: str) -> Iterator[Site]:
    """The site on a server; its role and database are gone afterwards."""
    with _small_disk(server_uri) as (disk, reason), _database(server_uri, disk):
        with psycopg.connect(server_uri, autocommit=True) as operator:
            yield Site(str(_folder(server_uri) / ".s.PGSQL.5432"), operator, disk, reason)


@contextmanager
def _database(server_uri: str, disk: Path | None) -> Iterator[None]:
    execute(server_uri, f"CREATE ROLE {ROLE} LOGIN")
    place = ""
    if disk is not None:
        (disk / "tables").mkdir()
        shutil.chown(disk / "tables", _user(server_uri))
        execute(server_uri, f"CREATE TABLESPACE small LOCATION '{disk}/tables'")
        place = " TABLESPACE small"
    try:
        execute(server_uri, f"CREATE DATABASE {DATABASE} OWNER {ROLE}{place}")
        _make_tables(uri_of(server_uri, DATABASE))
        yield
    finally:
        execute(server_uri, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        if disk is not None:
            execute(server_uri, "DROP TABLESPACE small")
        execute(server_uri, f"DROP ROLE {ROLE}")


def _make_tables(uri: str) -> None:
    execute(uri, "CREATE EXTENSION vector")  # by the superuser
    database = Database(uri.replace("postgres:@", f"{ROLE}@"), retry=NO_RETRY)
    with database.transaction() as connection:
        migrations.upgrade(connection)
        ensure_months(connection, dt.date(2026, 1, 1), dt.date(2026, 1, 31))
    database.dispose()


def _folder(server_uri: str) -> Path:
    """Where the server's socket and files are."""
    return Path(str(conninfo_to_dict(server_uri)["host"]))


def _user(server_uri: str) -> int:
    """Who owns the server's files."""
    return _folder(server_uri).stat().st_uid


@contextmanager
def _small_disk(server_uri: str) -> Iterator[tuple[Path | None, str]]:
    """A disk of some MB in memory, or None and the reason."""
    folder = Path(tempfile.mkdtemp(prefix="mushroom-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    done = _run(mount)
    try:
        if done:
            yield None, f"no small disk can be mounted: {done}"
        else:
            shutil.chown(folder, _user(server_uri))
            yield folder, ""
    finally:
        if not done:
            _run(["umount", str(folder)])
        folder.rmdir()


def _run(command: list[str]) -> str:
    """What a command complains of, nothing where it succeeds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""
