"""Files of batches into `batch`: every row is examined, all or nothing is stored.

`files` reads the files and reports on them.
"""

from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.ingestion.files import LoadReport, blocks, keep, settle
from mushroom_assets.storage.batches import insert_batches

BATCH_COLUMNS = ["room_id", "in_date", "bag_count"]


def load_batches(
    connection: sa.Connection, path: Path, farm: Farm, *, skip_bad: bool = False
) -> LoadReport:
    """Load batches inside the caller's transaction.

    Columns of the file: room_id, in_date (YYYY-MM-DD) and bag_count (may be empty).

    Raises:
        LoadError: not such a file, or bad rows that are not to be skipped.
    """
    report = LoadReport()
    for block in blocks(path, BATCH_COLUMNS, report):
        good = _batches_in(block, report)
        report.unknown_rooms |= set(good["room_id"]) - set(farm.rooms)
        if not report.bad or skip_bad:
            report.added += insert_batches(connection, good)
    settle(report, path, skip_bad)
    return report


def _batches_in(block: pd.DataFrame, report: LoadReport) -> pd.DataFrame:
    """The rows that can be loaded, with dates and counts; the others go to the report."""
    text = block["in_date"].astype(str).str.strip().str.slice(0, 10)
    in_date = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    told = block["bag_count"].replace("", None)
    bags = pd.to_numeric(told, errors="coerce")
    reasons = pd.Series("", index=block.index)
    not_whole = bags.isna() | (bags < 0) | (bags % 1 != 0)
    reasons[told.notna() & not_whole] = "bag_count is no whole number"
    reasons[in_date.isna()] = "in_date is no date (YYYY-MM-DD)"
    reasons[block["room_id"] == ""] = "room_id is empty"
    usable = block.assign(in_date=in_date, bag_count=bags)[reasons == ""]
    again = usable.duplicated(["room_id", "in_date"]) & ~usable.duplicated()
    reasons[again[again].index] = "another bag_count for the same room and date earlier in the file"
    parsed = block.assign(in_date=in_date.dt.date, bag_count=bags)
    return keep(parsed, block, reasons, report)
