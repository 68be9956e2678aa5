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
# One backward step in the primary key per point, instead of a scan of the days before the window.
_READ_LAST = """
    SELECT p.point_id, timestamptz_send(s.sampled_at) || float8send(s.value)
    FROM unnest(%s::int[]) AS p (point_id)
    CROSS JOIN LATERAL (
        SELECT sampled_at, value FROM farm.sample
        WHERE point_id = p.point_id AND sampled_at >= %s AND sampled_at < %s
          AND value NOT IN ('NaN', 'Infinity', '-Infinity')
        ORDER BY sampled_at DESC LIMIT 1) AS s"""
_ANY = "SELECT EXISTS (SELECT 1 FROM farm.sample)"
_LOAD = """
    INSERT INTO farm.sample (point_id, sampled_at, value, received_at)
    SELECT point_id, sampled_at, value, received_at FROM loaded ON CONFLICT DO NOTHING"""
# Bounds spare the months that have none of the rows
_LOAD_DIFFERENT = """
    SELECT count(*) FROM loaded JOIN farm.sample AS s USING (point_id, sampled_at)
    WHERE s.sampled_at BETWEEN %(first)s AND %(last)s AND s.value IS DISTINCT FROM loaded.value"""
_LOAD_REPEATED = """
    SELECT point_id, sampled_at FROM loaded JOIN farm.sample AS s USING (point_id, sampled_at)
    WHERE s.sampled_at BETWEEN %(first)s AND %(last)s AND s.value IS DISTINCT FROM loaded.value
      AND s.received_at = loaded.received_at"""
_CORRECT = """
    UPDATE farm.sample AS s SET value = loaded.value, received_at = loaded.received_at
    FROM loaded WHERE s.point_id = loaded.point_id AND s.sampled_at = loaded.sampled_at
      AND s.sampled_at BETWEEN %(first)s AND %(last)s AND s.value IS DISTINCT FROM loaded.value
      AND s.received_at <> loaded.received_at"""


class Stored(NamedTuple):
    """What became of rows.

    Attributes:
        added: rows that were not there.
        different: rows that are, or until they were corrected were, stored with another value.
        repeated: points and times of those that were received at the same instant as the value
            that is stored: by an earlier part of the same delivery, whose value stays.
    """

    added: int
    different: int = 0
    repeated: Sequence[tuple[int, dt.datetime]] = ()


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

    Raises:
        RowsRemoved: samples from `start` on were removed. What is carried is there in any case.
    """
    packed = _packed(connection, _READ, points, start, end)
    if carried_since is not None:
        carried = _packed(connection, _READ_LAST, points, carried_since, start)
        for point, sample in carried.items():
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
    connection: sa.Connection,
    query: str,
    points: Sequence[int],
    since: dt.datetime,
    before: dt.datetime,
) -> dict[int, bytes]:
    """The samples of a query by point, in the server's bytes.

    The statement is planned anew for these points and bounds.
    """
    driver: Any = connection.connection.driver_connection
    driver.execute(_NO_WORKERS)
    given = (list(points), since, before)
    return dict(driver.execute(query, given, prepare=False, binary=True).fetchall())


def has_samples(connection: sa.Connection) -> bool:
    """Whether the plant has delivered anything yet."""
    return bool(connection.scalar(sa.text(_ANY)))


def insert_samples(
    connection: sa.Connection, samples: pd.DataFrame, *, correct: bool = False
) -> Stored:
    """Add the samples that are not there yet; one that is stays as it is, or is corrected.

    Args:
        connection: in a transaction.
        samples: columns point_id, sampled_at (datetime64, UTC), value, received_at (datetime64,
            UTC); no two of a point and time differ.
        correct: give those that are stored with another value this one, and when it was received.
    """
    if samples.empty:
        return Stored(0)
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
    stored = Stored(added)
    if added < len(samples):
        stored = Stored(added, *_there(connection, samples["sampled_at"], correct))
    connection.exec_driver_sql("DROP TABLE loaded")
    return stored


def _there(
    connection: sa.Connection, sampled_at: pd.Series, correct: bool
) -> tuple[int, list[tuple[int, dt.datetime]]]:
    """How many loaded rows are stored with another value, and which of this delivery itself."""
    bounds = {"first": sampled_at.min(), "last": sampled_at.max()}
    repeated = connection.exec_driver_sql(_LOAD_REPEATED, bounds).tuples().all()
    different = connection.exec_driver_sql(_LOAD_DIFFERENT, bounds).scalar_one()
    if correct:
        connection.exec_driver_sql(_CORRECT, bounds)
    return different - len(repeated), list(repeated)


def _microseconds(instants: pd.Series) -> pd.Series:
    """As a timestamptz counts them, from 2000-01-01 UTC."""
    since_1970: pd.Series = instants.dt.tz_convert("UTC").dt.as_unit("us").astype("int64")
    return since_1970 - EPOCH_US
