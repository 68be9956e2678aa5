"""The domain's rows are the result tables': the same columns, with Python types that fit theirs."""

import datetime as dt
import importlib
import pkgutil
import types
import uuid
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import numpy as np
import pytest
import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from mushroom_assets import domain
from mushroom_assets.domain.image_row import DailyClipInference, ImageLabels
from mushroom_assets.domain.probe import ProbeColumns
from mushroom_assets.storage import schema


def row_types() -> dict[str, type]:
    """The TypedDicts of the domain by name, such as `DailyEnvStats`."""
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(domain.__path__):
        members = vars(importlib.import_module(f"{domain.__name__}.{module.name}"))
        found |= {name: member for name, member in members.items() if is_typeddict(member)}
    return found


def type_name(table: str) -> str:
    """`DailyEnvStats` of `daily_env_stats`."""
    return "".join(part.capitalize() for part in table.split("_"))


TYPES = row_types()
TABLES = schema.ASSETS.keys() - schema.SOURCES.keys()
ROWS = {table: TYPES[type_name(table)] for table in sorted(TABLES) if type_name(table) in TYPES}
# What a column of a type holds in Python; a JSON value may be a mapping or a list
HOLDS: list[tuple[type[Any], tuple[str, ...]]] = [
    (sa.Text, ("str",)),
    (sa.Integer, ("int",)),
    (sa.Double, ("float",)),
    (sa.Boolean, ("bool",)),
    (sa.Date, ("date",)),
    (sa.DateTime, ("datetime",)),
    (sa.Uuid, ("UUID",)),
    (sa.LargeBinary, ("bytes",)),
    (JSONB, ("dict", "Sequence")),
    (ARRAY, ("list",)),
    (VECTOR, ("ndarray",)),
]


def parts(hint: Any) -> set[str]:
    """Names of the types that a hint allows, `None` among them."""
    origin = get_origin(hint)
    if origin is NotRequired:
        return parts(get_args(hint)[0])
    if origin is Literal:
        return {type(value).__name__ for value in get_args(hint)}
    if origin in (Union, types.UnionType):
        return set[str]().union(*(parts(part) for part in get_args(hint)))
    if hint is type(None):
        return {"None"}
    return {(origin or hint).__name__}


def held(column: sa.Column[Any]) -> tuple[str, ...]:
    return next(names for kind, names in HOLDS if isinstance(column.type, kind))


def test_every_result_table_has_a_row_here() -> None:
    assert ROWS.keys() == TABLES


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_exactly_the_columns_of_its_table(name: str) -> None:
    columns = {column.name for column in schema.ASSETS[name].columns}
    assert set(get_type_hints(ROWS[name])) == columns


@pytest.mark.parametrize("name", ROWS)
def test_the_types_of_a_row_fit_its_columns(name: str) -> None:
    hints = get_type_hints(ROWS[name], include_extras=True)
    for column in schema.ASSETS[name].columns:
        found = parts(hints[column.name])
        assert ("None" in found) == bool(column.nullable), column.name
        (kind,) = found - {"None"}
        assert kind in held(column), column.name


@pytest.mark.parametrize("name", ROWS)
def test_only_what_the_writer_adds_may_be_left_out(name: str) -> None:
    stamps = {"model_id", "run_id", "computed_at", "detected_at", "fitted_at"}
    hints = get_type_hints(ROWS[name], include_extras=True)
    optional = {key for key, hint in hints.items() if get_origin(hint) is NotRequired}
    assert optional == stamps & hints.keys()


def test_labels_are_columns_of_the_images_rows() -> None:
    images = set(get_type_hints(DailyClipInference))
    assert set(get_type_hints(ImageLabels)) < images
    assert set(get_type_hints(ProbeColumns)) < set(get_type_hints(ImageLabels))


def test_the_comparison_of_types_tells_them_apart() -> None:
    assert parts(dt.date | None) == {"date", "None"}
    assert parts(NotRequired[str]) == {"str"}
    assert parts(Literal["a", "b"]) == {"str"}
    assert parts(np.ndarray[Any, Any] | None) == {"ndarray", "None"}
    assert parts(dict[str, float]) == {"dict"}
    assert held(sa.Column("a", sa.Uuid)) == (uuid.UUID.__name__,)
    assert held(sa.Column("a", sa.DateTime(timezone=True))) == ("datetime",)
