"""Rows as Parquet: typed columns, with what each means.

Read through a cursor of the server, so that a statement's rows never lie here all at once.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from psycopg import sql

from mushroom_assets.storage.export.columns import arrow_schema, is_vector, typed
from mushroom_assets.storage.export.selection import Selection

# Rows fetched at once: 5,000 of a sample take 11 ms, and no longer each than 20,000. A vector of
# 512 numbers takes 16 kB while it is a list of Python's.
ROWS = 5000
ROWS_WITH_VECTORS = 500
# Of Arrow's memory in a row group. Many small ones make a file large and slow to open.
GROUP_BYTES = 32 << 20


def parquet_pieces(
    connection: sa.Connection,
    selection: Selection,
    about: Mapping[str, str],
    told: Callable[[int], None],
) -> Iterator[bytes]:
    """The file's bytes. After each span `told` gets its number of rows."""
    schema = arrow_schema(selection.table, _dimensions(connection, selection), about)
    sink = _Sink()
    group: list[pa.RecordBatch] = []
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for span in selection.spans:
            rows = 0
            for batch in _batches(connection, selection, span, schema):
                rows += batch.num_rows
                group.append(batch)
                if sum(held.nbytes for held in group) >= GROUP_BYTES:
                    _write(writer, group)
                    yield sink.take()
            told(rows)
        _write(writer, group)
    yield sink.take()


def _write(writer: pq.ParquetWriter, group: list[pa.RecordBatch]) -> None:
    """Write the batches as a row group, and forget them."""
    if group:
        table = pa.Table.from_batches(group)
        writer.write_table(table, row_group_size=table.num_rows)
        group.clear()


def _batches(
    connection: sa.Connection, selection: Selection, span: Any, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    query = selection.statement(span, typed(selection.table))
    count = ROWS_WITH_VECTORS if any(map(is_vector, selection.table.columns)) else ROWS
    driver: Any = connection.connection.driver_connection
    with driver.cursor(name="export") as cursor:
        cursor.execute(query, binary=True)
        for rows in iter(lambda: cursor.fetchmany(count), []):
            columns = zip(*rows, strict=True)
            arrays = [
                pa.array(values, type=field.type)
                for values, field in zip(columns, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _dimensions(connection: sa.Connection, selection: Selection) -> int | None:
    """Of all vectors that are read; None where there are none, or models of several sizes."""
    for column in filter(is_vector, selection.table.columns):
        query = sql.SQL("SELECT DISTINCT vector_dims({}) FROM {} WHERE {} AND {} IS NOT NULL")
        name = sql.Identifier(column.name)
        driver: Any = connection.connection.driver_connection
        found = driver.execute(query.format(name, selection.source, selection.whole(), name))
        sizes: list[tuple[int]] = found.fetchall()
        return sizes[0][0] if len(sizes) == 1 else None
    return None


class _Sink:
    """Where the writer puts its bytes, until they are taken."""

    closed = False

    def __init__(self) -> None:
        self._held = bytearray()
        self._taken = 0

    def write(self, data: Any) -> int:
        """Hold them."""
        self._held += data
        return len(data)

    def tell(self) -> int:
        """How many came so far."""
        return self._taken + len(self._held)

    def flush(self) -> None:
        """There is nothing behind it."""

    def take(self) -> bytes:
        """What came since it was last taken."""
        data = bytes(self._held)
        self._taken += len(data)
        self._held.clear()
        return data
