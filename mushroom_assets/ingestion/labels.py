"""Files of growers' labels into `image_label`: every row is examined, all or nothing is stored.

`files` reads the files, `report` has what was done. What a label is worth to a probe is the
business of `domain.probe`.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.probe import KINDS, MIN_LABELS, class_names, missing_labels
from mushroom_assets.ingestion.files import blocks, examined
from mushroom_assets.ingestion.report import LoadError, LoadReport, keep, settle
from mushroom_assets.storage.vision.labels import count_labels, seen_contents, store_labels

OPTIONAL = (*KINDS, "labelled_by")
UNSEEN = (
    "no day has seen this image, or could use it: is the path right, "
    "and its day in daily_clip_inference?"
)


def load_labels(
    connection: sa.Connection, path: Path, farm: Farm, *, skip_bad: bool = False
) -> LoadReport:
    """Store labels inside the caller's transaction: all or nothing.

    Args:
        connection: a connection in a transaction, which the caller rolls back on any error.
        path: CSV or Parquet with the columns image_path, stage or condition or both, and
            labelled_by if wanted. An empty cell says nothing of its kind; an earlier label then
            stays.
        farm: the names of stages and conditions.
        skip_bad: store the rest when rows are bad, and write the bad ones to a file beside this.

    Raises:
        LoadError: not such a file, or bad rows that are not to be skipped.
    """
    table = examined(path, ["image_path"])
    report = LoadReport(notes=table.notes())
    names = class_names(farm.vision)
    columns = ["image_path", *(name for name in OPTIONAL if name in table.names)]
    if not set(KINDS) & set(columns):
        found = ", ".join(table.names)
        raise LoadError(
            f"{path} lacks a column stage or condition. It has: {found}. Remedy: add one of them"
        )
    for block in blocks(table, columns, report):
        rows = block.reindex(columns=["image_path", *OPTIONAL], fill_value="")
        content = rows["image_path"].map(seen_contents(connection, set(rows["image_path"])))
        parsed = rows.astype(object).where(rows != "", None).assign(content_sha256=content)
        good: Any = keep(parsed, block, _reasons(rows, content, names), report)
        if not report.bad or skip_bad:
            report.added += store_labels(connection, good.to_dict("records"))
    settle(report, path, skip_bad)
    return report


def _reasons(rows: pd.DataFrame, content: pd.Series, names: dict[str, list[str]]) -> pd.Series:
    """What is wrong with each row, "" where nothing is."""
    reasons = pd.Series("", index=rows.index)
    reasons[content.isna()] = UNSEEN
    for kind in KINDS:
        unknown = (rows[kind] != "") & ~rows[kind].isin(names[kind])
        reasons[unknown] = f"{kind} is none of the farm file's: {', '.join(names[kind])}"
    reasons[(rows[list(KINDS)] == "").all(axis=1)] = "neither a stage nor a condition"
    reasons[rows["image_path"] == ""] = "image_path is empty"
    for kind in KINDS:
        given = rows[(reasons == "") & (rows[kind] != "")]
        first = given.groupby("image_path")[kind].transform("first")
        again = given.index[given[kind] != first]
        reasons[again] = f"another {kind} for the same image earlier in the file"
    return reasons


def progress_lines(connection: sa.Connection, farm: Farm) -> list[str]:
    """What there is now, a line a kind: labelled images by class, and how many are missing.

    The missing ones are those that a probe still needs to know the class.
    """
    lines = []
    for kind, names in class_names(farm.vision).items():
        found = count_labels(connection, kind)
        lines.append(f"{kind}: {_progress({name: found.get(name, 0) for name in names})}")
    return lines


def _progress(counts: dict[str, int]) -> str:
    """The progress of one kind's classes, by their counts."""
    missing = missing_labels(counts)
    told = []
    for name, count in counts.items():
        note = f" ({missing[name]} missing)" if name in missing else ""
        told.append(f"{name} {count}{note}")
    enough = len(counts) - len(missing)
    hint = "" if enough > 1 else ", a probe needs 2"
    return f"{', '.join(told)}; {enough} of {len(counts)} classes have {MIN_LABELS}{hint}"
