"""What was loaded and may be a mistake: named in one line each kind, never refused."""

import datetime as dt
import difflib
from collections import Counter
from collections.abc import Iterable

import pandas as pd

from mushroom_assets.domain.farm import Farm

KIND = ("device_type", "point_alias")
SHOWN = 3  # examples
NEAR = 0.8  # of two names as likely the same as `temperatur` and `temperature`, not `temp`


class SampleDoubts:
    """Doubts about samples, block by block."""

    def __init__(self, farm: Farm, now: pd.Timestamp) -> None:
        self._now = now
        self._first = pd.Timestamp(farm.first_day, tz=farm.timezone).tz_convert("UTC")
        self._farm = farm
        self._read = _read_points(farm)
        self._unread: Counter[tuple[str, str]] = Counter()
        self._ahead = _Spread()
        self._before = _Spread()

    def look_at(self, samples: pd.DataFrame) -> None:
        """Look at a block: room_id, device_type, point_alias, point_id, sampled_at."""
        counts = samples["point_id"].value_counts()
        first = samples.loc[~samples["point_id"].duplicated(), ["point_id", *KIND]]
        for point_id, device_type, alias in first.itertuples(index=False):
            if alias not in self._read.get(device_type, ()):
                self._unread[device_type, alias] += int(counts[point_id])
        at = samples["sampled_at"]
        self._ahead.add(at[at > self._now])
        self._before.add(at[at < self._first])

    def sentences(self) -> list[str]:
        """A line a kind."""
        found = []
        if self._unread:
            found.append(self._unread_points())
        if self._ahead.count:
            found.append(f"{self._ahead.told(self._farm)} ahead of now: is the clock right?")
        if self._before.count:
            found.append(
                f"{self._before.told(self._farm)} before first_day of the farm file "
                f"({self._farm.first_day}): nothing is computed of that time"
            )
        return found

    def _unread_points(self) -> str:
        """Misspelt ones first."""
        told = {
            (device_type, alias): _meant(device_type, alias, self._read)
            for device_type, alias in self._unread
        }
        order = sorted(told, key=lambda kind: told[kind] is None)
        samples = sum(self._unread.values())
        each = [
            f"{'.'.join(kind)}" + (f" (did you mean {told[kind]}?)" if told[kind] else "")
            for kind in order
        ]
        return (
            f"nothing in the farm file reads {len(each)} points ({samples} samples): {_some(each)}"
        )


def batch_doubts(in_dates: pd.Series, farm: Farm, today: dt.date) -> list[str]:
    """A line a kind, about the days on which batches came in."""
    found = []
    ahead = sorted(day for day in in_dates if day > today)
    if ahead:
        found.append(f"{len(ahead)} batches are ahead of today: {_some([*map(str, ahead)])}")
    cycle = dt.timedelta(days=farm.cycle_days)
    before = sorted(day for day in in_dates if day + cycle <= farm.first_day)
    if before:
        found.append(
            f"{len(before)} batches ended before first_day of the farm file ({farm.first_day}), "
            f"nothing is computed of them: {_some([*map(str, before)])}"
        )
    return found


class _Spread:
    """How many instants, from which to which."""

    def __init__(self) -> None:
        self.count = 0
        self._edges: list[pd.Timestamp] = []

    def add(self, instants: pd.Series) -> None:
        if len(instants):
            self.count += len(instants)
            self._edges += [instants.min(), instants.max()]

    def told(self, farm: Farm) -> str:
        first, last = (
            f"{edge.tz_convert(farm.timezone):%Y-%m-%d %H:%M}"
            for edge in (min(self._edges), max(self._edges))
        )
        stretch = first if first == last else f"{first} to {last}"
        return f"{self.count} samples ({stretch}) are"


def _read_points(farm: Farm) -> dict[str, set[str]]:
    """Aliases that the farm file reads, by device type."""
    read = {device_type: set(points) for device_type, points in farm.points.items()}
    for quantity in farm.quantities.values():
        read.setdefault(quantity.device_type, set()).add(quantity.point_alias)
    return read


def _meant(device_type: str, alias: str, read: dict[str, set[str]]) -> str | None:
    """What a point is likely misspelt of."""
    kinds = [device_type] if device_type in read else _near(device_type, read)
    for kind in kinds:
        aliases = [alias] if alias in read[kind] else _near(alias, read[kind])
        if aliases:
            return aliases[0] if kind == device_type else f"{kind}.{aliases[0]}"
    return None


def _near(name: str, names: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, names, n=1, cutoff=NEAR)


def _some(each: list[str]) -> str:
    more = len(each) - SHOWN
    return ", ".join(each[:SHOWN]) + (f" and {more} more" if more > 0 else "")
