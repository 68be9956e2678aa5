"""Rows as CSV: UTF-8 without a mark, a header, null as nothing, an empty text as "".

The server writes it (https://www.postgresql.org/docs/current/sql-copy.html); nothing is parsed
here.
"""

from collections.abc import Callable, Iterator

import sqlalchemy as sa
from psycopg import sql

from mushroom_assets.storage.export.columns import texts
from mushroom_assets.storage.export.selection import Selection

PIECE_BYTES = 1 << 18


def csv_pieces(
    connection: sa.Connection, selection: Selection, told: Callable[[int], None]
) -> Iterator[bytes]:
    """The file's bytes. After each span `told` gets its number of rows."""
    read = texts(selection.table)
    piece = bytearray()
    for number, span in enumerate(selection.spans):
        copy = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, ENCODING 'UTF8', HEADER {})").format(
            selection.statement(span, read), sql.SQL("true" if number == 0 else "false")
        )
        rows = -1 if number == 0 else 0  # the header is none
        with connection.connection.cursor().copy(copy) as lines:
            for line in lines:
                rows += 1
                piece += line
                if len(piece) >= PIECE_BYTES:
                    yield bytes(piece)
                    piece.clear()
        told(rows)
    yield bytes(piece)
