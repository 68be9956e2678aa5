"""When each sensor delivered last: one step back in the primary key of the samples for each."""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa

# What is of the future hides no silence: a clock may be wrong
_NEWEST = """
    SELECT p.point_id, s.sampled_at
    FROM unnest(%s::int[]) AS p (point_id)
    CROSS JOIN LATERAL (
        SELECT sampled_at FROM farm.sample
        WHERE point_id = p.point_id AND sampled_at <= %s
        ORDER BY sampled_at DESC LIMIT 1) AS s"""


def newest_samples(
    connection: sa.Connection, points: Sequence[int], now: dt.datetime
) -> dict[int, dt.datetime]:
    """The instant of the newest sample until now of each point that has any, by point_id."""
    found = connection.exec_driver_sql(_NEWEST, (list(points), now))
    return {point: at for point, at in found}
