"""Rows by binary COPY: what numpy laid out is what the server reads, byte by byte and as values."""

import datetime as dt
import struct

import numpy as np
import sqlalchemy as sa

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.copy import EPOCH_US, PLACE, Column, encode, stage

AT = dt.datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=dt.UTC)


def test_the_bytes_are_those_of_postgresqls_binary_format() -> None:
    columns = [Column("a", "int2", np.array([1, -2])), Column("b", "float8", np.array([0.5, 1e9]))]
    expected = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
    for small, large in ((1, 0.5), (-2, 1e9)):
        expected += struct.pack(">hihid", 2, 2, small, 8, large)
    assert encode(columns) == expected + b"\xff\xff"


def test_every_type_comes_back_as_it_went_in(database: Database) -> None:
    epoch = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    since_2000 = round((AT - epoch).total_seconds() * 1_000_000)
    assert round(epoch.timestamp() * 1_000_000) == EPOCH_US
    columns = [
        Column("small", "int2", np.array([7])),
        Column("large", "int4", np.array([70_000])),
        Column("an odd name", "float8", np.array([0.1])),
        Column("at", "timestamptz", np.array([since_2000])),
        Column("place", "tid", np.array([(3, 4)], dtype=PLACE)),
    ]
    with database.transaction() as connection:
        stage(connection, "staged", columns)
        (row,) = connection.execute(sa.text("SELECT *, place::text FROM staged"))
    assert tuple(row[:4]) == (7, 70_000, 0.1, AT)
    assert row[5] == "(3,4)"


def test_the_table_ends_with_the_transaction(database: Database) -> None:
    with database.transaction() as connection:
        stage(connection, "staged", [Column("a", "int4", np.empty(0, np.int32))])
        assert connection.scalar(sa.text("SELECT count(*) FROM staged")) == 0
    with database.transaction() as connection:
        assert connection.scalar(sa.text("SELECT to_regclass('staged')")) is None
