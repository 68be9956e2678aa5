"""YAML that comes with the package, read in one way.

What a file means is the business of whoever reads it: `texts`, `farm_file`, the UI's pages.
"""

from importlib import resources
from typing import Any

import yaml


def packaged_yaml(*path: str) -> Any:
    """A YAML file of the package: `packaged_yaml("metadata", "texts.yaml")`."""
    file = resources.files("mushroom_assets").joinpath(*path)
    return read_yaml(file.read_text(encoding="utf-8"))


def packaged_names(*folder: str) -> list[str]:
    """Names of the YAML files in a folder of the package, sorted."""
    entries = resources.files("mushroom_assets").joinpath(*folder).iterdir()
    return sorted(entry.name for entry in entries if entry.name.endswith(".yaml"))


def read_yaml(text: str) -> Any:
    """A YAML document as Python values.

    By libyaml where PyYAML has it, as its wheels do: the reference farm file in 2 ms instead of 13.

    Raises:
        yaml.YAMLError: the text is not YAML.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, Loader=loader)  # noqa: S506 - both loaders are safe
