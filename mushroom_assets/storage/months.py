"""The monthly partitions of `sample`: made before samples of their month come, removed when old.

They belong to no migration; `migrations.include` leaves them out of the comparison. What is old is
the business of the farm file.
"""

import datetime as dt
import re

import pandas as pd
import sqlalchemy as sa

from mushroom_assets.storage.removals import Removed, record_removal, removed_before
from mushroom_assets.storage.schema import SCHEMA

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('farm.sample.months'))"
_PRESENT = """
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'farm.sample'::regclass"""
# A change compares with the point's last finite sample before it, however long ago. So of what is
# removed each point's last one stays, in a partition of all that is older than the first month.
_KEPT = "sample_kept"
_MAKE_KEPT = "CREATE TABLE farm.sample_kept (LIKE farm.sample INCLUDING ALL)"
_TAKE_KEPT_OUT = "ALTER TABLE farm.sample DETACH PARTITION farm.sample_kept"
_SIZE = "SELECT count(*), pg_total_relation_size(CAST('{month}' AS regclass)) FROM {month}"
# Whoever reads or writes samples holds it off, and it holds off those who come after it
_WAIT = "SET LOCAL lock_timeout = '5s'"
_LOCK_ALL = "LOCK TABLE ONLY farm.sample IN ACCESS EXCLUSIVE MODE"
_TAKE_OUT = "ALTER TABLE farm.sample DETACH PARTITION {month}"
_KEEP_LAST = """
    INSERT INTO farm.sample_kept
    SELECT last.* FROM farm.point CROSS JOIN LATERAL (
        SELECT * FROM {month} AS month
        WHERE month.point_id = point.point_id AND value NOT IN ('NaN', 'Infinity', '-Infinity')
        ORDER BY sampled_at DESC LIMIT 1) AS last"""
_FORGET_OLDER = """
    DELETE FROM farm.sample_kept AS older
    WHERE value IN ('NaN', 'Infinity', '-Infinity') OR EXISTS (
        SELECT FROM farm.sample_kept AS newer
        WHERE newer.point_id = older.point_id AND newer.sampled_at > older.sampled_at
          AND newer.value NOT IN ('NaN', 'Infinity', '-Infinity'))"""
_DROP = "DROP TABLE {month}"
_PUT_KEPT_IN = """
    ALTER TABLE farm.sample ATTACH PARTITION farm.sample_kept
    FOR VALUES FROM (MINVALUE) TO ('{end}')"""


def ensure_months(connection: sa.Connection, first: dt.date, last: dt.date) -> int:
    """Create the partitions for [first, last] that are missing; returns how many were made.

    Months are UTC. A collector that inserts by itself finds its month ready: `mushroom init` makes
    a year ahead. One that was removed is not made again: what comes for it late has its place.
    """
    connection.execute(sa.text(_LOCK))
    present = set(connection.scalars(sa.text(_PRESENT)))
    removed = removed_before(connection, "sample")
    months = pd.period_range(first, last, freq="M")
    if removed is not None:
        months = months[[_instant(month) >= removed for month in months]]
    missing = [month for month in months if _table(month) not in present]
    for month in missing:
        name = sa.sql.quoted_name(_table(month), quote=True)
        connection.exec_driver_sql(
            f"CREATE TABLE {SCHEMA}.{name} (LIKE {SCHEMA}.sample INCLUDING ALL)"
        )
        # Made as a partition it would lock all samples from everybody until the load is committed
        connection.exec_driver_sql(
            f"ALTER TABLE {SCHEMA}.sample ATTACH PARTITION {SCHEMA}.{name} "
            f"FOR VALUES FROM ('{_start(month)}') TO ('{_start(month + 1)}')"
        )
        # A statement that names the month fires none of the triggers of `sample`
        connection.exec_driver_sql(f"SELECT {SCHEMA}.follow_samples('{SCHEMA}.{name}')")
    return len(missing)


def old_months(connection: sa.Connection, before: dt.datetime) -> list[pd.Period]:
    """The months that end by an instant, oldest first."""
    names = connection.scalars(sa.text(_PRESENT))
    found = (re.fullmatch(r"sample_(\d{4})_(\d{2})", name) for name in names)
    months = sorted(pd.Period(f"{match[1]}-{match[2]}", "M") for match in found if match)
    return [month for month in months if _instant(month + 1) <= before]


def remove_month(connection: sa.Connection, month: pd.Period, run_id: str) -> Removed:
    """Remove the oldest month but for each point's last finite sample, in one transaction.

    What came late for a month that was removed earlier goes too, if a later sample is there.

    Raises:
        psycopg.errors.LockNotAvailable: somebody reads or writes samples for longer than 5 s; a
            retry may succeed.
    """
    connection.execute(sa.text(_LOCK))
    connection.execute(sa.text(_WAIT))
    names = {"month": f"{SCHEMA}.{_table(month)}", "end": _start(month + 1)}
    removed = Removed(*connection.exec_driver_sql(_SIZE.format(**names)).one())
    is_there = _KEPT in set(connection.scalars(sa.text(_PRESENT)))
    open_kept = _TAKE_KEPT_OUT if is_there else _MAKE_KEPT
    steps = (_LOCK_ALL, open_kept, _TAKE_OUT, _KEEP_LAST, _FORGET_OLDER, _DROP, _PUT_KEPT_IN)
    for step in steps:
        connection.exec_driver_sql(step.format(**names))
    record_removal(connection, "sample", _instant(month + 1), removed, run_id)
    return removed


def _table(month: pd.Period) -> str:
    return f"sample_{month:%Y_%m}"


def _start(month: pd.Period) -> str:
    return f"{month:%Y-%m}-01 00:00+00"


def _instant(month: pd.Period) -> dt.datetime:
    return dt.datetime(month.year, month.month, 1, tzinfo=dt.UTC)
