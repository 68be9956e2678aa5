"""`mushroom load harvest`: the kilos of a batch and day, or the row is bad."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mushroom_assets.domain.records import Picking
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.harvest import read_pickings
from mushroom_assets_tests.kit.loads import Load, faults, write
from mushroom_assets_tests.kit.plant import put_batch

HEADER = "room_id,in_date,picked_on,weight_kg"
BATCH = dt.date(2026, 1, 5)
NEXT = dt.date(2026, 2, 2)
PICKED = dt.date(2026, 1, 30)
TODAY = dt.datetime.now(ZoneInfo("Asia/Shanghai")).date()


@pytest.fixture(autouse=True)
def batches(database: Database) -> None:
    """Room 611 with two batches, 612 with one."""
    for room, day in (("611", BATCH), ("611", NEXT), ("612", BATCH)):
        put_batch(database, room, day, 9800)


def stored(database: Database) -> list[Picking]:
    with database.transaction() as connection:
        return read_pickings(connection, dt.date.min, dt.date.max)


def picking(kg: float, room: str = "611", on: dt.date = PICKED) -> Picking:
    return Picking(room, BATCH, on, kg)


def test_pickings_are_added_and_corrected_only_where_that_is_asked_for(
    load: Load, tmp_path: Path, database: Database
) -> None:
    file = write(tmp_path / "h.csv", HEADER, "611,2026-01-05,2026-01-30,812.5")
    assert load("harvest", file).output.splitlines() == [
        "1 rows read: 1 added, 0 already there, 0 bad",
        "touches 3 of daily_room_report: 2026-01-30 to 2026-02-01",
    ]
    again = load("harvest", file).output.splitlines()
    assert again == ["1 rows read: 0 added, 1 already there, 0 bad"]
    write(file, HEADER, "611,2026-01-05,2026-01-30,813", "611,2026-01-05,2026-01-31,1e2")
    result = load("harvest", file)
    assert (
        "2 rows read: 1 added, 1 already there, 0 bad; 1 of those there are stored with another "
        "value, which was kept. Remedy: --correct replaces what is stored"
    ) in result.output
    last = picking(100, on=dt.date(2026, 1, 31))
    assert stored(database) == [picking(812.5), last]
    result = load("harvest", file, "--correct")
    assert "1 of those there were stored with another value and are corrected" in result.output
    assert "touches 3 of daily_room_report: 2026-01-30 to 2026-02-01" in result.output
    assert stored(database) == [picking(813), last]


def test_bad_pickings_are_listed_with_their_lines_and_the_others_can_be_loaded(
    load: Load, tmp_path: Path, database: Database
) -> None:
    tomorrow = TODAY + dt.timedelta(days=1)
    lines = [
        "611,2026-01-05,2026-01-30,812.5", "611,2026-01-06,2026-01-30,1", "611,2026-01-05,x,1",
        "700,2026-01-05,2026-01-30,1", ",2026-01-05,2026-01-30,1", "611,2026-01-05,2026-01-04,1",
        f"611,2026-01-05,{tomorrow},1", "612,2026-01-05,2026-01-30,", "612,2026-01-05,2026-01-30,0",
        "612,2026-01-05,2026-01-30,nan", "612,2026-01-05,2026-01-30,20001",
        "611,2026-01-05,2026-01-30,812", "611,2026-01-05,2026-01-30,812.50", "611",
    ]  # fmt: skip
    file = write(tmp_path / "h.csv", HEADER, *lines)
    refused = load("harvest", file)
    assert refused.exit_code == 1
    assert faults(refused) == [
        ["3", "room 611 has no batch of 2026-01-06"],
        ["4", "picked_on is no date (YYYY-MM-DD)"],
        ["5", "the farm has no room '700'"],
        ["6", "the farm has no room ''"],
        ["7", "picked on 2026-01-04, before the batch came in on 2026-01-05"],
        ["8", f"picked on {tomorrow}, which is still to come"],
        ["9", "weight_kg is no number"],
        ["10", "a weight of 0 kg"],
        ["11", "a weight of nan kg"],
        ["12", "a weight of 20001 kg"],
        ["13", "another weight_kg for the same batch and day earlier in the file"],
        ["15", "expected 4 cells, found 1"],
    ]
    assert stored(database) == []
    skipped = load("harvest", file, "--skip-bad")
    assert "14 rows read: 1 added, 1 already there, 12 bad" in skipped.output
    assert stored(database) == [picking(812.5)]
    bad = (tmp_path / "h.csv.bad.csv").read_text(encoding="utf-8").splitlines()
    assert len(bad) == 13


def test_files_of_spreadsheets_are_read_with_their_marks(
    load: Load, tmp_path: Path, database: Database
) -> None:
    lines = [
        "Room ID;In Date;Picked On;备注;Weight kg",
        "611;2026/1/5;2026/1/30;第一次;812,5",
        "612;2026-01-05;2026-01-29T16:00:00Z;;800",
    ]
    file = write(tmp_path / "h.csv", *lines, encoding="gb18030")
    result = load("harvest", file)
    assert "is no UTF-8: read as GB18030 (GBK)" in result.output
    assert stored(database) == [picking(812.5), picking(800, "612")]


def test_pickings_come_from_parquet_with_dates_and_numbers_too(
    load: Load, tmp_path: Path, database: Database
) -> None:
    columns = {
        "room_id": ["611", "612"],
        "in_date": pa.array([BATCH, BATCH]),
        "picked_on": pa.array([PICKED, PICKED]),
        "weight_kg": pa.array([812.5, 0.1]),
    }
    pq.write_table(pa.table(columns), tmp_path / "h.parquet")
    assert load("harvest", tmp_path / "h.parquet").exit_code == 0
    assert stored(database) == [picking(812.5), picking(0.1, "612")]


def test_a_file_without_the_columns_is_told_so(load: Load, tmp_path: Path) -> None:
    result = load("harvest", write(tmp_path / "h.csv", "room_id,in_date,kg", "611,2026-01-05,1"))
    assert result.exit_code == 1
    assert "lacks the columns picked_on, weight_kg" in result.output
