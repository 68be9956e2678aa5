"""What a room's sensors say now: the last minutes of each quantity, and what has gone silent.

What the day's verdict says is in `report`, how both make a morning in `morning`. Times are int64
microseconds since 1970 UTC, unless they are called instants. Nothing is read here.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Band
from mushroom_assets.domain.feeds import FORGOTTEN
from mushroom_assets.domain.held import hold
from mushroom_assets.domain.marks import Columns
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.report import Verdict
from mushroom_assets.domain.ribbon import NOT_SHOWN
from mushroom_assets.domain.sensors import Sensor, Sources, neighbourhood, room_sensors
from mushroom_assets.domain.series import SECOND, Series
from mushroom_assets.domain.targets import target_band
from mushroom_assets.domain.verdict import INTAKE
from mushroom_assets.domain.windows import Window, to_instant, to_us

# The value told is the median of so long up to the newest sample: a spike of two samples, which is
# only known as one when its neighbours are there, does not show in it
LAST_MINUTES_S = 300
TREND_S = 3600  # the value is compared with that of an hour before
MIN_KNOWN = 0.5  # share of the time outside a band that must be known to say so

Side = Literal["below", "inside", "above", "free", "old", "unknown"]
Newest = Mapping[int, dt.datetime]  # by point_id: when its newest sample was taken


class Reading(NamedTuple):
    """A quantity of a room now.

    Attributes:
        quantity: its key.
        unit: of the numbers.
        value: median of the last minutes, mean over the sensors; None where nothing is known.
        at: when the newest sample that counts was taken.
        band: target band of the growth day, None without one.
        change: against the value an hour before, None where that is not known.
        is_out: outside its band for as long as the farm file's `alarms` say, while there is a crop.
        age_s: of the newest sample; None where there is none.
        late_s: so old a value no longer tells what is now.
    """

    quantity: str
    unit: str
    value: float | None
    at: dt.datetime | None
    band: Band | None
    change: float | None
    is_out: bool
    age_s: float | None
    late_s: float

    @property
    def side(self) -> Side:
        """How the value stands to its band; `old` or `unknown` where that cannot be said."""
        if self.value is None or self.age_s is None:
            return "unknown"
        if self.age_s > self.late_s:
            return "old"
        if self.band is None:
            return "free"
        low, high = self.band
        return "below" if self.value < low else "above" if self.value > high else "inside"


class Trouble(NamedTuple):
    """What is wrong with a room now; `code` is a text's key below `page.trouble`."""

    code: str
    severity: Verdict
    since: dt.datetime | None = None
    quantity: str | None = None
    device: str | None = None
    side: Side | None = None


class Instant(NamedTuple):
    """A room at an instant: the room, the instant, and its growth day."""

    room_id: str
    now: dt.datetime
    growth_day: int | None

    def has_crop(self, farm: Farm) -> bool:
        """Whether a band is asked of it: not on the day of intake, not when the batch is over."""
        return self.growth_day is not None and INTAKE < self.growth_day <= farm.cycle_days


def read_before(farm: Farm) -> dt.timedelta:
    """How far before now samples are read: what the trend and the marks need."""
    return _shown(farm) + dt.timedelta(seconds=neighbourhood(farm).before)


def _shown(farm: Farm) -> dt.timedelta:
    """The last minutes and what they are compared with, and the longest stay outside a band."""
    outside = max((farm.alarms.out_s(name) for name in farm.units()), default=0)
    return dt.timedelta(seconds=max(TREND_S + LAST_MINUTES_S, outside))


def sensors_now(
    samples: Columns, at: Instant, sources: Sources, farm: Farm
) -> dict[str, list[Sensor]]:
    """The sensors of a room with their marked samples of the last hours, by quantity."""
    window = Window("", at.now - _shown(farm), at.now)
    return room_sensors(samples, at.room_id, window, sources, farm)


def readings(sensors: Mapping[str, Sequence[Sensor]], at: Instant, farm: Farm) -> list[Reading]:
    """The quantities of a room that are shown, in the farm's order."""
    shown = {name: own for name, own in sensors.items() if name not in NOT_SHOWN}
    return [_reading(name, own, at, farm) for name, own in shown.items()]


def _reading(name: str, own: Sequence[Sensor], at: Instant, farm: Farm) -> Reading:
    now = to_us(at.now)
    sensors = [sensor.series for sensor in own]
    band = target_band(farm, at.room_id, at.now.astimezone(farm.zone).date(), name, at.growth_day)
    value, newest = lately(sensors, now)
    change = None
    if value is not None and newest is not None:
        before, then = lately(sensors, newest - TREND_S * SECOND)
        if before is not None and newest - (then or 0) < 2 * TREND_S * SECOND:
            change = value - before
    return Reading(
        quantity=name,
        unit=farm.units()[name],
        value=value,
        at=None if newest is None else to_instant(newest),
        band=band,
        change=change,
        is_out=band is not None and at.has_crop(farm) and _is_out(name, sensors, now, band, farm),
        age_s=None if newest is None else (now - newest) / SECOND,
        late_s=farm.feeds.samples_late_s,
    )


def lately(sensors: Sequence[Series], until: int) -> tuple[float | None, int | None]:
    """The value of the last minutes until an instant, and when its newest sample was taken."""
    medians = []
    newest = None
    for series in sensors:
        accepted = series.accepted & (series.at <= until)
        at = series.at[accepted]
        if not at.size:
            continue
        last = int(at[-1])
        recent = series.value[accepted][at > last - LAST_MINUTES_S * SECOND]
        medians.append((last, float(np.median(recent))))
        newest = last if newest is None else max(newest, last)
    if newest is None:
        return None, None
    # A sensor that has long been silent says nothing of now
    fresh = [value for last, value in medians if newest - last < LAST_MINUTES_S * SECOND]
    return sum(fresh) / len(fresh), newest


def _is_out(name: str, sensors: Sequence[Series], now: int, band: Band, farm: Farm) -> bool:
    held = hold(sensors, now - farm.alarms.out_s(name) * SECOND, now, farm.max_hold_s)
    beside = held.beside(band)
    return beside is not None and held.coverage >= MIN_KNOWN and beside.inside == 0


def troubles(
    read: Sequence[Reading],
    sensors: Mapping[str, Sequence[Sensor]],
    newest: Newest,
    sources: Sources,
    at: Instant,
    farm: Farm,
) -> list[Trouble]:
    """What is wrong with a room's sensors now, the most serious first.

    Args:
        read: the readings.
        sensors: as `sensors_now` returns them.
        newest: of the points of `sources`, and of the room's other points.
        sources: the points behind each quantity.
        at: the room and the instant.
        farm: when a feed counts as stopped.
    """
    own = {name: sources[at.room_id, name] for name in farm.quantities}
    stopped = _stopped(own, newest, at, farm)
    if stopped is not None:
        return [stopped]
    found = []
    for name, points in own.items():
        found += _silent(name, points, newest, at, farm)
        found += [
            Trouble("stuck", "watch", quantity=name, device=sensor.name)
            for sensor in sensors.get(name, ())
            if sensor.series.stuck.size and sensor.series.stuck[-1]
        ]
    found += [
        Trouble("out", "watch", None, reading.quantity, side=reading.side)
        for reading in read
        if reading.is_out and reading.side in ("below", "above")
    ]
    return sorted(found, key=lambda trouble: trouble.severity != "insufficient_data")


def _stopped(
    own: Mapping[str, Sequence[Point]], newest: Newest, at: Instant, farm: Farm
) -> Trouble | None:
    """All sensors of the room silent; of one that has been so for long, nothing is waited for."""
    times = [newest[point.point_id] for points in own.values() for point in points
             if point.point_id in newest]  # fmt: skip
    if not times:
        return None
    last = max(times)
    age = at.now - last
    if age > FORGOTTEN or age.total_seconds() <= farm.feeds.samples_late_s:
        return None
    return Trouble("stopped", "insufficient_data", last)


def _silent(
    name: str, points: Sequence[Point], newest: Newest, at: Instant, farm: Farm
) -> list[Trouble]:
    """Sensors of a quantity that are silent while others of the room are not."""
    late = dt.timedelta(seconds=farm.feeds.samples_late_s)
    known = {point: newest[point.point_id] for point in points if point.point_id in newest}
    silent = [point for point, last in known.items() if late < at.now - last <= FORGOTTEN]
    is_blind = len(silent) == len(known)
    severity: Verdict = "insufficient_data" if is_blind else "watch"
    return [Trouble("silent", severity, known[point], name, point.device_alias) for point in silent]
