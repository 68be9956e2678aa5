"""Files of samples and batches into the plant's tables: read, judge every row, load all or nothing.

A repeated load changes nothing. Bad rows are listed with their line; nothing is loaded beside them unless they are
skipped, and then they go to a file: no row is lost without a word.
"""

import contextlib
import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.storage.samples import insert_batches, insert_samples, register_points

POINT = ["room_id", "device_alias", "point_alias"]
SAMPLE_COLUMNS = ["room_id", "device_type", "device_alias", "point_alias", "sampled_at", "value"]
BATCH_COLUMNS = ["room_id", "in_date", "bag_count"]
BLOCK = 32 << 20  # bytes of CSV at once, about 400,000 samples
PARQUET_ROWS = 400_000
LISTED = 20  # bad rows that a message names; the file of skipped rows has all

Progress = Callable[[int], None]  # told the rows read so far


class LoadError(ValueError):
    """The file cannot be loaded; the message names the rows and the remedy."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be loaded: its line in the file (from 1; of Parquet its row), why, and what it says."""

    line: int
    reason: str
    text: str


@dataclass
class LoadReport:
    """What a load did, in rows. `different` ones are stored with another value, which stays."""

    read: int = 0
    added: int = 0
    different: int = 0
    bad: list[BadRow] = field(default_factory=list)
    unknown_rooms: set[str] = field(default_factory=set)

    def sentence(self) -> str:
        """The report in one line."""
        there = self.read - self.added - len(self.bad)
        text = f"{self.read} rows read: {self.added} added, {there} already there, {len(self.bad)} bad"
        if self.different:
            text += f"; {self.different} of those there are stored with another value, which was kept"
        return text


def load_samples(
    connection: sa.Connection, path: Path, farm: Farm, *, skip_bad: bool = False, progress: Progress = lambda rows: None
) -> LoadReport:
    """Load samples inside the caller's transaction; points not known yet are registered.

    Args:
        connection: a connection in a transaction, which the caller rolls back on any error.
        path: CSV or Parquet with the columns room_id, device_type, device_alias, point_alias, sampled_at (ISO 8601;
            without an offset it is farm time) and value.
        farm: time zone and rooms.
        skip_bad: load the rest when rows are bad, and write the bad ones to a file beside this one.
        progress: told the rows read so far.

    Raises:
        LoadError: not such a file, or bad rows that are not to be skipped.
    """
    report = LoadReport()
    now = pd.Timestamp.now(tz="UTC").as_unit("us")
    for block in blocks(path, SAMPLE_COLUMNS, report):
        good = _judge_samples(block, farm, report)
        report.unknown_rooms |= set(good["room_id"]) - set(farm.rooms)
        if not report.bad or skip_bad:
            points = good[[*POINT, "device_type"]].drop_duplicates(POINT)
            ids = register_points(connection, points).set_axis(pd.MultiIndex.from_frame(points[POINT]))
            point_id = ids.reindex(pd.MultiIndex.from_frame(good[POINT])).to_numpy()
            added, different = insert_samples(connection, good.assign(point_id=point_id, received_at=now))
            report.added, report.different = report.added + added, report.different + different
        progress(report.read)
    settle(report, path, skip_bad)
    return report


def load_batches(connection: sa.Connection, path: Path, farm: Farm, *, skip_bad: bool = False) -> LoadReport:
    """Load batches inside the caller's transaction: columns room_id, in_date (YYYY-MM-DD) and bag_count (may be empty).

    Raises:
        LoadError: not such a file, or bad rows that are not to be skipped.
    """
    report = LoadReport()
    for block in blocks(path, BATCH_COLUMNS, report):
        text = block["in_date"].astype(str).str.strip().str.slice(0, 10)
        in_date = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
        bags = pd.to_numeric(block["bag_count"].replace("", None), errors="coerce")
        reasons = pd.Series("", index=block.index)
        reasons[block["bag_count"].replace("", None).notna() & (bags.isna() | (bags < 0) | (bags % 1 != 0))] = (
            "bag_count is no whole number"
        )
        reasons[in_date.isna()] = "in_date is no date (YYYY-MM-DD)"
        reasons[block["room_id"] == ""] = "room_id is empty"
        judged = block.assign(in_date=in_date, bag_count=bags)[reasons == ""]
        again = judged.duplicated(["room_id", "in_date"]) & ~judged.duplicated()
        reasons[again[again].index] = "another bag_count for the same room and date earlier in the file"
        good = keep(block.assign(in_date=in_date.dt.date, bag_count=bags), block, reasons, report)
        report.unknown_rooms |= set(good["room_id"]) - set(farm.rooms)
        if not report.bad or skip_bad:
            report.added += insert_batches(connection, good)
    settle(report, path, skip_bad)
    return report


def columns_of(path: Path, columns: list[str]) -> list[str]:
    """Names of the file's columns.

    Raises:
        LoadError: it cannot be read, or lacks one of `columns`.
    """
    with _readable(path, columns):
        if _is_parquet(path):
            found = list(pa.parquet.read_schema(path).names)
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                found = next(csv.reader(file), [])
    if missing := [name for name in columns if name not in found]:
        raise LoadError(f"{path} lacks the columns {', '.join(missing)}. It has: {', '.join(found)}")
    return found


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq")


@contextlib.contextmanager
def _readable(path: Path, columns: list[str]) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise LoadError(f"{path} cannot be read: {error}. Remedy: CSV (UTF-8) or Parquet with {columns}") from error


def blocks(path: Path, columns: list[str], report: LoadReport) -> Iterator[pd.DataFrame]:
    """Blocks of the file, indexed by line. Cells are text without blanks around it; a Parquet timestamp stays one.

    Rows read, and lines that are no rows of the file, go to the report.

    Raises:
        LoadError: the file cannot be read, or lacks one of the columns.
    """
    columns_of(path, columns)
    skipped: list[int] = []  # misshapen lines, which the batches lack
    with _readable(path, columns):
        if _is_parquet(path):
            batches, line = pa.parquet.ParquetFile(path).iter_batches(PARQUET_ROWS, columns=columns), 1
        else:
            batches, line = _csv_batches(path, columns, report, skipped), 2
        for batch in batches:
            frame = batch.to_pandas()
            lines = np.setdiff1d(np.arange(line, line + len(frame) + len(skipped)), skipped)[: len(frame)]
            for name in columns:
                if not pd.api.types.is_datetime64_any_dtype(frame[name]):
                    frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str).str.strip()
            line = int(lines[-1]) + 1 if len(lines) else line
            frame = frame.set_index(pd.Index(lines, name="line"))
            frame = frame[(frame[columns] != "").any(axis=1)]  # a blank line is no row
            report.read += len(frame)
            yield frame


def _csv_batches(path: Path, columns: list[str], report: LoadReport, skipped: list[int]) -> Iterator[Any]:
    def misshapen(row: Any) -> str:
        reason = f"expected {row.expected_columns} cells, found {row.actual_columns}"
        report.bad.append(BadRow(row.number, reason, row.text))
        report.read += 1
        skipped.append(row.number)
        return "skip"

    return pa.csv.open_csv(
        path,
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=BLOCK),  # one thread, or rows have no number
        parse_options=pa.csv.ParseOptions(invalid_row_handler=misshapen, ignore_empty_lines=False),  # they count
        convert_options=pa.csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
        ),
    )


def _judge_samples(block: pd.DataFrame, farm: Farm, report: LoadReport) -> pd.DataFrame:
    """The rows that can be loaded, with instants and numbers; the others go to the report."""
    instants, time_faults = _instants(block["sampled_at"], farm)
    value = pd.to_numeric(block["value"].str.lower(), errors="coerce")
    not_a_number = value.isna() & ~block["value"].str.lower().isin(["nan"])
    parsed = block.assign(sampled_at=instants, value=value)
    reasons = pd.Series("", index=block.index)
    reasons[not_a_number] = "value is no number"
    reasons[time_faults != ""] = time_faults
    for name in ("room_id", "device_type", "device_alias", "point_alias"):
        reasons[block[name] == ""] = f"{name} is empty"
    good = parsed[reasons == ""]
    again = good.duplicated([*POINT, "sampled_at"]) & ~good.duplicated([*POINT, "sampled_at", "value"])
    reasons[again[again].index] = "another value for the same point and time earlier in the file"
    return keep(parsed, block, reasons, report)


def keep(parsed: pd.DataFrame, block: pd.DataFrame, reasons: pd.Series, report: LoadReport) -> pd.DataFrame:
    """The rows of `parsed` without a reason against them; those of `block` with one go to the report."""
    bad = reasons != ""
    for line, reason, cells in zip(reasons.index[bad], reasons[bad], block[bad].itertuples(index=False), strict=True):
        report.bad.append(BadRow(int(line), reason, ",".join(str(cell) for cell in cells)))
    return parsed[reasons == ""]


def _instants(texts: pd.Series, farm: Farm) -> tuple[pd.Series, pd.Series]:
    """UTC instants of ISO 8601 texts or Parquet timestamps, and what is wrong with each ("" where nothing is)."""
    faults = pd.Series("", index=texts.index)
    if isinstance(texts.dtype, pd.DatetimeTZDtype):
        return texts.dt.tz_convert("UTC").dt.as_unit("us"), faults
    offset = pd.Series(False, index=texts.index)
    naive = aware = texts
    if not pd.api.types.is_datetime64_any_dtype(texts):
        texts = texts.str.upper()
        dated = texts.where(texts.str.match(r"\d{4}-?\d{2}-?\d{2}"), None)  # pandas knows "now" and "2026" too
        offset = texts.str.contains(r"[T ]\d.*(?:Z|[+-]\d{2}(?::?\d{2})?)$", regex=True)
        aware = pd.to_datetime(dated, format="ISO8601", errors="coerce", utc=True)  # naive ones as if they were UTC
        naive = aware.where(~offset).dt.tz_localize(None)
    local = naive.dt.tz_localize(farm.timezone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
    instants = (aware.where(offset, local) if offset.any() else local).dt.as_unit("us")
    faults[instants.isna()] = "sampled_at is no ISO 8601 time"
    odd = instants.isna() & naive.notna()
    faults[odd] = f"sampled_at occurs twice or not at all in {farm.timezone} (clock change): write it with its offset"
    return instants, faults


def settle(report: LoadReport, path: Path, skip_bad: bool) -> None:
    """List the bad rows: raise, or write them beside the file."""
    if not report.bad:
        return
    report.bad.sort(key=lambda bad: bad.line)
    if skip_bad:
        with bad_rows_file(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["line", "reason", "text"])
            writer.writerows([bad.line, bad.reason, bad.text] for bad in report.bad)
        return
    listed = "\n".join(f"  line {bad.line}: {bad.reason}: {bad.text}" for bad in report.bad[:LISTED])
    more = f"\n  and {len(report.bad) - LISTED} more" if len(report.bad) > LISTED else ""
    raise LoadError(
        f"{path}: {len(report.bad)} of {report.read} rows are bad, nothing was loaded:\n{listed}{more}\n"
        "Remedy: correct them, or load the others with --skip-bad"
    )


def bad_rows_file(path: Path) -> Path:
    """Where `--skip-bad` writes the bad rows of a file."""
    return path.with_name(f"{path.name}.bad.csv")
