"""Read stored vectors and write their new labels: a chunk of days at a time, in binary.

For each image, the encoder's latest row counts, under any prompt set. Between the statements of a
chunk a row is named by its place and version in the table (ctid, xmin); `day_locks` keep our own
writers from it; if somebody else changed it, the chunk fails. The domain decides what the labels
say, `label_columns` how they travel. Outside relabelling, `storage.results` writes the rows of a
day.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from psycopg import Cursor, sql
from psycopg.errors import SerializationFailure

from mushroom_assets.storage.copy import PLACE, stage
from mushroom_assets.storage.schema import daily_clip_inference as table
from mushroom_assets.storage.vision.label_columns import Labels, columns_of, values_of

_CHOSEN = """
    CREATE TEMP TABLE chosen (source tid, version xid, image_date date, usable bool)
    ON COMMIT DROP"""
_CHOOSE = """
    INSERT INTO chosen
    SELECT DISTINCT ON (image_path) ctid, xmin, image_date, status = 'ok'
    FROM farm.daily_clip_inference
    WHERE image_date = ANY(%s) AND starts_with(model_id, %s)
    ORDER BY image_path, computed_at DESC, model_id DESC"""
_COUNT = """
    SELECT image_date, count(*) FILTER (WHERE usable), count(*) FILTER (WHERE NOT usable)
    FROM chosen GROUP BY image_date ORDER BY image_date"""
# One value a row: 10,000 of 512 dimensions in 40 ms. As one value for all (`string_agg`) they take
# 70 ms, by COPY 65. OFFSET 0: each row is fetched from its place; a join would read the whole
# table, or sort the vectors.
_READ = """
    SELECT tidsend(source) || vector_send(embedding) FROM chosen CROSS JOIN LATERAL (
        SELECT embedding FROM farm.daily_clip_inference
        WHERE ctid = source AND xmin = version OFFSET 0) AS image
    WHERE usable"""
_THERE = """
    SELECT EXISTS (
        SELECT 1 FROM farm.daily_clip_inference
        WHERE model_id = %s
          AND image_date = ANY(ARRAY(SELECT DISTINCT image_date FROM chosen)))"""
_WRITE = """
    INSERT INTO farm.daily_clip_inference ({columns})
    SELECT {values} FROM (SELECT * FROM chosen LEFT JOIN labels USING (source) OFFSET 0) AS labels
    CROSS JOIN LATERAL (
        SELECT * FROM farm.daily_clip_inference
        WHERE ctid = source AND xmin = version OFFSET 0) AS image"""
# A fifth slower, so only where the days have rows of the model_id.
_REPLACE = " ON CONFLICT (image_path, model_id) DO UPDATE SET {replaced}"


class DayCount(NamedTuple):
    """A day's images with and without a vector."""

    day: dt.date
    ok: int
    not_ok: int


class Vectors(NamedTuple):
    """Vectors, shape (n, d), big-endian float32, and the place of each one's row."""

    places: npt.NDArray[np.void]
    embeddings: npt.NDArray[np.float32]


def stored_days(
    connection: sa.Connection, prefix: str, since: dt.date | None, until: dt.date | None
) -> list[tuple[dt.date, int]]:
    """The days with rows whose model_id starts with `prefix`, and how many.

    Only days from `since` to `until`, both included.
    """
    image = table.c
    wanted: list[sa.ColumnElement[bool]] = [sa.func.starts_with(image.model_id, prefix)]
    if since is not None:
        wanted.append(image.image_date >= since)
    if until is not None:
        wanted.append(image.image_date <= until)
    days = sa.select(image.image_date, sa.func.count()).where(*wanted).group_by(image.image_date)
    found = connection.execute(days.order_by(image.image_date))
    return [(day, count) for day, count in found]


def choose_rows(connection: sa.Connection, prefix: str, days: Sequence[dt.date]) -> list[DayCount]:
    """Settle which row of each image counts, until the transaction ends; returns the days' images.

    The transaction holds the lock of these days. The latest row whose model_id starts with `prefix`
    counts; if two have the same instant, the one that a search shows.
    """
    cursor = _cursor(connection)
    cursor.execute(_CHOSEN)
    cursor.execute(_CHOOSE, (list(days), prefix))
    return [DayCount(*row) for row in cursor.execute(_COUNT).fetchall()]


def read_vectors(connection: sa.Connection, dimensions: int) -> Vectors:
    """The vectors of the chosen rows that have one.

    Raises:
        ValueError: a vector has another length than `dimensions`.
    """
    vector = [("length", ">i2"), ("unused", ">i2"), ("embedding", ">f4", (dimensions,))]
    record = np.dtype([("place", PLACE), *vector])
    found = [packed for (packed,) in _cursor(connection).execute(_READ, binary=True)]
    if any(len(packed) != record.itemsize for packed in found):
        raise ValueError(
            f"stored vectors of the model do not all have its length {dimensions}. "
            "Remedy: materialize the days anew"
        )
    rows = np.frombuffer(b"".join(found), dtype=record)
    return Vectors(rows["place"], rows["embedding"])


def write_labels(
    connection: sa.Connection,
    places: npt.NDArray[np.void],
    labels: Labels,
    stamp: Mapping[str, Any],
) -> int:
    """Store a copy of each row chosen under `stamp`'s model_id, with these labels.

    Args:
        connection: in the transaction of `choose_rows`.
        places: the rows that get labels; the other chosen rows have none.
        labels: in the order of `places`.
        stamp: model_id, run_id and computed_at.

    Returns:
        How many rows there are.

    Raises:
        psycopg.errors.SerializationFailure: somebody who takes no lock changed a row since it was
            chosen; the caller must roll the whole transaction back; a retry may succeed.
    """
    stage(connection, "labels", columns_of(places, labels))
    cursor = _cursor(connection)
    there = cursor.execute(_THERE, (stamp["model_id"],)).fetchone() == (True,)
    values = values_of(labels) | {name: sql.Literal(value) for name, value in stamp.items()}
    written = cursor.execute(_insert(values, replace=there)).rowcount
    if cursor.execute("SELECT count(*) FROM chosen").fetchone() != (written,):
        raise SerializationFailure(
            f"{table} was changed by hand, or by another program, while its images were labelled "
            "anew; nothing of these days was stored. Remedy: run the job again"
        )
    return written


def _insert(values: Mapping[str, sql.Composable], *, replace: bool) -> sql.Composed:
    """The copy of the chosen rows, with `values` for some columns."""
    names = [column.name for column in table.columns]
    new = [values.get(name, sql.Identifier("image", name)) for name in names]
    replaced = [
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name))
        for name in names
        if not table.c[name].primary_key
    ]
    comma = sql.SQL(", ")
    return sql.SQL(_WRITE + (_REPLACE if replace else "")).format(
        columns=comma.join(map(sql.Identifier, names)),
        values=comma.join(new),
        replaced=comma.join(replaced),
    )


def _cursor(connection: sa.Connection) -> Cursor[Any]:
    cursor: Any = connection.connection.cursor()
    return cast("Cursor[Any]", cursor)
