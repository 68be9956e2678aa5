"""A change of settings, from a form of the page to what it makes, and how that is told.

Whether it is taken is the business of `ingestion.setting`.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from starlette.datastructures import FormData

from mushroom_assets.domain import reach
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.in_force import Setting, Settings
from mushroom_assets.domain.settable import UnusableSetting, settable
from mushroom_assets.domain.texts import say
from mushroom_assets.ingestion.setting import Change
from mushroom_assets.storage.inputs import own_reach
from mushroom_assets.storage.setting import read_settings
from mushroom_assets.web.place import Place
from mushroom_assets.web.setting_words import Part, key_name, keys_of, value_text, written

REASONS = ("crop", "season", "trial", "agreed")
WHY_UNDONE = ("mistake", "over")
Touched = Mapping[str, tuple[int, str, str]]  # by asset: partitions, the first and the last
Add = Callable[[sa.Connection], list[Setting]]


class Where(NamedTuple):
    """A form: the room, the part of its settings, for bands the stage."""

    room: str
    part: Part
    stage: str


class Made(NamedTuple):
    """What a change has made, or would."""

    settings: list[Setting]
    touched: Touched
    hidden: list[str]  # keys for which the room has something narrower


class OnlyAsked(Exception):
    """What a change would make: it ends the transaction without it."""

    def __init__(self, made: Made) -> None:
        super().__init__()
        self.made = made


def make(
    place: Place,
    room: str,
    add: Add,
    *,
    only_asked: bool,
) -> Made:
    """Add settings, and tell what they touch.

    Raises:
        OnlyAsked: it was only asked what they would; nothing has been added.
    """
    farm = place.farm()
    now = place.now()

    def work(connection: sa.Connection) -> Made:
        made = add(connection)
        touched = reach.summed(own_reach(connection, farm), now, farm)
        found = read_settings(connection, farm)
        hidden = [each.key for each in made if _is_hidden(each, found, room)]
        if only_asked:
            raise OnlyAsked(Made(made, touched, hidden))
        return Made(made, touched, hidden)

    return place.reader.write(work)


def _is_hidden(made: Setting, found: Settings, room: str) -> bool:
    """Whether something narrower is in force in the room on the setting's first day."""
    if made.undoes is not None or made.value is None:
        return False
    in_force = found.of(made.key, room, made.valid_from)
    return in_force is not None and in_force.narrowness > made.narrowness


def changes(
    form: FormData, farm: Farm, at: Where, author: str, valid_from: dt.date, seen: int
) -> list[Change]:
    """A change for each key whose inputs are not as they were shown."""
    room_id, in_date = _scope(form, at.room, farm)
    why = reason(form, farm)
    made = []
    for name, key in keys_of(at.part, at.stage, farm).items():
        given = [str(each) for each in form.getlist(f"value.{name}")]
        shown = [str(each) for each in form.getlist(f"shown.{name}")]
        if given and [each.strip() for each in given] != shown:
            text = written(given, key.kind, farm)
            made.append(Change(name, text, room_id, in_date, valid_from, author, why, seen))
    return made


def _scope(form: FormData, room: str, farm: Farm) -> tuple[str | None, dt.date | None]:
    """For what it is meant: `room`, `farm`, or the day on which a batch came in."""
    told = str(form.get("scope", "room"))
    if told == "farm":
        return None, None
    if told == "room":
        return room, None
    try:
        return room, dt.date.fromisoformat(told)
    except ValueError as error:
        raise UnusableSetting(say("page.set_no_scope", farm)) from error


def reason(form: FormData, farm: Farm) -> str:
    """Why: in one's own words, else one of the ready-made."""
    own = " ".join(str(form.get("reason", "")).split())
    ready = str(form.get("because", ""))
    if own or ready not in (*REASONS, *WHY_UNDONE):
        return own
    return say(f"page.because.{ready}", farm)


def meanwhile(newer: Setting, farm: Farm) -> str:
    """Who has set the same meanwhile."""
    key = settable(farm).get(newer.key)
    values = {
        "name": key_name(newer.key, key, farm) if key else newer.key,
        "value": valued(newer, farm),
        "author": newer.author,
        "day": f"{newer.valid_from}",
        "why": newer.reason,
    }
    return say("page.set_meanwhile", farm, **values)


def flash(made: Made) -> dict[str, Any]:
    """What the next page tells, small enough for a cookie; `told` reads it."""
    versions = [each.version for each in made.settings]
    return {"versions": versions, "touched": made.touched, "hidden": bool(made.hidden)}


def told(kept: Mapping[str, Any] | None, found: Settings, farm: Farm) -> dict[str, Any] | None:
    """What has just been made, for `setting_pieces.html`."""
    if kept is None:
        return None
    lines = [line(each, farm) for each in found.all if each.version in kept["versions"]]
    return {"lines": lines, "touched": kept["touched"], "hidden": kept["hidden"]}


def line(made: Setting, farm: Farm) -> dict[str, Any]:
    """What a setting says, for `setting_pieces.html`."""
    key = settable(farm).get(made.key)
    return {
        "name": key_name(made.key, key, farm) if key else made.key,
        "value": valued(made, farm),
        "from": f"{made.valid_from}",
        "undoes": made.undoes,
    }


def valued(setting: Setting, farm: Farm) -> str:
    """The value of a setting in words."""
    key = settable(farm).get(setting.key)
    if setting.value is None:
        return say("page.set_wider", farm)
    return value_text(setting.value, key.unit if key else "", farm)
