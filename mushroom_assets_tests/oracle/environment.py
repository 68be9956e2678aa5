"""The numeric columns of `daily_env_stats`, a second time: slow, plain, from the contract alone.

Lists, loops and `math.fsum`; see `judged` for what holds of both. Times are whole microseconds.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from .judged import SECOND, Held, Judged, Rule, Sensor, judge

HOUR = 3600 * SECOND
WET_PERCENT = 97.0
WET_KELVIN = 0.5
COUNTED = ("ok", "stuck")  # kinds that count in every statistic

Piece = tuple[int, int, list[float]]  # from, to, the values of the sensors known in between


def cut(held: Sequence[Held], start: int, end: int) -> list[Piece]:
    """The day in pieces in which nothing changes."""
    turns = {start, end}
    for sensor in held:
        turns |= {t for t in sensor.turns() if start < t < end}
    pieces: list[Piece] = []
    for sooner, later in pairwise(sorted(turns)):
        values = [value for s in held if (value := s.at(sooner)) is not None]
        pieces.append((sooner, later, values))
    return pieces


def mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def weighted(parts: Sequence[tuple[int, float]]) -> float | None:
    """The mean of values by the time that each was in force; None of no time."""
    total = sum(span for span, _ in parts)
    return math.fsum(span * value for span, value in parts) / total if total else None


def longest(pieces: Sequence[Piece], holds: Sequence[bool]) -> float:
    """Seconds of the longest stretch of pieces for which something holds."""
    best = run = 0
    for (sooner, later, _), true in zip(pieces, holds, strict=True):
        run = run + later - sooner if true else 0
        best = max(best, run)
    return best / SECOND


def quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def distance(value: float, band: tuple[float, float]) -> float:
    """How far below (negative) or above the band; 0 inside, its ends and 9 decimals included."""
    value = round(value, 9)
    return min(value - band[0], 0.0) + max(value - band[1], 0.0)


def beside(pieces: Sequence[Piece], band: tuple[float, float] | None) -> dict[str, Any]:
    """The columns that compare with the target band."""
    names = ("in_range", "below", "above", "longest_out_s", "out_integral")
    known = [(b - a, mean(values) or 0.0) for a, b, values in pieces if values]
    if band is None or not known:
        return dict.fromkeys(names)
    off = [(span, distance(value, band)) for span, value in known]
    out = [bool(v) and distance(mean(v) or 0.0, band) != 0 for _, _, v in pieces]
    return {
        "in_range": weighted([(span, float(far == 0)) for span, far in off]),
        "below": weighted([(span, float(far < 0)) for span, far in off]),
        "above": weighted([(span, float(far > 0)) for span, far in off]),
        "longest_out_s": longest(pieces, out),
        "out_integral": math.fsum(span / HOUR * abs(far) for span, far in off),
    }


def steepest(pieces: Sequence[Piece], start: int, end: int) -> dict[str, float | None]:
    """Largest change from any instant of the day to one hour later, by direction."""
    begins = [a for a, _, _ in pieces]
    values = [mean(v) for _, _, v in pieces]
    turns = {t for a in begins for t in (a, a + HOUR) if start + HOUR <= t < end}
    turns |= {start + HOUR} if start + HOUR < end else set()
    changes = []
    for instant in turns:
        now = values[bisect_right(begins, instant) - 1]
        before = values[bisect_right(begins, instant - HOUR) - 1]
        if now is not None and before is not None:
            changes.append(now - before)
    if not changes:
        return {"steepest_rise": None, "steepest_fall": None}
    return {"steepest_rise": max(0.0, *changes), "steepest_fall": max(0.0, *(-c for c in changes))}


def statistics(
    rows: Sequence[Sequence[Judged]],
    max_hold_s: int,
    start: int,
    end: int,
    band: tuple[float, float] | None,
) -> dict[str, Any]:
    """The numeric columns of one quantity, but for `wet_hours`."""
    own = [[s for s in row if start <= s[0] < end] for row in rows]
    kinds = [kind for row in own for _, _, kind in row]
    accepted = sorted(value for row in own for _, value, kind in row if kind in COUNTED)
    pieces = cut([Held(row, max_hold_s * SECOND) for row in rows], start, end)
    several = [(b - a, max(v) - min(v)) for a, b, v in pieces if len(v) > 1]
    known = sum(b - a for a, b, values in pieces if values)
    shares = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}
    return {
        "sample_count": len(kinds) - kinds.count("rejected"),
        "rejected_count": kinds.count("rejected"),
        "suspect_count": kinds.count("spike") + kinds.count("stuck"),
        "sensor_count": sum(bool(row) for row in own),
        "mean": weighted([(b - a, mean(v) or 0.0) for a, b, v in pieces if v]),
        "coverage": known / (end - start),
        "longest_gap_s": longest(pieces, [not values for _, _, values in pieces]),
        "spread": weighted(several),
        **{name: quantile(accepted, q) if accepted else None for name, q in shares.items()},
        **beside(pieces, band),
        **steepest(pieces, start, end),
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
    """Temperature and humidity of each device that has both; of the room where none has."""
    by_device: dict[str, dict[str, list[Judged]]] = {}
    for sensor in sensors:
        if sensor.quantity in ("temperature", "humidity"):
            row = judge(sensor.samples, rules[sensor.quantity], start, end)
            by_device.setdefault(sensor.device, {})[sensor.quantity] = row
    found = [(d["temperature"], d["humidity"]) for d in by_device.values() if len(d) == 2]
    hold = rules["temperature"].max_hold_s * SECOND
    return found or [(of_room(rows["temperature"], hold), of_room(rows["humidity"], hold))]


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
        damp = percent is not None and round(percent, 9) >= WET_PERCENT
        near = celsius is not None and dew is not None and round(celsius - dew, 9) <= WET_KELVIN
        wet += later - sooner if damp or near else 0
    return wet / HOUR if known else None
