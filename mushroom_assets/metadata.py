"""Results -> what the UI shows: column schemas from the data dictionary, counts, tables. No computing of results.

Small on purpose: Dagster never purges its event log.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.report import change_text
from mushroom_assets.storage.schema import SCHEMA

Metadata = dict[str, Any]
GROUP = "farm"  # one for all: the lineage page folds up groups as soon as there are two
UNTRAINED_NOTE = "**The CLIP model has random weights: its labels mean nothing. Set MUSHROOM_CLIP_PRETRAINED.**"


def definition_metadata(table: sa.Table) -> Metadata:
    """What an asset's page says of its table: name, storage and every column with meaning, unit and constraints."""
    columns = [
        dg.TableColumn(
            column.name,
            column.type.compile(dialect=postgresql.dialect()),
            description=column.comment,
            constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
        )
        for column in table.columns
    ]
    return {
        "dagster/table_name": f"{SCHEMA}.{table.name}",
        "dagster/storage_kind": "postgres",
        "dagster/column_schema": dg.TableSchema(
            columns,
            constraints=dg.TableConstraints(
                other=["primary key: " + ", ".join(column.name for column in table.primary_key.columns)]
            ),
        ),
    }


def environment_metadata(rows: Sequence[dict[str, Any]]) -> Metadata:
    """One day of `daily_env_stats`: plottable means, and a table of rooms and quantities."""
    measured = [row for row in rows if row["sample_count"]]
    plotted: Metadata = {
        "dagster/partition_row_count": len(rows),
        "samples": sum(row["sample_count"] for row in rows),
        "rejected": sum(row["rejected_count"] for row in rows),
        "suspect": sum(row["suspect_count"] for row in rows),
        "coverage": _mean([row["coverage"] for row in rows]),
        "rooms_without_data": len({row["room_id"] for row in rows} - {row["room_id"] for row in measured}),
    }
    for quantity in dict.fromkeys(row["quantity"] for row in measured):
        plotted[f"mean_{quantity}"] = _mean([row["mean"] for row in measured if row["quantity"] == quantity])
    shown = ("room_id", "quantity", "unit", "mean", "min", "median", "max", "coverage", "in_range", "growth_day")
    return plotted | {"statistics": _table(rows, shown)}


def setpoint_metadata(rows: Sequence[dict[str, Any]], farm: Farm) -> Metadata:
    """One hour of `hourly_setpoint_changes`: the count, and the changes in words and farm time where there are any."""
    counted: Metadata = {"dagster/partition_row_count": len(rows)}
    told = [
        {
            "room": row["room_id"],
            "at": f"{row['changed_at'].astimezone(farm.zone):%H:%M:%S}",
            "change": change_text(row),
        }
        for row in sorted(rows, key=lambda row: (row["changed_at"], row["point_id"]))
    ]
    return counted | ({"changes": _table(told, ("room", "at", "change"))} if told else {})


def vision_metadata(rows: Sequence[dict[str, Any]], model_id: str, *, trained: bool, farm: Farm) -> Metadata:
    """One day of `daily_clip_inference`: counts by status, stages by room, the model and whether to believe it."""
    ok = [row for row in rows if row["status"] == "ok"]
    stages = Counter((row["room_id"], row["stage"]) for row in ok)
    tally = [{"room_id": room, "stage": stage, "images": count} for (room, stage), count in sorted(stages.items())]
    counted: Metadata = {
        "dagster/partition_row_count": len(rows),
        "images_ok": len(ok),
        "images_not_ok": len(rows) - len(ok),
        "rooms_without_images": len(set(farm.rooms) - {row["room_id"] for row in rows}),
        "model_id": model_id,
        "stages": _table(tally, ("room_id", "stage", "images")),
    }
    return counted if trained else counted | {"note": dg.MetadataValue.md(UNTRAINED_NOTE)}


def report_metadata(rows: Sequence[dict[str, Any]]) -> Metadata:
    """One day of `daily_room_report`: rooms by verdict, and the reports themselves."""
    verdicts = [row["verdict"] for row in rows]
    return {
        "dagster/partition_row_count": len(rows),
        **{verdict: verdicts.count(verdict) for verdict in ("good", "watch", "act", "insufficient_data")},
        "report": dg.MetadataValue.md("\n\n".join(row["summary_md"] for row in rows)),
    }


def _mean(numbers: Sequence[float]) -> float:
    return round(sum(numbers) / len(numbers), 4) if numbers else 0.0


def _table(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> dg.TableMetadataValue:
    """A table with the same typed columns whether or not there are rows."""
    cells = [{name: _cell(row[name]) for name in names} for row in rows]
    schema = dg.TableSchema([dg.TableColumn(name) for name in names])
    return dg.MetadataValue.table([dg.TableRecord(record) for record in cells], schema=schema)


def _cell(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return round(value, 3)
    return value if isinstance(value, str | int | bool | None) else str(value)
