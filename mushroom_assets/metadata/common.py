"""What every asset's metadata is made of; what a table shows is its own module's business."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

Metadata = dict[str, Any]
# Dagster plots a number under its key, without a unit: the key ends in it where it is no count
SHARE = "(0-1)"


def mean(numbers: Sequence[float]) -> float:
    """The mean; 0 if there are no numbers."""
    return round(sum(numbers) / len(numbers), 4) if numbers else 0.0


def table(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> dg.TableMetadataValue:
    """A table with the same typed columns whether or not there are rows."""
    schema = dg.TableSchema([dg.TableColumn(name) for name in names])
    return dg.MetadataValue.table([_record(row, names) for row in rows], schema=schema)


def _record(row: dict[str, Any], names: Sequence[str]) -> dg.TableRecord:
    return dg.TableRecord({name: _cell(row[name]) for name in names})


def _cell(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return round(value, 3)
    return value if isinstance(value, str | int | bool | None) else str(value)
