"""Settings as a form has them: which keys stand where, what is in force, what was typed.

What may be set and what is in force is the business of `domain.settable` and `domain.in_force`.
"""

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.in_force import Setting, Settings
from mushroom_assets.domain.settable import NONE, Settable, UnusableSetting, settable, value_in
from mushroom_assets.domain.texts import quantity_name, say

Part = Literal["bands", "limits", "sensors", "words"]
LONGEST = 200  # characters of a word that is set
# What one tap on a stepper adds, by unit; hours of a limit, and shares, have none
STEPS = {"ppm": 100.0, "%": 1.0, "°C": 0.5, "kPa": 0.05}
SHARE_STEP = 0.05
HOURS_STEP = 0.5


@dataclass(frozen=True)
class Row:
    """A key on the form.

    Attributes:
        key, kind: as `settable` has them.
        name: what people call it.
        unit: of its numbers.
        step: what one tap adds.
        fields: what the inputs begin with: low and high, one number, or words in two languages.
        in_file: what the farm file says.
        today: what is in force today, where that is something else than `fields`.
        setting: where the value comes from, None where it is the file's.
        later: what begins after the day that is shown.
    """

    key: str
    kind: str
    name: str
    unit: str
    step: float
    fields: tuple[str, ...]
    in_file: str
    today: str | None
    setting: Setting | None
    later: Sequence[Setting]


def keys_of(part: Part, stage: str, farm: Farm) -> dict[str, Settable]:
    """The keys of a part of the page; bands are those of a stage."""
    found = settable(farm)
    if part == "bands":
        return {key: one for key, one in found.items() if key.startswith(f"stages.{stage}.bands.")}
    if part == "words":
        return {key: one for key, one in found.items() if one.kind == "text"}
    of_reports = part == "limits"
    return {
        key: one
        for key, one in found.items()
        if one.kind != "text"
        and one.path[0] != "stages"
        and (one.path[0] == "report") == of_reports
    }


def rows(
    found: Settings, farm: Farm, room: str, today: dt.date, keys: Mapping[str, Settable]
) -> list[Row]:
    """The keys as they are in force in a room tomorrow, the day from which a change is meant."""
    day = today + dt.timedelta(days=1)
    made = []
    for name, key in keys.items():
        setting = found.of(name, room, day)
        in_file = value_in(farm, key)
        now = found.of(name, room, today)
        later = [
            each
            for each in found.counting
            if each.key == name and each.valid_from > day and each.room_id in (None, room)
        ]
        row = Row(
            key=name,
            kind=key.kind,
            name=key_name(name, key, farm),
            unit=key.unit,
            step=_step(key),
            fields=fields_of(setting.value if setting else in_file, key.kind),
            in_file=value_text(in_file, key.unit, farm),
            today=None if now == setting else _told(now, in_file, key, farm),
            setting=setting,
            later=later,
        )
        made.append(row)
    return made


def _told(setting: Setting | None, in_file: Any, key: Settable, farm: Farm) -> str:
    return value_text(setting.value if setting else in_file, key.unit, farm)


def _step(key: Settable) -> float:
    if key.path[0] == "report":
        return HOURS_STEP if str(key.path[-1]).endswith("_hours") else SHARE_STEP
    return STEPS.get(key.unit, 1.0)


def key_name(name: str, key: Settable, farm: Farm) -> str:
    """What people call a key; the key itself where it names words."""
    first, *rest = (str(part) for part in key.path)
    if key.kind == "text":
        return name
    if first == "stages":
        return quantity_name(rest[-1], farm)
    if first == "report":
        return say(f"page.limit.{rest[-1]}", farm)
    if first == "quantities":
        return say(f"page.limit.{rest[-1]}", farm, name=quantity_name(rest[0], farm))
    point = farm.points[rest[0]][rest[1]]
    device = farm.say(farm.devices.get(rest[0])) or rest[0]
    return say(
        "page.limit.threshold", farm, name=farm.say(point.description) or rest[1], device=device
    )


def value_text(value: Any, unit: str, farm: Farm) -> str:
    """A value in words: `1500–3800 ppm`."""
    if value is None:
        return "–"
    if value == NONE:
        return say("page.set_none", farm)
    if isinstance(value, dict):
        return " / ".join(str(words) for words in value.values())
    if isinstance(value, list | tuple):
        return f"{_number(value[0])}–{_number(value[1])} {unit}".strip()
    return value if isinstance(value, str) else f"{_number(value)} {unit}".strip()


def _number(value: float) -> str:
    return f"{value:.10g}"


def fields_of(value: Any, kind: str) -> tuple[str, ...]:
    """What the inputs of a value begin with."""
    if kind == "text":
        if isinstance(value, dict):
            return str(value.get("en", "")), str(value.get("zh", ""))
        return (str(value or ""),) * 2
    count = 2 if kind == "band" else 1
    if value is None or value == NONE:
        return ("",) * count
    return tuple(_number(each) for each in (value if kind == "band" else [value]))


def written(given: Sequence[str], kind: str, farm: Farm) -> str:
    """What was typed into the inputs of a key, as the farm file would have it.

    Raises:
        UnusableSetting: it cannot be one.
    """
    typed = [each.strip() for each in given]
    if kind == "text":
        return _words(typed)
    if not any(typed):
        return NONE
    try:
        numbers = [float(each) for each in typed]
    except ValueError as error:
        raise UnusableSetting(say("page.set_no_number", farm)) from error
    if len(numbers) != (2 if kind == "band" else 1) or not all(map(math.isfinite, numbers)):
        raise UnusableSetting(say("page.set_no_number", farm))
    return json.dumps(numbers if kind == "band" else numbers[0])


def _words(typed: Sequence[str]) -> str:
    known = [each for each in typed if each]
    if not known:
        return "null"
    if max(map(len, known)) > LONGEST:
        raise UnusableSetting(f"a word has at most {LONGEST} characters")
    if len(set(known)) == 1:
        return json.dumps(known[0], ensure_ascii=False)
    return json.dumps(dict(zip(("en", "zh"), typed, strict=True)), ensure_ascii=False)
