"""Random farms for the comparison: what real feeds do, and the seconds at which rules turn.

All is drawn from one seed, so that a difference can be looked at again.
"""

import datetime as dt
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from zoneinfo import ZoneInfo

from mushroom_assets_tests.oracle.judged import MOST_REACH_S, SECOND, Rule, Sample, Sensor

ROOMS = ("north", "south", "east")
MEASURED = ("temperature", "humidity", "co2")
DAY_S = 86400
BEFORE_S = 12 * 3600  # fed before the day: more than any rule looks back
AFTER_S = 2 * 3600

# Zone and a farm-local day: ordinary, of 23 h and of 25 h
DAYS = (
    ("Asia/Shanghai", dt.date(2026, 2, 10)),
    ("Europe/Berlin", dt.date(2026, 3, 29)),
    ("Europe/Berlin", dt.date(2026, 10, 25)),
    ("America/New_York", dt.date(2026, 3, 8)),
    ("Africa/Cairo", dt.date(2026, 10, 29)),  # back at midnight
    ("Asia/Beirut", dt.date(2026, 3, 29)),  # forward at midnight: the day begins at 01:00
)
# Usual value, largest step from sample to sample, decimals
USUAL = {"temperature": (18.0, 0.3, 1), "humidity": (92.0, 1.5, 2), "co2": (2600.0, 120.0, 0)}
LIMITS = {"temperature": (-20.0, 60.0), "humidity": (0.0, 105.0), "co2": (150.0, 50000.0)}
SPIKES = {"temperature": (0.7, 2.0), "humidity": (2.1, 5.0), "co2": (250.0, 500.0)}
CYCLE_DAYS = 27
Bands = Mapping[str, tuple[float, float]]
Stage = tuple[int, int, Bands]  # growth days, inclusive, and their bands
# In binary many a mean of three temperatures that is 17.6 or 17.1 is less, 18.4 or 18.9 more, and
# so is the dew point of saturated air
STAGES: tuple[Stage, ...] = (
    (1, 7, {"temperature": (17.6, 18.4), "humidity": (91.0, 105.0), "dew_point": (17.6, 20.0)}),
    (
        8,
        27,
        {
            "temperature": (17.1, 18.9),
            "humidity": (88.0, 95.0),
            "co2": (1500.0, 2700.0),
            "vpd": (0.1, 0.3),
        },
    ),
)
IN_DAYS = (-1, 0, 1, 6, 7, 20, 26, 27, 40)  # days ago that a batch came in; tomorrow's counts not


@dataclass(frozen=True)
class FarmDay:
    """A farm file's numbers, one day, and what each room's sensors reported around it."""

    zone: str
    day: dt.date
    max_hold_s: int
    pair_within_s: int
    rules: Mapping[str, Rule]
    rooms: Mapping[str, Sequence[Sensor]]
    in_dates: Mapping[str, Sequence[dt.date]]
    stages: Sequence[Stage]

    @property
    def window(self) -> tuple[dt.datetime, dt.datetime]:
        """Midnight to midnight, farm time."""
        zone = ZoneInfo(self.zone)
        start = dt.datetime.combine(self.day, dt.time(), zone)
        return start, dt.datetime.combine(self.day + dt.timedelta(days=1), dt.time(), zone)

    def bands(self, growth_day: int | None) -> Bands:
        """The bands of a growth day; none outside the stages."""
        for first, last, bands in self.stages:
            if growth_day is not None and first <= growth_day <= last:
                return bands
        return {}


def draw(seed: int) -> FarmDay:
    """The farm and day of a seed."""
    random = Random(seed)
    zone, day = random.choice(DAYS)
    max_hold_s = random.choice((60, 300, 300, 600, 3600, 4 * 3600))
    rules = {name: _rule(random, name, max_hold_s) for name in MEASURED}
    farm = FarmDay(zone, day, max_hold_s, random.choice((5, 30, 60)), rules, {}, {}, STAGES)
    start, end = [round(instant.timestamp()) for instant in farm.window]
    rooms = {room: _sensors(random, rules, start, end) for room in ROOMS}
    in_dates = {
        room: sorted(day - dt.timedelta(days=ago) for ago in random.sample(IN_DAYS, many))
        for room, many in zip(ROOMS, (0, 1, 2), strict=True)
    }
    return replace(farm, rooms=rooms, in_dates=in_dates)


def _rule(random: Random, name: str, max_hold_s: int) -> Rule:
    low, high = LIMITS[name]
    spike = random.choice((None, *SPIKES[name], *SPIKES[name]))
    stuck_s = random.choice((None, 1800, 7200, 4 * 3600))
    full_scale = random.choice((None, 99.9)) if name == "humidity" else None
    return Rule(low, high, max_hold_s, spike, stuck_s, full_scale)


def _sensors(random: Random, rules: Mapping[str, Rule], start: int, end: int) -> list[Sensor]:
    """None to three of each quantity, on devices of their own or shared."""
    found: list[Sensor] = []
    for name, rule in rules.items():
        many = random.choice((0, 1, 1, 2, 2, 3))
        devices = random.sample(("a", "b", "c", "d"), many)
        found += [Sensor(name, one, feed(random, name, rule, start, end)) for one in devices]
    return found


def feed(random: Random, name: str, rule: Rule, start: int, end: int) -> list[Sample]:
    """What one sensor reports, by time; seconds `start` and `end` bound the day."""
    times = _times(random, rule, start, end)
    if not times or random.random() < 0.03:
        return []  # a point that never reported
    values = _walk(random, name, len(times))
    edges = [bisect_left(times, edge * SECOND) for edge in (start, end)]
    _glitch(random, rule.spike or SPIKES[name][1], USUAL[name][2], values, edges)
    _stick(random, rule, times, values, start)
    _spoil(random, rule, values)
    if random.random() < 0.2:  # reports on change only
        kept = [i for i in range(len(times)) if i == 0 or values[i] != values[i - 1]]
        return [(times[i], values[i]) for i in kept]
    return list(zip(times, values, strict=True))


def _times(random: Random, rule: Rule, start: int, end: int) -> list[int]:
    """Microseconds, ascending: a step, an offset, a jitter, holes, and the seconds of the rules."""
    step = random.choice((120, 300, 300, 600, 900, rule.max_hold_s, rule.max_hold_s))
    offset = random.choice((0, 0, random.randrange(step)))
    jitter = random.choice((0, 0, 3 * SECOND))
    first = start - BEFORE_S + offset
    times = {
        at * SECOND + random.randint(0, jitter)
        for at in range(first, end + AFTER_S, max(step, 120))
    }
    for _ in range(random.choice((0, 1, 4, 12))):
        hole = random.randrange(start - BEFORE_S, end) * SECOND
        long = random.choice((600, 3000, 4 * 3600)) * SECOND
        times = {at for at in times if not hole <= at < hole + long}
    if random.random() < 0.1:
        times = {at for at in times if not start * SECOND <= at < end * SECOND}
    reach = min(rule.max_hold_s, MOST_REACH_S)
    carried = start - rule.max_hold_s
    turns = (start, end, carried, carried - 2 * reach, end + reach, start - (rule.stuck_s or 3600))
    for turn in turns:
        if random.random() < 0.3:
            times.add(turn * SECOND + random.choice((-1, 0, 0, 1)))
    return sorted(times)


def _walk(random: Random, name: str, length: int) -> list[float]:
    usual, step, decimals = USUAL[name]
    pull = random.choice((0.02, 0.3))
    step *= random.choice((0.3, 1.0))
    value = usual
    values = []
    for _ in range(length):
        value += random.uniform(-step, step) + pull * (usual - value)
        values.append(round(value, decimals))
    return values


def _glitch(
    random: Random, far_enough: float, decimals: int, values: list[float], edges: Sequence[int]
) -> None:
    """Excursions of one, two or three samples: far, just far enough, and by the rule's number.

    Many of them are where the day begins and ends.
    """
    for _ in range(random.choice((0, 3, 10))):
        length = random.choice((1, 1, 2, 2, 3))
        place = random.choice((random.randrange(len(values)), random.choice(edges) - 2))
        place = min(max(place - random.randrange(3), 0), len(values) - 1)
        far = far_enough * random.choice((1.0, 1.0, 1.05, 1.5, 4.0)) * random.choice((-1, 1))
        base = values[place]
        for i in range(place + 1, min(place + 1 + length, len(values))):
            values[i] = round(base + far, decimals)
        if place + 1 + length < len(values) and random.random() < 0.5:
            values[place + 1 + length] = base


def _stick(
    random: Random, rule: Rule, times: Sequence[int], values: list[float], start: int
) -> None:
    """Runs of one value, about as long as the rule's; sometimes at the end of the scale."""
    stuck_s = rule.stuck_s or 3600
    before = bisect_left(times, (start - stuck_s) * SECOND)  # what the day's look-back just sees
    for _ in range(random.choice((0, 1, 3))):
        first = min(random.choice((before, random.randrange(len(times)))), len(times) - 1)
        long = stuck_s + random.choice((-300, 0, 0, 600, 7200))
        value = random.choice((values[first], rule.full_scale or values[first]))
        for i in range(first, len(times)):
            if times[i] > times[first] + long * SECOND:
                break
            values[i] = value


def _spoil(random: Random, rule: Rule, values: list[float]) -> None:
    """What is no value, and the ends of the plausible range, which are."""
    odd = (math.nan, math.inf, -math.inf, rule.low - 1, rule.high + 0.01, rule.low, rule.high)
    for _ in range(random.choice((0, 0, 4, 30))):
        values[random.randrange(len(values))] = random.choice(odd)
