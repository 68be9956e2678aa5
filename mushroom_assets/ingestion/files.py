"""CSV and Parquet files by blocks of rows, as texts.

`dialect` finds out how a CSV file is written, `report` has what was read, bad rows with their
lines. `samples`, `batches` and `labels` decide what makes a row bad and where the good ones go.
"""

import contextlib
import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from mushroom_assets.ingestion.dialect import SEPARATORS, Dialect, examine, plain
from mushroom_assets.ingestion.lines import LONGEST_LINE, Lines
from mushroom_assets.ingestion.report import BadRow, LoadError, LoadReport, keep

BLOCK = 32 << 20  # bytes of CSV at once, about 400,000 samples
PARQUET_ROWS = 400_000
# Characters of a cell. Three names make the key of a point: 3 * 200 characters of 4 bytes fit into
# the 2,704 bytes that an index holds of a row.
LONGEST_CELL = 200


class Table(NamedTuple):
    """A file whose columns are known, by names as `plain` writes them. Parquet has no dialect."""

    path: Path
    names: list[str]
    dialect: Dialect | None = None

    @property
    def separator(self) -> str:
        """Of cells; "" in Parquet."""
        return self.dialect.separator if self.dialect else ""

    def notes(self) -> list[str]:
        """How it was read, where that was not said by the file itself."""
        chinese = self.dialect is not None and self.dialect.encoding == "gb18030"
        return [f"{self.path} is no UTF-8: read as GB18030 (GBK)"] if chinese else []


def examined(path: Path, columns: Sequence[str]) -> Table:
    """The file, which has all of `columns`, each once.

    Raises:
        LoadError: it cannot be read, or has not.
    """
    with _readable(path, columns):
        if path.suffix.lower() in (".parquet", ".pq"):
            names = [plain(name) for name in pa.parquet.read_schema(path).names]
            table = Table(path, names)
        else:
            dialect = examine(path, columns)
            table = Table(path, dialect.names, dialect)
    missing = ", ".join(name for name in columns if name not in table.names)
    if missing:
        raise LoadError(f"{path} lacks the columns {missing}. {_told(table)}")
    _require_once(table, columns)
    return table


def _told(table: Table) -> str:
    """The columns that a file has, and what to do where it lacks one."""
    text = f"It has: {_beginning(', '.join(table.names))}"
    if table.dialect is None:
        return f"{text}. Remedy: rename its columns"
    other = "" if len(table.names) > 1 else ", separated by commas, semicolons or tabs"
    encoding = table.dialect.encoding.removesuffix("-sig").upper()
    read = f"{encoding}, cells separated by {SEPARATORS[table.separator]}"
    return f"{text} ({read}). Remedy: let its first line name the columns{other}"


def _require_once(table: Table, columns: Sequence[str]) -> None:
    counts = Counter(table.names)
    doubled = ", ".join(name for name in columns if counts[name] > 1)
    if doubled:
        raise LoadError(
            f"{table.path} has more than one column {doubled}. "
            "Remedy: keep the one that is meant, or give the others another name"
        )


@contextlib.contextmanager
def _readable(path: Path, columns: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise LoadError(
            f"{path} cannot be read: {error}. Remedy: CSV (UTF-8) or Parquet with {list(columns)}"
        ) from error


def blocks(table: Table, columns: list[str], report: LoadReport) -> Iterator[pd.DataFrame]:
    """Blocks of the file, indexed by line.

    Cells are text without blanks around it, "" for none; a Parquet timestamp stays one. Rows read,
    lines that are not rows of the file, and rows with a cell that no table could hold go to the
    report.

    Raises:
        LoadError: the file cannot be read, or has one of the columns more than once.
    """
    _require_once(table, columns)
    skipped: list[int] = []  # misshapen lines, which the batches lack
    with _readable(table.path, columns):
        if table.dialect is None:
            line = 1
            batches = _parquet_batches(table, columns)
        else:
            line = table.dialect.header_lines + 1
            batches = _csv_batches(table.path, table.dialect, columns, report, skipped)
        for batch in batches:
            texts = _texts(batch)
            unstorable = _unstorable(texts)
            frame = _shortened(texts).to_pandas()
            lines = np.arange(line, line + len(frame) + len(skipped))
            lines = np.setdiff1d(lines, skipped)[: len(frame)]
            line = int(lines[-1]) + 1 if len(lines) else line
            frame = frame.set_index(pd.Index(lines, name="line"))
            reasons = pd.Series(unstorable, index=frame.index)
            is_row = (frame[columns] != "").any(axis=1)  # a blank line is not one
            if not is_row.all():
                frame = frame[is_row]
                reasons = reasons[is_row]
            report.read += len(frame)
            yield keep(frame, frame, reasons, report)


def _is_time(column: Any) -> bool:
    return bool(pa.types.is_timestamp(column.type))


def _texts(batch: Any) -> Any:
    """Cells as text without blanks around it, "" for none; timestamps stay."""
    for number, column in enumerate(batch.columns):
        if not _is_time(column):
            text = pa.compute.utf8_trim_whitespace(column.cast(pa.string()))
            name = batch.schema.names[number]
            batch = batch.set_column(number, name, pa.compute.fill_null(text, ""))
    return batch


def _unstorable(batch: Any) -> Any:
    """Why no table could hold a row's texts, "" where one could."""
    reasons = np.full(batch.num_rows, "", dtype=object)
    for name, cells in zip(batch.schema.names, batch.columns, strict=True):
        if _is_time(cells):
            continue
        faults = {
            f"{name} contains a control character": pa.compute.match_substring_regex(
                cells, r"\p{Cc}"
            ),
            f"{name} has over {LONGEST_CELL} characters": pa.compute.greater(
                pa.compute.utf8_length(cells), LONGEST_CELL
            ),
        }
        for reason, faulty in faults.items():
            if faulty.true_count:
                reasons[faulty.to_numpy(zero_copy_only=False)] = reason
    return reasons


def _shortened(batch: Any) -> Any:
    """The batch with no more of a long text than a message shows."""
    for number, cells in enumerate(batch.columns):
        if _is_time(cells):
            continue
        if (pa.compute.max(pa.compute.binary_length(cells)).as_py() or 0) > LONGEST_CELL:
            short = pa.compute.utf8_slice_codeunits(cells, 0, LONGEST_CELL)
            batch = batch.set_column(number, batch.schema.names[number], short)
    return batch


def _parquet_batches(table: Table, columns: Sequence[str]) -> Iterator[Any]:
    file = pa.parquet.ParquetFile(table.path)
    written = [file.schema_arrow.names[table.names.index(name)] for name in columns]
    for batch in file.iter_batches(PARQUET_ROWS, columns=written):
        yield batch.select(written).rename_columns(columns)


def _csv_batches(
    path: Path, dialect: Dialect, columns: list[str], report: LoadReport, skipped: list[int]
) -> Iterator[Any]:
    def bad(line: int, reason: str, text: str) -> None:
        report.bad.append(BadRow(line, reason, text))
        report.read += 1

    def misshapen(row: Any) -> str:
        reason = f"expected {row.expected_columns} cells, found {row.actual_columns}"
        if row.actual_columns > row.expected_columns and re.search(r"\d,\d", row.text):
            reason += " (for a decimal comma write a point, or separate cells by semicolons)"
        bad(row.number, reason, _beginning(row.text))
        skipped.append(row.number)
        return "skip"

    def overlong(line: int, text: str) -> None:
        bad(line, f"the line has {LONGEST_LINE:,} bytes or more", _beginning(text))

    names = [name if name in columns else f"#{n}" for n, name in enumerate(dialect.names)]
    batches: Iterator[Any] = pa.csv.open_csv(
        Lines(path, overlong, encoding=dialect.encoding),
        # One thread, or rows have no number
        read_options=pa.csv.ReadOptions(
            use_threads=False,
            block_size=BLOCK,
            column_names=names,
            skip_rows=dialect.header_lines,
        ),
        # Empty lines count
        parse_options=pa.csv.ParseOptions(
            delimiter=dialect.separator, invalid_row_handler=misshapen, ignore_empty_lines=False
        ),
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
