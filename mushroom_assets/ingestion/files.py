"""CSV and Parquet files by blocks of rows, and the report on what was loaded.

Bad rows are listed with their line; nothing is loaded beside them unless they are skipped, and then
they go to a file: no row is lost without a word. `samples`, `batches` and `labels` decide what
makes a row bad and where the good ones go.
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
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from mushroom_assets.ingestion.lines import LONGEST_LINE, Lines

BLOCK = 32 << 20  # bytes of CSV at once, about 400,000 samples
PARQUET_ROWS = 400_000
# Characters of a cell. Three names make the key of a point: 3 * 200 characters of 4 bytes fit into
# the 2,704 bytes that an index holds of a row.
LONGEST_CELL = 200
LISTED = 20  # bad rows that a message names; the file of skipped rows has all

Progress = Callable[[int], None]  # told the rows read so far


class LoadError(ValueError):
    """The file cannot be loaded; the message names the rows and the remedy."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be loaded: its line in the file (from 1), why, and what it says.

    For Parquet the line is the row's number.
    """

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
        bad = len(self.bad)
        there = self.read - self.added - bad
        text = f"{self.read} rows read: {self.added} added, {there} already there, {bad} bad"
        if self.different:
            text += f"; {self.different} of those there are stored with another value"
            text += ", which was kept"
        return text


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
                # By pieces: a file may be one line of 10 GB
                found = next(csv.reader(iter(lambda: file.readline(LONGEST_LINE), "")), [])
    missing = ", ".join(name for name in columns if name not in found)
    if missing:
        raise LoadError(
            f"{path} lacks the columns {missing}. It has: {_beginning(', '.join(found))}"
        )
    return found


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq")


@contextlib.contextmanager
def _readable(path: Path, columns: list[str]) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError, csv.Error) as error:
        raise LoadError(
            f"{path} cannot be read: {error}. Remedy: CSV (UTF-8) or Parquet with {columns}"
        ) from error


def blocks(path: Path, columns: list[str], report: LoadReport) -> Iterator[pd.DataFrame]:
    """Blocks of the file, indexed by line.

    Cells are text without blanks around it; a Parquet timestamp stays one. Rows read, lines that
    are not rows of the file, and rows with a cell that no table could hold go to the report.

    Raises:
        LoadError: the file cannot be read, or lacks one of the columns.
    """
    columns_of(path, columns)
    skipped: list[int] = []  # misshapen lines, which the batches lack
    with _readable(path, columns):
        if _is_parquet(path):
            line = 1
            batches = pa.parquet.ParquetFile(path).iter_batches(PARQUET_ROWS, columns=columns)
        else:
            line = 2  # the first is the header
            batches = _csv_batches(path, columns, report, skipped)
        for batch in batches:
            unstorable = _unstorable(batch)
            frame = _shortened(batch).to_pandas()
            lines = np.arange(line, line + len(frame) + len(skipped))
            lines = np.setdiff1d(lines, skipped)[: len(frame)]
            line = int(lines[-1]) + 1 if len(lines) else line
            frame = _as_text(frame, columns).set_index(pd.Index(lines, name="line"))
            reasons = pd.Series(unstorable, index=frame.index)
            is_row = (frame[columns] != "").any(axis=1)  # a blank line is not one
            frame = frame[is_row]
            report.read += len(frame)
            yield keep(frame, frame, reasons[is_row], report)


def _texts(batch: Any) -> Iterator[tuple[int, str, Any]]:
    """Number, name and cells of the columns that are text."""
    for number, column in enumerate(batch.columns):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            yield number, batch.schema.names[number], column


def _unstorable(batch: Any) -> Any:
    """Why no table could hold a row's texts, "" where one could."""
    reasons = np.full(batch.num_rows, "", dtype=object)
    for _, name, cells in _texts(batch):
        faults = {
            f"{name} contains the character NUL": pa.compute.match_substring(cells, "\0"),
            f"{name} has over {LONGEST_CELL} characters": pa.compute.greater(
                pa.compute.utf8_length(cells), LONGEST_CELL
            ),
        }
        for reason, faulty in faults.items():
            reasons[faulty.fill_null(False).to_numpy(zero_copy_only=False)] = reason
    return reasons


def _shortened(batch: Any) -> Any:
    """The batch with no more of a long text than a message shows."""
    for number, name, cells in _texts(batch):
        if (pa.compute.max(pa.compute.binary_length(cells)).as_py() or 0) > LONGEST_CELL:
            short = pa.compute.utf8_slice_codeunits(cells, 0, LONGEST_CELL)
            batch = batch.set_column(number, name, short)
    return batch


def _as_text(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Cells as text without blanks around it, "" for none; timestamps stay."""
    for name in columns:
        if not pd.api.types.is_datetime64_any_dtype(frame[name]):
            cells = frame[name].astype(object).where(frame[name].notna(), "")
            frame[name] = cells.astype(str).str.strip()
    return frame


def _csv_batches(
    path: Path, columns: list[str], report: LoadReport, skipped: list[int]
) -> Iterator[Any]:
    def bad(line: int, reason: str, text: str) -> None:
        report.bad.append(BadRow(line, reason, text))
        report.read += 1

    def misshapen(row: Any) -> str:
        reason = f"expected {row.expected_columns} cells, found {row.actual_columns}"
        bad(row.number, reason, _beginning(row.text))
        skipped.append(row.number)
        return "skip"

    def overlong(line: int, text: str) -> None:
        bad(line, f"the line has {LONGEST_LINE:,} bytes or more", _beginning(text))

    batches: Iterator[Any] = pa.csv.open_csv(
        Lines(path, overlong),
        # One thread, or rows have no number
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=BLOCK),
        # Empty lines count
        parse_options=pa.csv.ParseOptions(invalid_row_handler=misshapen, ignore_empty_lines=False),
        convert_options=pa.csv.ConvertOptions(
            include_columns=columns,
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=False,
        ),
    )
    return batches


def _beginning(text: str) -> str:
    """As much of a bad row as a message shows."""
    longest = 5 * LONGEST_CELL
    return text if len(text) <= longest else f"{text[:longest]} ..."


def keep(
    parsed: pd.DataFrame, block: pd.DataFrame, reasons: pd.Series, report: LoadReport
) -> pd.DataFrame:
    """The rows of `parsed` without a reason against them.

    The rows of `block` with one go to the report.
    """
    bad = reasons != ""
    rows = block[bad].itertuples(index=False)
    for line, reason, cells in zip(reasons.index[bad], reasons[bad], rows, strict=True):
        report.bad.append(BadRow(int(line), reason, ",".join(str(cell) for cell in cells)))
    return parsed[reasons == ""]


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
    count = len(report.bad)
    told = [f"  line {bad.line}: {bad.reason}: {bad.text}" for bad in report.bad[:LISTED]]
    if count > LISTED:
        told.append(f"  and {count - LISTED} more")
    listed = "\n".join(told)
    raise LoadError(
        f"{path}: {count} of {report.read} rows are bad, nothing was loaded:\n{listed}\n"
        "Remedy: correct them, or load the others with --skip-bad"
    )


def bad_rows_file(path: Path) -> Path:
    """Where `--skip-bad` writes the bad rows of a file."""
    return path.with_name(f"{path.name}.bad.csv")
