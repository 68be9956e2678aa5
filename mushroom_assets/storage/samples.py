"""What the plant delivers: points, samples, batches.

Reads for the assets, idempotent writes for loading.

Samples travel in PostgreSQL's binary format, which is a fixed-width record without nulls: numpy
reads and writes a whole window at once. What the numbers mean is the business of the domain.
"""

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from mushroom_assets.domain.points import Point
from mushroom_assets.storage.schema import SCHEMA, batch, point

# https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS: 11-byte signature,
# flags, extension
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH_US = 946_684_800_000_000  # timestamptz counts microseconds from 2000-01-01 UTC
_LOADED = np.dtype(
    [
        ("fields", ">i2"),
        ("l0", ">i4"),
        ("point_id", ">i4"),
        ("l1", ">i4"),
        ("at", ">i8"),
        ("l2", ">i4"),
        ("value", ">f8"),
        ("l3", ">i4"),
        ("received", ">i8"),
    ]
)

# A point's samples leave the server as one value of 16 bytes a sample. That takes 0.16 us a sample;
# 0.38 us when the server sorts them by time, 0.41 us as the pairs that differ by a window function,
# 0.64 us as rows of a binary COPY. The functions are those by which the server itself writes the
# types in binary.
_PACKED = np.dtype([("at", ">i8"), ("value", ">f8")])
_READ = """
    SELECT point_id, string_agg(timestamptz_send(sampled_at) || float8send(value), ''::bytea)
    FROM farm.sample WHERE point_id = ANY(%s::int[]) AND sampled_at >= %s AND sampled_at < %s GROUP BY point_id"""
# Workers of the server save a tenth of that, take the cores on which the piece before is computed,
# and mix the order.
_ALONE = "SET LOCAL max_parallel_workers_per_gather = 0"
# One backward step in the primary key per point, instead of a scan of the days before the window.
_READ_LAST = """
    SELECT p.point_id, timestamptz_send(s.sampled_at) || float8send(s.value) FROM unnest(%s::int[]) AS p (point_id)
    CROSS JOIN LATERAL (
        SELECT sampled_at, value FROM farm.sample
        WHERE point_id = p.point_id AND sampled_at >= %s AND sampled_at < %s
          AND value NOT IN ('NaN', 'Infinity', '-Infinity')
        ORDER BY sampled_at DESC LIMIT 1) AS s"""
_LOAD_STAGE = """
    CREATE TEMP TABLE loaded (point_id int, sampled_at timestamptz, value float8, received_at timestamptz)
    ON COMMIT DROP"""
_LOAD = """
    INSERT INTO farm.sample (point_id, sampled_at, value, received_at)
    SELECT point_id, sampled_at, value, received_at FROM loaded ON CONFLICT DO NOTHING"""
_LOAD_DIFFERENT = """
    SELECT count(*) FROM loaded JOIN farm.sample AS s USING (point_id, sampled_at)
    WHERE s.value IS DISTINCT FROM loaded.value"""


def read_samples(
    connection: sa.Connection,
    points: Sequence[int],
    start: dt.datetime,
    end: dt.datetime,
    *,
    carried_since: dt.datetime | None = None,
) -> pd.DataFrame:
    """Samples of the points in [start, end), ordered by point and time.

    Args:
        connection: in a transaction.
        points: their point_ids.
        start: first instant.
        end: first instant after the window.
        carried_since: each point's last finite sample in [carried_since, start) too.

    Returns:
        columns `point_id` int32, `at` int64 (microseconds since 1970 UTC), `value` float64.
    """
    packed = _packed(connection, _READ, points, start, end)
    if carried_since is not None:
        carried = _packed(connection, _READ_LAST, points, carried_since, start)
        packed = {
            point: carried.get(point, b"") + packed.get(point, b"") for point in carried | packed
        }
    order = sorted(packed)
    parts = [_in_time(packed[point]) for point in order]
    ids = np.repeat(np.array(order, dtype=np.int32), [len(at) for at, _ in parts])
    at = np.concatenate([np.empty(0, np.int64), *(at for at, _ in parts)])
    value = np.concatenate([np.empty(0, np.float64), *(value for _, value in parts)])
    return pd.DataFrame({"point_id": ids, "at": at, "value": value}, copy=False)


def _in_time(packed: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Instants and values of one point, ascending.

    They come as they are stored: late samples last.
    """
    rows = np.frombuffer(packed, dtype=_PACKED)
    at, value = rows["at"].astype(np.int64) + _EPOCH_US, rows["value"].astype(np.float64)
    if (at[1:] < at[:-1]).any():
        order = np.argsort(at, kind="stable")
        at, value = at[order], value[order]
    return at, value


@contextmanager
def reading_ahead(
    connection: sa.Connection,
    points: Sequence[int],
    spans: Iterable[tuple[dt.datetime, dt.datetime]],
) -> Iterator[Iterator[pd.DataFrame]]:
    """Samples of one span after the other; the server packs the next while the caller has one in
    hand.

    The connection belongs to the reading until the block ends: nothing is read after that, whatever
    happens inside.
    """
    reader = ThreadPoolExecutor(1)
    try:
        reads = (reader.submit(read_samples, connection, points, *span) for span in spans)
        yield (
            read.result() for read, _ in itertools.pairwise(itertools.chain(reads, [None])) if read
        )
    finally:
        reader.shutdown(cancel_futures=True)


def _packed(
    connection: sa.Connection,
    query: str,
    points: Sequence[int],
    since: dt.datetime,
    before: dt.datetime,
) -> dict[int, bytes]:
    """By point the samples that a query found, in the server's bytes; planned anew for these points
    and bounds.
    """
    driver: Any = connection.connection.driver_connection
    driver.execute(_ALONE)
    return dict(
        driver.execute(query, (list(points), since, before), prepare=False, binary=True).fetchall()
    )


def read_points(connection: sa.Connection) -> list[Point]:
    """Every point, by point_id."""
    columns = [point.c[field.name] for field in fields(Point)]
    return [
        Point(*row) for row in connection.execute(sa.select(*columns).order_by(point.c.point_id))
    ]


def read_batches(connection: sa.Connection) -> dict[str, list[dt.date]]:
    """In-dates by room, ascending."""
    batches: dict[str, list[dt.date]] = {}
    for room_id, in_date in connection.execute(
        sa.select(batch.c.room_id, batch.c.in_date).order_by(batch.c.in_date)
    ):
        batches.setdefault(room_id, []).append(in_date)
    return batches


def count_samples(connection: sa.Connection) -> int:
    """0 when the plant has delivered nothing yet, else 1: a probe, not a count of millions."""
    return connection.execute(
        sa.text("SELECT count(*) FROM (SELECT 1 FROM farm.sample LIMIT 1) AS probe")
    ).scalar_one()


def ensure_months(connection: sa.Connection, first: dt.date, last: dt.date) -> int:
    """Create the monthly partitions of `sample` for [first, last] that are missing; returns how
    many were made.

    Months are UTC. A collector that inserts by itself finds its month ready: `mushroom init` makes
    a year ahead.
    """
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('farm.sample.months'))"))
    present = set(
        connection.scalars(
            sa.text(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'farm.sample'::regclass"
            )
        )
    )
    months = pd.period_range(first, last, freq="M")
    missing = [month for month in months if f"{SCHEMA}.{_month_table(month)}" not in present]
    for month in missing:
        lower, upper = (f"{edge:%Y-%m}-01 00:00+00" for edge in (month, month + 1))
        name = sa.sql.quoted_name(_month_table(month), quote=True)
        connection.exec_driver_sql(
            f"CREATE TABLE {SCHEMA}.{name} PARTITION OF {SCHEMA}.sample FOR VALUES FROM ('{lower}') TO ('{upper}')"
        )
    return len(missing)


def _month_table(month: pd.Period) -> str:
    return f"sample_{month:%Y_%m}"


def register_points(connection: sa.Connection, points: pd.DataFrame) -> pd.Series:
    """Make the points known and return their `point_id`, one a row of `points`.

    `points` has the columns room_id, device_type, device_alias, point_alias, and device_name,
    point_name and unit if known; the names default to the aliases.
    """
    frame = points.assign(
        device_name=points.get("device_name", points["device_alias"]),
        point_name=points.get("point_name", points["point_alias"]),
        unit=points.get("unit", pd.Series(None, index=points.index, dtype=object)),
    )
    columns = [column.name for column in point.columns if column.name != "point_id"]
    known_cells = frame[columns].astype(object).where(frame[columns].notna(), None)
    keys = list(zip(points["room_id"], points["device_alias"], points["point_alias"], strict=True))
    known = _point_ids(connection)
    cells = zip(keys, known_cells.itertuples(index=False), strict=True)
    rows = [dict(zip(columns, row, strict=True)) for key, row in cells if key not in known]
    # Only new ones: each row that ON CONFLICT turns away would use up a number of the identity
    if rows:
        connection.execute(insert(point).on_conflict_do_nothing(), rows)
        known = _point_ids(connection)
    return pd.Series([known[key] for key in keys], index=points.index, dtype="int32")


def _point_ids(connection: sa.Connection) -> dict[tuple[str, str, str], int]:
    return {
        (row.room_id, row.device_alias, row.point_alias): row.point_id
        for row in read_points(connection)
    }


def insert_samples(connection: sa.Connection, samples: pd.DataFrame) -> tuple[int, int]:
    """Add the samples that are not there yet; a sample once stored is never overwritten.

    `samples` has the columns point_id, sampled_at (datetime64, UTC), value, received_at
    (datetime64, UTC).

    Returns:
        rows added, and rows that are stored with another value.
    """
    if samples.empty:
        return 0, 0
    # Month by month: one sample of a controller whose clock is off by centuries must not make
    # thousands of tables.
    for month in samples["sampled_at"].dt.tz_convert(None).dt.to_period("M").unique():
        ensure_months(connection, month.start_time.date(), month.start_time.date())
    connection.exec_driver_sql(_LOAD_STAGE)
    cursor = connection.connection.cursor()
    with cursor.copy("COPY loaded FROM STDIN (FORMAT binary)") as copy:
        copy.write(_encode(samples))
    added = connection.exec_driver_sql(_LOAD).rowcount
    different = 0
    if added < len(samples):
        different = connection.exec_driver_sql(_LOAD_DIFFERENT).scalar_one()
    connection.exec_driver_sql("DROP TABLE loaded")
    return added, different


def _encode(samples: pd.DataFrame) -> bytes:
    rows = np.empty(len(samples), dtype=_LOADED)
    rows["fields"], rows["l0"], rows["l1"], rows["l2"], rows["l3"] = 4, 4, 8, 8, 8
    rows["point_id"], rows["value"] = samples["point_id"], samples["value"]
    for name, column in (("at", "sampled_at"), ("received", "received_at")):
        rows[name] = (
            samples[column].dt.tz_convert("UTC").dt.as_unit("us").astype("int64") - _EPOCH_US
        )
    return _HEADER + rows.tobytes() + _TRAILER


def insert_batches(connection: sa.Connection, batches: pd.DataFrame) -> int:
    """Add or correct batches (columns room_id, in_date, bag_count); returns how many rows are new
    or changed.
    """
    if batches.empty:
        return 0
    bags = [None if pd.isna(count) else int(count) for count in batches["bag_count"].tolist()]
    rows = [
        {"room_id": room, "in_date": day, "bag_count": count}
        for room, day, count in zip(batches["room_id"], batches["in_date"], bags, strict=True)
    ]
    new = insert(batch)
    statement = new.on_conflict_do_update(
        index_elements=[batch.c.room_id, batch.c.in_date],
        set_={"bag_count": new.excluded.bag_count},
        where=batch.c.bag_count.is_distinct_from(new.excluded.bag_count),
    ).returning(batch.c.room_id)
    return sum(len(connection.execute(statement, row).all()) for row in rows)
