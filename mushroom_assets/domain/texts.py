"""What people are told: `say` finds a text in the farm's language; quantities and numbers in words.

The texts stand in YAML files, so that whoever improves a sentence needs no Python. The files lie in
the folder `metadata`, beside what the UI's pages say. They are read as data of the package and not
through the room `metadata`: the domain imports no other room, yet it has to speak, because a
report's sentences are results and are stored in rows. The farm file's own texts are read by
`Farm.say`.
"""

import functools
import math
import string
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Language
from mushroom_assets.domain.packaged import packaged_names, packaged_yaml

FOLDER = "mushroom_assets/metadata"
TEXTS_FILE = "texts.yaml"
PAGE_FILE = "page.yaml"  # what the farm's page says
RULES_FOLDER = "rules"  # a folder: one file for the checks of each noun
LANGUAGES: tuple[Language, ...] = get_args(Language)
ROUNDING = 1e-9  # per cent: 0.29 is 28.999999999999996 % in binary
UNIT_DECIMALS = {"ppm": 0, "%": 1, "°C": 1, "kPa": 3}  # that a grower can act on; others: 2

Bilingual = dict[Language, str]


def say(key: str, farm: Farm, /, **values: Any) -> str:
    """The text of a key in the farm's language, its placeholders filled in.

    Args:
        key: of the text: `no_data`; `daily_env_stats.rows_complete.fault` where texts are nested.
        farm: the language.
        values: by placeholder; one that the text has no place for is left out.

    Raises:
        KeyError: no text has the key, or a placeholder gets no value.
    """
    return say_in(farm.language, key, **values)


def say_in(language: Language, key: str, /, **values: Any) -> str:
    """As `say`, in a given language: for what is stored in one language on every farm."""
    found = texts().get(key)
    if found is None:
        raise KeyError(f"no text has the key {key!r}. Remedy: write it into a file of {FOLDER}/")
    return found[language].format(**values)


def files() -> list[tuple[str, ...]]:
    """Paths of the files of texts, in the folder `metadata`."""
    rules = [(RULES_FOLDER, name) for name in packaged_names("metadata", RULES_FOLDER)]
    return [(TEXTS_FILE,), (PAGE_FILE,), *rules]


@functools.cache
def texts() -> Mapping[str, Bilingual]:
    """All texts by key, read when the first one is needed.

    Raises:
        ValueError: a text lacks a language or has other placeholders in it, or two share a key.
    """
    found: dict[str, Bilingual] = {}
    for path in files():
        read = dict(texts_of(packaged_yaml("metadata", *path)))
        doubled = found.keys() & read.keys()
        if doubled:
            raise ValueError(f"{'/'.join(path)}: two texts have the key {min(doubled)!r}")
        found |= read
    return found


def texts_of(document: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Bilingual]]:
    """The texts of a YAML document, each checked; nested ones have keys joined by dots.

    Raises:
        ValueError: as `texts` does.
    """
    for name, value in document.items():
        key = f"{above}{name}"
        if not isinstance(name, str):
            raise ValueError(f"text {key!r}: YAML reads its key as no text; write another word")
        if isinstance(value, dict) and all(isinstance(part, dict) for part in value.values()):
            yield from texts_of(value, f"{key}.")
        else:
            yield key, _checked(key, value)


def _checked(key: str, text: Any) -> Bilingual:
    """A text that every farm can read."""
    if not isinstance(text, dict) or set(text) != set(LANGUAGES):
        raise ValueError(f"text {key!r} must have exactly the languages {', '.join(LANGUAGES)}")
    if any(not isinstance(said, str) for said in text.values()):
        raise ValueError(f"text {key!r} must be text in every language")
    named = [placeholders(said) for said in text.values()]
    if any(others != named[0] for others in named):
        raise ValueError(f"text {key!r} must have the same placeholders in every language")
    return text


def placeholders(text: str) -> set[str]:
    """Names of the values that a text has a place for."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def quantity_name(quantity: str, farm: Farm) -> str:
    """What people call a quantity: as the farm file says, else as ours does, else its key."""
    own = farm.quantities.get(quantity)
    named = farm.say(own.text) if own is not None else None
    return named or default_name(quantity, farm)


def default_name(quantity: str, farm: Farm) -> str:
    """What people call a quantity whose name the farm file does not give."""
    key = f"quantity.{quantity}"
    return say(key, farm) if key in texts() else quantity


def decimals(quantity: str, unit: str, farm: Farm) -> int:
    """How many decimals of a quantity are shown: as the farm file says, else by its unit."""
    own = farm.quantities.get(quantity)
    if own is not None and own.decimals is not None:
        return own.decimals
    return default_decimals(unit)


def default_decimals(unit: str) -> int:
    """How many decimals a unit gets if the farm file does not say."""
    return UNIT_DECIMALS.get(unit, 2)


def number_text(value: float | None, places: int, unit: str | None = None) -> str:
    """A number to so many decimals, with its unit where one is given; a dash for none."""
    if value is None:
        return "–"
    number = f"{value:.{places}f}"
    return number if unit is None else f"{number} {unit}"


def at_most(share: float) -> float:
    """A share of what is wanted, to the whole per cent below: 0.9986 is not all of it."""
    return math.floor(100 * share + ROUNDING) / 100


def at_least(share: float) -> float:
    """A share of what is not wanted, to the whole per cent above."""
    return math.ceil(100 * share - ROUNDING) / 100


def share_text(value: float | None) -> str:
    """A share of what is wanted, in per cent; a dash where there is none."""
    return "–" if value is None else f"{at_most(value):.0%}"


def duration_text(seconds: float, farm: Farm) -> str:
    """`7 h 12 min`; less than a minute is one."""
    minutes = math.ceil(seconds / 60)
    hours = minutes // 60
    if not hours:
        return say("minutes", farm, minutes=minutes)
    return say("hours_and_minutes", farm, hours=hours, minutes=minutes % 60)


def known_text(coverage: float, farm: Farm) -> str:
    """How much of a day is known: `62% known`, nothing if all of it is."""
    return say("known", farm, share=at_most(coverage)) if at_most(coverage) < 1 else ""
