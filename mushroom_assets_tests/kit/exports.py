"""Tables read out as the command line and the page do, and the files read back."""

import datetime as dt
import io
import math
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from mushroom_assets.domain.farm import Farm
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.export.reading import Form, read_out
from mushroom_assets.storage.export.selection import select

TODAY = dt.date(2026, 3, 1)
Rows = list[dict[str, Any]]


def file_of(database: Database, farm: Farm, name: str, form: Form, **asked: Any) -> bytes:
    """A whole file; `asked` are the days and rooms."""
    selection = select(name, farm, today=TODAY, **asked)
    return b"".join(read_out(database, selection, form, farm))


def parquet_of(database: Database, farm: Farm, name: str, **asked: Any) -> pa.Table:
    return pq.read_table(io.BytesIO(file_of(database, farm, name, Form.PARQUET, **asked)))


def csv_of(database: Database, farm: Farm, name: str, **asked: Any) -> Rows:
    """Every cell as the text that it is, None where nothing stands, not even quotes."""
    text = file_of(database, farm, name, Form.CSV, **asked)
    header = text.partition(b"\n")[0].decode().split(",")
    reading = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parsing = pa.csv.ParseOptions(newlines_in_values=True)
    rows: Rows = pa.csv.read_csv(
        io.BytesIO(text), parse_options=parsing, convert_options=reading
    ).to_pylist()
    return rows


def comparable(rows: Any) -> Rows:
    """Rows of SQL or of a Parquet file: NaN equals itself, a vector is a list."""
    return [{name: _plain(value) for name, value in dict(row).items()} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, uuid.UUID) else value
