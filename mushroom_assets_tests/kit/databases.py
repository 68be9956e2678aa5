"""Databases on the tests' own server: their URIs, and statements that make and drop them."""

import sqlalchemy as sa

from mushroom_assets.faults.retry import Retry
from mushroom_assets.storage.connection import Database

NO_RETRY = Retry(attempts=1)


def uri_of(server_uri: str, name: str) -> str:
    """The same server, another database."""
    return server_uri.replace("/postgres?", f"/{name}?")


def execute(uri: str, statement: str) -> None:
    """A statement outside a transaction, for CREATE DATABASE and the like."""
    database = Database(uri, retry=NO_RETRY)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(statement))
    database.dispose()
