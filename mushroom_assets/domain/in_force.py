"""Which settings are in force in a room on a farm day, and the farm that they make.

The farm file is version 0. A setting is a version: another value for one of its keys, in the whole
farm, a room or a batch, from a farm day on. None is ever changed or removed; one that undoes
another makes as if that had never been. What begins later than a day says nothing of it: a day that
is computed anew under later settings has the rows that it had.

Of the settings of a key that apply, the narrowest counts: of the batch, then of the room, then of
the farm; of those the one that begins last, of those the newest. Without a value it leaves the key
to the next wider ones. Everything here is pure.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from mushroom_assets.domain.farm import Farm, Stretch
from mushroom_assets.domain.growth import growth_on
from mushroom_assets.domain.settable import NONE, fault_of, settable, with_values


class Setting(NamedTuple):
    """A row of `setting`.

    Attributes:
        version: ascending, from 1.
        key: as `settable` writes it.
        value: as JSON has it; None leaves the key to what applies more widely.
        room_id, in_date: the room, and the batch of it, for which it is meant; None for all.
        valid_from: the first farm day.
        undoes: the version that is as if it had never been.
    """

    version: int
    key: str
    value: Any
    room_id: str | None
    in_date: dt.date | None
    valid_from: dt.date
    undoes: int | None = None
    author: str = ""
    reason: str = ""
    set_at: dt.datetime | None = None

    @property
    def scope(self) -> tuple[str | None, dt.date | None]:
        """For what it is meant."""
        return self.room_id, self.in_date

    @property
    def narrowness(self) -> int:
        """0 of the farm, 1 of a room, 2 of a batch."""
        return (self.room_id is not None) + (self.in_date is not None)


class Settings:
    """All settings of a farm, and which of them are in force where."""

    def __init__(
        self,
        settings: Iterable[Setting],
        farm: Farm,
        in_dates: Mapping[str, Sequence[dt.date]],
    ) -> None:
        """Settings of a farm file; `in_dates` are ascending, by room."""
        self.all = sorted(settings)
        self._farm = farm
        self._in_dates = in_dates
        self._turning: dict[str, list[dt.date]] = {}
        self._made: dict[tuple[int, ...], Farm] = {}  # by their versions
        self._placed: dict[tuple[str, int], Farm] = {}  # by room, and number of turns before

    def plus(self, setting: Setting) -> "Settings":
        """With one more."""
        return Settings([*self.all, setting], self._farm, self._in_dates)

    @cached_property
    def _undone(self) -> dict[int, Setting]:
        """What undoes each version that is undone: one that is undone itself undoes nothing."""
        undone: dict[int, Setting] = {}
        for setting in reversed(self.all):
            if setting.undoes is not None and setting.version not in undone:
                undone[setting.undoes] = setting
        return undone

    def undone_by(self, version: int) -> Setting | None:
        """What undoes a version, None if it counts."""
        return self._undone.get(version)

    @cached_property
    def _values(self) -> list[Setting]:
        """Those that are values, and not undone."""
        values = (each for each in self.all if each.undoes is None)
        return [each for each in values if each.version not in self._undone]

    @cached_property
    def misfits(self) -> dict[int, str]:
        """Versions that do not count, since they do not fit the farm file, and why.

        The file was edited since, or they came by another way than ours. The others hold.
        """
        known = set(settable(self._farm))
        found: dict[int, str | None] = {}
        for each in self._values:
            if each.room_id is not None and each.room_id not in self._farm.rooms:
                found[each.version] = f"the farm file has no room {each.room_id}"
            elif each.key not in known:
                found[each.version] = f"the farm file has no key {each.key} that can be set"
            else:
                found[each.version] = fault_of(each.key, each.value, self._farm)
        return {version: fault for version, fault in found.items() if fault is not None}

    @cached_property
    def counting(self) -> list[Setting]:
        """Those that are values, not undone, and fit the farm file."""
        return [each for each in self._values if each.version not in self.misfits]

    @cached_property
    def _by_key(self) -> dict[str, list[Setting]]:
        """Those that count, by key, those first that outdo others."""
        found: dict[str, list[Setting]] = {}
        for setting in sorted(self.counting, key=_rank, reverse=True):
            found.setdefault(setting.key, []).append(setting)
        return found

    def of(self, key: str, room_id: str, day: dt.date) -> Setting | None:
        """The setting of a key that is in force in a room on a day, None where the file has it."""
        settings = self._by_key.get(key, ())
        batch_date = self._batch_date(room_id, day)
        applying = (each for each in settings if _applies(each, room_id, day, batch_date))
        for _, of_scope in groupby(applying, key=lambda each: each.narrowness):
            first = next(of_scope)
            if first.value is not None:
                return first
        return None

    def in_force(self, room_id: str, day: dt.date) -> dict[str, Setting]:
        """The settings that are in force in a room on a day, by key."""
        found = {key: self.of(key, room_id, day) for key in self._by_key}
        return {key: setting for key, setting in found.items() if setting is not None}

    def farm(self, room_id: str, day: dt.date) -> Farm:
        """The farm as it is in force in a room on a day."""
        place = (room_id, bisect_right(self._turns(room_id), day))
        if place not in self._placed:
            found = self.in_force(room_id, day)
            versions = tuple(sorted(setting.version for setting in found.values()))
            if versions not in self._made:
                self._made[versions] = self._make(found)
            self._placed[place] = self._made[versions]
        return self._placed[place]

    def stretches(self, key: str, first: dt.date, last: dt.date) -> list[Stretch]:
        """Where a setting gives a key another value, from a first to a last day."""
        if key not in self._by_key:
            return []
        days = [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
        found = []
        for room_id in self._farm.rooms:
            of_room = [(self.of(key, room_id, day), day) for day in days]
            for setting, own in groupby(of_room, key=itemgetter(0)):
                stretch = [day for _, day in own]
                if setting is not None:
                    value = None if setting.value == NONE else setting.value
                    found.append(Stretch(room_id, stretch[0], stretch[-1], value))
        return found

    def _make(self, found: Mapping[str, Setting]) -> Farm:
        values = {key: setting.value for key, setting in found.items()}
        farm = with_values(self._farm, values)
        newest: dict[str, int] = {}
        keys = settable(self._farm)
        for key, setting in found.items():
            for asset in keys[key].read_by:
                newest[asset] = max(newest.get(asset, 0), setting.version)
        return farm.made_by(newest)

    def _batch_date(self, room_id: str, day: dt.date) -> dt.date | None:
        in_dates = self._in_dates.get(room_id, ())
        return growth_on(day, in_dates, self._farm.cycle_days).batch_date

    def _turns(self, room_id: str) -> list[dt.date]:
        """The days on which what is in force in a room may turn into something else, ascending."""
        if room_id not in self._turning:
            begins = set(self._in_dates.get(room_id, ()))
            begins |= {each.valid_from for each in self.counting if each.room_id in (None, room_id)}
            self._turning[room_id] = sorted(begins)
        return self._turning[room_id]


def _rank(setting: Setting) -> tuple[int, dt.date, int]:
    return setting.narrowness, setting.valid_from, setting.version


def _applies(setting: Setting, room_id: str, day: dt.date, batch_date: dt.date | None) -> bool:
    return (
        setting.valid_from <= day
        and setting.room_id in (None, room_id)
        and setting.in_date in (None, batch_date)
    )


def touched_days(
    before: Settings, after: Settings, setting: Setting, farm: Farm, days: Iterable[dt.date]
) -> Iterator[dt.date]:
    """Those of some days on which a setting that comes changes what is in force in any room."""
    rooms = [setting.room_id] if setting.room_id in farm.rooms else list(farm.rooms)
    for day in days:
        if day >= setting.valid_from and any(
            before.of(setting.key, room, day) != after.of(setting.key, room, day) for room in rooms
        ):
            yield day
