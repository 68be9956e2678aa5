"""Is the farm served? The first fault in words, with the remedy.

For container checks on a busy machine: it answers in 5 s, so nothing is imported that takes time,
neither Dagster nor SQLAlchemy nor pandas, and every question has a short limit. Nothing is mended
here, and nothing printed.
"""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mushroom_assets.service.ui import ui_fault
from mushroom_assets.settings import Settings
from mushroom_assets.storage.answering import Answering

UI_S = 3.0  # 0.1 s is usual
CONNECT_S = 2  # libpq takes no less
STATEMENT_MS = 1000  # by the server's clock
ANSWER_S = 1.5  # by ours, where the server is silent
MIN_FREE = 100_000_000  # bytes: a run's log, and six of PostgreSQL's files of 16 MB
SEE_RUNS = "see the run in the UI and the log of `mushroom up`"

# Spills 0.3 MB into a temporary file: a full disk refuses it. No table is written.
SPILL: LiteralString = """
SET work_mem = '64kB'; SELECT count(*) FROM generate_series(1, 20000)"""
WRITABLE: LiteralString = """
SELECT NOT pg_is_in_recovery() AND NOT current_setting('default_transaction_read_only')::bool"""
PRESENT: LiteralString = "SELECT to_regclass(%s) IS NOT NULL"
# A row a kind of daemon, each rewritten every 30 s by whichever daemon beats
SECOND_DAEMON: LiteralString = """
SELECT string_agg(DISTINCT left(daemon_id, 8), ', ') FROM daemon_heartbeats
WHERE timestamp > (SELECT max(timestamp) FROM daemon_heartbeats) - interval '45 s'
HAVING count(DISTINCT daemon_id) > 1"""
# Dagster's times have no zone: they are in the server's, as `localtimestamp` is.
# A launch takes seconds. After half an hour it is history, and so it is when a later run started.
NOT_LAUNCHED: LiteralString = """
SELECT run_id FROM runs AS stuck
WHERE status = 'NOT_STARTED' AND create_timestamp < localtimestamp - interval '2 min'
  AND create_timestamp > localtimestamp - interval '30 min'
  AND NOT EXISTS (SELECT FROM runs AS later WHERE later.id > stuck.id AND start_time IS NOT NULL)
ORDER BY id DESC LIMIT 1"""
# Of the last 200, since nothing sorts all by their end. The timetable asks again each hour: two
# hours later nothing was launched at all, and other rules tell why.
NEVER_STARTED: LiteralString = """
SELECT run_id FROM (
  SELECT run_id, status, start_time, end_time FROM runs ORDER BY id DESC LIMIT 200
) AS recent
WHERE end_time = (
    SELECT max(end_time) FROM (SELECT end_time FROM runs ORDER BY id DESC LIMIT 200) AS ended)
  AND status = 'FAILURE' AND start_time IS NULL
  AND end_time > extract(epoch FROM now() - interval '2 h')"""
# Behind a run that is in progress one may wait for hours
WAITING: LiteralString = """
SELECT count(*) || ' since ' || to_char(min(update_timestamp), 'HH24:MI') FROM runs
WHERE status = 'QUEUED' AND update_timestamp < localtimestamp - interval '3 min'
  AND NOT EXISTS (SELECT FROM runs WHERE status IN ('STARTING', 'STARTED', 'CANCELING'))
HAVING count(*) > 0"""
# A living process renews its lease every 4 s; a busy machine and a restart of the database may
# keep it from it for a while.
DEAD: LiteralString = """
SELECT run_id || ' (pid ' || pid || ' on ' || host || ')'
FROM farm.run_lease JOIN runs USING (run_id)
WHERE status IN ('STARTING', 'STARTED', 'CANCELING') AND renewed_at < now() - interval '60 s'
LIMIT 1"""

# Disk full, temp_file_limit, a fault of the disk, read-only
REFUSALS = (
    psycopg.errors.DiskFull,
    psycopg.errors.ConfigurationLimitExceeded,
    psycopg.errors.IoError,
    psycopg.errors.ReadOnlySqlTransaction,
)


class Unhealthy(Exception):
    """The database cannot even be looked for; the message says why and what to do."""


def fault(settings: Settings, host: str, port: int) -> str | None:
    """What is wrong and what to do, None where nothing is.

    The cause comes before what it brings about: disk, database, UI and daemon, runs.
    """
    ui = _Ui(host, port, settings.path_prefix)
    begun = time.monotonic()
    ui.start()
    disk = _disk(settings.home)
    database, rows = _database(settings)
    ui.join(max(0.0, begun + UI_S - time.monotonic()))
    return disk or database or ui.fault or rows


class _Ui(threading.Thread):
    """Asks the UI beside the rest. Who sends a byte a second is not waited for."""

    def __init__(self, host: str, port: int, prefix: str) -> None:
        super().__init__(daemon=True)
        self._address = (host, port)
        self._prefix = prefix
        self.fault: str | None = (
            f"the UI on port {port} does not answer in {UI_S:.0f} s. "
            "Remedy: see why in the log of `mushroom up`"
        )

    def run(self) -> None:
        self.fault = ui_fault(*self._address, timeout_s=UI_S, prefix=self._prefix)


def _disk(home: Path) -> str | None:
    if not home.exists():
        return None
    free = shutil.disk_usage(home).free
    if free >= MIN_FREE:
        return None
    remedy = "make room, or move MUSHROOM_HOME to a larger disk"
    return f"the disk of {home} is full: {free / 1e6:.0f} MB are free. Remedy: {remedy}"


def _database(settings: Settings) -> tuple[str | None, str | None]:
    """What is wrong with the database, and what its rows say is wrong with daemon and runs."""
    url = settings.database_url
    try:
        url = url or embedded_url(settings.postgres_dir)
    except Unhealthy as error:
        return str(error), None
    if url is None:
        return None, None
    try:
        options = f"{conninfo_to_dict(url).get('options') or ''}"
        limited = make_conninfo(
            url,
            client_encoding="utf8",
            connect_timeout=CONNECT_S,
            application_name="mushroom health",
            options=f"{options} -c statement_timeout={STATEMENT_MS}",
        )
        with Answering.connect(limited, autocommit=True) as connection:
            connection.patience_s = ANSWER_S
            return _refusal(connection), next(_rows(connection), None)
    except psycopg.Error as error:
        return _away(url, error), None


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


def _away(url: str, error: psycopg.Error) -> str:
    reason = " ".join(str(error).split())
    remedy = "start PostgreSQL, or see what `mushroom doctor` says of it"
    try:
        given = conninfo_to_dict(url)
        name = f"{given.get('host', 'localhost')}:{given.get('port', 5432)}/{given.get('dbname')}"
    except psycopg.Error:  # its message would quote the password
        return "DATABASE_URL cannot be read. Remedy: see what `mushroom doctor` says of it"
    did = "does not answer" if error.sqlstate is None else "refused"
    return f"the database {name} {did}: {reason}. Remedy: {remedy}"


def _refusal(connection: "psycopg.Connection[tuple[object, ...]]") -> str | None:
    try:
        if not _scalar(connection, WRITABLE):
            return "the database is read-only. Remedy: point DATABASE_URL at the primary server"
        connection.execute(SPILL)
    except REFUSALS as error:
        told = " ".join(str(error).split())
        return f"the database refuses writes: {told}. Remedy: make room on its disk"
    return None


def _rows(connection: "psycopg.Connection[tuple[object, ...]]") -> Iterator[str]:
    """What the rows say is wrong, first what is worst. Tables that are not there say nothing."""
    rules: list[tuple[tuple[str, ...], LiteralString, str, str]] = [
        (
            ("daemon_heartbeats",),
            SECOND_DAEMON,
            "two daemons work on one database ({}): each run is launched twice",
            "stop one of them",
        ),
        (
            ("runs", "farm.run_lease"),
            DEAD,
            "run {} is in progress, but its process is gone",
            SEE_RUNS,
        ),
        (("runs",), NOT_LAUNCHED, "launches fail: run {} was made but not queued", SEE_RUNS),
        (("runs",), NEVER_STARTED, "launches fail: run {} ended without ever starting", SEE_RUNS),
        (
            ("runs",),
            WAITING,
            "runs wait in the queue, {}, and none starts",
            "see in the log of `mushroom up` why the daemon launches none",
        ),
    ]
    for tables, query, told, remedy in rules:
        if all(_scalar(connection, PRESENT, table) for table in tables):
            found = _scalar(connection, query)
            if found is not None:
                yield f"{told.format(found)}. Remedy: {remedy}"


def _scalar(
    connection: "psycopg.Connection[tuple[object, ...]]", query: LiteralString, *values: str
) -> object:
    row = connection.execute(query, values or None).fetchone()
    return None if row is None else row[0]
