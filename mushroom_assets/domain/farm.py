"""The farm: its parts put together, what holds between them, and which are in force where.

What the keys of a part mean is said by `farm_parts`. `farm_file` reads the file and reports
mistakes; `in_force` knows what was set beside it.
"""

import datetime as dt
import functools
import itertools
import re
import zoneinfo
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

from pydantic import (
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from mushroom_assets.domain.alarm_rules import WATCHED, Alarms
from mushroom_assets.domain.farm_parts import (
    DERIVED_UNITS,
    Band,
    Feeds,
    Keep,
    Language,
    Owners,
    Part,
    Quantity,
    ReportRules,
    Room,
    Stage,
    Text,
    Vision,
    WatchedPoint,
)
from mushroom_assets.domain.zones import UnusableZone, exists, require_whole_jumps

# The standing checks look back over 30 days, catching up over 7
LOOKED_BACK_DAYS = 35
NO_PLACES = {"localtime", "Factory"}  # of the zones: the machine's own, and one without a clock


@functools.cache
def _zones() -> frozenset[str]:
    """All time zones: to look for them on the disk takes 20 ms, and a farm is validated often."""
    return frozenset(zoneinfo.available_timezones())


class Stretch(NamedTuple):
    """A room's days, both included, on which a setting gives a key another value than the file."""

    room_id: str
    first: dt.date
    last: dt.date
    value: Any


class Past(Protocol):
    """What was set beside the farm file: `in_force.Settings`."""

    def farm(self, room_id: str, day: dt.date) -> "Farm":
        """The farm as it is in force in a room on a day."""
        ...

    def stretches(self, key: str, first: dt.date, last: dt.date) -> Sequence[Stretch]:
        """Where a setting gives a key another value, from a first to a last day."""
        ...


class Farm(Part):
    """One farm, as its file describes it, or as it is in force in a room on a day."""

    timezone: str
    first_day: dt.date = Field(ge=dt.date(1970, 1, 1), le=dt.date(2100, 1, 1))
    language: Language
    cycle_days: int = Field(gt=0)
    max_hold_s: int = Field(gt=0, le=31 * 86_400)
    pair_within_s: int = Field(ge=0)
    rooms: dict[str, Room] = Field(min_length=1)
    quantities: dict[str, Quantity]
    points: dict[str, dict[str, WatchedPoint]]
    devices: dict[str, Text]
    stages: list[Stage]
    report: ReportRules
    vision: Vision
    owners: Owners = Owners()
    keep: Keep = Keep()
    feeds: Feeds = Feeds()
    alarms: Alarms = Alarms()
    follow_days: int = Field(default=35, ge=0, le=3660)

    _past: Past | None = PrivateAttr(default=None)
    _versions: Mapping[str, int] = PrivateAttr(default={})

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name in NO_PLACES or name not in _zones():
            raise ValueError(f"unknown time zone {name!r}; use an IANA name such as Asia/Shanghai")
        return name

    @field_validator("first_day", mode="before")
    @classmethod
    def _is_a_day(cls, day: object) -> object:
        """A number would be taken for seconds since 1970, a time for its day."""
        if type(day) is dt.date:
            return day
        # Unlike ISO 8601, and like YAML, with or without zeros
        match = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", str(day))
        try:
            return dt.date(*map(int, match.groups() if match else ()))
        except (TypeError, ValueError):
            raise ValueError(
                f"{day} is no day; write it as year-month-day, such as 2026-01-31"
            ) from None

    @field_validator("rooms", mode="before")
    @classmethod
    def _room_without_settings(cls, rooms: object) -> object:
        if not isinstance(rooms, dict):
            return rooms
        return {key: value or {} for key, value in rooms.items()}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """What holds between keys. A message begins with the key that it is about."""
        self._check_clock()
        self._check_folders()
        self._check_quantities()
        self._check_stages()
        self._check_keep()
        self._check_alarms()
        return self

    def _check_clock(self) -> None:
        if not exists(self.first_day, self.zone):
            raise ValueError(
                f"first_day: {self.timezone} has no {self.first_day}, its clock skipped that day; "
                "take the next one"
            )
        try:
            require_whole_jumps(self.zone, self.first_day)
        except UnusableZone as error:
            raise ValueError(f"timezone: {error}") from error

    def _check_folders(self) -> None:
        for room in self.rooms:
            folder = self.folder(room)
            if not room or room != room.strip():
                raise ValueError(f"rooms: {room!r} is empty or has blanks around it")
            if folder != folder.strip().strip("/") or {"", ".", ".."} & set(folder.split("/")):
                raise ValueError(f"rooms: {room}: {folder!r} names no folder in the image store")
        counts = Counter(self.folder(room) for room in self.rooms)
        shared = sorted(folder for folder, count in counts.items() if count > 1)
        if shared:
            raise ValueError(f"rooms: two rooms share the image folder {shared[0]!r}")

    def _check_quantities(self) -> None:
        taken = sorted(DERIVED_UNITS.keys() & self.quantities.keys())
        if taken:
            raise ValueError(f"quantities: {taken[0]!r} is derived from temperature and humidity")

    def _check_stages(self) -> None:
        for stage in self.stages:
            unknown = sorted(stage.bands.keys() - self.units().keys())
            if unknown:
                raise ValueError(f"stages: {stage.name}: no quantity named {unknown[0]!r}")
        days = sorted(stage.days for stage in self.stages)
        for (_, last), (first, _) in itertools.pairwise(days):
            if first <= last:
                raise ValueError(f"stages: growth day {first} belongs to two stages")

    def _check_keep(self) -> None:
        least = LOOKED_BACK_DAYS + self.cycle_days
        for name, days in self.keep:
            if days is not None and days < least:
                raise ValueError(
                    f"keep: {name}: at least {least} days are needed (a cycle, and "
                    f"{LOOKED_BACK_DAYS} days that are looked back over), got {days}"
                )

    def _check_alarms(self) -> None:
        if self.alarms.quantities == WATCHED:
            return  # a farm without humidity need not say so
        unknown = sorted(self.alarms.quantities.keys() - self.units().keys())
        if unknown:
            raise ValueError(f"alarms: no quantity named {unknown[0]!r}")

    def on(self, room_id: str, day: dt.date) -> "Farm":
        """The farm as it is in force in a room on a farm day; without settings this one."""
        return self if self._past is None else self._past.farm(room_id, day)

    def stretches(self, key: str, first: dt.date, last: dt.date) -> Sequence[Stretch]:
        """Where a setting gives a key another value, from a first to a last day."""
        return () if self._past is None else self._past.stretches(key, first, last)

    def settings_version(self, asset: str) -> int:
        """The newest setting in force that an asset's rows depend on; 0 is the file alone."""
        return self._versions.get(asset, 0)

    def with_past(self, past: Past) -> "Farm":
        """The farm of the file with what was set beside it."""
        found = self.model_copy()
        found._past = past
        return found

    def made_by(self, versions: Mapping[str, int]) -> "Farm":
        """A farm that is in force, with the newest setting in it by asset."""
        found = self.model_copy()
        found._versions = dict(versions)
        return found

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The farm's time zone."""
        return zoneinfo.ZoneInfo(self.timezone)

    def folder(self, room_id: str) -> str:
        """The room's folder in the image store."""
        return self.rooms[room_id].folder or room_id

    def units(self) -> dict[str, str]:
        """Every quantity of `daily_env_stats` with its unit, in the order in which it is stored."""
        units = {name: quantity.unit for name, quantity in self.quantities.items()}
        if {"temperature", "humidity"} <= units.keys():
            units |= DERIVED_UNITS
        return units

    def band(self, quantity: str, growth_day: int | None) -> Band | None:
        """The target band of a quantity on a growth day, None where the farm sets none."""
        stage = self.stage(growth_day)
        return stage.bands.get(quantity) if stage else None

    def stage(self, growth_day: int | None) -> Stage | None:
        """The stage that a growth day belongs to."""
        if growth_day is None:
            return None
        for stage in self.stages:
            first, last = stage.days
            if first <= growth_day <= last:
                return stage
        return None

    def spoken(self, language: Language) -> "Farm":
        """The same farm for readers of a language, whatever its file says."""
        if language == self.language:
            return self
        return self.model_copy(update={"language": language})

    def say(self, text: Text | None) -> str | None:
        """A text of the farm file in the farm's language (English where it has no other)."""
        if not isinstance(text, dict):
            return text
        return text.get(self.language) or text.get("en") or next(iter(text.values()), None)
