"""Which files each day's rows were made of: a day whose folders hold others is out of date.

Object stores tell nobody what came or went. So the run that judges a day stores a digest of what it
listed, and whoever looks later compares.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from mushroom_assets.storage.schema import image_listing as table


def digest(files: Mapping[str, Any]) -> str:
    """SHA-256 of a day's listing: path -> JSON that changes with the content."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def store_listing(connection: sa.Connection, day: dt.date, files: Mapping[str, Any]) -> None:
    """Store what a day's rows are made of, in the transaction that replaces them."""
    row = {"image_date": day, "digest": digest(files), "file_count": len(files)}
    statement = insert(table).values(row)
    keys = [table.c.image_date]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=row))


def read_listings(connection: sa.Connection, since: dt.date) -> dict[dt.date, str]:
    """The digests of the days from one on."""
    statement = sa.select(table.c.image_date, table.c.digest).where(table.c.image_date >= since)
    return {day: stored for day, stored in connection.execute(statement)}
