"""How a column's values are written: in CSV as text, in Parquet by Arrow's type with its meaning.

In both a time is UTC, JSON a text, a vector an array. What CSV has no type for is written as JSON.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from psycopg import sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from mushroom_assets.storage.schema.dictionary import meaning, unit

AS_IT_IS = "{}"
AS_TEXT = "{}::text"


class Written(NamedTuple):
    """How a type of the schema is read for Parquet and for CSV; `{}` is the column."""

    arrow: pa.DataType
    typed: str = AS_IT_IS
    text: str = AS_IT_IS


# The first that fits: a BigInteger is an Integer too
_TYPES: list[tuple[type[Any], Written]] = [
    (VECTOR, Written(pa.list_(pa.float32()), "{}::real[]", AS_TEXT)),  # pgvector writes JSON
    (JSONB, Written(pa.string(), AS_TEXT, AS_TEXT)),
    (sa.Uuid, Written(pa.string(), AS_TEXT)),
    (sa.Boolean, Written(pa.bool_(), text=AS_TEXT)),  # true, not t
    (sa.DateTime, Written(pa.timestamp("us", "UTC"))),
    (sa.Date, Written(pa.date32())),
    (sa.BigInteger, Written(pa.int64())),
    (sa.Integer, Written(pa.int32())),
    (sa.Double, Written(pa.float64())),
    (sa.Text, Written(pa.string())),
    (sa.LargeBinary, Written(pa.binary(), text="encode({}, 'hex')")),
]


def written(column: sa.Column[Any]) -> Written:
    """How a column is written."""
    if isinstance(column.type, ARRAY):
        return Written(pa.list_(_written(column.type.item_type).arrow), text="to_json({})::text")
    return _written(column.type)


def _written(kind: Any) -> Written:
    return next(found for of, found in _TYPES if isinstance(kind, of))


def typed(table: sa.Table) -> list[sql.Composed]:
    """What is selected of a table for Parquet."""
    return [_expression(written(column).typed, column) for column in table.columns]


def texts(table: sa.Table) -> list[sql.Composed]:
    """What is selected of a table for CSV, under the columns' names."""
    return [
        sql.SQL("{} AS {}").format(
            _expression(written(column).text, column), sql.Identifier(column.name)
        )
        for column in table.columns
    ]


def _expression(form: str, column: sa.Column[Any]) -> sql.Composed:
    return sql.SQL(form).format(sql.Identifier(column.name))


def is_vector(column: sa.Column[Any]) -> bool:
    """Whether it holds vectors of images."""
    return isinstance(column.type, VECTOR)


def arrow_schema(table: sa.Table, dimensions: int | None, about: Mapping[str, str]) -> pa.Schema:
    """The table's schema: of each column meaning (`description`, in Chinese too) and `unit`.

    Args:
        table: the table.
        dimensions: of all its vectors; None where they differ.
        about: what is known of the whole.
    """
    fields = []
    for column in table.columns:
        kind = written(column).arrow
        if dimensions is not None and is_vector(column):
            kind = pa.list_(pa.float32(), dimensions)
        told = {
            "description": meaning(column, "en"),
            "description_zh": meaning(column, "zh"),
            "unit": unit(column) or "",
        }
        fields.append(pa.field(column.name, kind, nullable=column.nullable, metadata=told))
    return pa.schema(fields, metadata=dict(about))
