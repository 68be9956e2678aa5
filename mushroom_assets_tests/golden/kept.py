"""The golden files: written, read, and compared with other figures in words."""

import csv
import difflib
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mushroom_assets_tests.golden.figures import KEYS, Figures, Row

FOLDER = Path(__file__).parent
SUMMARY = FOLDER / "summary.json"
RENEW = "python -m mushroom_assets_tests.golden.renew"
SHOWN = 60  # lines of a difference
Key = tuple[str, ...]


def write(figures: Figures) -> None:
    """All rows as CSV, and what can be read at a glance."""
    for table, rows in figures.items():
        with _path(table).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    text = json.dumps(summary(figures), indent=1, ensure_ascii=False)
    SUMMARY.write_text(text + "\n", encoding="utf-8")


def read() -> Figures:
    """The rows as they were written."""
    return {table: _read(_path(table)) for table in KEYS}


def read_summary() -> dict[str, Any]:
    """What `summary` said of them."""
    found: dict[str, Any] = json.loads(SUMMARY.read_text(encoding="utf-8"))
    return found


def _path(table: str) -> Path:
    return FOLDER / f"{table}.csv"


def _read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def summary(figures: Figures) -> dict[str, Any]:
    """Per table how many rows, the SHA-256 of all, and the month in a few numbers."""
    found: dict[str, Any] = {}
    for table, rows in figures.items():
        cells = "".join("\x1f".join(row.values()) + "\n" for row in rows)
        digest = hashlib.sha256(cells.encode()).hexdigest()
        found[table] = {"rows": len(rows), "sha256": digest}
    found["daily_env_stats"] |= _climate(figures["daily_env_stats"])
    changes = Counter(
        f"{row['device_type']} {row['point_alias']}" for row in figures["hourly_setpoint_changes"]
    )
    found["hourly_setpoint_changes"]["changes"] = dict(sorted(changes.items()))
    verdicts = Counter(row["verdict"] for row in figures["daily_room_report"])
    found["daily_room_report"]["verdicts"] = dict(sorted(verdicts.items()))
    return found


def _climate(rows: Sequence[Row]) -> dict[str, Any]:
    """Sums and means of the month, by room and quantity."""
    days: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        days[f"{row['room_id']} {row['quantity']}"].append(row)
    return {"month": {name: _month(own) for name, own in sorted(days.items())}}


def _month(days: Sequence[Row]) -> dict[str, float]:
    counts = ("sample_count", "rejected_count", "suspect_count", "longest_gap_s")
    sums = {name: sum(float(day[name]) for day in days) for name in counts}
    means = {}
    for name in ("mean", "coverage", "in_range"):
        known = [float(day[name]) for day in days if day[name]]
        if known:
            means[name] = round(sum(known) / len(known), 6)
    return sums | means


def differences(kept: Figures, found: Figures) -> list[str]:
    """What is another, a line each: which table and row, which column, from what to what."""
    lines: list[str] = []
    for table, names in KEYS.items():
        before = _by_key(kept[table], names)
        after = _by_key(found[table], names)
        for key in sorted(before.keys() | after.keys()):
            label = f"{table} {' '.join(key)}"
            if key not in after:
                lines.append(f"{label}: the row is gone")
            elif key not in before:
                lines.append(f"{label}: a new row, {_short(after[key], names)}")
            else:
                lines += [f"{label}: {line}" for line in _of_row(before[key], after[key])]
    return lines


def _by_key(rows: Sequence[Row], names: Sequence[str]) -> Mapping[Key, Row]:
    found = {tuple(row[name] for name in names): row for row in rows}
    assert len(found) == len(rows), "rows share their key"
    return found


def _short(row: Row, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {cell}" for name, cell in row.items() if cell and name not in names)


def _of_row(before: Row, after: Row) -> Iterator[str]:
    for name in [*before, *(name for name in after if name not in before)]:
        old = before.get(name, "no such column")
        new = after.get(name, "no such column")
        if old == new:
            continue
        if "\n" not in old + new:
            yield f"{name} {old or '-'} -> {new or '-'}"
        for line in difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""):
            if "\n" in old + new and not line.startswith(("---", "+++", "@@")):
                yield f"{name} {line}"


def told(lines: Sequence[str]) -> str:
    """The message of a test that found differences."""
    more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    shown = "\n".join([*lines[:SHOWN], *more])
    return (
        f"{len(lines)} figures of the golden month are others than before:\n{shown}\n"
        f"If that is meant: `{RENEW}`, and say in CHANGELOG.md what changed."
    )
