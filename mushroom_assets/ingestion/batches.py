"""Files of batches into `batch`: every row judged, all or nothing stored. `files` reads them."""

from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.ingestion.files import LoadReport, blocks, keep, settle
from mushroom_assets.storage.samples import insert_batches

BATCH_COLUMNS = ["room_id", "in_date", "bag_count"]


def load_batches(
    connection: sa.Connection, path: Path, farm: Farm, *, skip_bad: bool = False
) -> LoadReport:
    """Load batches inside the caller's transaction: columns room_id, in_date (YYYY-MM-DD) and
    bag_count (may be empty).

    Raises:
        LoadError: not such a file, or bad rows that are not to be skipped.
    """
    report = LoadReport()
    for block in blocks(path, BATCH_COLUMNS, report):
        text = block["in_date"].astype(str).str.strip().str.slice(0, 10)
        in_date = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
        bags = pd.to_numeric(block["bag_count"].replace("", None), errors="coerce")
        reasons = pd.Series("", index=block.index)
        reasons[
            block["bag_count"].replace("", None).notna()
            & (bags.isna() | (bags < 0) | (bags % 1 != 0))
        ] = "bag_count is no whole number"
        reasons[in_date.isna()] = "in_date is no date (YYYY-MM-DD)"
        reasons[block["room_id"] == ""] = "room_id is empty"
        judged = block.assign(in_date=in_date, bag_count=bags)[reasons == ""]
        again = judged.duplicated(["room_id", "in_date"]) & ~judged.duplicated()
        reasons[again[again].index] = (
            "another bag_count for the same room and date earlier in the file"
        )
        good = keep(block.assign(in_date=in_date.dt.date, bag_count=bags), block, reasons, report)
        report.unknown_rooms |= set(good["room_id"]) - set(farm.rooms)
        if not report.bad or skip_bad:
            report.added += insert_batches(connection, good)
    settle(report, path, skip_bad)
    return report
