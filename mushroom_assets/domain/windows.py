"""Half-open windows of time [start, end), and the domain's time axis.

The axis is int64 microseconds since 1970 UTC. Where a day begins is the business of `partitions`.
"""

import datetime as dt
from dataclasses import dataclass

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def to_us(instant: dt.datetime) -> int:
    """Microseconds since 1970 UTC of an aware datetime."""
    return (instant - _EPOCH) // _MICROSECOND


def to_instant(us: int) -> dt.datetime:
    """The aware datetime (UTC) of microseconds since 1970 UTC."""
    return _EPOCH + int(us) * _MICROSECOND


@dataclass(frozen=True)
class Window:
    """One partition's window: its key and its two instants. A farm day has 23, 24 or 25 hours."""

    key: str
    start: dt.datetime
    end: dt.datetime

    @property
    def start_us(self) -> int:
        """First instant, in microseconds since 1970 UTC."""
        return to_us(self.start)

    @property
    def end_us(self) -> int:
        """First instant after the window, in microseconds since 1970 UTC."""
        return to_us(self.end)

    def before(self, span: dt.timedelta) -> dt.datetime:
        """The instant `span` before the start, in UTC.

        A datetime of a zone with summer time would count by the clock on the wall.
        """
        return self.start.astimezone(dt.UTC) - span

    def after(self, span: dt.timedelta) -> dt.datetime:
        """The instant `span` after the end, in UTC."""
        return self.end.astimezone(dt.UTC) + span

    @property
    def date(self) -> dt.date:
        """Farm-local date of the window's start."""
        return self.start.date()
