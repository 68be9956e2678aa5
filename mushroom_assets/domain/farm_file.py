"""The farm file as text: YAML read, defaults put in, and a mistake told with its line and key.

`farm` defines what the keys mean, `settings` where the file lies (`MUSHROOM_CONFIG`).
"""

from importlib import resources
from typing import Any

import yaml
from pydantic import ValidationError

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.packaged import read_yaml

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
        given = read_yaml(text)
        reference = read_yaml(reference_farm_text())
    except yaml.YAMLError as error:
        raise FarmFileError(f"{source} is not valid YAML: {error}") from error
    if not isinstance(given, dict):
        raise FarmFileError(f"{source} must be a mapping with the keys {', '.join(REQUIRED)}")
    defaults = {key: value for key, value in reference.items() if key not in REQUIRED}
    if "quantities" in given and "stages" not in given:
        defaults["stages"] = []  # the reference bands are about the reference quantities
    try:
        return Farm.model_validate(defaults | given)
    except ValidationError as error:
        mistakes = [_explain(mistake, text) for mistake in error.errors()]
        raise FarmFileError(f"{source} cannot be used:\n" + "\n".join(mistakes)) from error


def _explain(mistake: Any, text: str) -> str:
    path = [str(part) for part in mistake["loc"]]
    message = mistake["msg"].removeprefix("Value error, ")
    key, _, rest = message.partition(": ")
    if not path and key in Farm.model_fields:  # a rule of the whole file names its key itself
        path = [key]
        message = rest
    line = _line_of(path, text)
    where = (f"line {line}, " if line else "") + (".".join(path) or "the file")
    return f"  {where}: {message}"


def _line_of(path: list[str], text: str) -> int | None:
    """Line (from 1) of the deepest key of `path` that the document has.

    None if it has none of them.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = None
    for part in path:
        found = _under(node, part)
        if found is None:
            break
        line, node = found
    return line


def _under(node: Any, key: str) -> tuple[int, Any] | None:
    """Line and value of a key in a mapping, or of an element in a list; None where it has none."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
        value = node.value[int(key)]
        return value.start_mark.line + 1, value
    return None
