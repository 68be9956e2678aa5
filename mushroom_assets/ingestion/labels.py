"""Files of growers' labels into `image_label`: every row is examined, all or nothing is stored.

`files` reads the files, `report` has what was done. What a label is worth to a probe is the
business of `domain.probe`.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain.evaluation import rooms_text, told_by_rooms
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.label_names import LabelNames
from mushroom_assets.domain.probe import KINDS, MIN_LABELS, class_names, missing_labels
from mushroom_assets.domain.texts import say
from mushroom_assets.ingestion.files import Table, blocks, examined
from mushroom_assets.ingestion.report import LISTED, LoadError, LoadReport, keep, settle
from mushroom_assets.storage.vision.labels import (
    contradictions,
    count_labels,
    count_rooms,
    seen_contents,
    store_labels,
)

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
            stays. A row with nothing but its image is one of a queue that nobody filled in.
        farm: names and texts of stages and conditions.
        skip_bad: store the rest when rows are bad, and write the bad ones to a file beside this.

    Raises:
        LoadError: not such a file, or bad rows that are not to be skipped.
    """
    table = examined(path, ["image_path"])
    report = LoadReport(notes=table.notes())
    columns = _columns(table)
    names = {
        "stage": LabelNames(farm.vision.stages),
        "condition": LabelNames(farm.vision.conditions),
    }
    contents: set[str] = set()
    left_blank = 0
    for block in blocks(table, columns, report):
        rows = block.reindex(columns=["image_path", *OPTIONAL], fill_value="")
        blank = (rows["image_path"] != "") & (rows[list(OPTIONAL)] == "").all(axis=1)
        left_blank += int(blank.sum())
        good = _examined_rows(connection, rows[~blank], block[~blank], names, report)
        contents |= set(good["content_sha256"])
        if not report.bad or skip_bad:
            report.added += store_labels(connection, good.to_dict("records"))
    report.read -= left_blank
    if left_blank:
        report.notes.append(say("label_left_blank", farm, count=left_blank))
    settle(report, path, skip_bad)
    report.warnings += _contradictions(connection, contents, farm)
    return report


def _columns(table: Table) -> list[str]:
    found = [name for name in OPTIONAL if name in table.names]
    if not set(KINDS) & set(found):
        has = ", ".join(table.names)
        raise LoadError(
            f"{table.path} lacks a column stage or condition. It has: {has}. Remedy: add one of "
            "them"
        )
    return ["image_path", *found]


def _examined_rows(
    connection: sa.Connection,
    rows: pd.DataFrame,
    block: pd.DataFrame,
    names: Mapping[str, LabelNames],
    report: LoadReport,
) -> Any:
    """The good rows as they are stored; the bad ones go to the report as the file has them."""
    content = rows["image_path"].map(seen_contents(connection, set(rows["image_path"])))
    reasons = pd.Series("", index=rows.index)
    reasons[content.isna()] = UNSEEN
    labels = rows.copy()
    for kind in KINDS:
        labels[kind] = _read_names(rows[kind], kind, names[kind], reasons)
    reasons[(rows[list(KINDS)] == "").all(axis=1)] = "neither a stage nor a condition"
    reasons[rows["image_path"] == ""] = "image_path is empty"
    for kind in KINDS:
        _find_repeated(labels, content, kind, reasons)
    parsed = labels.astype(object).where(labels != "", None).assign(content_sha256=content)
    return keep(parsed, block, reasons, report)


def _read_names(written: pd.Series, kind: str, names: LabelNames, reasons: pd.Series) -> pd.Series:
    """The labels that are meant; what means none or several gets a reason."""
    meant = {text: names.meant(text) for text in set(written) - {""}}
    for text, found in meant.items():
        if not found:
            reasons[written == text] = f"{kind} is none of the farm file's: {names.writable()}"
        if len(found) > 1:
            reasons[written == text] = (
                f"{kind} may be {' or '.join(found)}: write which, by its name"
            )
    first = {text: found[0] for text, found in meant.items() if found}
    return written.map(lambda text: first.get(text, ""))


def _find_repeated(labels: pd.DataFrame, content: pd.Series, kind: str, reasons: pd.Series) -> None:
    """Give a reason to each row that contradicts an earlier one about the same bytes."""
    given = labels[(reasons == "") & (labels[kind] != "")]
    same = given.groupby(content[given.index])
    first = same[kind].transform("first")
    path = same["image_path"].transform("first")
    for line in given.index[given[kind] != first]:
        elsewhere = path[line] != given.at[line, "image_path"]
        where = f", byte for byte that of {path[line]}," if elsewhere else ""
        reasons[line] = f"another {kind} for the same image{where} earlier in the file"


def _contradictions(connection: sa.Connection, contents: Collection[str], farm: Farm) -> list[str]:
    """What contradicts labels of equal bytes at other paths, a line each, the first `LISTED`."""
    found = contradictions(connection, contents)
    told = [
        say(
            "label_contradicts",
            farm,
            kind=one.kind,
            image=one.image_path,
            label=one.label,
            other=one.other_path,
            other_label=one.other_label,
        )
        for one in found[:LISTED]
    ]
    if len(found) > LISTED:
        told.append(say("label_contradictions_more", farm, count=len(found) - LISTED))
    return told


def progress_lines(connection: sa.Connection, farm: Farm) -> list[str]:
    """What there is now, a line a kind: labelled images by class, and how many are missing.

    The missing ones are those that a probe still needs to know the class. Then the classes that a
    probe would know by their rooms.
    """
    lines = []
    warnings = []
    for kind, names in class_names(farm.vision).items():
        found = count_labels(connection, kind)
        lines.append(f"{kind}: {_progress({name: found.get(name, 0) for name in names})}")
        known = {name for name in names if found.get(name, 0) >= MIN_LABELS}
        rooms = {name: of for name, of in count_rooms(connection, kind).items() if name in known}
        apart = told_by_rooms(rooms)
        if apart:
            said = say("probe_rooms_apart", farm, rooms=rooms_text(rooms, apart, farm))
            warnings.append(f"{kind}: {said.replace('**', '')}")  # no Markdown at a terminal
    return lines + warnings


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
