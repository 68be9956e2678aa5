"""The keys of the farm file that a setting may give another value from a day on.

Bands, limits, thresholds and words. What shapes partitions (zone, first day, rooms), what says how
far a day looks back, and what belongs to the model (prompts, label limits, which are applied to
all days at once) stays in the file. Which setting is in force is the business of `in_force`.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.names import ENVIRONMENT, REPORT, SETPOINTS, VISION
from mushroom_assets.domain.vision import CLIMATE_COLUMNS

Kind = Literal["band", "number", "text"]
NONE = "none"  # the value that takes a band or a limit away


class UnusableSetting(ValueError):
    """A setting names no key, or its value cannot be one of the key."""


class Settable(NamedTuple):
    """A key that may be set.

    Attributes:
        path: where it stands in `Farm.model_dump()`.
        kind: what a value looks like: two numbers, one, or words.
        read_by: the assets whose rows depend on it.
        unit: of the numbers; "" where they have none.
    """

    path: tuple[str | int, ...]
    kind: Kind
    read_by: frozenset[str]
    unit: str = ""


CLIMATE = frozenset({ENVIRONMENT, REPORT})
MOVES = frozenset({SETPOINTS, REPORT})
WORDS = frozenset({REPORT})
Keys = Iterator[tuple[str, Settable]]


def settable(farm: Farm) -> dict[str, Settable]:
    """Every key that may be set, as people write it, in the order of the farm file."""
    return dict(chain(_of_quantities(farm), _of_points(farm), _of_stages(farm), _of_texts(farm)))


def _of_quantities(farm: Farm) -> Keys:
    for name, quantity in farm.quantities.items():
        read_by = CLIMATE | {VISION} if name in CLIMATE_COLUMNS else CLIMATE
        path = ("quantities", name)
        yield _key((*path, "plausible"), "band", read_by, quantity.unit)
        yield _key((*path, "spike"), "number", read_by, quantity.unit)
        yield _key((*path, "text"), "text", WORDS)


def _of_points(farm: Farm) -> Keys:
    for device_type, points in farm.points.items():
        for alias, point in points.items():
            path = ("points", device_type, alias)
            if point.threshold is not None:
                yield _key((*path, "threshold"), "number", MOVES, point.unit or "")
            yield _key((*path, "description"), "text", MOVES)


def _of_stages(farm: Farm) -> Keys:
    for number, stage in enumerate(farm.stages):
        for name, unit in farm.units().items():
            path = ("stages", number, "bands", name)
            yield f"stages.{stage.name}.bands.{name}", Settable(path, "band", CLIMATE, unit)
    for limit in type(farm.report).model_fields:
        yield _key(("report", limit), "number", WORDS)


def _of_texts(farm: Farm) -> Keys:
    for device in farm.devices:
        yield _key(("devices", device), "text", WORDS)
    kinds = {"stages": farm.vision.stages, "conditions": farm.vision.conditions}
    for kind, labels in kinds.items():
        for label in labels:
            yield _key(("vision", kind, label, "text"), "text", WORDS)


def _key(
    path: tuple[str, ...], kind: Kind, read_by: frozenset[str], unit: str = ""
) -> tuple[str, Settable]:
    return ".".join(path), Settable(path, kind, read_by, unit)


def near(name: str, keys: Iterable[str]) -> str:
    """`; did you mean ...?` if a key is written nearly so."""
    found = difflib.get_close_matches(name, keys, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def with_values(farm: Farm, values: Mapping[str, Any]) -> Farm:
    """The farm with other values of some keys, validated as a whole.

    Args:
        farm: as its file has it.
        values: by key, as JSON has them or as texts, as the farm file's; `NONE` takes a band or a
            limit away.

    Raises:
        UnusableSetting: a key that may not be set, or a farm that is not valid.
    """
    keys = settable(farm)
    parts = farm.model_dump()
    for key, value in values.items():
        if key not in keys:
            raise UnusableSetting(
                f"{key} is no key of the farm file that can be set. "
                "Remedy: `mushroom settings show` lists them"
            )
        _put(parts, keys[key], value)
    try:
        return Farm.model_validate(parts)
    except ValidationError as error:
        mistakes = [mistake["msg"].removeprefix("Value error, ") for mistake in error.errors()]
        raise UnusableSetting(f"{', '.join(values)}: {'; '.join(mistakes)}") from error


def fault_of(key: str, value: Any, farm: Farm) -> str | None:
    """Why a value cannot be one of a key; None where it can.

    What a key takes is the same on every farm that has it, so it is found out once.
    """
    known = (key, json.dumps(value))
    if known not in _FAULTS:
        try:
            with_values(farm, {} if value is None else {key: value})
        except UnusableSetting as error:
            _FAULTS[known] = str(error)
        else:
            _FAULTS[known] = None
    return _FAULTS[known]


_FAULTS: dict[tuple[str, str], str | None] = {}


def _put(parts: Any, key: Settable, value: Any) -> None:
    *above, last = key.path
    for part in above:
        parts = parts[part]
    if value == NONE and key.kind != "text":
        if "bands" in above:
            parts.pop(last, None)
        else:
            parts[last] = None
    else:
        parts[last] = value


def value_in(farm: Farm, key: Settable) -> Any:
    """A key's value in a farm, as JSON has it; None where it has none."""
    parts: Any = farm.model_dump(mode="json")
    for part in key.path:
        parts = parts.get(part) if isinstance(parts, dict) else parts[part]
    return parts
