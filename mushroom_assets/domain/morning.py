"""This morning: which room needs somebody first, and the one reason why.

A room's place is told by the worst of two: the verdict of its newest report, and what is wrong with
its sensors or cameras now. Reports are made by `report`, the readings by `now`.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.feeds import FORGOTTEN
from mushroom_assets.domain.growth import Growth
from mushroom_assets.domain.now import Newest, Reading, Trouble
from mushroom_assets.domain.report import SEVERITY, Verdict
from mushroom_assets.domain.sensors import Sources

MOVES_TOLD = 3


@dataclass(frozen=True)
class Judged:
    """A room's verdict of a day with its reasons, as stored, the most serious first."""

    day: dt.date
    verdict: Verdict
    reasons: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class RoomMorning:
    """What is known of a room this morning.

    Attributes:
        room_id: the room.
        growth: today's batch and growth day.
        judged: by the farm's newest report; None where that has no such room.
        before: the verdict of the day before that.
        readings: of now.
        troubles: of now, the most serious first.
        newest: when the newest sample was taken; None where there is none.
        moves: the latest setpoint moves since yesterday's midnight, newest first.
        move_count: all of them.
    """

    room_id: str
    growth: Growth
    judged: Judged | None = None
    before: Verdict | None = None
    readings: Sequence[Reading] = ()
    troubles: Sequence[Trouble] = ()
    newest: dt.datetime | None = None
    moves: Sequence[Mapping[str, Any]] = ()
    move_count: int = 0

    @property
    def verdict(self) -> Verdict | None:
        """Of the newest report."""
        return self.judged.verdict if self.judged else None

    @property
    def severity(self) -> int:
        """The worse of verdict and troubles, as a place in `SEVERITY`."""
        known = [trouble.severity for trouble in self.troubles]
        known.append(self.verdict or "insufficient_data")
        return max(map(SEVERITY.index, known))

    @property
    def kind(self) -> Verdict:
        """The severity as a verdict."""
        return SEVERITY[self.severity]

    @property
    def is_well(self) -> bool:
        """Nothing speaks against it, and something is known."""
        return self.severity == 0

    @property
    def leading(self) -> Trouble | None:
        """The trouble of now that is worse than all that the report says; None without one."""
        if not self.troubles:
            return None
        reported = SEVERITY.index(self.verdict or "insufficient_data")
        has_reason = bool(self.judged and self.judged.reasons)
        first = self.troubles[0]
        worst = SEVERITY.index(first.severity)
        return first if worst > reported or not has_reason else None

    @property
    def turned(self) -> tuple[Verdict, Verdict] | None:
        """The verdict before and now, where it has changed."""
        if self.before is None or self.verdict is None or self.before == self.verdict:
            return None
        return self.before, self.verdict


@dataclass(frozen=True)
class Morning:
    """The farm this morning: its rooms, worst first.

    Attributes:
        now: when it was looked at, UTC.
        today: the farm's day then.
        rooms: those that somebody may be waiting for, worst first.
        empty: those without anything for a week: no sample, and no batch that grows.
        day: of the newest report; None where there is none.
        collector_since: the newest sample of all, where every room's have stopped at once.
    """

    now: dt.datetime
    today: dt.date
    rooms: Sequence[RoomMorning]
    empty: Sequence[RoomMorning] = field(default=())
    day: dt.date | None = None
    collector_since: dt.datetime | None = None

    @property
    def well(self) -> bool:
        """Whether no room needs anybody."""
        return bool(self.rooms) and all(room.is_well for room in self.rooms)

    @property
    def unwell(self) -> int:
        """How many rooms are not well."""
        return sum(not room.is_well for room in self.rooms)

    @property
    def yesterday(self) -> dt.date:
        """The farm's last full day."""
        return self.today - dt.timedelta(days=1)

    @property
    def is_late(self) -> bool:
        """Whether the newest report is older than yesterday's."""
        return self.day is None or self.day < self.yesterday


def morning(rooms: Sequence[RoomMorning], now: dt.datetime, farm: Farm) -> Morning:
    """Put the rooms of a farm in order."""
    today = now.astimezone(farm.zone).date()
    empty = [room for room in rooms if _is_empty(room, now)]
    others = [room for room in rooms if not _is_empty(room, now)]
    places = {room: place for place, room in enumerate(farm.rooms)}
    ordered = sorted(others, key=lambda room: (*_rank(room), places[room.room_id]))
    days = [room.judged.day for room in rooms if room.judged]
    return Morning(
        now=now,
        today=today,
        rooms=ordered,
        empty=empty,
        day=max(days, default=None),
        collector_since=_collector(others),
    )


def _rank(room: RoomMorning) -> tuple[int, int, float]:
    """Worst first: by severity, by what is wrong now, by how far outside the day was."""
    reasons = room.judged.reasons if room.judged else ()
    outside = sum(_outside(reason) for reason in reasons)
    return -room.severity, -len(room.troubles), -outside


def _outside(reason: Mapping[str, Any]) -> float:
    """Hours outside the band, times how many of its widths, of a reason; 0 where it has none."""
    low = reason.get("low")
    high = reason.get("high")
    if low is None or high is None:
        return 0.0
    return float(reason.get("out_integral") or 0.0) / ((high - low) or 1.0)


def _is_empty(room: RoomMorning, now: dt.datetime) -> bool:
    """A room that nobody waits for: silent for a week, and without a batch that grows."""
    is_silent = room.newest is None or now - room.newest > FORGOTTEN
    return is_silent and not room.growth.is_growth_phase and not room.troubles


def _collector(rooms: Sequence[RoomMorning]) -> dt.datetime | None:
    """Since when no room delivers: two or more that stop at once have one cause."""
    stopped = [
        trouble.since for room in rooms for trouble in room.troubles if trouble.code == "stopped"
    ]
    times = [since for since in stopped if since is not None]
    return max(times) if len(times) == len(rooms) > 1 else None


def newest_of_room(room_id: str, sources: Sources, newest: Newest) -> dt.datetime | None:
    """When the newest sample of any of a room's sensors was taken."""
    times = [
        newest[point.point_id]
        for (room, _), points in sources.items()
        for point in points
        if room == room_id and point.point_id in newest
    ]
    return max(times, default=None)
