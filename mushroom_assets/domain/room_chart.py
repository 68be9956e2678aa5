"""A room's climate over a while as the farm's page draws it: values, gaps, band, spikes, setpoints.

The numbers are those of the statistics: what `held` knows, minute by minute, and what `marks`
marked. How they are drawn is the business of the page. Times that leave are whole seconds since
1970 UTC.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.growth import growth_on
from mushroom_assets.domain.held import Held, hold
from mushroom_assets.domain.ribbon import NOT_SHOWN, Steps
from mushroom_assets.domain.sensors import Sensor
from mushroom_assets.domain.series import SECOND, Series, Values
from mushroom_assets.domain.targets import target_band
from mushroom_assets.domain.texts import decimals
from mushroom_assets.domain.windows import Window, to_instant

STEP_S = 60
HOUR_S = 3600
MARKED = 200  # spikes that are drawn; a broken sensor sends nothing else


class Stretch(NamedTuple):
    """A target band that is in force from one second to another."""

    start: int
    end: int
    low: float
    high: float


class Summary(NamedTuple):
    """A chart in numbers, for who does not see it; None where nothing is known.

    `known` and `inside` are shares, of the while and of the known time; `last` is the value at the
    end, if it is known then.
    """

    low: float | None
    high: float | None
    last: float | None
    known: float
    inside: float | None


class Chart(NamedTuple):
    """One quantity over a while.

    Attributes:
        quantity: its key.
        unit: of its values.
        places: decimals that are shown.
        start: first second.
        end: first second after the while.
        values: one a minute from `start` on, None where nothing is known.
        gaps: stretches without a known value, of more than `max_hold_s` or less.
        bands: the target bands, in order.
        spikes: samples that look like one and count nowhere: second and value.
        rejected: seconds of samples outside what is plausible.
        setpoints: name, seconds and values: each holds until the next.
        summary: the same in numbers.
    """

    quantity: str
    unit: str
    places: int
    start: int
    end: int
    values: Sequence[float | None]
    gaps: Sequence[tuple[int, int]]
    bands: Sequence[Stretch]
    spikes: Sequence[tuple[int, float]]
    rejected: Sequence[int]
    setpoints: Sequence[tuple[str, Sequence[int], Sequence[float]]]
    summary: Summary

    def hours(self) -> list[tuple[int, float | None]]:
        """The mean of each hour's known minutes, by the hour's first second."""
        per_hour = HOUR_S // STEP_S
        found: list[tuple[int, float | None]] = []
        for first in range(0, len(self.values), per_hour):
            known = [value for value in self.values[first : first + per_hour] if value is not None]
            mean = math.fsum(known) / len(known) if known else None
            found.append((self.start + first * STEP_S, mean))
        return found


def charts(
    sensors: Mapping[str, Sequence[Sensor]],
    room: str,
    window: Window,
    setpoints: Mapping[str, Sequence[Steps]],
    in_dates: Sequence[dt.date],
    farm: Farm,
) -> list[Chart]:
    """The charts of a room, in the farm's order.

    Args:
        sensors: by quantity, marked (`sensors.room_sensors`).
        room: its id.
        window: from where to where.
        setpoints: those that steer each quantity.
        in_dates: the room's batches, ascending.
        farm: bands, names, decimals.
    """
    found = []
    for name, own in sensors.items():
        if name in NOT_SHOWN:
            continue
        bands = _bands(name, room, window, in_dates, farm)
        series = [sensor.series for sensor in own]
        found.append(_chart(name, series, window, bands, setpoints.get(name, ()), farm))
    return found


def _chart(
    name: str,
    series: Sequence[Series],
    window: Window,
    bands: Sequence[Stretch],
    setpoints: Sequence[Steps],
    farm: Farm,
) -> Chart:
    start = window.start_us
    end = window.end_us
    places = decimals(name, farm.units()[name], farm)
    held = hold(series, start, end, farm.max_hold_s)
    values = held.at(np.arange(start, end, STEP_S * SECOND))
    own = [one.within(start, end) for one in series]
    in_force = [_in_force(steps, start, end) for steps in setpoints]
    return Chart(
        quantity=name,
        unit=farm.units()[name],
        places=places,
        start=start // SECOND,
        end=end // SECOND,
        values=[None if math.isnan(value) else round(value, places + 1) for value in values],
        gaps=[(first // SECOND, last // SECOND) for first, last in held.gaps()],
        bands=bands,
        spikes=_spikes(own, places),
        rejected=_rejected(own),
        setpoints=[step for step in in_force if step is not None],
        summary=_summary(values, held, bands),
    )


def _bands(
    name: str, room: str, window: Window, in_dates: Sequence[dt.date], farm: Farm
) -> list[Stretch]:
    """The bands of the farm days that the while touches; neighbours that are equal are one."""
    found: list[Stretch] = []
    at = window.start
    while at < window.end:
        day = at.astimezone(farm.zone).date()
        following = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), farm.zone)
        until = min(following.astimezone(dt.UTC), window.end)
        growth_day = growth_on(day, in_dates, farm.cycle_days).growth_day
        band = target_band(farm, room, day, name, growth_day)
        if band is not None:
            found.append(Stretch(int(at.timestamp()), int(until.timestamp()), *band))
        at = until
    return _joined(found)


def _joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    found: list[Stretch] = []
    for one in stretches:
        last = found[-1] if found else None
        if last is not None and last.end == one.start and last[2:] == one[2:]:
            found[-1] = last._replace(end=one.end)
        else:
            found.append(one)
    return found


def _spikes(own: Sequence[Series], places: int) -> list[tuple[int, float]]:
    found = []
    for one in own:
        at = one.at[one.spike] // SECOND
        value = np.round(one.value[one.spike], places)
        found += list(zip(at.tolist(), value.tolist(), strict=True))
    return sorted(found)[:MARKED]


def _rejected(own: Sequence[Series]) -> list[int]:
    found: list[int] = []
    for one in own:
        found += (one.at[one.rejected] // SECOND).tolist()
    return sorted(found)[:MARKED]


def _in_force(steps: Steps, start: int, end: int) -> tuple[str, list[int], list[float]] | None:
    """A setpoint's steps in a while, that which is carried in at its start; None without any."""
    if not steps.at.size or steps.at[0] >= end:
        return None
    at = np.maximum(steps.at, start) // SECOND
    return steps.name, at.tolist(), steps.value.tolist()


def _summary(values: Values, held: Held, bands: Sequence[Stretch]) -> Summary:
    known = values[~np.isnan(values)]
    if not known.size:
        return Summary(None, None, None, 0.0, None)
    last = None if math.isnan(values[-1]) else float(values[-1])
    inside = _inside(values, held.start // SECOND, bands)
    return Summary(float(known.min()), float(known.max()), last, held.coverage, inside)


def _inside(values: Values, start: int, bands: Sequence[Stretch]) -> float | None:
    """Share of the known minutes that have a band and are inside it."""
    at = start + STEP_S * np.arange(values.size)
    judged = 0
    inside = 0
    for band in bands:
        own = values[(at >= band.start) & (at < band.end)]
        own = own[~np.isnan(own)]
        judged += own.size
        inside += int(((own >= band.low) & (own <= band.high)).sum())
    return inside / judged if judged else None


def day_window(day: dt.date, farm: Farm) -> Window:
    """A farm-local day, of 23, 24 or 25 hours."""
    start = dt.datetime.combine(day, dt.time(), farm.zone)
    end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), farm.zone)
    return Window(f"{day}", start.astimezone(dt.UTC), end.astimezone(dt.UTC))


def last_hours(now: dt.datetime, hours: int = 24) -> Window:
    """The last hours until the whole minute of now."""
    end = to_instant(int(now.timestamp()) // STEP_S * STEP_S * SECOND)
    return Window("", end - dt.timedelta(hours=hours), end)


def drawn(chart: Chart, title: str, **words: str) -> dict[str, Any]:
    """A chart as the page's script takes it."""
    return {
        "title": title,
        "unit": chart.unit,
        "places": chart.places,
        "start": chart.start,
        "end": chart.end,
        "step": STEP_S,
        "values": chart.values,
        "gaps": chart.gaps,
        "bands": [[band.start, band.end, band.low, band.high] for band in chart.bands],
        "spikes": chart.spikes,
        "rejected": chart.rejected,
        "setpoints": chart.setpoints,
        "words": words,
    }
