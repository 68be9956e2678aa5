"""The farm file as text: YAML read, defaults put in, and a mistake told with its line and key.

What the keys mean is the business of `farm`, where the file lies (`MUSHROOM_CONFIG`) that of
`settings`.
"""

from importlib import resources
from typing import Any

import yaml
from pydantic import ValidationError

from mushroom_assets.domain.farm import Farm

REQUIRED = ("timezone", "first_day", "rooms")  # keys that no reference value can stand in for


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
        given, reference = _read(text), _read(reference_farm_text())
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


def _read(text: str) -> Any:
    """By libyaml where PyYAML has it, as its wheels do: the reference file in 2 ms instead of 13."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe


def _explain(mistake: Any, text: str) -> str:
    path, message = (
        [str(part) for part in mistake["loc"]],
        mistake["msg"].removeprefix("Value error, "),
    )
    key, _, rest = message.partition(": ")
    if not path and key in Farm.model_fields:  # a rule of the whole file names its key itself
        path, message = [key], rest
    line = _line_of(path, text)
    where = (f"line {line}, " if line else "") + (".".join(path) or "the file")
    return f"  {where}: {message}"


def _line_of(path: list[str], text: str) -> int | None:
    """Line (from 1) of the deepest key of `path` that the document has, None where it has none of
    them.
    """
    node, line = yaml.compose(text, Loader=yaml.SafeLoader), None
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == part), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
        else:
            break
    return line
