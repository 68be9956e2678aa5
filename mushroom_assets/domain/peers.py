"""Which earlier batches at a growth day a report shows, and so which reports show a room's day.

What a report tells of them is in `card`.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, Self

PEERS_SHOWN = 3  # earlier batches at the same growth day
PEER_DAYS = dt.timedelta(days=400)  # every season, 13 batches a room


class RoomAge(NamedTuple):
    """A room's day, its growth day and batch."""

    day: dt.date
    room_id: str
    growth_day: int | None
    batch_date: dt.date | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """That of a row of `daily_env_stats`."""
        return cls(row["stat_date"], row["room_id"], row["growth_day"], row["batch_date"])


def quoted(room_day: RoomAge, others: Iterable[RoomAge]) -> list[RoomAge]:
    """The earlier batches at a room's growth day that its report shows.

    Its own room's first, then the latest elsewhere; `PEERS_SHOWN` at most, of `PEER_DAYS` before.
    """
    since = room_day.day - PEER_DAYS
    alike = [
        other
        for other in others
        if since <= other.day < room_day.day and other.growth_day == room_day.growth_day
    ]
    by_room = sorted(set(alike), key=lambda other: other.room_id)
    latest = sorted(by_room, key=lambda other: other.day, reverse=True)
    own_first = sorted(latest, key=lambda other: other.room_id != room_day.room_id)
    return own_first[:PEERS_SHOWN]


def quoting(changed: Collection[RoomAge], known: Iterable[RoomAge]) -> set[dt.date]:
    """The days whose reports quote some room days, or would without the others.

    Args:
        changed: as they were and as they are.
        known: all that may quote them, or be quoted in their place.
    """
    by_age: dict[int | None, set[RoomAge]] = {}
    for age in {*changed, *known}:
        by_age.setdefault(age.growth_day, set()).add(age)
    by_age.pop(None, None)
    changed = set(changed)
    days = set()
    for alike in by_age.values():
        for room_day in alike:
            if not changed.isdisjoint(quoted(room_day, alike)):
                days.add(room_day.day)
    return days
