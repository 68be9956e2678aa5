"""What a load did: rows counted, bad ones listed with their line, what a person should look at.

Nothing is loaded beside bad rows unless they are skipped, and then they go to a file: no row is
lost without a word. What makes a row bad is the business of `samples`, `batches` and `labels`.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

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
    """What a load did, in rows.

    `different` ones were stored with another value, which stays unless it was to be corrected.
    """

    read: int = 0
    added: int = 0
    different: int = 0
    correct: bool = False
    bad: list[BadRow] = field(default_factory=list)
    unknown_rooms: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)  # how the file was read
    warnings: list[str] = field(default_factory=list)  # what was loaded, and may be a mistake

    def sentence(self) -> str:
        """The report in one line."""
        bad = len(self.bad)
        there = self.read - self.added - bad
        text = f"{self.read} rows read: {self.added} added, {there} already there, {bad} bad"
        if self.different:
            text += f"; {self.different} of those there "
            text += (
                "were stored with another value and are corrected"
                if self.correct
                else "are stored with another value, which was kept. "
                "Remedy: --correct replaces what is stored"
            )
        return text


def keep(
    parsed: pd.DataFrame, block: pd.DataFrame, reasons: pd.Series, report: LoadReport
) -> pd.DataFrame:
    """The rows of `parsed` without a reason against them.

    The rows of `block` with one go to the report.
    """
    bad = reasons != ""
    if not bad.any():
        return parsed
    rows = block[bad].itertuples(index=False)
    for line, reason, cells in zip(reasons.index[bad], reasons[bad], rows, strict=True):
        report.bad.append(BadRow(int(line), reason, ",".join(str(cell) for cell in cells)))
    return parsed[~bad]


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
    listed = "\n".join([*report.notes, *told])
    raise LoadError(
        f"{path}: {count} of {report.read} rows are bad, nothing was loaded:\n{listed}\n"
        "Remedy: correct them, or load the others with --skip-bad"
    )


def bad_rows_file(path: Path) -> Path:
    """Where `--skip-bad` writes the bad rows of a file."""
    return path.with_name(f"{path.name}.bad.csv")
