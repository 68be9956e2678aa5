"""One sensor, a second time: which of its samples count, and what its value is at any instant.

Slow, plain, from the contract alone. `judged`, `statistics` and `environment` import neither the
product nor numpy or pandas, and are no copy of it: where both agree, the contract says so.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SECOND = 1_000_000  # times are whole microseconds
DECIMALS = 9  # a limit is met in decimal: 8.3 - 6.3 is 2, in binary 2.0000000000000009
MOST_REACH_S = 3600  # a spike's neighbours lie no farther, however long values hold

Sample = tuple[int, float]
Judged = tuple[int, float, str]  # at, value, kind: ok, stuck, spike or rejected


@dataclass(frozen=True)
class Rule:
    """What the farm file says of a quantity, and of holding."""

    low: float
    high: float
    max_hold_s: int
    spike: float | None = None
    stuck_s: int | None = None
    full_scale: float | None = None

    @property
    def reach(self) -> int:
        return min(self.max_hold_s, MOST_REACH_S) * SECOND


@dataclass(frozen=True)
class Sensor:
    """One sensor of a room: what it measures, on which device, its samples by time."""

    quantity: str
    device: str
    samples: Sequence[Sample]


def judge(samples: Sequence[Sample], rule: Rule, start: int, end: int) -> list[Judged]:
    """The samples that a day's flags look at, each with its kind."""
    back = max((rule.stuck_s or 0) * SECOND, rule.max_hold_s * SECOND + 2 * rule.reach)
    seen = [s for s in samples if start - back <= s[0] < end + rule.reach]
    plausible = [s for s in seen if rule.low <= s[1] <= rule.high]  # NaN is in no range
    spikes = find_spikes(plausible, rule)
    stuck = find_stuck(plausible, rule)
    kinds = {at: "ok" for at, _ in plausible}
    kinds.update(dict.fromkeys(stuck, "stuck"))
    kinds.update(dict.fromkeys(spikes, "spike"))
    return [(at, value, kinds.get(at, "rejected")) for at, value in seen]


def find_spikes(row: Sequence[Sample], rule: Rule) -> set[int]:
    """Instants of the samples that belong to an excursion of one or two."""
    found: set[int] = set()
    if rule.spike is None:
        return found
    for length in (1, 2):
        for first in range(1, len(row) - length):
            involved = row[first - 1 : first + length + 1]
            if any(later[0] - sooner[0] > rule.reach for sooner, later in pairwise(involved)):
                continue
            inner = [value for _, value in involved[1:-1]]
            sides = (involved[0][1], involved[-1][1])
            above = round(min(inner) - max(sides), DECIMALS) > rule.spike
            below = round(min(sides) - max(inner), DECIMALS) > rule.spike
            if above or below:
                found.update(at for at, _ in involved[1:-1])
    return found


def find_stuck(row: Sequence[Sample], rule: Rule) -> set[int]:
    """Instants of the samples in runs of one value that last `stuck_s`."""
    found: set[int] = set()
    if rule.stuck_s is None:
        return found
    runs: list[list[Sample]] = []
    for at, value in row:
        last = runs[-1][-1] if runs else None
        if last and last[1] == value and at - last[0] <= rule.max_hold_s * SECOND:
            runs[-1].append((at, value))
        else:
            runs.append([(at, value)])
    for run in runs:
        lasts = run[-1][0] - run[0][0] >= rule.stuck_s * SECOND
        at_end_of_scale = rule.full_scale is not None and run[0][1] >= rule.full_scale
        if lasts and not at_end_of_scale:
            found.update(at for at, _ in run)
    return found


class Held:
    """One sensor's value at any instant."""

    def __init__(self, row: Sequence[Judged], hold: int) -> None:
        self.row = row
        self.times = [at for at, _, _ in row]
        self.hold = hold

    def at(self, instant: int) -> float | None:
        place = bisect_right(self.times, instant) - 1
        if place < 0:
            return None
        at, value, kind = self.row[place]
        known = kind in ("ok", "stuck") and instant < at + self.hold
        return value if known else None

    def turns(self) -> set[int]:
        return {*self.times, *(at + self.hold for at in self.times)}
