"""`mushroom load batches`: a batch begins on a day of the farm, or its row is bad."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.loads import Load, batches, faults, write

HEADER = "room_id,in_date,bag_count"
IN_CYCLES = ["daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference"]


def test_batches_are_added_and_corrected_only_where_that_is_asked_for(
    load: Load, tmp_path: Path, database: Database
) -> None:
    file = write(
        tmp_path / "b.csv",
        "room_id,in_date,bag_count",
        "611,2026-01-05,9800",
        "612,2026-01-06,",
        "",
    )
    first, *touched = load("batches", file).output.splitlines()
    assert first == "2 rows read: 2 added, 0 already there, 0 bad"
    # In force to this day
    today = f"{dt.datetime.now(ZoneInfo('Asia/Shanghai')).date()}"
    assert [line.split(":")[0].split(" of ")[1] for line in touched] == IN_CYCLES
    assert touched[0].startswith("touches ") and f": 2026-01-05 to {today[:8]}" in touched[0]
    again = load("batches", file).output.splitlines()
    assert again == ["2 rows read: 0 added, 2 already there, 0 bad"]
    write(
        file,
        "room_id,in_date,bag_count",
        "611,2026-01-05,9750",
        "612,2026-01-06,",
        "700,2026-01-05 00:00:00,1.0",
    )
    result = load("batches", file)
    assert (
        "3 rows read: 1 added, 2 already there, 0 bad; 1 of those there are stored with another "
        "value, which was kept. Remedy: --correct replaces what is stored"
    ) in result.output
    assert "does not list: 700" in result.output
    days = [dt.date(2026, 1, day) for day in (5, 6, 5)]
    assert batches(database) == list(zip(("611", "612", "700"), days, (9800, None, 1), strict=True))
    result = load("batches", file, "--correct")
    assert (
        "3 rows read: 0 added, 3 already there, 0 bad; 1 of those there were stored with another "
        "value and are corrected"
    ) in result.output
    assert [bags for _, _, bags in batches(database)] == [9750, None, 1]
    result = load("batches", file, "--correct")
    assert "3 rows read: 0 added, 3 already there, 0 bad\n" in result.output
    write(file, "room_id,in_date,bag_count", "611,2026-01-05,")  # says nothing of the bags
    result = load("batches", file, "--correct")
    assert "1 rows read: 0 added, 1 already there, 0 bad\n" in result.output
    assert [bags for _, _, bags in batches(database)] == [9750, None, 1]


def test_bad_batches_are_listed_with_their_lines_and_the_others_can_be_loaded(
    load: Load, tmp_path: Path, database: Database
) -> None:
    lines = [
        "611,2026-01-05,9800", "611,5.1.2026,1", ",2026-01-05,1", "611,2026-01-07,some",
        "611,2026-01-08,1.5", "611,2026-01-09,-1", "611",
        "611,2026-01-05,9900", "611,2026-01-05,9800",
    ]  # fmt: skip
    file = write(tmp_path / "b.csv", "room_id,in_date,bag_count", *lines)
    refused = load("batches", file)
    assert refused.exit_code == 1
    assert faults(refused) == [
        ["3", "in_date begins with a day or a month, and nothing says which"],
        ["4", "room_id is empty"],
        ["5", "bag_count is no whole number"],
        ["6", "bag_count is no whole number"],
        ["7", "bag_count is no whole number"],
        ["8", "expected 3 cells, found 1"],
        ["9", "another bag_count for the same room and date earlier in the file"],
    ]
    assert batches(database) == []
    assert load("batches", file, "--skip-bad").exit_code == 0
    assert batches(database) == [("611", dt.date(2026, 1, 5), 9800)]


def test_batches_come_from_parquet_with_dates_and_numbers_too(
    load: Load, tmp_path: Path, database: Database
) -> None:
    day = dt.date(2026, 1, 5)
    columns = {
        "room_id": ["611", "612"],
        "in_date": pa.array([day, day]),
        "bag_count": pa.array([9800, None], pa.int32()),
    }
    pq.write_table(pa.table(columns), tmp_path / "b.parquet")
    assert load("batches", tmp_path / "b.parquet").exit_code == 0
    assert batches(database) == [("611", day, 9800), ("612", day, None)]


DAYS = [
    ("2026-03-04T16:00:00Z", "Asia/Shanghai", dt.date(2026, 3, 5)),
    ("2026-03-04T16:00:00.000Z", "Asia/Shanghai", dt.date(2026, 3, 5)),
    ("2026-03-04T15:59:59Z", "Asia/Shanghai", dt.date(2026, 3, 4)),
    ("2026-01-05T23:30:00-08:00", "Asia/Shanghai", dt.date(2026, 1, 6)),
    ("2026-01-05 00:00:00+08:00", "America/New_York", dt.date(2026, 1, 4)),
    ("2026-03-05", "America/New_York", dt.date(2026, 3, 5)),
    ("20260305", "Asia/Shanghai", dt.date(2026, 3, 5)),
    ("2026/3/5", "Asia/Shanghai", dt.date(2026, 3, 5)),
    ("2026-03-05 00:00", "Asia/Shanghai", dt.date(2026, 3, 5)),
    ("2026-03-05T00:00:00.000", "Asia/Shanghai", dt.date(2026, 3, 5)),
    ("2026/3/5 0:00", "Asia/Shanghai", dt.date(2026, 3, 5)),
    ("2026-03-04 24:00:00", "Asia/Shanghai", dt.date(2026, 3, 5)),
    # Midnight that the clock leaves out is the day all the same
    ("2018-11-04 00:00:00", "America/Sao_Paulo", dt.date(2018, 11, 4)),
]


@pytest.mark.parametrize(("written", "timezone", "day"), DAYS)
def test_a_batch_begins_on_the_day_that_it_is_on_the_farm(
    load: Load, tmp_path: Path, database: Database, written: str, timezone: str, day: dt.date
) -> None:
    file = write(tmp_path / "b.csv", HEADER, f"611,{written},9800")
    assert load("batches", file, timezone=timezone).exit_code == 0
    assert batches(database) == [("611", day, 9800)]


NO_DAYS = [
    ("2026-01-05 garbage", "in_date is no date (YYYY-MM-DD)"),
    ("2026-03-05 or 06?", "in_date is no date (YYYY-MM-DD)"),
    ("2026-02-30", "in_date is no date (YYYY-MM-DD)"),
    ("2026-01", "in_date is no date (YYYY-MM-DD)"),
    ("", "in_date is no date (YYYY-MM-DD)"),
    ("today", "in_date is no date (YYYY-MM-DD)"),
    ("05.01.2026", "in_date begins with a day or a month, and nothing says which"),
    ("1/5/26", "in_date begins with a day or a month, and nothing says which"),
    ("46027", "in_date is a day's number of Excel"),
    ("1767600000", "in_date counts seconds since 1970"),
    ("1767600000000", "in_date counts milliseconds since 1970"),
    ("0001-01-01", "in_date is before 2000"),
    ("9999-12-31", "in_date is over a year ahead"),
    (
        "2026-03-04 16:00:00",
        "in_date is a time without an offset, of which the day is not sure in another time zone",
    ),
]


def test_what_is_no_day_is_told_with_what_to_write(
    load: Load, tmp_path: Path, database: Database
) -> None:
    rows = [f"611,{written},1" for written, _ in NO_DAYS]
    result = load("batches", write(tmp_path / "b.csv", HEADER, *rows))
    assert result.exit_code == 1
    expected = [[f"{number}", told] for number, (_, told) in enumerate(NO_DAYS, 2)]
    assert faults(result) == expected
    assert batches(database) == []


@pytest.mark.parametrize(
    ("written", "told"),
    [*NO_DAYS, ("2026-01-05 10:00+8", "in_date has an offset that can mean two things")],
)
def test_a_file_of_nothing_but_such_days_is_told_like_any_other(
    load: Load, tmp_path: Path, written: str, told: str
) -> None:
    result = load("batches", write(tmp_path / "b.csv", HEADER, f"611,{written},1"))
    assert (result.exit_code, faults(result)) == (1, [["2", told]])


@pytest.mark.parametrize(
    ("kind", "written", "day"),
    [
        (pa.timestamp("us", tz="UTC"), "2026-01-04T16:00Z", dt.date(2026, 1, 5)),
        (pa.timestamp("us", tz="UTC"), "2026-01-04T15:59Z", dt.date(2026, 1, 4)),
        (pa.timestamp("ms"), "2026-01-05T00:00", dt.date(2026, 1, 5)),
        (pa.timestamp("ns"), "2026-01-05T00:01", None),
        (pa.date32(), "2026-01-05", dt.date(2026, 1, 5)),
        (pa.date64(), "2026-01-05", dt.date(2026, 1, 5)),
    ],
    ids=str,
)
def test_parquet_dates_and_timestamps_are_days_of_the_farm_too(
    load: Load,
    tmp_path: Path,
    database: Database,
    kind: pa.DataType,
    written: str,
    day: dt.date | None,
) -> None:
    columns = {
        "room_id": ["611"],
        "in_date": pa.array([written]).cast(kind),
        "bag_count": pa.array([9800.0]),
    }
    pq.write_table(pa.table(columns), tmp_path / "b.parquet")
    result = load("batches", tmp_path / "b.parquet")
    if day is None:
        assert "  line 1: in_date is a time without an offset" in result.output
    else:
        assert batches(database) == [("611", day, 9800)]


@pytest.mark.parametrize(
    ("bags", "told"),
    [
        ("1e300", "bag_count is no whole number"),
        ("9.000", "bag_count is no whole number"),
        ("inf", "bag_count is no whole number"),
        ("0x10", "bag_count is no whole number"),
        ("2147483648", "bag_count is over 2,147,483,647"),
        ("99999999999999999999999999", "bag_count is over 2,147,483,647"),
    ],
)
def test_a_count_that_no_table_holds_is_a_bad_row(
    load: Load, tmp_path: Path, database: Database, bags: str, told: str
) -> None:
    file = write(tmp_path / "b.csv", HEADER, "611,2026-01-05,2147483647", f"612,2026-01-05,{bags}")
    assert faults(load("batches", file)) == [["3", told]]
    load("batches", file, "--skip-bad")
    assert batches(database) == [("611", dt.date(2026, 1, 5), 2_147_483_647)]


def test_of_two_counts_in_one_file_the_first_is_taken_and_the_others_are_bad(
    load: Load, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"611,2026-01-05,{bags}" for bags in (1, 2, 2, 1, "")]
    file = write(tmp_path / "b.csv", HEADER, *rows)
    told = "another bag_count for the same room and date earlier in the file"
    assert faults(load("batches", file)) == [[line, told] for line in ("3", "4", "6")]
    assert "5 rows read: 1 added, 1 already there, 3 bad\n" in (
        load("batches", file, "--skip-bad", "--correct").output
    )
    assert batches(database) == [("611", dt.date(2026, 1, 5), 1)]


def test_batches_ahead_of_today_and_of_before_the_first_day_are_named(
    load: Load, tmp_path: Path
) -> None:
    today = dt.datetime.now(ZoneInfo("Asia/Shanghai")).date()
    soon = today + dt.timedelta(days=3)
    # The first day is 2025-10-01: a batch of 27 days from 2025-09-05 on is still there
    rows = [f"611,{day}," for day in ("2025-09-04", "2025-09-05", today, soon)]
    lines = load("batches", write(tmp_path / "b.csv", HEADER, *rows)).output.splitlines()
    assert f"1 batches are ahead of today: {soon}" in lines
    assert (
        "1 batches ended before first_day of the farm file (2025-10-01), nothing is computed of "
        "them: 2025-09-04"
    ) in lines
