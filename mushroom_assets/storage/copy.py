"""Rows into a temporary table by one binary COPY: numpy lays them out, the server does not parse.

The format is that of https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS.
Here are records of fixed width without nulls. What becomes of the rows is the caller's business.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from psycopg import sql

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # signature of 11 bytes, flags, extension
_TRAILER = b"\xff\xff"
EPOCH_US = 946_684_800_000_000  # timestamptz counts microseconds from 2000-01-01 UTC
PLACE = np.dtype([("block", ">u4"), ("offset", ">u2")])  # a ctid: a row's place in its table
# How the server writes and reads a type in binary
_BINARY: dict[str, np.dtype[Any]] = {
    "int2": np.dtype(">i2"),
    "int4": np.dtype(">i4"),
    "float8": np.dtype(">f8"),
    "timestamptz": np.dtype(">i8"),
    "tid": PLACE,
}


class Column(NamedTuple):
    """A column of a temporary table: its name, its type (of `_BINARY`), one value a row.

    A timestamptz is given in microseconds from 2000-01-01 UTC.
    """

    name: str
    sql_type: str
    values: Any


def stage(connection: sa.Connection, table: str, columns: Sequence[Column]) -> None:
    """Make a temporary table and fill it; it ends with the transaction, if not dropped before."""
    declared = [
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.sql_type))
        for column in columns
    ]
    name = sql.Identifier(table)
    cursor: Any = connection.connection.cursor()
    create = sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP")
    cursor.execute(create.format(name, sql.SQL(", ").join(declared)))
    with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(name)) as copy:
        copy.write(encode(columns))


def encode(columns: Sequence[Column]) -> bytes:
    """The rows in PostgreSQL's binary format: a count of fields, then length and value of each."""
    record: list[tuple[str, Any]] = [("fields", ">i2")]
    for number, column in enumerate(columns):
        record.append((f"length {number}", ">i4"))
        record.append((f"value {number}", _BINARY[column.sql_type]))
    rows = np.empty(len(columns[0].values), dtype=np.dtype(record))
    rows["fields"] = len(columns)
    for number, column in enumerate(columns):
        rows[f"length {number}"] = _BINARY[column.sql_type].itemsize
        rows[f"value {number}"] = column.values
    return _HEADER + rows.tobytes() + _TRAILER
