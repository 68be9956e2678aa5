"""What the plant's points measured: read a window for the assets, add new samples.

Samples travel in PostgreSQL's binary format, which is a fixed-width record without nulls: numpy
reads and writes a whole window at once. The domain knows what the numbers mean; the points
themselves are in `points`.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

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
_LOAD_DIFFERENT = """
    SELECT count(*) FROM loaded JOIN farm.sample AS s USING (point_id, sampled_at)
    WHERE s.value IS DISTINCT FROM loaded.value"""


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
        first = month.start_time.date()
        ensure_months(connection, first, first)
    columns = [
        Column("point_id", "int4", samples["point_id"]),
        Column("sampled_at", "timestamptz", _microseconds(samples["sampled_at"])),
        Column("value", "float8", samples["value"]),
        Column("received_at", "timestamptz", _microseconds(samples["received_at"])),
    ]
    stage(connection, "loaded", columns)
    added = connection.exec_driver_sql(_LOAD).rowcount
    different = 0
    if added < len(samples):
        different = connection.exec_driver_sql(_LOAD_DIFFERENT).scalar_one()
    connection.exec_driver_sql("DROP TABLE loaded")
    return added, different


def _microseconds(instants: pd.Series) -> pd.Series:
    """As a timestamptz counts them, from 2000-01-01 UTC."""
    since_1970: pd.Series = instants.dt.tz_convert("UTC").dt.as_unit("us").astype("int64")
    return since_1970 - EPOCH_US
