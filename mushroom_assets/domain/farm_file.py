"""The farm file as text: YAML read, defaults put in, and a mistake told with its line and key.

`farm` defines what the keys mean, `settings` where the file lies (`MUSHROOM_CONFIG`).
"""

import difflib
from importlib import resources
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_yaml import DoubledKeys, line_of, read_written

REQUIRED = ("timezone", "first_day", "rooms")  # keys that no reference value can replace


class FarmFileError(ValueError):
    """The farm file cannot be used; the message names the file, the line and the key."""


def reference_farm_text() -> str:
    """The packaged `farm.yaml`."""
    return resources.files("mushroom_assets").joinpath("farm.yaml").read_text(encoding="utf-8")


def parse_farm(text: str, *, source: str = "farm.yaml") -> Farm:
    """Validate a farm file.

    Args:
        text: the YAML document.
        source: what messages call the file.

    Raises:
        FarmFileError: not YAML, a missing or unknown key, a bad value; one line a mistake with its
            line and key.
    """
    try:
        given, node = read_written(text)
    except yaml.YAMLError as error:
        raise FarmFileError(f"{source} is not valid YAML: {error}") from error
    except DoubledKeys as error:
        raise FarmFileError(f"{source} cannot be used:\n{error}") from error
    reference, _ = read_written(reference_farm_text())
    if not isinstance(given, dict):
        raise FarmFileError(f"{source} must be a mapping with the keys {', '.join(REQUIRED)}")
    defaults = {key: value for key, value in reference.items() if key not in REQUIRED}
    if "quantities" in given and "stages" not in given:
        defaults["stages"] = []  # the reference bands are about the reference quantities
    try:
        return Farm.model_validate(defaults | given)
    except ValidationError as error:
        mistakes = [_explain(mistake, node) for mistake in error.errors()]
        raise FarmFileError(f"{source} cannot be used:\n" + "\n".join(mistakes)) from error


def _explain(mistake: Any, node: Any) -> str:
    path = [str(part) for part in mistake["loc"]]
    message = mistake["msg"].removeprefix("Value error, ")
    key, _, rest = message.partition(": ")
    if mistake["type"] == "extra_forbidden":
        message = _unknown(path)
    elif not path and key in Farm.model_fields:  # a rule of the whole file names its key itself
        path = [key]
        message = rest
    line = line_of(path, node)
    where = (f"line {line}, " if line else "") + (".".join(path) or "the file")
    return f"  {where}: {message}"


def _unknown(path: list[str]) -> str:
    """What is said of a key that no model has: the nearest that its model has, or all of them."""
    kind: Any = Farm
    for part in path[:-1]:
        # A model's field, a mapping's value or a list's element
        is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
        kind = kind.model_fields[part].annotation if is_model else get_args(kind)[-1]
    known = list(kind.model_fields)
    near = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"unknown key; {hint}"
