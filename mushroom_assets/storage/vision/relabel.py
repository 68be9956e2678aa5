"""Stored vectors out, labels computed anew back in: a chunk of days at a time, in PostgreSQL's
binary formats.

Of an image the row that counts is the latest of its encoder, under any prompt set. Between the
statements of a chunk a row is named by its place and version in the table (ctid, xmin);
`results.lock_for_replace` keeps our own writers from it, and where somebody else changed it the
chunk fails. What the labels say is the business of the domain; how rows of one day come about
otherwise, that of `results`.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from psycopg import Cursor, sql
from psycopg.errors import SerializationFailure

from mushroom_assets.domain.probe import KINDS, Leading
from mushroom_assets.domain.vision import Judgement
from mushroom_assets.storage.schema import daily_clip_inference as table

# https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS: 11-byte signature,
# flags, extension
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_PLACE = np.dtype([("block", ">u4"), ("offset", ">u2")])  # a ctid
PROBE_COLUMNS = [f"probe_{kind}{part}" for kind in KINDS for part in ("", "_probability")]

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('relabel'))"
_CHOSEN = "CREATE TEMP TABLE chosen (source tid, version xid, image_date date, usable bool) ON COMMIT DROP"
_CHOOSE = """
    INSERT INTO chosen
    SELECT DISTINCT ON (image_path) ctid, xmin, image_date, status = 'ok' FROM farm.daily_clip_inference
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
        SELECT embedding FROM farm.daily_clip_inference WHERE ctid = source AND xmin = version OFFSET 0) AS image
    WHERE usable"""
_THERE = """
    SELECT EXISTS (SELECT 1 FROM farm.daily_clip_inference
                   WHERE model_id = %s AND image_date = ANY(ARRAY(SELECT DISTINCT image_date FROM chosen)))"""
_WRITE = """
    INSERT INTO farm.daily_clip_inference ({columns})
    SELECT {values} FROM (SELECT * FROM chosen LEFT JOIN labels USING (source) OFFSET 0) AS labels
    CROSS JOIN LATERAL (
        SELECT * FROM farm.daily_clip_inference WHERE ctid = source AND xmin = version OFFSET 0) AS image"""
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


@dataclass(frozen=True, eq=False)
class Labels:
    """New labels of n images: by kind what zero-shot says and, where there is one, the probe; and
    the probes' id.
    """

    zero_shot: Mapping[str, Judgement]
    probes: Mapping[str, Leading]
    probe_id: str | None


class _Column(NamedTuple):
    """A column of the temporary table `labels`: its type there and in a binary COPY, and its
    values.
    """

    name: str
    sql_type: str
    dtype: np.dtype[Any]
    values: Any


def relabel_alone(connection: sa.Connection) -> None:
    """Wait for any other relabelling to end, and keep others out until this transaction ends."""
    connection.exec_driver_sql(_ALONE)


def stored_days(
    connection: sa.Connection, prefix: str, since: dt.date | None, until: dt.date | None
) -> list[tuple[dt.date, int]]:
    """The days from `since` to `until` (both included) with rows whose model_id starts with
    `prefix`, and how many.
    """
    image = table.c
    statement = sa.select(image.image_date, sa.func.count()).where(
        sa.func.starts_with(image.model_id, prefix)
    )
    statement = statement if since is None else statement.where(image.image_date >= since)
    statement = statement if until is None else statement.where(image.image_date <= until)
    statement = statement.group_by(image.image_date).order_by(image.image_date)
    return [(day, count) for day, count in connection.execute(statement)]


def choose_rows(connection: sa.Connection, prefix: str, days: Sequence[dt.date]) -> list[DayCount]:
    """Settle which row of each image counts, until the transaction ends; returns the days' images.

    The transaction holds `lock_for_replace`. Of the rows whose model_id starts with `prefix` the
    latest counts, and of two at one instant the one that a search shows.
    """
    cursor = _cursor(connection)
    cursor.execute(_CHOSEN)
    cursor.execute(_CHOOSE, (list(days), prefix))
    return [DayCount(*row) for row in cursor.execute(_COUNT).fetchall()]


def read_vectors(connection: sa.Connection, dimensions: int) -> Vectors:
    """The vectors of the rows chosen, of those that have one.

    Raises:
        ValueError: a vector has another length than `dimensions`.
    """
    record = np.dtype(
        [
            ("place", _PLACE),
            ("length", ">i2"),
            ("unused", ">i2"),
            ("embedding", ">f4", (dimensions,)),
        ]
    )
    found = [packed for (packed,) in _cursor(connection).execute(_READ, binary=True)]
    if any(len(packed) != record.itemsize for packed in found):
        raise ValueError(
            f"stored vectors of the model do not all have its length {dimensions}. Remedy: materialize the days anew"
        )
    rows = np.frombuffer(b"".join(found), dtype=record)
    return Vectors(rows["place"], rows["embedding"])


def write_labels(
    connection: sa.Connection,
    places: npt.NDArray[np.void],
    labels: Labels,
    stamp: Mapping[str, Any],
) -> int:
    """Store a copy of each row chosen under `stamp`'s model_id, with these labels; returns how many
    there are.

    Args:
        connection: in the transaction of `choose_rows`.
        places: of the rows that get labels; the others chosen have none.
        labels: in the order of `places`.
        stamp: model_id, run_id and computed_at.

    Raises:
        psycopg.errors.SerializationFailure: somebody who takes no lock changed a row since it was
            chosen; nothing of the transaction may stay, and a retry may succeed.
    """
    cursor = _cursor(connection)
    columns = _label_columns(places, labels)
    declared = [
        sql.SQL("{} {}").format(sql.Identifier(c.name), sql.SQL(c.sql_type)) for c in columns
    ]
    cursor.execute(
        sql.SQL("CREATE TEMP TABLE labels ({}) ON COMMIT DROP").format(sql.SQL(", ").join(declared))
    )
    with cursor.copy("COPY labels FROM STDIN (FORMAT binary)") as copy:
        copy.write(_encode(columns, len(places)))
    there = cursor.execute(_THERE, (stamp["model_id"],)).fetchone() == (True,)
    values = _new_values(labels) | {name: sql.Literal(value) for name, value in stamp.items()}
    written = cursor.execute(_insert(values, replace=there)).rowcount
    if cursor.execute("SELECT count(*) FROM chosen").fetchone() != (written,):
        raise SerializationFailure(
            f"{table} was changed by hand, or by another program, while its images were labelled anew; "
            "nothing of these days was stored. Remedy: run the job again"
        )
    return written


def _insert(values: Mapping[str, sql.Composable], *, replace: bool) -> sql.Composed:
    """The copy of the rows chosen, with `values` for some columns."""
    names = [column.name for column in table.columns]
    replaced = [sql.Identifier(name) for name in names if not table.c[name].primary_key]
    return sql.SQL(_WRITE + (_REPLACE if replace else "")).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=sql.SQL(", ").join(
            values.get(name, sql.Identifier("image", name)) for name in names
        ),
        replaced=sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(name) for name in replaced
        ),
    )


def _cursor(connection: sa.Connection) -> Cursor[Any]:
    cursor: Cursor[Any] = connection.connection.cursor()  # type: ignore[assignment]
    return cursor


def _by_column(labels: Labels) -> dict[str, Judgement | Leading]:
    """What judged by the column that names the leading label."""
    return {**labels.zero_shot, **{f"probe_{kind}": found for kind, found in labels.probes.items()}}


def _label_columns(places: npt.NDArray[np.void], labels: Labels) -> list[_Column]:
    """What travels: numbers of labels (from 1, as SQL counts), not their names."""
    columns = [
        _Column("source", "tid", _PLACE, places),
        _float("stage_margin", labels.zero_shot["stage"].margin),
    ]
    for name, found in _by_column(labels).items():
        columns.append(_Column(name, "int2", np.dtype(">i2"), found.number + 1))
        columns.append(_float(f"{name}_probability", found.probability))
    for kind, judged in labels.zero_shot.items():
        columns += [
            _float(f"{kind} {number}", score) for number, score in enumerate(judged.scores.T)
        ]
    return columns


def _float(name: str, values: npt.NDArray[np.float64]) -> _Column:
    return _Column(name, "float8", np.dtype(">f8"), values)


def _encode(columns: Sequence[_Column], count: int) -> bytes:
    parts: list[Any] = [("fields", ">i2")]
    for number, column in enumerate(columns):
        parts += [(f"l{number}", ">i4"), (f"v{number}", column.dtype)]
    rows = np.empty(count, dtype=np.dtype(parts))
    rows["fields"] = len(columns)
    for number, column in enumerate(columns):
        rows[f"l{number}"], rows[f"v{number}"] = rows.dtype[f"v{number}"].itemsize, column.values
    return _HEADER + rows.tobytes() + _TRAILER


def _new_values(labels: Labels) -> dict[str, sql.Composable]:
    """SQL of each label column by its name; NULL where a row has no labels."""
    values: dict[str, sql.Composable] = dict.fromkeys(PROBE_COLUMNS, sql.NULL)
    values["stage_margin"] = sql.Identifier("labels", "stage_margin")
    for name, found in _by_column(labels).items():
        number, names = sql.Identifier("labels", name), sql.Literal(list(found.names))
        values[name] = sql.SQL("({}::text[])[{}]").format(names, number)
        values[f"{name}_probability"] = sql.Identifier("labels", f"{name}_probability")
    values["scores"], values["probe_id"] = (
        _scores(labels.zero_shot),
        _if_usable(sql.Literal(labels.probe_id)),
    )
    return values


def _if_usable(value: sql.Composable) -> sql.Composable:
    return sql.SQL("CASE WHEN usable THEN {} END").format(value)


def _scores(zero_shot: Mapping[str, Judgement]) -> sql.Composed:
    """The jsonb of every label's score, put together as text: two thirds of what jsonb_build_object
    takes.
    """
    parts: list[sql.Composable] = []
    before = "{"
    for kind, judged in zero_shot.items():
        before += f"{json.dumps(kind)}: {{"
        for number, name in enumerate(judged.names[:-1]):
            parts += [
                sql.Literal(f"{before}{json.dumps(name)}: "),
                sql.Identifier("labels", f"{kind} {number}"),
            ]
            before = ", "
        before = "}, "
    return sql.SQL("({} || '}}}}')::jsonb").format(sql.SQL(" || ").join(parts))
