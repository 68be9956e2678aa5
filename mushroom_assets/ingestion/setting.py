"""Settings that people make: examined as a whole, then added; one undoes another.

What is in force is the business of `domain.in_force`. Both who types a command and who uses the
farm's page come through here, in a transaction of theirs.
"""

import datetime as dt
from typing import Any, NamedTuple

import sqlalchemy as sa
import yaml

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_yaml import DoubledKeys, read_written
from mushroom_assets.domain.in_force import Setting, Settings
from mushroom_assets.domain.settable import (
    NONE,
    Settable,
    UnusableSetting,
    near,
    settable,
    value_in,
    with_values,
)
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.setting import append_setting, lock_settings, read_settings

AHEAD = dt.timedelta(days=366)  # a year that was mistyped
LONGEST = 500  # characters of a reason


class ChangedMeanwhile(ValueError):
    """Somebody else has set the same since it was looked at: `newer`."""

    def __init__(self, message: str, newer: Setting) -> None:
        super().__init__(message)
        self.newer = newer


class Change(NamedTuple):
    """What somebody wants to set.

    Attributes:
        key: as `settable` writes it.
        text: the value as the farm file would have it; `null` leaves the key to what applies more
            widely, `none` takes a band or a limit away.
        room_id, in_date: the room, and the batch of it, for which it is meant; None for all.
        valid_from: the first farm day.
        author, reason: who, and why.
        seen: the newest version that the author knows of; None if it does not matter.
    """

    key: str
    text: str
    room_id: str | None
    in_date: dt.date | None
    valid_from: dt.date
    author: str
    reason: str
    seen: int | None = None


def set_value(connection: sa.Connection, change: Change, farm: Farm, today: dt.date) -> Setting:
    """Add a setting, in the caller's transaction; the same once more adds nothing.

    Raises:
        UnusableSetting: it names nothing, or with it the farm would not be a valid one.
        ChangedMeanwhile: somebody has set the same since `change.seen`.
    """
    key = _require_key(change.key, farm)
    _require_place(connection, change, farm, today)
    _require_words(change.author, change.reason)
    value = read_value(change.text, change.key, key, farm)
    lock_settings(connection)
    settings = read_settings(connection, farm)
    same = _the_same(settings, change)
    if same is not None and same.value == value:
        return same
    _require_nothing_newer(settings, change)
    made = {
        "key": change.key,
        "value": value,
        "room_id": change.room_id,
        "in_date": change.in_date,
        "valid_from": change.valid_from,
        "undoes": None,
        "author": change.author.strip(),
        "reason": change.reason.strip(),
    }
    return append_setting(connection, made)


def undo(connection: sa.Connection, version: int, author: str, reason: str, farm: Farm) -> Setting:
    """Make as if a setting had never been, in the caller's transaction.

    Raises:
        UnusableSetting: there is none, or it is undone already.
    """
    _require_words(author, reason)
    lock_settings(connection)
    settings = read_settings(connection, farm)
    known = {setting.version: setting for setting in settings.all}
    if version not in known:
        raise UnusableSetting(f"there is no version {version}. Remedy: `mushroom settings history`")
    undone = known[version]
    by = settings.undone_by(version)
    if by is not None:
        raise UnusableSetting(
            f"version {version} is undone already, by version {by.version} of {by.author}. "
            f"Remedy: `mushroom settings undo {by.version}` brings it back"
        )
    made = undone._asdict() | {"undoes": version, "author": author, "reason": reason.strip()}
    made["value"] = _before(settings, undone)
    del made["version"], made["set_at"]
    return append_setting(connection, made)


def read_value(text: str, name: str, key: Settable, farm: Farm) -> Any:
    """A value as JSON has it, from what somebody wrote as in the farm file.

    Raises:
        UnusableSetting: it is no value of the key.
    """
    try:
        written, _ = read_written(text)
    except (yaml.YAMLError, DoubledKeys) as error:
        raise UnusableSetting(f"{name}: {text!r} cannot be read: {error}") from error
    if written is None or (written == NONE and key.kind != "text"):
        with_values(farm, {} if written is None else {name: written})
        return written
    return value_in(with_values(farm, {name: written}), key)


def _require_key(name: str, farm: Farm) -> Settable:
    keys = settable(farm)
    if name not in keys:
        raise UnusableSetting(
            f"{name!r} is nothing that can be set{near(name, keys)}. "
            "Remedy: `mushroom settings show --all` lists what can"
        )
    return keys[name]


def _require_place(connection: sa.Connection, change: Change, farm: Farm, today: dt.date) -> None:
    if change.room_id is not None and change.room_id not in farm.rooms:
        raise UnusableSetting(
            f"no room {change.room_id!r}. The farm file has {', '.join(farm.rooms)}"
        )
    if change.in_date is not None and change.room_id is None:
        raise UnusableSetting(f"the batch of {change.in_date} is of which room? Say it too")
    if change.in_date is not None:
        known = read_batches(connection).get(change.room_id or "", [])
        if change.in_date not in known:
            told = ", ".join(f"{day}" for day in known[-5:]) or "none"
            raise UnusableSetting(
                f"room {change.room_id} has no batch of {change.in_date}; its latest: {told}"
            )
    if not farm.first_day <= change.valid_from <= today + AHEAD:
        raise UnusableSetting(
            f"{change.valid_from} is no day to begin on: the farm's days begin on "
            f"{farm.first_day}, and it is at most {AHEAD.days} days ahead"
        )


def _require_words(author: str, reason: str) -> None:
    if not author.strip() or not reason.strip():
        raise UnusableSetting("author and reason are asked for: later somebody wants to know")
    if max(len(author), len(reason)) > LONGEST:
        raise UnusableSetting(f"author and reason have at most {LONGEST} characters each")


def _the_same(settings: Settings, change: Change) -> Setting | None:
    """The newest setting of the same key and scope from the same day on, if it counts."""
    same = [each for each in settings.counting if _place(each) == _place(change)]
    return same[-1] if same else None


def _place(each: Setting | Change) -> tuple[str, str | None, dt.date | None, dt.date]:
    return each.key, each.room_id, each.in_date, each.valid_from


def _require_nothing_newer(settings: Settings, change: Change) -> None:
    if change.seen is None:
        return
    for each in settings.all:
        meets = each.room_id is None or change.room_id in (None, each.room_id)
        if each.version > change.seen and each.key == change.key and meets:
            room = each.room_id or "all rooms"
            raise ChangedMeanwhile(
                f"{each.author} has set {each.key} for {room} from {each.valid_from} on meanwhile "
                f"(version {each.version}: {each.reason}). Nothing was changed. "
                "Remedy: look at it, and set it again if it is still wanted",
                each,
            )


def _before(settings: Settings, undone: Setting) -> Any:
    """The value that a setting stands before, in its own scope: what is in force again."""
    earlier = [
        each
        for each in settings.counting
        if each.key == undone.key
        and each.scope == undone.scope
        and each.valid_from <= undone.valid_from
        and each.version != undone.version
    ]
    return max(earlier, key=lambda each: (each.valid_from, each.version)).value if earlier else None
