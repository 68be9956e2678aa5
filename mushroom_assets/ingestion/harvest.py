"""Files of pickings into `harvest`: every row is examined, all or nothing is stored.

`files` reads the files, `report` has what was done, `domain.records` says what a picking is.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.records import Picking, RecordError, check_picking
from mushroom_assets.ingestion.files import blocks, examined
from mushroom_assets.ingestion.numbers import read_numbers
from mushroom_assets.ingestion.report import LoadReport, keep, settle
from mushroom_assets.ingestion.times import read_days
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.harvest import insert_harvest

KEY = ["room_id", "in_date", "picked_on"]
HARVEST_COLUMNS = [*KEY, "weight_kg"]
REPEATED = "another weight_kg for the same batch and day earlier in the file"


def load_harvest(
    connection: sa.Connection,
    path: Path,
    farm: Farm,
    *,
    skip_bad: bool = False,
    correct: bool = False,
) -> LoadReport:
    """Load pickings inside the caller's transaction.

    Args:
        connection: a connection in a transaction, which the caller rolls back on any error.
        path: CSV or Parquet with the columns `HARVEST_COLUMNS`; both dates are dates, or instants
            with their offset, of which the farm's day is meant.
        farm: time zone and rooms.
        skip_bad: load the rest when rows are bad, and write the bad ones to a file beside this one.
        correct: replace weights that are stored and differ.

    Raises:
        LoadError: not such a file, or bad rows that are not to be skipped.
    """
    table = examined(path, HARVEST_COLUMNS)
    report = LoadReport(correct=correct, notes=table.notes())
    batches = read_batches(connection)
    now = dt.datetime.now(dt.UTC)
    first: dict[tuple[Any, ...], float] = {}
    for block in blocks(table, HARVEST_COLUMNS, report):
        rows, reasons = _parsed(block, farm, table.separator)
        for line in rows.index[reasons == ""]:
            reasons[line] = _fault(_picking(rows, line), first, batches, now, farm)
        good = keep(rows, block, reasons, report)
        if not report.bad or skip_bad:
            pickings = [_picking(good, line) for line in good.index]
            added, different = insert_harvest(connection, pickings, correct=correct)
            report.added += added
            report.different += different
    settle(report, path, skip_bad)
    return report


def _parsed(block: pd.DataFrame, farm: Farm, separator: str) -> tuple[pd.DataFrame, pd.Series]:
    """The rows with dates and numbers, and what is wrong with each, "" where nothing is."""
    weight, reasons = read_numbers(block["weight_kg"], separator)
    rows = block.assign(weight_kg=weight)
    for name in ("picked_on", "in_date"):
        rows[name], faults = read_days(block[name], farm)
        wrong = faults != ""
        reasons[wrong] = f"{name} " + faults[wrong]
    return rows, reasons


def _picking(rows: pd.DataFrame, line: Any) -> Picking:
    room_id, in_date, picked_on, weight_kg = rows.loc[line, HARVEST_COLUMNS]
    return Picking(room_id, in_date, picked_on, float(weight_kg))


def _fault(
    picking: Picking,
    first: dict[tuple[Any, ...], float],
    batches: Mapping[str, Sequence[dt.date]],
    now: dt.datetime,
    farm: Farm,
) -> str:
    """Why a picking is not taken, "" where it is; the first of each batch and day is remembered."""
    try:
        check_picking(picking, batches.get(picking.room_id, []), now, farm)
    except RecordError as error:
        return f"{error}".partition(". Remedy: ")[0]
    key = (picking.room_id, picking.in_date, picking.picked_on)
    return "" if first.setdefault(key, picking.weight_kg) == picking.weight_kg else REPEATED
