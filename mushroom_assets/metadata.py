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
from mushroom_assets.domain.probe import MIN_LABELS, ProbeFit, missing_labels
from mushroom_assets.domain.report import change_text
from mushroom_assets.storage.relabel import DayCount
from mushroom_assets.storage.schema import SCHEMA

Metadata = dict[str, Any]
GROUP = "farm"  # one for all: the lineage page folds up groups as soon as there are two
UNTRAINED_NOTE = "**The CLIP model has random weights: its labels mean nothing. Set MUSHROOM_CLIP_PRETRAINED.**"
BY_ROOM_DAY = "Images of one room and day, which are near-duplicates, were never on both sides of a fold."
BY_IMAGE = (
    "A class has too few room-days for folds by room and day, so near-duplicates may be on both sides of a fold: "
    "**the accuracy flatters**. Label images of more days."
)


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


def vision_metadata(
    rows: Sequence[dict[str, Any]], model_id: str, *, trained: bool, farm: Farm, strays: Sequence[dict[str, Any]] = ()
) -> Metadata:
    """One day of `daily_clip_inference`: counts by status, stages by room, the model and whether to believe it.

    `strays` are rows of `image_quarantine`: what no day will ever look at.
    """
    ok = [row for row in rows if row["status"] == "ok"]
    stages = Counter((row["room_id"], row["stage"]) for row in ok)
    tally = [{"room_id": room, "stage": stage, "images": count} for (room, stage), count in sorted(stages.items())]
    counted: Metadata = {
        "dagster/partition_row_count": len(rows),
        "images_ok": len(ok),
        "images_not_ok": len(rows) - len(ok),
        "rooms_without_images": len(set(farm.rooms) - {row["room_id"] for row in rows}),
        "strays": len(strays),
        "model_id": model_id,
        "stages": _table(tally, ("room_id", "stage", "images")),
    }
    if strays:
        counted["quarantine"] = _table(strays, ("image_path", "reason"))
    return counted if trained else counted | {"note": dg.MetadataValue.md(UNTRAINED_NOTE)}


def relabel_metadata(day: DayCount, model_id: str, *, trained: bool) -> Metadata:
    """One day of `daily_clip_inference` after new labels for stored vectors: counts by status, and the model."""
    counted: Metadata = {
        "dagster/partition_row_count": day.ok + day.not_ok,
        "images_ok": day.ok,
        "images_not_ok": day.not_ok,
        "model_id": model_id,
        "relabelled": True,
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


def probe_metadata(fits: Sequence[ProbeFit], labels: int) -> Metadata:
    """One run of `clip_probe`: accuracies to plot, the classes of every fit, and what is missing or to be doubted.

    Args:
        fits: one a model and kind, those of the model in use last; numbers and confusions are of that model.
        labels: all labels of both kinds, with and without vectors.
    """
    current = [fit for fit in fits if fit.encoder == fits[-1].encoder]
    known = sum(sum(fit.counts.values()) + sum(fit.strangers.values()) for fit in current)
    shown: Metadata = {
        "dagster/row_count": sum(fit.probe is not None for fit in fits),
        "labels": labels,
        "labels_without_vector": labels - known,
    }
    for fit in current:
        if (found := fit.evaluation) is not None:
            shown[f"{fit.kind}_accuracy"] = round(found.accuracy, 4)
            if found.zero_shot_accuracy is not None:
                shown[f"{fit.kind}_zero_shot_accuracy"] = round(found.zero_shot_accuracy, 4)
            named = [dict(zip(found.classes, row, strict=True)) for row in found.confusion.tolist()]
            rows = [{"labelled": label} | row for label, row in zip(found.classes, named, strict=True)]
            shown[f"{fit.kind}_confusion"] = _table(rows, ("labelled", *found.classes))
    classes = [row for fit in fits for row in _class_rows(fit)]
    columns = ("model", "kind", "class", "images", "missing", "recall", "precision", "zero_shot_recall")
    notes = dg.MetadataValue.md("\n".join(f"- {_probe_note(fit)}" for fit in fits))
    return shown | {"classes": _table(classes, columns), "notes": notes}


def _class_rows(fit: ProbeFit) -> list[dict[str, Any]]:
    missing, found = missing_labels(fit.counts), fit.evaluation
    rates = found.by_class() if found else {}
    zero_shot = found.zero_shot_recall() if found else {}
    return [
        {
            "model": fit.encoder,
            "kind": fit.kind,
            "class": name,
            "images": count,
            "missing": missing.get(name, 0),
            "recall": rates.get(name, {}).get("recall"),
            "precision": rates.get(name, {}).get("precision"),
            "zero_shot_recall": zero_shot.get(name),
        }
        for name, count in fit.counts.items()
    ]


def _probe_note(fit: ProbeFit) -> str:
    """A fit in words: how it was judged, what it lacks, what it leaves out."""
    lacking = ", ".join(f"{name} {count}" for name, count in missing_labels(fit.counts).items())
    parts = [f"**{fit.kind}**, {fit.encoder}:"]
    if fit.probe is None or fit.evaluation is None:
        parts.append(f"no probe: two classes with {MIN_LABELS} labelled images each are needed. Missing: {lacking}.")
    else:
        folds = f"{fit.evaluation.folds} folds, nested: C = {fit.strength:g} was chosen without the images judged"
        parts.append(f"`{fit.probe.probe_id}`, cross-validated in {folds}.")
        parts.append(BY_ROOM_DAY if fit.evaluation.by_room_day else BY_IMAGE)
        if lacking:
            parts.append(f"Left out for want of labels: {lacking} missing.")
    if fit.strangers:
        parts.append(f"Left out, not in the farm file: {', '.join(fit.strangers)}.")
    return " ".join(parts)


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
