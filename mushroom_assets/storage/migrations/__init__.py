"""Alembic migrations of schema `farm`. A test holds them equal to what `schema` declares."""

import logging
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from mushroom_assets.storage.schema import SCHEMA

log = logging.getLogger(__name__)


class MigrationFailed(RuntimeError):
    """The tables cannot be brought to this release's revision; the message says why."""


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "mushroom_assets.storage:migrations")
    config.attributes["connection"] = connection
    return config


def include(name: str | None, kind: str, parents: Any) -> bool:
    """What is compared with `schema`: our schema without what comes and goes with the data.

    The monthly partitions that loading creates, the models' HNSW indexes and those of local time
    (`storage.predecessor`) are left out.
    """
    if kind == "schema":
        return name == SCHEMA
    passing = {"table": ("sample_",), "index": ("hnsw_", "local_")}
    return kind not in passing or not (name or "").startswith(passing[kind])


def head() -> str:
    """The newest revision."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current(connection: sa.Connection) -> str | None:
    """The database's revision, None before the first migration."""
    if not sa.inspect(connection).has_table("alembic_version", schema=SCHEMA):
        return None
    return connection.execute(sa.text("SELECT version_num FROM farm.alembic_version")).scalar()


def is_newer(revision: str | None) -> bool:
    """Whether a newer release made it, as after a rollback: revisions are numbers of four digits.

    A migration only adds, what it adds may be left out of a row, and what it takes away waits for
    the release after the next: so an older release works on its tables.
    """
    return bool(revision) and f"{revision}".isdecimal() and f"{revision}" > head()


def upgrade(connection: sa.Connection) -> str:
    """Bring the tables to the newest revision inside the caller's transaction.

    One process works at a time; those that come later find nothing to do. Tables of a newer release
    are left as they are.

    Returns:
        The revision.

    Raises:
        MigrationFailed: the database is at a revision that this release does not know, or does not
            hold every script.
    """
    encoding = connection.scalar(sa.text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise MigrationFailed(
            f"the database holds texts in {encoding}, in which not every script can be written. "
            "Remedy: CREATE DATABASE farm ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0"
        )
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('farm.migrations'))"))
    connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
    found = current(connection)
    if found is not None and is_newer(found):
        log.warning(
            "schema %s is of a newer release, %s; this one, %s, works on it", SCHEMA, found, head()
        )
        return found
    if found != head():
        log.info("migrating schema %s from revision %s to %s", SCHEMA, found, head())
        try:
            command.upgrade(_config(connection), "head")
        except CommandError as error:
            raise MigrationFailed(
                f"schema {SCHEMA} cannot be brought to revision {head()}: {error}. "
                "Remedy: a database that a newer release migrated needs that release"
            ) from error
    return head()
