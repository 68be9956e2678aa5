"""The statistics of one quantity, a second time: slow, plain, from the contract alone.

Lists, loops and `math.fsum`; see `judged` for what holds of both. Times are whole microseconds.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mushroom_assets_tests.oracle.judged import DECIMALS, SECOND, Held, Judged

HOUR = 3600 * SECOND
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
    """How far below (negative) or above the band; 0 inside, and its ends are inside."""
    if band[0] <= round(value, DECIMALS) <= band[1]:
        return 0.0
    return value - band[0] if value < band[0] else value - band[1]


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
