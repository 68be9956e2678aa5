"""What the plant's points measured: read a window for the assets, add new samples.

Samples travel in PostgreSQL's binary format, which is a fixed-width record without nulls: numpy
reads and writes a whole window at once. The domain knows what the numbers mean; the points
themselves are in `points`.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mushroom_assets.storage.copy import EPOCH_US, Column, stage
from mushroom_assets.storage.months import ensure_months
from mushroom_assets.storage.removals import require_kept

Span = tuple[dt.datetime, dt.datetime]  # first instant, first instant after

# A point's samples leave the server as one value of 16 bytes a sample. That takes 0.16 us a sample;
# 0.38 us when the server sorts them by time, 0.41 us as the pairs that differ by a window function,
# 0.64 us as rows of a binary COPY. The server itself writes the types in binary by these functions.
_PACKED = np.dtype([("at", ">i8"), ("value", ">f8")])
_READ = """
    SELECT point_id, string_agg(timestamptz_send(sampled_at) || float8send(value), ''::bytea)
    FROM farm.sample
    WHERE point_id = ANY(%s::int[]) AND sampled_at >= %s AND sampled_at < %s
    GROUP BY point_id"""
# The server's workers save a tenth of that, but they take the cores that compute the piece before,
# and they mix the order.
_NO_WORKERS = "SET LOCAL max_parallel_workers_per_gather = 0"
# One backward step in the primary key per point, however long ago its last sample is: the newest
# month first, and no other once one is found.
_READ_LAST = """
    SELECT p.point_id, timestamptz_send(s.sampled_at) || float8send(s.value)
    FROM unnest(%s::int[]) AS p (point_id)
    CROSS JOIN LATERAL (
        SELECT sampled_at, value FROM farm.sample
        WHERE point_id = p.point_id AND sampled_at < %s
          AND value NOT IN ('NaN', 'Infinity', '-Infinity')
        ORDER BY sampled_at DESC LIMIT 1) AS s"""
_ANY = "SELECT EXISTS (SELECT 1 FROM farm.sample)"
_LOAD = """
    INSERT INTO farm.sample (point_id, sampled_at, value, received_at)
    SELECT point_id, sampled_at, value, received_at FROM loaded ON CONFLICT DO NOTHING"""
# Bounds spare the months that have none of the rows
_DIFFERENT = """
    SELECT count(*) FROM loaded JOIN farm.sample AS s USING (point_id, sampled_at)
    WHERE s.sampled_at BETWEEN %(first)s AND %(last)s AND s.value IS DISTINCT FROM loaded.value"""
# What a transaction corrects comes in parts: of two values for a sample the first is meant
_MEANT = """
    CREATE TEMP TABLE IF NOT EXISTS meant (
        point_id int, sampled_at timestamptz, value float8, PRIMARY KEY (point_id, sampled_at)
    ) ON COMMIT DROP"""
_MEAN = """
    INSERT INTO meant SELECT point_id, sampled_at, value FROM loaded ON CONFLICT DO NOTHING"""
_REPEATED = """
    SELECT point_id, sampled_at FROM loaded JOIN meant USING (point_id, sampled_at)
    WHERE meant.value IS DISTINCT FROM loaded.value"""
_CORRECT = """
    UPDATE farm.sample AS s SET value = meant.value, received_at = loaded.received_at
    FROM loaded JOIN meant USING (point_id, sampled_at)
    WHERE s.point_id = loaded.point_id AND s.sampled_at = loaded.sampled_at
      AND s.sampled_at BETWEEN %(first)s AND %(last)s AND s.value IS DISTINCT FROM meant.value"""


class Corrected(NamedTuple):
    """What became of rows that were to correct what is stored.

    Attributes:
        added: rows that were not there.
        corrected: rows that were stored with another value.
        repeated: points and times of rows that were not taken, since the same transaction has added
            or corrected them with another value.
    """

    added: int
    corrected: int
    repeated: Sequence[tuple[int, dt.datetime]]


def read_samples(
    connection: sa.Connection,
    points: Sequence[int],
    start: dt.datetime,
    end: dt.datetime,
    *,
    carried: bool = False,
) -> pd.DataFrame:
    """Samples of the points in [start, end), ordered by point and time.

    Args:
        connection: in a transaction.
        points: their point_ids.
        start: first instant.
        end: first instant after the window.
        carried: each point's last finite sample before the window too, wherever it lies.

    Returns:
        columns `point_id` int32, `at` int64 (microseconds since 1970 UTC), `value` float64.

    Raises:
        RowsRemoved: samples from `start` on were removed. What is carried is there in any case.
    """
    packed = _packed(connection, _READ, points, start, end)
    if carried:
        for point, sample in _packed(connection, _READ_LAST, points, start).items():
            packed[point] = sample + packed.get(point, b"")
    require_kept(connection, "sample", start)
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
    at = rows["at"].astype(np.int64) + EPOCH_US
    value = rows["value"].astype(np.float64)
    if (at[1:] < at[:-1]).any():
        order = np.argsort(at, kind="stable")
        return at[order], value[order]
    return at, value


@contextmanager
def reading_ahead(
    connection: sa.Connection, points: Sequence[int], spans: Iterable[Span]
) -> Iterator[Iterator[pd.DataFrame]]:
    """Samples of one span after the other.

    The server packs the next while the caller has one in hand. The connection belongs to the
    reading until the block ends: nothing is read later, whatever happens inside.
    """
    reader = ThreadPoolExecutor(1)
    reads = (reader.submit(read_samples, connection, points, *span) for span in spans)
    try:
        yield _one_ahead(reads)
    except BaseException:
        driver: Any = connection.connection.driver_connection
        driver.cancel()  # else a run that is cancelled waits for what it reads
        raise
    finally:
        reader.shutdown(cancel_futures=True)


def _one_ahead(reads: Iterable[Future[pd.DataFrame]]) -> Iterator[pd.DataFrame]:
    """The result of each, once the next has begun."""
    begun: Future[pd.DataFrame] | None = None
    for following in reads:
        if begun is not None:
            yield begun.result()
        begun = following
    if begun is not None:
        yield begun.result()


def _packed(
    connection: sa.Connection, query: str, points: Sequence[int], *bounds: dt.datetime
) -> dict[int, bytes]:
    """The samples of a query by point, in the server's bytes.

    The statement is planned anew for these points and bounds.
    """
    driver: Any = connection.connection.driver_connection
    driver.execute(_NO_WORKERS)
    given = (list(points), *bounds)
    return dict(driver.execute(query, given, prepare=False, binary=True).fetchall())


def has_samples(connection: sa.Connection) -> bool:
    """Whether the plant has delivered anything yet."""
    return bool(connection.scalar(sa.text(_ANY)))


def insert_samples(connection: sa.Connection, samples: pd.DataFrame) -> tuple[int, int]:
    """Add the samples that are not there yet; a sample that is stored stays as it is.

    `samples` has the columns point_id, sampled_at (datetime64, UTC), value, received_at
    (datetime64, UTC).

    Returns:
        rows added, and rows that are stored with another value.
    """
    if samples.empty:
        return 0, 0
    with _loaded(connection, samples) as added:
        if added == len(samples):
            return added, 0
        return added, connection.exec_driver_sql(_DIFFERENT, _bounds(samples)).scalar_one()


def correct_samples(connection: sa.Connection, samples: pd.DataFrame) -> Corrected:
    """Add the samples that are not there yet, and give the others this value, if it differs.

    With the value goes when it was received. `samples` is as in `insert_samples`; of two rows for a
    sample that come in one transaction the first is meant.
    """
    if samples.empty:
        return Corrected(0, 0, [])
    with _loaded(connection, samples) as added:
        for statement in (_MEANT, _MEAN):
            connection.exec_driver_sql(statement)
        repeated = connection.exec_driver_sql(_REPEATED).tuples().all()
        corrected = connection.exec_driver_sql(_CORRECT, _bounds(samples)).rowcount
        return Corrected(added, corrected, repeated)


@contextmanager
def _loaded(connection: sa.Connection, samples: pd.DataFrame) -> Iterator[int]:
    """The samples in the temporary table `loaded`, and how many of them were added."""
    # Month by month: one sample of a controller whose clock is off by centuries must not make
    # thousands of tables.
    for month in samples["sampled_at"].dt.tz_convert(None).dt.to_period("M").unique():
        first = month.start_time.date()
        ensure_months(connection, first, first)
    columns = [
        Column("point_id", "int4", samples["point_id"]),
        Column("sampled_at", "timestamptz", _microseconds(samples["sampled_at"])),
        Column("value", "float8", samples["value"]),
        Column("received_at", "timestamptz", _microseconds(samples["received_at"])),
    ]
    stage(connection, "loaded", columns)
    yield connection.exec_driver_sql(_LOAD).rowcount
    connection.exec_driver_sql("DROP TABLE loaded")


def _bounds(samples: pd.DataFrame) -> dict[str, pd.Timestamp]:
    at = samples["sampled_at"]
    return {"first": at.min(), "last": at.max()}


def _microseconds(instants: pd.Series) -> pd.Series:
    """As a timestamptz counts them, from 2000-01-01 UTC."""
    since_1970: pd.Series = instants.dt.tz_convert("UTC").dt.as_unit("us").astype("int64")
    return since_1970 - EPOCH_US
