"""How far a change of an input reaches: which partitions of which results it touches.

Pure: changes come in as rows, instants go out, one within each partition. How changes are noticed
and where the instants are kept is the business of `storage`; what is done about them that of
`automation`. A rule here is a promise about what an asset reads: who lets an asset read further
lets it reach further here.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from mushroom_assets.domain import report, setpoints
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_row import climate_span
from mushroom_assets.domain.in_force import Setting, Settings, touched_days
from mushroom_assets.domain.names import ENVIRONMENT, PROBE, REPORT, SETPOINTS, VISION
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.sensors import Around, find_sources, neighbourhood, point_ids
from mushroom_assets.domain.series import SECOND
from mushroom_assets.domain.settable import settable
from mushroom_assets.domain.windows import to_instant, to_us

DAY_US = 24 * 3600 * SECOND
ASSETS = (ENVIRONMENT, SETPOINTS, VISION, REPORT)
OF_BATCHES = (ENVIRONMENT, SETPOINTS, VISION)  # a report reads the growth day of the statistics
HOURLY = frozenset({SETPOINTS})
Instants = npt.NDArray[np.int64]  # microseconds since 1970 UTC
Kind = tuple[str | None, str | None, str | None]  # room, device type and alias of a point


class Span(NamedTuple):
    """A stretch of time, both ends included, in microseconds since 1970 UTC."""

    first: int
    last: int


class Touched(NamedTuple):
    """Partitions of an asset that an input touches: an instant within each, ascending."""

    asset: str
    source: str
    instants: Instants


def watched(points: Sequence[Point], farm: Farm) -> list[int]:
    """The points whose changes are records: of each the next sample counts too."""
    return list(setpoints.watched_points(points, farm))


def of_samples(samples: pd.DataFrame, points: Sequence[Point], farm: Farm) -> list[Touched]:
    """What changed samples touch.

    Args:
        samples: columns point_id, first and last (microseconds since 1970 UTC): the first and the
            last changed sample of the point in an hour (UTC's), one row for each point and hour;
            and next: that of the point's next finite sample after `last`, or `last` where there is
            none. Whether they are still there does not matter.
        points: all that are known.
        farm: says which points are read for what.
    """
    measured = point_ids(find_sources(points, farm))
    climate = samples[samples["point_id"].isin(measured)]
    moves = samples[samples["point_id"].isin(watched(points, farm))]
    of_day = neighbourhood(farm)
    of_images = climate_span(farm)
    of_report = report.climate_span(farm)
    found = [
        # A change compares a sample with the one before: the next one, however far ahead, has a
        # new one before it
        (SETPOINTS, moves[["first", "last", "next"]].to_numpy().ravel()),
        (ENVIRONMENT, _until(climate, of_day)),
        (VISION, _until(climate, of_images)),
        (REPORT, _until(climate, of_report)),
    ]
    return [_touched(asset, "sample", instants, farm) for asset, instants in found]


def of_span(span: Span, assets: Sequence[str], source: str, farm: Farm) -> list[Touched]:
    """Every partition of the assets that a stretch of time touches; none if it ends before."""
    if span.first > span.last:
        return []
    # An hour's step meets every hour: clocks jump by whole ones (`zones`)
    steps = np.arange(span.first, span.last, 3600 * SECOND, dtype=np.int64)
    instants = np.append(steps, span.last)
    return [_touched(asset, source, instants, farm) for asset in assets]


def of_days(asset: str, days: Iterable[dt.date], source: str, farm: Farm) -> Touched:
    """Some days of an asset."""
    noons = [dt.datetime.combine(day, dt.time(12), tzinfo=farm.zone) for day in days]
    instants = np.array([int(noon.timestamp()) * SECOND for noon in noons], dtype=np.int64)
    return _touched(asset, source, instants, farm)


def told_of(days: Iterable[dt.date]) -> set[dt.date]:
    """The days whose reports tell of some days' images: what spreads shows on two days running."""
    return {day + dt.timedelta(days=later) for day in days for later in (0, 1)}


def of_point(kind: Kind, span: Span, farm: Farm) -> list[Touched]:
    """What a point touches that is new, renamed or gone.

    Args:
        kind: its room_id, device_type and point_alias.
        span: from its first sample to its last.
        farm: says what it is read for.
    """
    room_id, device_type, alias = kind
    if room_id not in farm.rooms:
        return []
    touched = []
    if alias in farm.points.get(device_type or "", {}):
        touched += of_span(span, [SETPOINTS], "point", farm)
    measured = {(one.device_type, one.point_alias) for one in farm.quantities.values()}
    if (device_type, alias) in measured:
        around = {
            ENVIRONMENT: neighbourhood(farm),
            VISION: climate_span(farm),
            REPORT: report.climate_span(farm),
        }
        for asset, read in around.items():
            first = span.first - read.after * SECOND
            last = span.last + read.before * SECOND
            touched += of_span(Span(first, last), [asset], "point", farm)
    return touched


def of_batch(in_date: dt.date, following: dt.date | None, now: dt.datetime, farm: Farm) -> Span:
    """The days on which a batch is in force, or was: to the room's next one, or past now.

    A day more: of two machines' clocks one is ahead.
    """
    first = _midnight(in_date, farm)
    last = int(now.timestamp()) * SECOND + DAY_US
    if following is not None:
        last = min(last, _midnight(following, farm) - 1)
    return Span(first, last)


def of_setting(
    before: Settings, after: Settings, setting: Setting, always: Span, farm: Farm
) -> list[Touched]:
    """The days on which a setting that comes changes what is in force in any room.

    Of the assets whose rows depend on its key.
    """
    keys = settable(farm)
    if setting.key not in keys:  # the runs tell it
        return []
    first = max(_day(always.first, farm), setting.valid_from)
    count = (_day(always.last, farm) - first).days + 1
    days = [first + dt.timedelta(days=number) for number in range(count)]
    assets = sorted(keys[setting.key].read_by, key=ASSETS.index)
    hours = []
    for day in touched_days(before, after, setting, farm, days):
        following = _midnight(day + dt.timedelta(days=1), farm)
        hours.append(np.arange(_midnight(day, farm), following, 3600 * SECOND, dtype=np.int64))
    if not hours:
        return []
    return [_touched(asset, "setting", np.concatenate(hours), farm) for asset in assets]


def of_picking(
    picked_on: dt.date,
    following: dt.date | None,
    later: Iterable[dt.date],
    now: dt.datetime,
    farm: Farm,
) -> list[Span]:
    """The days that tell of a picking, or sum it up.

    Its own, those on which its batch is in force after it, and those of the batch's later pickings:
    the last may be of the day on which the next bags come in.

    Args:
        picked_on: day of the picking.
        following: when the room's next batch came in, if one did.
        later: days of the batch's other pickings, those before may be among them.
        now: with its zone.
        farm: its zone.
    """
    alone = [picked_on, *(day for day in later if day > picked_on)]
    days = [of_batch(day, day + dt.timedelta(days=1), now, farm) for day in alone]
    return [*days, of_batch(picked_on, following, now, farm)]


def of_probe(now: dt.datetime, farm: Farm) -> list[Touched]:
    """Every day's images have the labels of the farm's own probe."""
    return of_span(always(now, farm), [VISION], PROBE, farm)


def always(now: dt.datetime, farm: Farm) -> Span:
    """From the farm's first day to past now."""
    return of_batch(farm.first_day, None, now, farm)


def summed(
    touched: Iterable[Touched], now: dt.datetime, farm: Farm
) -> dict[str, tuple[int, str, str]]:
    """By asset, as in the lineage: how many partitions, the first and the last in words.

    Those that have begun by `now`.
    """
    found: dict[str, tuple[int, str, str]] = {}
    noon = dt.datetime.combine(now.astimezone(farm.zone), dt.time(12), tzinfo=farm.zone)
    for asset in ASSETS:
        own = [each.instants for each in touched if each.asset == asset]
        instants = np.unique(np.concatenate([np.empty(0, np.int64), *own]))
        instants = instants[instants <= to_us(now if asset in HOURLY else noon)]
        if instants.size:
            form = "%Y-%m-%d %H:00" if asset in HOURLY else "%Y-%m-%d"
            first, last = (
                to_instant(us).astimezone(farm.zone).strftime(form) for us in instants[[0, -1]]
            )
            found[asset] = (len(instants), first, last)
    return found


def _day(us: int, farm: Farm) -> dt.date:
    return to_instant(us).astimezone(farm.zone).date()


def _midnight(day: dt.date, farm: Farm) -> int:
    begin = dt.datetime.combine(day, dt.time(), tzinfo=farm.zone)
    return int(begin.timestamp()) * SECOND


def _until(samples: pd.DataFrame, read: Around) -> Instants:
    """Instants within the windows that read each row, half a day apart at most.

    A window that reads so far ahead is touched by what lies as far behind it, and the other way.
    """
    first = samples["first"].to_numpy() - read.after * SECOND
    last = samples["last"].to_numpy() + read.before * SECOND
    half_days = range(int((read.after + read.before) * SECOND // (DAY_US // 2)) + 1)
    steps = [np.minimum(first + number * (DAY_US // 2), last) for number in half_days]
    return np.concatenate([*steps, samples["last"].to_numpy(), last])


def _touched(asset: str, source: str, instants: Instants, farm: Farm) -> Touched:
    """One instant for each partition: the begin of its hour, the noon of its day."""
    at = pd.DatetimeIndex(np.unique(instants).astype("datetime64[us]"), tz="UTC")
    wall = at.tz_convert(farm.timezone).tz_localize(None)
    if asset in HOURLY:
        begins = at - (wall - wall.floor("h"))
    else:
        noons = wall.normalize().unique() + pd.Timedelta(hours=12)
        begins = noons.tz_localize(farm.timezone).tz_convert("UTC")
    return Touched(asset, source, np.unique(begins.as_unit("us").asi8))
