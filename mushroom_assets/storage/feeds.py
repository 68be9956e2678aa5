"""What each room's points delivered lately, read from the primary key (point_id, sampled_at).

A year has 97 million samples: the newest of a point is one step back in its index, a count reads
its last day. What a silence means is the business of `domain.feeds`.
"""

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import LiteralString

import sqlalchemy as sa

from mushroom_assets.domain.feeds import DAY, HOUR, Feed
from mushroom_assets.domain.windows import to_instant

# Of each room of `rooms` the newest sample, in seconds since 1970; 0 where there is none. One step
# back in the primary key per point, in the newest month that has any. What is of the future hides
# no silence: a clock may be wrong.
NEWEST: LiteralString = """
    SELECT room_id, coalesce(extract(epoch FROM max(newest.sampled_at)), 0)
    FROM unnest(%(rooms)s::text[]) AS room (room_id)
    LEFT JOIN farm.point USING (room_id)
    LEFT JOIN LATERAL (
        SELECT sampled_at FROM farm.sample
        WHERE point_id = point.point_id AND sampled_at <= now()
        ORDER BY sampled_at DESC LIMIT 1) AS newest ON true
    GROUP BY room_id"""
_NEWEST_UNTIL = NEWEST.replace("now()", "%(now)s")
_COUNTED = """
    SELECT room_id, coalesce(sum(hour), 0), coalesce(sum(today), 0), coalesce(sum(day), 0)
    FROM unnest(%(rooms)s::text[]) AS room (room_id)
    LEFT JOIN farm.point USING (room_id)
    LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE sampled_at > %(hour)s) AS hour,
            count(*) FILTER (WHERE sampled_at >= %(midnight)s) AS today,
            count(*) FILTER (WHERE sampled_at > %(day)s) AS day
        FROM farm.sample
        WHERE point_id = point.point_id
          AND sampled_at >= least(%(day)s, %(midnight)s) AND sampled_at <= %(now)s) AS lately
        ON true
    GROUP BY room_id"""


def read_feeds(
    connection: sa.Connection, rooms: Collection[str], now: dt.datetime, midnight: dt.datetime
) -> list[Feed]:
    """The feed of each room until `now`, in the order given.

    Args:
        connection: in a transaction.
        rooms: their ids; one without points has delivered nothing.
        now: aware.
        midnight: since when is today.
    """
    asked = {
        "rooms": list(rooms),
        "now": now,
        "midnight": midnight,
        "hour": now - HOUR,
        "day": now - DAY,
    }
    newest = {row[0]: row[1] for row in connection.exec_driver_sql(_NEWEST_UNTIL, asked)}
    counts = {row[0]: row[1:] for row in connection.exec_driver_sql(_COUNTED, asked)}
    return [Feed(room, _instant(newest[room]), *map(int, counts[room])) for room in rooms]


def read_newest(connection: sa.Connection, rooms: Collection[str], now: dt.datetime) -> list[Feed]:
    """The feed of each room by its newest sample alone: nothing is counted, so it costs little."""
    asked = {"rooms": list(rooms), "now": now}
    newest = {row[0]: row[1] for row in connection.exec_driver_sql(_NEWEST_UNTIL, asked)}
    return [Feed(room, _instant(newest[room]), 0, 0, 0) for room in rooms]


def _instant(seconds: Decimal) -> dt.datetime | None:
    return to_instant(int(seconds * 1_000_000)) if seconds else None
