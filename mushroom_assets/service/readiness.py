"""Can the farm do its work? All that is wrong, each with its remedy, for `/readyz`.

It asks PostgreSQL alone, Dagster's tables included, so that it tells the truth while the daemon,
the webserver and the code server are dead, and while the database is away.
"""

from collections.abc import Iterator

from mushroom_assets.service import asking, rules
from mushroom_assets.service.asking import Connection, Fault, scalar
from mushroom_assets.storage.schema import SCHEMA, TABLES

# In the order in which the cause comes before what it brings about
PARTS = ("database", "tables", "daemon", "queue", "timetable")
DAGSTERS = ("runs", "event_logs", "daemon_heartbeats", "job_ticks", "instigators")


def faults(connection: Connection, revision: str) -> Iterator[Fault]:
    """What is wrong with database, tables, daemon and queue.

    Args:
        connection: by `asking.asked`.
        revision: that the farm's tables should be at.

    Raises:
        psycopg.Error: the database is away.
    """
    refused = asking.refusal(connection)
    if refused is not None:
        yield refused
    yield from _tables(connection, revision)
    yield from rules.faults(connection, (*rules.BEATS, *rules.RULES))


def has_record(connection: Connection) -> bool:
    """Whether Dagster has its tables in the database."""
    return not _missing(connection, DAGSTERS)


def _tables(connection: Connection, revision: str) -> Iterator[Fault]:
    at = None
    if scalar(connection, rules.PRESENT, f"{SCHEMA}.alembic_version"):
        at = scalar(connection, "SELECT version_num FROM farm.alembic_version")
    missing = _missing(connection, [f"{SCHEMA}.{name}" for name in TABLES])
    if at != revision:
        told = f"schema {SCHEMA} is at revision {at}, {revision} is needed"
        yield Fault("tables", told, "run `mushroom init`")
    elif missing:
        told = f"tables missing: {', '.join(missing)}"
        yield Fault("tables", told, "restore them from a backup")
    if not has_record(connection):
        told = "Dagster has no tables in the database"
        remedy = "start `mushroom up`, or Dagster's daemon with this DATABASE_URL"
        yield Fault("tables", told, remedy)


def _missing(connection: Connection, names: "list[str] | tuple[str, ...]") -> list[str]:
    """Those of the tables that are not there."""
    return [name for name in names if not scalar(connection, rules.PRESENT, name)]
