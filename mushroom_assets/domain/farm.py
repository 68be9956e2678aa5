"""The farm: rooms, quantities, watched setpoints, stages, labels, as validated models.

Here lives what the keys of `farm.yaml` mean and which values they may have. `farm_file` reads the
file and reports mistakes.
"""

import datetime as dt
import functools
import itertools
import re
import zoneinfo
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Protocol, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mushroom_assets.domain.alarm_rules import WATCHED, Alarms
from mushroom_assets.domain.zones import UnusableZone, exists, require_whole_jumps

Language = Literal["en", "zh"]
ChangeType = Literal["digital_on_off", "enum_state", "analog_value"]
Band = tuple[float, float]  # both ends included
# The standing checks look back over 30 days, catching up over 7
LOOKED_BACK_DAYS = 35
# Quantities computed per sample from temperature and humidity
DERIVED_UNITS = {"vpd": "kPa", "dew_point": "°C"}


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(
            f"the first number must not exceed the second, got [{pair[0]:g}, {pair[1]:g}]"
        )
    return pair


# Texts as they are written: `farm_yaml` makes no number and no boolean of `010`, `6.10` or `on`
Text = str | dict[Language, str]


NO_PLACES = {"localtime", "Factory"}  # of the zones: the machine's own, and one without a clock


@functools.cache
def _zones() -> frozenset[str]:
    """All time zones: to look for them on the disk takes 20 ms, and a farm is validated often."""
    return frozenset(zoneinfo.available_timezones())


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Room(_Model):
    """A growing room. `folder` is its folder in the image store, the room id unless set."""

    folder: str | None = None


class Quantity(_Model):
    """A sensor point that becomes daily statistics. Limits are in `unit`, both ends included.

    From `full_scale` on, the end of the sensor's scale, an unchanged value is not stuck.
    `setpoints` are the points that set it, by device_type: they are drawn beside it. `text` is its
    name for people, `decimals` how many are shown; without them `texts` knows the usual ones.
    """

    device_type: str
    point_alias: str
    unit: str
    plausible: tuple[float, float] = (-1e300, 1e300)
    spike: float | None = Field(default=None, gt=0)
    stuck_s: int | None = Field(default=None, gt=0)
    full_scale: float | None = None
    setpoints: dict[str, list[str]] = {}
    text: Text | None = None
    decimals: int | None = Field(default=None, ge=0, le=9)

    _plausible_ordered = field_validator("plausible")(_ordered)


class WatchedPoint(_Model):
    """A setpoint whose changes are recorded.

    `threshold` is the resolution of an analog value, in `unit`: the smallest step that counts.
    Without one every difference does.
    """

    change_type: ChangeType
    threshold: float | None = Field(default=None, gt=0)
    unit: str | None = None
    description: Text | None = None
    labels: dict[int, Text] = {}


class Stage(_Model):
    """Growth days, both included, with the target band of each quantity."""

    name: str
    days: tuple[int, int]
    bands: dict[str, Band] = {}

    _days_ordered = field_validator("days")(_ordered)

    @field_validator("bands")
    @classmethod
    def _bands_ordered(cls, bands: dict[str, Band]) -> dict[str, Band]:
        return {quantity: _ordered(band) for quantity, band in bands.items()}


class ReportRules(_Model):
    """Thresholds of the daily verdict; shares between 0 and 1.

    `out_hours` are hours outside a band, times how many of its widths outside.
    """

    min_coverage: float = Field(ge=0, le=1)
    watch_below: float = Field(ge=0, le=1)
    act_below: float = Field(ge=0, le=1)
    watch_suspect_share: float = Field(ge=0, le=1)
    watch_unreadable_share: float = Field(ge=0, le=1)
    watch_condition_share: float = Field(ge=0, le=1)
    act_condition_share: float = Field(default=0.5, ge=0, le=1)
    watch_out_hours: float = Field(default=1, ge=0)
    act_out_hours: float = Field(default=6, ge=0)


class Label(_Model):
    """A zero-shot label: its text for people, its prompts for the model (in English, for CLIP).

    A condition that is `contagious` is to be acted on.
    """

    text: Text | None = None
    prompts: list[str] = Field(min_length=1)
    contagious: bool = False


class Vision(_Model):
    """Zero-shot labels of the camera images.

    `unknown_margin` is a difference of probabilities. `unfamiliar_below` is a share, see
    `familiarity.Known`: a picture below it has no label. `sound` is the condition of a crop that
    has nothing wrong with it: the report does not warn of it.
    """

    unknown_margin: float = Field(ge=0, le=1)
    unfamiliar_below: float = Field(default=0.05, ge=0, lt=1)
    templates: list[str] = Field(min_length=1)
    stages: dict[str, Label] = Field(min_length=2)
    conditions: dict[str, Label] = Field(min_length=2)
    sound: str = Field(default="healthy", validate_default=True)

    @field_validator("templates")
    @classmethod
    def _templates_have_a_place(cls, templates: list[str]) -> list[str]:
        for template in templates:
            if "{}" not in template:
                raise ValueError(f"a template needs {{}} where the prompt goes: {template!r}")
        return templates

    @field_validator("sound")
    @classmethod
    def _sound_is_a_condition(cls, sound: str, info: ValidationInfo) -> str:
        conditions = info.data.get("conditions")  # None if they are wrong themselves
        if conditions is not None and sound not in conditions:
            raise ValueError(
                f"no condition is named {sound!r}; write `sound:` with the condition that means "
                f"nothing is wrong, one of {', '.join(conditions)}"
            )
        return sound


# As Dagster takes it.
Owner = Annotated[
    str, Field(pattern=r"^(team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$")
]


class Owners(_Model):
    """Who answers for the assets, by role: `team:<name>` or an e-mail address each."""

    growers: list[Owner] = ["team:growers"]
    agronomists: list[Owner] = ["team:agronomists"]
    data_engineering: list[Owner] = ["team:data-engineering"]


class Keep(_Model):
    """Days after which what was stored is removed; None keeps it for ever."""

    samples_days: int | None = None
    image_rows_days: int | None = None
    events_days: int | None = None


class Feeds(_Model):
    """After how many seconds without anything new a room's feed counts as stopped.

    It must be told as stopped before it is forgotten, after 7 days (`feeds.FORGOTTEN`).
    """

    samples_late_s: int = Field(default=900, ge=60, lt=7 * 86_400)
    images_late_s: int = Field(default=7200, ge=60, lt=7 * 86_400)


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


class Farm(_Model):
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
