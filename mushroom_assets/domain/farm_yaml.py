"""The YAML of a farm file: every key and every value is a text as it is written, or nothing.

YAML 1.1 reads `010` as 8, `1_0` as 10, `12:30` as 750, `6.10` as 6.1, `on` as true, and of a key
that stands twice the last one. Here a room is `010`, and what is a number is said by the models of
`farm`. A doubled key is an error.
"""

from collections.abc import Iterator
from typing import Any

import yaml

STR = "tag:yaml.org,2002:str"
NULL = "tag:yaml.org,2002:null"
MERGE = "tag:yaml.org,2002:merge"
# By libyaml where PyYAML has it, as its wheels do
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What a plain scalar can be but a text: null, and the merge key `<<`; by first character
_RESOLVERS: dict[str, list[Any]] = {}
for first, resolvers in _Loader.yaml_implicit_resolvers.items():
    _RESOLVERS[first] = [each for each in resolvers if each[0] in (NULL, MERGE)]


class DoubledKeys(ValueError):
    """Keys that stand twice in a mapping; one line each, with its line and path."""


def read_written(text: str) -> tuple[Any, Any]:
    """A farm file as Python values (dict, list, str, None), and as nodes, which know their lines.

    Raises:
        yaml.YAMLError: the text is not YAML.
        DoubledKeys: a key stands twice.
    """
    loader = _Loader(text)
    loader.yaml_implicit_resolvers = _RESOLVERS
    try:
        node = loader.get_single_node()
        if node is None:
            return None, None
        doubled = list(_doubled(node, "", set()))
        if doubled:
            raise DoubledKeys("\n".join(doubled))
        return loader.construct_document(node), node
    finally:
        loader.dispose()


def line_of(path: list[str], node: Any) -> int | None:
    """Line (from 1) of the deepest key of `path` that the document has; None if it has none."""
    line = None
    for part in path:
        found = _under(node, part)
        if found is None:
            break
        line, node = found
    return line


def _doubled(node: Any, above: str, seen: set[int]) -> Iterator[str]:
    """A line for each key that stands twice; keys become texts on the way, a `null:` too."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, element in enumerate(node.value):
            yield from _doubled(element, f"{above}{number}.", seen)
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                key.tag = STR
                line = key.start_mark.line + 1
                if key.value in first:
                    yield (
                        f"  line {line}, {above}{key.value}: stands twice, first in line "
                        f"{first[key.value]}; keep one"
                    )
                first.setdefault(key.value, line)
            yield from _doubled(value, f"{above}{key.value}.", seen)


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
