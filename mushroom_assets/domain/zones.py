"""Time zones: whether a farm's days and hours can be told apart by a zone's clock.

Pure: the zone's own rules are asked, not a list of zones. What a day or an hour is told by is the
business of `partitions`.
"""

import datetime as dt
import functools
import itertools
import zoneinfo
from collections.abc import Iterator

# Rules that are known today repeat each year; a farm whose file is read after so long asks again
YEARS = 30
SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
WEEK = 7 * DAY  # no clock goes and comes back within one


class UnusableZone(ValueError):
    """Days or hours of the zone cannot be partitions; the message says when, and why."""


@functools.cache
def require_whole_jumps(zone: zoneinfo.ZoneInfo, first_day: dt.date) -> None:
    """Every jump of the clock from the first day on is one of whole hours, and skips no day.

    Dagster counts partitions by a cron string: past a jump of half an hour its hours leave minutes
    out, and a day that is skipped has the key of another one's window.

    Raises:
        UnusableZone: one is not.
    """
    for before, after in _changes(zone, first_day):
        jump = _offset(after, zone) - _offset(before, zone)
        if abs(jump) >= DAY - HOUR:
            raise UnusableZone(
                f"the clock of {zone.key} skips or repeats a whole day on {after:%Y-%m-%d}: "
                "let first_day be that day or a later one"
            )
        if jump % HOUR:
            minutes = jump // dt.timedelta(minutes=1)
            raise UnusableZone(
                f"the clock of {zone.key} jumps by {minutes:+} minutes on {after:%Y-%m-%d}, and "
                "hourly partitions need jumps of whole hours: use another zone, such as UTC, or a "
                "later first_day if that was the last such jump"
            )


def exists(day: dt.date, zone: zoneinfo.ZoneInfo) -> bool:
    """Whether the zone has the day: a few crossed the date line and left one out."""
    noon = dt.datetime.combine(day, dt.time(12), zone)
    return noon.astimezone(dt.UTC).astimezone(zone).date() == day


def _changes(
    zone: zoneinfo.ZoneInfo, first_day: dt.date
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    """The last second before each jump of the clock, and the first after it, by that clock."""
    begin = dt.datetime.combine(first_day, dt.time(), zone).astimezone(dt.UTC)
    weeks = (begin + number * WEEK for number in range(YEARS * 53))
    for before, after in itertools.pairwise(weeks):
        if _offset(before, zone) != _offset(after, zone):
            while after - before > SECOND:
                middle = before + (after - before) // SECOND // 2 * SECOND
                if _offset(middle, zone) == _offset(before, zone):
                    before = middle
                else:
                    after = middle
            yield before.astimezone(zone), after.astimezone(zone)


def _offset(instant: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.timedelta:
    return instant.astimezone(zone).utcoffset() or dt.timedelta()
