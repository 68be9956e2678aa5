"""The monthly partitions of `sample`: made before samples of their month come.

They belong to no migration; `migrations.include` leaves them out of the comparison.
"""

import datetime as dt

import pandas as pd
import sqlalchemy as sa

from mushroom_assets.storage.schema import SCHEMA

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('farm.sample.months'))"
_PRESENT = """
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'farm.sample'::regclass"""


def ensure_months(connection: sa.Connection, first: dt.date, last: dt.date) -> int:
    """Create the partitions for [first, last] that are missing; returns how many were made.

    Months are UTC. A collector that inserts by itself finds its month ready: `mushroom init` makes
    a year ahead.
    """
    connection.execute(sa.text(_LOCK))
    present = set(connection.scalars(sa.text(_PRESENT)))
    months = pd.period_range(first, last, freq="M")
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
    return len(missing)


def _table(month: pd.Period) -> str:
    return f"sample_{month:%Y_%m}"


def _start(month: pd.Period) -> str:
    return f"{month:%Y-%m}-01 00:00+00"
