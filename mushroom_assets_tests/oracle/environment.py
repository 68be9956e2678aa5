"""A room's rows of `daily_env_stats`, a second time: slow, plain, from the contract alone.

Moist air and what is the room's as a whole; see `judged` for what holds of the three modules.
"""

import datetime as dt
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from mushroom_assets_tests.oracle.judged import DECIMALS, SECOND, Held, Judged, Rule, Sensor, judge
from mushroom_assets_tests.oracle.statistics import HOUR, cut, mean, statistics

WET_PERCENT = 97.0
WET_KELVIN = 0.5


def growth(day: dt.date, in_dates: Sequence[dt.date], cycle_days: int) -> dict[str, Any]:
    """The batch in force on a day."""
    came = [date for date in in_dates if date <= day]
    if not came:
        return dict.fromkeys(("batch_date", "growth_day", "is_growth_phase"))
    growth_day = (day - max(came)).days + 1
    return {
        "batch_date": max(came),
        "growth_day": growth_day,
        "is_growth_phase": growth_day <= cycle_days,
    }


def room_day(
    sensors: Sequence[Sensor],
    rules: Mapping[str, Rule],
    pair_within_s: int,
    start: int,
    end: int,
    bands: Mapping[str, tuple[float, float]],
) -> dict[str, dict[str, Any]]:
    """Every quantity's row of one room's day; the derived ones and `wet_hours` with it."""
    rows: dict[str, list[list[Judged]]] = {
        name: [judge(s.samples, rule, start, end) for s in sensors if s.quantity == name]
        for name, rule in rules.items()
    }
    max_hold_s = rules["temperature"].max_hold_s
    pairs = [
        pair(warm, damp, pair_within_s) for warm, damp in both(sensors, rules, rows, start, end)
    ]
    rows["vpd"] = [[(at, deficit(t, h), kind) for at, t, h, kind in row] for row in pairs]
    rows["dew_point"] = [
        [(at, dew_point(t, h), kind if h > 0 else "rejected") for at, t, h, kind in row]
        for row in pairs
    ]
    found = {
        name: statistics(row, max_hold_s, start, end, bands.get(name)) for name, row in rows.items()
    }
    for name, columns in found.items():
        columns["wet_hours"] = (
            wet_hours(rows, max_hold_s, start, end) if name == "humidity" else None
        )
    return found


def both(
    sensors: Sequence[Sensor],
    rules: Mapping[str, Rule],
    rows: Mapping[str, list[list[Judged]]],
    start: int,
    end: int,
) -> list[tuple[list[Judged], list[Judged]]]:
    """Temperature and humidity of each device that knows both; of the room where none does."""
    by_device: dict[str, dict[str, list[Judged]]] = {}
    for sensor in sensors:
        if sensor.quantity in ("temperature", "humidity"):
            row = judge(sensor.samples, rules[sensor.quantity], start, end)
            if any(kind in ("ok", "stuck") for _, _, kind in row):
                by_device.setdefault(sensor.device, {})[sensor.quantity] = row
    found = [(d["temperature"], d["humidity"]) for d in by_device.values() if len(d) == 2]
    hold = rules["temperature"].max_hold_s * SECOND
    room = {name: [row for row in rows[name] if row] for name in ("temperature", "humidity")}
    return found or [(of_room(room["temperature"], hold), of_room(room["humidity"], hold))]


def of_room(rows: Sequence[Sequence[Judged]], hold: int) -> list[Judged]:
    """The room's value at every instant at which a sensor reports; an only sensor is the room's."""
    if len(rows) == 1:
        return list(rows[0])  # with its spikes and its stuck runs, which a mean has not
    held = [Held(row, hold) for row in rows]
    found: list[Judged] = []
    for at in sorted({at for row in rows for at, _, _ in row}):
        value = mean([v for sensor in held if (v := sensor.at(at)) is not None])
        found.append((at, math.nan, "rejected") if value is None else (at, value, "ok"))
    return found


def pair(
    warm: Sequence[Judged], damp: Sequence[Judged], within_s: int
) -> list[tuple[int, float, float, str]]:
    """Each temperature with the nearest humidity, and what kind the two are together."""
    times = [at for at, _, _ in damp]
    found: list[tuple[int, float, float, str]] = []
    for at, celsius, kind in warm:
        place = bisect_right(times, at)
        near = sorted(damp[max(place - 1, 0) : place + 1], key=lambda d: (abs(d[0] - at), d[0]))
        if near and abs(near[0][0] - at) <= within_s * SECOND:
            kinds = {kind, near[0][2]}
            worst = next(k for k in ("rejected", "spike", "stuck", "ok") if k in kinds)
            found.append((at, celsius, near[0][1], worst))
    return found


def saturation(celsius: float) -> float:
    """Vapour pressure over water in kPa, Magnus."""
    return 0.6112 * math.exp(17.62 * celsius / (243.12 + celsius))


def deficit(celsius: float, percent: float) -> float:
    if not (math.isfinite(celsius) and math.isfinite(percent) and celsius > -200):
        return math.nan
    return saturation(celsius) * (1 - min(percent, 100.0) / 100)


def dew_point(celsius: float, percent: float) -> float:
    if not (math.isfinite(celsius) and math.isfinite(percent) and celsius > -200 and percent > 0):
        return math.nan
    log = math.log(saturation(celsius) * min(percent, 100.0) / 100 / 0.6112)
    return 243.12 * log / (17.62 - log)


def is_near(celsius: float, dew: float) -> bool:
    return round(celsius - dew, DECIMALS) <= WET_KELVIN


def wet_hours(
    rows: Mapping[str, Sequence[Sequence[Judged]]], max_hold_s: int, start: int, end: int
) -> float | None:
    """Hours of wet air or of air close to its dew point; None where humidity is never known."""
    names = ("humidity", "temperature", "dew_point")
    held = {name: [Held(row, max_hold_s * SECOND) for row in rows[name]] for name in names}
    wet = 0
    known = False
    for sooner, later, _ in cut([s for name in names for s in held[name]], start, end):
        at = {
            name: mean([v for s in held[name] if (v := s.at(sooner)) is not None]) for name in names
        }
        percent, celsius, dew = at["humidity"], at["temperature"], at["dew_point"]
        known = known or percent is not None
        damp = percent is not None and round(percent, DECIMALS) >= WET_PERCENT
        near = (
            celsius is not None and dew is not None and round(celsius - dew, DECIMALS) <= WET_KELVIN
        )
        wet += later - sooner if damp or near else 0
    return wet / HOUR if known else None
