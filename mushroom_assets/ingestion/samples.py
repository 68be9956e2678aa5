"""Files of samples into `sample` and `point`: every row is examined, all or nothing is stored.

`files` reads the files and reports on them.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.ingestion.files import LoadReport, Progress, blocks, keep, settle
from mushroom_assets.storage.points import register_points
from mushroom_assets.storage.samples import insert_samples

POINT = ["room_id", "device_alias", "point_alias"]
# What a clock that is off by years says is no sample; each month of it would be a table
EARLIEST = pd.Timestamp("2000-01-01", tz="UTC")
AHEAD = pd.Timedelta(days=2)
SAMPLE_COLUMNS = ["room_id", "device_type", "device_alias", "point_alias", "sampled_at", "value"]


def load_samples(
    connection: sa.Connection,
    path: Path,
    farm: Farm,
    *,
    skip_bad: bool = False,
    progress: Progress = lambda rows: None,
) -> LoadReport:
    """Load samples inside the caller's transaction; points not known yet are registered.

    Args:
        connection: a connection in a transaction, which the caller rolls back on any error.
        path: CSV or Parquet with the columns room_id, device_type, device_alias, point_alias,
            sampled_at (ISO 8601; without an offset it is farm time; from 2000 to the day after
            tomorrow) and value.
        farm: time zone and rooms.
        skip_bad: load the rest when rows are bad, and write the bad ones to a file beside this one.
        progress: told the rows read so far.

    Raises:
        LoadError: not such a file, or bad rows that are not to be skipped.
    """
    report = LoadReport()
    now = pd.Timestamp.now(tz="UTC").as_unit("us")
    for block in blocks(path, SAMPLE_COLUMNS, report):
        good = _samples_in(block, farm, now, report)
        report.unknown_rooms |= set(good["room_id"]) - set(farm.rooms)
        if not report.bad or skip_bad:
            point_id = _point_ids(connection, good)
            rows = good.assign(point_id=point_id, received_at=now)
            added, different = insert_samples(connection, rows)
            report.added += added
            report.different += different
        progress(report.read)
    settle(report, path, skip_bad)
    return report


def _point_ids(connection: sa.Connection, samples: pd.DataFrame) -> npt.NDArray[np.int32]:
    """The point of each sample; points not known yet are registered."""
    points = samples[[*POINT, "device_type"]].drop_duplicates(POINT)
    ids = register_points(connection, points)
    by_name = ids.set_axis(pd.MultiIndex.from_frame(points[POINT]))
    return by_name.reindex(pd.MultiIndex.from_frame(samples[POINT])).to_numpy()


def _samples_in(
    block: pd.DataFrame, farm: Farm, now: pd.Timestamp, report: LoadReport
) -> pd.DataFrame:
    """The rows that can be loaded, with instants and numbers; the others go to the report."""
    instants, time_faults = _instants(block["sampled_at"], farm)
    value = pd.to_numeric(block["value"].str.lower(), errors="coerce")
    not_a_number = value.isna() & ~block["value"].str.lower().isin(["nan"])
    parsed = block.assign(sampled_at=instants, value=value)
    reasons = pd.Series("", index=block.index)
    reasons[not_a_number] = "value is no number"
    reasons[instants < EARLIEST] = f"sampled_at is before {EARLIEST:%Y}"
    reasons[instants > now + AHEAD] = f"sampled_at is over {AHEAD.days} days ahead"
    reasons[time_faults != ""] = time_faults
    for name in ("room_id", "device_type", "device_alias", "point_alias"):
        reasons[block[name] == ""] = f"{name} is empty"
    good = parsed[reasons == ""]
    same_time = good.duplicated([*POINT, "sampled_at"])
    same_value = good.duplicated([*POINT, "sampled_at", "value"])
    again = same_time & ~same_value
    reasons[again[again].index] = "another value for the same point and time earlier in the file"
    return keep(parsed, block, reasons, report)


def _instants(texts: pd.Series, farm: Farm) -> tuple[pd.Series, pd.Series]:
    """UTC instants of ISO 8601 texts or Parquet timestamps, and what is wrong with each.

    "" means that nothing is wrong.
    """
    faults = pd.Series("", index=texts.index)
    if isinstance(texts.dtype, pd.DatetimeTZDtype):
        return texts.dt.tz_convert("UTC").dt.as_unit("us"), faults
    offset = pd.Series(False, index=texts.index)
    naive = aware = texts
    if not pd.api.types.is_datetime64_any_dtype(texts):
        texts = texts.str.upper()
        # Pandas knows "now" and "2026" too
        dated = texts.where(texts.str.match(r"\d{4}-?\d{2}-?\d{2}"), None)
        offset = texts.str.contains(r"[T ]\d.*(?:Z|[+-]\d{2}(?::?\d{2})?)$", regex=True)
        # Naive ones as if they were UTC
        aware = pd.to_datetime(dated, format="ISO8601", errors="coerce", utc=True)
        naive = aware.where(~offset).dt.tz_localize(None)
    in_farm_time = naive.dt.tz_localize(farm.timezone, ambiguous="NaT", nonexistent="NaT")
    instants = in_farm_time.dt.tz_convert("UTC")
    if offset.any():
        instants = aware.where(offset, instants)
    instants = instants.dt.as_unit("us")
    faults[instants.isna()] = "sampled_at is no ISO 8601 time"
    faults[instants.isna() & naive.notna()] = (
        f"sampled_at occurs twice or not at all in {farm.timezone} (clock change): "
        "write it with its offset"
    )
    return instants, faults
