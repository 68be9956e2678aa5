"""Setpoint moves for the farm's page: the latest of each room, and a room's of a while."""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from mushroom_assets.storage.schema import hourly_setpoint_changes

_move = hourly_setpoint_changes.c
AT_MOST = 500  # of a relay that flaps there are thousands


def latest_moves(
    connection: sa.Connection, since: dt.datetime, each: int
) -> dict[str, tuple[int, list[dict[str, Any]]]]:
    """How many moves each room has since an instant, and the latest few, newest first."""
    rank = sa.func.row_number().over(
        partition_by=_move.room_id, order_by=(_move.changed_at.desc(), _move.point_id)
    )
    count = sa.func.count().over(partition_by=_move.room_id)
    ranked = (
        sa.select(hourly_setpoint_changes, rank.label("rank"), count.label("of"))
        .where(_move.changed_at >= since)
        .subquery()
    )
    statement = sa.select(ranked).where(ranked.c.rank <= each)
    ordered = statement.order_by(ranked.c.room_id, ranked.c.rank)
    found: dict[str, tuple[int, list[dict[str, Any]]]] = {}
    for row in connection.execute(ordered).mappings():
        _, rows = found.setdefault(row["room_id"], (row["of"], []))
        rows.append(dict(row))
    return found


def moves_between(
    connection: sa.Connection, room: str, start: dt.datetime, end: dt.datetime
) -> list[dict[str, Any]]:
    """A room's moves of [start, end), in time; `AT_MOST` of them."""
    statement = sa.select(hourly_setpoint_changes).where(
        _move.room_id == room, _move.changed_at >= start, _move.changed_at < end
    )
    ordered = statement.order_by(_move.changed_at, _move.point_id).limit(AT_MOST)
    return [dict(row) for row in connection.execute(ordered).mappings()]
