"""A row that would come, go or change, as lines of text or as JSON."""

import datetime as dt
import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from mushroom_assets.assets import beside
from mushroom_assets.domain.farm import Farm
from mushroom_assets.storage.results import Change

WIDTH = 160  # characters of a row that comes or goes
MARKS = {"come": "+", "go": "-", "change": "~"}
NAMES = ("room_id", "device_alias", "point_alias")  # what a key of numbers does not say


def kind(change: Change) -> str:
    """`come`, `go` or `change`."""
    if change.before is None:
        return "come"
    return "go" if change.after is None else "change"


def json_line(asset: str, change: Change, table: sa.Table) -> str:
    """A row as an object: asset, change, key, and columns with `stored`, `new`, `difference`."""
    row = change.after or change.before or {}
    key = {column.name: row[column.name] for column in table.primary_key}
    found = {
        "asset": asset,
        "change": kind(change),
        "key": key,
        "columns": beside.columns(change, table),
    }
    return json.dumps(found, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def text_lines(change: Change, table: sa.Table, farm: Farm) -> Iterator[str]:
    """The key, and of a row that changes a line for each value; else all values beside the key."""
    row = change.after or change.before or {}
    what = kind(change)
    keys = [column.name for column in table.primary_key]
    names = keys + [name for name in NAMES if name in row and name not in keys]
    head = " ".join([MARKS[what], *(_text(row[name], farm) for name in names)])
    columns = beside.columns(change, table)
    if what == "change":
        yield head
        for name, values in columns.items():
            yield from _changed(name, values["stored"], values["new"], farm)
        return
    rest = [name for name in columns if name not in names and row[name] is not None]
    rest.sort(key=lambda name: not isinstance(row[name], float))  # what is cut are no measures
    cells = [f"{name}={_text(row[name], farm)}" for name in rest]
    line = " ".join(f"{head}: {', '.join(cells)}".split())
    yield line if len(line) <= WIDTH else f"{line[: WIDTH - 4]} ..."


def _changed(name: str, stored: Any, new: Any, farm: Farm) -> Iterator[str]:
    """The lines of a column: one, of JSON one for each value in it, of a text its lines."""
    if isinstance(stored, str) and isinstance(new, str) and "\n" in stored + new:
        yield f"    {name}"
        lines = difflib.unified_diff(stored.splitlines(), new.splitlines(), n=0, lineterm="")
        yield from (f"      {line}" for line in list(lines)[2:] if not line.startswith("@@"))
        return
    before = _leaves(name, stored)
    after = _leaves(name, new)
    for path in before | after:
        pair = (before.get(path), after.get(path))
        if pair[0] != pair[1]:
            yield f"    {path}  {_pair(*pair, farm)}"


def _leaves(name: str, value: Any) -> dict[str, Any]:
    """The values within JSON, by their paths."""
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return {name: value}
    found: dict[str, Any] = {}
    for key, part in items:
        found |= _leaves(f"{name}.{key}", part)
    return found


def _pair(stored: Any, new: Any, farm: Farm) -> str:
    texts = [_text(stored, farm), _text(new, farm)]
    if texts[0] == texts[1]:  # they differ behind what is shown
        texts = [str(stored), str(new)]
    if beside.is_number(stored) and beside.is_number(new):
        return f"{texts[0]} -> {texts[1]}  ({new - stored:+.3g})"
    return f"{texts[0]} -> {texts[1]}"


def _text(value: Any, farm: Farm) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dt.datetime):
        return value.astimezone(farm.zone).isoformat(" ")
    return str(value)
