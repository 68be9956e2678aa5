"""Files of samples into `sample` and `point`: every row is examined, all or nothing is stored.

`files` reads the files, `report` has what was done, `doubts` names what was loaded and may be a
mistake.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.ingestion.doubts import SampleDoubts
from mushroom_assets.ingestion.files import blocks, examined
from mushroom_assets.ingestion.numbers import read_numbers
from mushroom_assets.ingestion.report import LoadReport, Progress, keep, settle
from mushroom_assets.ingestion.times import read_instants
from mushroom_assets.storage.points import read_points, register_points
from mushroom_assets.storage.samples import correct_samples, insert_samples

POINT = ["room_id", "device_alias", "point_alias"]
# What a clock that is off by years says is no sample; each month of it would be a table
EARLIEST = pd.Timestamp("2000-01-01", tz="UTC")
AHEAD = pd.Timedelta(days=2)
SAMPLE_COLUMNS = ["room_id", "device_type", "device_alias", "point_alias", "sampled_at", "value"]
REPEATED = "another value for the same point and time earlier in the file"


def load_samples(
    connection: sa.Connection,
    path: Path,
    farm: Farm,
    *,
    skip_bad: bool = False,
    correct: bool = False,
    progress: Progress = lambda rows: None,
) -> LoadReport:
    """Load samples inside the caller's transaction; points not known yet are registered.

    Args:
        connection: a connection in a transaction, which the caller rolls back on any error.
        path: CSV or Parquet with the columns `SAMPLE_COLUMNS`; a time (ISO 8601) without an offset
            is the farm's, and lies between 2000 and the day after tomorrow.
        farm: time zone and rooms.
        skip_bad: load the rest when rows are bad, and write the bad ones to a file beside this one.
        correct: replace values that are stored and differ.
        progress: told the rows read so far.

    Raises:
        LoadError: not such a file, or bad rows that are not to be skipped.
    """
    table = examined(path, SAMPLE_COLUMNS)
    report = LoadReport(correct=correct, notes=table.notes())
    now = pd.Timestamp.now(tz="UTC").as_unit("us")
    doubts = SampleDoubts(farm, now)
    for block in blocks(table, SAMPLE_COLUMNS, report):
        rows, reasons = _parsed(block, farm, now, table.separator)
        _find_points(connection, rows, reasons)
        _find_repeated(rows, reasons)
        good = keep(rows, block, reasons, report)
        report.unknown_rooms |= set(good["room_id"].unique()) - set(farm.rooms)
        doubts.look_at(good)
        if not report.bad or skip_bad or correct:  # it is then that other bad rows come to light
            _store(connection, good.assign(received_at=now), block, report)
        progress(report.read)
    settle(report, path, skip_bad)
    report.warnings += doubts.sentences()
    return report


def _parsed(
    block: pd.DataFrame, farm: Farm, now: pd.Timestamp, separator: str
) -> tuple[pd.DataFrame, pd.Series]:
    """The rows with instants and numbers, and what is wrong with each, "" where nothing is."""
    instants, faults = read_instants(block["sampled_at"], farm)
    value, value_faults = read_numbers(block["value"], separator)
    reasons = value_faults
    reasons[instants < EARLIEST] = f"sampled_at is before {EARLIEST:%Y}"
    reasons[instants > now + AHEAD] = f"sampled_at is over {AHEAD.days} days ahead"
    wrong = faults != ""
    reasons[wrong] = "sampled_at " + faults[wrong]
    for name in ("room_id", "device_type", "device_alias", "point_alias"):
        reasons[block[name] == ""] = f"{name} is empty"
    return block.assign(sampled_at=instants, value=value), reasons


def _find_points(connection: sa.Connection, rows: pd.DataFrame, reasons: pd.Series) -> None:
    """Give each row its `point_id`, -1 to bad ones; points not known yet are registered.

    A row whose device type is not that of its point, known from the database or from an earlier
    row, is bad: two devices are not one point.
    """
    rows["point_id"] = np.int32(-1)
    good = rows[reasons == ""]
    numbers = good.groupby([*POINT, "device_type"], sort=False).ngroup()
    kinds = good.loc[~numbers.duplicated(), [*POINT, "device_type"]]
    first = kinds.drop_duplicates(POINT)
    ids = register_points(connection, first).set_axis(pd.MultiIndex.from_frame(first[POINT]))
    point_id = ids.reindex(pd.MultiIndex.from_frame(kinds[POINT])).to_numpy(copy=True)
    types = {point.point_id: point.device_type for point in read_points(connection)}
    for number, (point, kind) in enumerate(zip(point_id, kinds["device_type"], strict=True)):
        if types[point] != kind:
            reasons[numbers.index[numbers == number]] = (
                f"device_type is {kind}, and this point's is {types[point]}: two devices need two "
                "device_alias"
            )
            point_id[number] = -1
    rows.loc[good.index, "point_id"] = point_id[numbers.to_numpy()]


def _find_repeated(rows: pd.DataFrame, reasons: pd.Series) -> None:
    """A row that says something else than the first of its point and time is bad."""
    key = ["point_id", "sampled_at"]
    again = rows.duplicated(key) & (reasons == "")
    if again.any():
        of_them = rows[rows.duplicated(key, keep=False) & (reasons == "")]
        value = of_them["value"].fillna(np.inf)
        differs = value != value.groupby([of_them[name] for name in key]).transform("first")
        reasons[differs.index[differs]] = REPEATED


def _store(
    connection: sa.Connection, samples: pd.DataFrame, block: pd.DataFrame, report: LoadReport
) -> None:
    """Store a block's samples; a correction that contradicts an earlier block is bad."""
    if not report.correct:
        added, different = insert_samples(connection, samples)
    else:
        added, different, repeated = correct_samples(connection, samples)
        keys = pd.MultiIndex.from_frame(samples[["point_id", "sampled_at"]])
        again = samples.index[keys.isin(repeated)]
        keep(samples.loc[again], block.loc[again], pd.Series(REPEATED, again), report)
    report.added += added
    report.different += different
