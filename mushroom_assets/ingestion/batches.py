"""Files of batches into `batch`: every row is examined, all or nothing is stored.

`files` reads the files, `report` has what was done.
"""

import datetime as dt
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.ingestion.doubts import batch_doubts
from mushroom_assets.ingestion.files import blocks, examined
from mushroom_assets.ingestion.report import LoadReport, keep, settle
from mushroom_assets.ingestion.times import read_days
from mushroom_assets.storage.batches import insert_batches

BATCH_COLUMNS = ["room_id", "in_date", "bag_count"]
# A year that was mistyped; a batch is planned for a few weeks
EARLIEST = dt.date(2000, 1, 1)
AHEAD = dt.timedelta(days=366)
REPEATED = "another bag_count for the same room and date earlier in the file"
MOST_BAGS = 2_147_483_647  # that the table holds
WHOLE = r"\+?\d+(\.0)?"  # `9.000` is 9000 in German


def load_batches(
    connection: sa.Connection,
    path: Path,
    farm: Farm,
    *,
    skip_bad: bool = False,
    correct: bool = False,
) -> LoadReport:
    """Load batches inside the caller's transaction.

    Args:
        connection: a connection in a transaction, which the caller rolls back on any error.
        path: CSV or Parquet with the columns `BATCH_COLUMNS`; in_date is a date, or an instant with
            its offset, of which the farm's day is meant; bag_count may be empty.
        farm: time zone and rooms.
        skip_bad: load the rest when rows are bad, and write the bad ones to a file beside this one.
        correct: replace bag counts that are stored and differ.

    Raises:
        LoadError: not such a file, or bad rows that are not to be skipped.
    """
    table = examined(path, BATCH_COLUMNS)
    report = LoadReport(correct=correct, notes=table.notes())
    today = dt.datetime.now(farm.zone).date()
    seen = pd.DataFrame(columns=BATCH_COLUMNS)
    for block in blocks(table, BATCH_COLUMNS, report):
        rows, reasons = _parsed(block, farm, today)
        good = rows[reasons == ""]
        seen = pd.concat([seen, good]) if len(seen) else good
        reasons[_contradicting(seen).intersection(good.index)] = REPEATED
        good = keep(rows, block, reasons, report)
        report.unknown_rooms |= set(good["room_id"]) - set(farm.rooms)
        if not report.bad or skip_bad:
            added, different = insert_batches(connection, good, correct=correct)
            report.added += added
            report.different += different
    settle(report, path, skip_bad)
    report.warnings += batch_doubts(seen["in_date"], farm, today)
    return report


def _parsed(block: pd.DataFrame, farm: Farm, today: dt.date) -> tuple[pd.DataFrame, pd.Series]:
    """The rows with dates and counts, and what is wrong with each, "" where nothing is."""
    in_date, faults = read_days(block["in_date"], farm)
    told = block["bag_count"] != ""
    bags = pd.to_numeric(block["bag_count"].where(told, None), errors="coerce")
    reasons = pd.Series("", index=block.index, dtype=object)
    reasons[bags > MOST_BAGS] = f"bag_count is over {MOST_BAGS:,}"
    reasons[told & ~block["bag_count"].str.fullmatch(WHOLE)] = "bag_count is no whole number"
    wrong = faults != ""
    reasons[wrong] = "in_date " + faults[wrong]
    reasons[~wrong & (in_date < EARLIEST)] = f"in_date is before {EARLIEST:%Y}"
    reasons[~wrong & (in_date > today + AHEAD)] = "in_date is over a year ahead"
    reasons[block["room_id"] == ""] = "room_id is empty"
    return block.assign(in_date=in_date, bag_count=bags), reasons


def _contradicting(batches: pd.DataFrame) -> pd.Index:
    """Lines that say something else than the first of their room and date."""
    count = batches["bag_count"].fillna(-1)
    first = count.groupby([batches["room_id"], batches["in_date"]]).transform("first")
    return count.index[count != first]
