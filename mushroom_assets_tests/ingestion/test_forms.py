"""Files as Excel and others write them: read where they mean one thing, else told what to write."""

import datetime as dt
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.loads import HEADER, SENSOR, Load, faults, stored, utc, write

AT = utc(2026, 1, 5, 10)
ROW = f"{SENSOR},2026-01-05T10:00:00Z,17.5"
SOLE = [("611", "mushroom_env_status", "env_611", "temperature", AT, 17.5)]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gbk", "gb18030"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_encodings_of_spreadsheets_are_read(
    load: Load, tmp_path: Path, database: Database, encoding: str, end: str
) -> None:
    mark = "\N{BYTE ORDER MARK}" if encoding.startswith("utf-16-") else ""
    rows = [f"一号菇房,环境,温湿度传感器{n},温度,2026-01-05T10:00:00Z,{n}.5" for n in range(300)]
    file = write(tmp_path / "s.csv", mark + HEADER, *rows, end=end, encoding=encoding)
    result = load("samples", file)
    assert result.exit_code == 0, result.output
    assert ("read as GB18030 (GBK)" in result.output) == encoding.startswith("gb")
    expected = [("一号菇房", "环境", f"温湿度传感器{n}", "温度", AT, n + 0.5) for n in range(300)]
    assert sorted(stored(database), key=lambda row: row[5]) == expected


def test_a_row_of_another_encoding_keeps_its_line(
    load: Load, tmp_path: Path, database: Database
) -> None:
    rows = ["菇房,类,器,温度,2026-01-05T10:00:00Z,暖", "", "菇房,类,器,温度,2026-01-05T10:01:00Z,1"]
    for encoding in ("gbk", "utf-16"):
        file = write(tmp_path / "s.csv", HEADER, *rows, encoding=encoding)
        result = load("samples", file)
        assert faults(result) == [["2", "value is no number"]]
        assert result.output.count("菇房,类,器,温度,2026-01-05T10:00:00Z,暖") == 1
        load("samples", file, "--skip-bad")
        assert [row[5] for row in stored(database)] == [1.0]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("first", [[], ["sep="], ['"sep="']], ids=["plain", "sep", "quoted"])
def test_separators_are_found_or_told_by_the_first_line(
    load: Load, tmp_path: Path, database: Database, separator: str, first: list[str]
) -> None:
    told = [line.replace("sep=", f"sep={separator}") for line in first]
    rows = [HEADER, ROW, "611;oops,oops", "", f"{SENSOR},2026-01-05T10:01:00Z,x"]
    lines = [line.replace(",", separator) for line in rows]
    lines[2] = "oops"
    result = load("samples", write(tmp_path / "s.csv", *told, *lines))
    assert faults(result) == [
        [f"{3 + len(told)}", "expected 6 cells, found 1"],
        [f"{5 + len(told)}", "value is no number"],
    ]
    load("samples", write(tmp_path / "t.csv", *told, *lines[:2]))
    assert stored(database) == SOLE


def test_a_separator_that_is_not_read_is_named(load: Load, tmp_path: Path) -> None:
    file = write(tmp_path / "s.csv", "sep=|", HEADER.replace(",", "|"), ROW.replace(",", "|"))
    assert "its first line is sep=|. Remedy: separate cells by one of commas, semicolons, tabs" in (
        load("samples", file).output.replace("\n", " ")
    )
    file = write(tmp_path / "s.csv", HEADER.replace(",", "|"), ROW.replace(",", "|"))
    told = " ".join(load("samples", file).output.split())
    assert "It has: room_id|device_type|" in told
    assert "Remedy: let its first line name the columns, separated by commas, semicolons" in told


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_decimal_comma_is_read_where_no_comma_separates(
    load: Load, tmp_path: Path, database: Database, separator: str
) -> None:
    values = ["17,5", "-0,25", "18", "+1,5e3", "nan", "2,2"]
    rows = [f"{SENSOR},2026-01-05T10:0{n}:00Z,".replace(",", separator) for n in range(6)]
    lines = [row + value for row, value in zip(rows, values, strict=True)]
    file = write(tmp_path / "s.csv", HEADER.replace(",", separator), *lines)
    assert load("samples", file).exit_code == 0
    read = [row[5] for row in stored(database)]
    assert read[:4] == [17.5, -0.25, 18, 1500] and math.isnan(read[4]) and read[5] == 2.2


@pytest.mark.parametrize(
    ("separator", "values", "told"),
    [
        (",", ['"18,5"', "18.5"], [["2", "value has a comma"]]),
        (
            ";",
            ["18,5", "18.5", "1.234,5"],
            [["2", "value has a comma, where others have a point"], ["4", "value is no number"]],
        ),
        (
            "\t",
            ["2,256", "2256", "18,50"],
            [["2", "value can be of thousands or decimals"]],
        ),
        (";", ["2,256", "1,2,3"], [["3", "value is no number"]]),
    ],
    ids=["comma", "both", "thousands", "no thousands"],
)
def test_a_comma_that_can_mean_two_things_is_a_bad_row(
    load: Load, tmp_path: Path, separator: str, values: list[str], told: list[list[str]]
) -> None:
    begin = [
        f"{SENSOR},2026-01-05T10:0{n}:00Z,".replace(",", separator) for n in range(len(values))
    ]
    rows = [one + value for one, value in zip(begin, values, strict=True)]
    result = load("samples", write(tmp_path / "s.csv", HEADER.replace(",", separator), *rows))
    assert faults(result) == told


def test_a_decimal_comma_between_commas_is_told_as_one(load: Load, tmp_path: Path) -> None:
    file = write(tmp_path / "s.csv", HEADER, ROW, f"{SENSOR},2026-01-05T10:00:00Z,17,5")
    assert faults(load("samples", file)) == [
        [
            "3",
            "expected 6 cells, found 7 (for a decimal comma write a point, or separate cells by "
            "semicolons)",
        ]
    ]


def test_a_header_in_capitals_and_with_blanks_is_read(
    load: Load, tmp_path: Path, database: Database
) -> None:
    header = "Room ID, DEVICE_TYPE ,Device-Alias,point alias,Sampled At,Value"
    assert load("samples", write(tmp_path / "s.csv", header, ROW)).exit_code == 0
    assert stored(database) == SOLE
    names = header.split(",")
    cells = [pa.array([cell]) for cell in ROW.split(",")]
    pq.write_table(pa.table(dict(zip(names, cells, strict=True))), tmp_path / "s.parquet")
    again = load("samples", tmp_path / "s.parquet")
    assert "1 rows read: 0 added, 1 already there, 0 bad\n" in again.output


@pytest.mark.parametrize("other", ["value", "Value", " VALUE"])
def test_a_column_that_is_there_twice_is_refused(load: Load, tmp_path: Path, other: str) -> None:
    file = write(tmp_path / "s.csv", f"{HEADER},{other}", f"{ROW},18.5")
    result = load("samples", file)
    assert result.exit_code == 1
    assert "has more than one column value. Remedy: keep the one that is meant" in result.output


def test_other_columns_may_be_there_twice(load: Load, tmp_path: Path, database: Database) -> None:
    file = write(tmp_path / "s.csv", f"note,{HEADER},note,", f"x,{ROW},y,z")
    assert load("samples", file).exit_code == 0
    assert stored(database) == SOLE


TIMES = [
    ("2026-01-05 24:00:00", utc(2026, 1, 5, 16)),
    ("2026-01-05T24:00", utc(2026, 1, 5, 16)),
    ("2026-01-05T24:00:00.000Z", utc(2026, 1, 6)),
    ("2026-01-05T24:00:00-05:00", utc(2026, 1, 6, 5)),
    ("2025-12-31 24:00:00", utc(2025, 12, 31, 16)),
    ("2026/1/5 9:00", utc(2026, 1, 5, 1)),
    ("2026/01/05 18:00:00", utc(2026, 1, 5, 10)),
    ("2026-1-5 9:05:07", utc(2026, 1, 5, 1, 5, 7)),
    ("2026/1/5 9:00:00+00:00", utc(2026, 1, 5, 9)),
]


def test_times_that_can_mean_one_thing_are_read(
    load: Load, tmp_path: Path, database: Database
) -> None:
    rows = [f"611,env,e,{n},{text},1" for n, (text, _) in enumerate(TIMES)]
    result = load("samples", write(tmp_path / "s.csv", HEADER, *rows))
    assert result.exit_code == 0, result.output
    assert [row[4] for row in stored(database)] == [at for _, at in TIMES]


NO_TIMES = [
    ("05.01.2026 10:00", "sampled_at begins with a day or a month, and nothing says which"),
    ("1/5/2026", "sampled_at begins with a day or a month, and nothing says which"),
    ("05-01-26 10:00:00", "sampled_at begins with a day or a month, and nothing says which"),
    ("46027", "sampled_at is a day's number of Excel"),
    ("46027.4583333333", "sampled_at is a day's number of Excel"),
    ("1767607200", "sampled_at counts seconds since 1970"),
    ("1767607200.5", "sampled_at counts seconds since 1970"),
    ("1767607200000", "sampled_at counts milliseconds since 1970"),
    ("1767607200000000", "sampled_at counts parts of a second since 1970"),
    ("2026-01-05 24:01:00", "sampled_at is no ISO 8601 time"),
    ("2026-01-05 24:00:01", "sampled_at is no ISO 8601 time"),
    ("2026-01-05 25:00:00", "sampled_at is no ISO 8601 time"),
    ("2026/13/05 10:00", "sampled_at is no ISO 8601 time"),
    ("2026/01-05 10:00", "sampled_at is no ISO 8601 time"),
    ("2026-01-05 10:00 PM", "sampled_at is no ISO 8601 time"),
    ("yesterday", "sampled_at is no ISO 8601 time"),
]


@pytest.mark.parametrize(
    "written",
    [
        *(f"2026-01-05 10:00{offset}" for offset in ("+8", " +8", "+8:00", "-3", "+080", "+08:0")),
        "2026-01-05T10:00:01+8", "2026/1/5 10:00 +8", "2026-01-05 09-10",
    ],
)  # fmt: skip
def test_an_offset_of_one_digit_is_told_and_not_guessed(
    load: Load, tmp_path: Path, database: Database, written: str
) -> None:
    result = load("samples", write(tmp_path / "s.csv", HEADER, f"{SENSOR},{written},1"))
    assert result.exit_code == 1
    assert "sampled_at has an offset that can mean two things: write it as in" in result.output
    assert stored(database) == []


def test_times_that_can_mean_more_are_told_with_what_to_write(load: Load, tmp_path: Path) -> None:
    rows = [f"611,env,e,{n},{text},1" for n, (text, _) in enumerate(NO_TIMES)]
    result = load("samples", write(tmp_path / "s.csv", HEADER, *rows))
    assert faults(result) == [[f"{n}", told] for n, (_, told) in enumerate(NO_TIMES, 2)]
    for remedy in (
        "write 2026-01-31 10:00:00",
        "give the cells the format yyyy-mm-dd hh:mm:ss",
        "write 2026-01-31T10:00:00Z",
    ):
        assert remedy in result.output


def test_numbers_of_parquet_that_are_no_times_are_told_as_those_of_csv(
    load: Load, tmp_path: Path
) -> None:
    for kind, number, told in (
        (pa.int64(), 1767607200000, "counts milliseconds since 1970"),
        (pa.float64(), 1767607200.0, "counts seconds since 1970"),
        (pa.float64(), 46027.25, "is a day's number of Excel"),
    ):
        cells = [pa.array([cell]) for cell in SENSOR.split(",")]
        columns = [*cells, pa.array([number], kind), pa.array([1.0])]
        table = pa.table(dict(zip(HEADER.split(","), columns, strict=True)))
        pq.write_table(table, tmp_path / "s.parquet")
        assert faults(load("samples", tmp_path / "s.parquet")) == [["1", f"sampled_at {told}"]]


def test_midnight_that_a_clock_change_leaves_out_is_bad_by_either_name(
    load: Load, tmp_path: Path
) -> None:
    rows = [f"{SENSOR},{text},1" for text in ("2018-11-03 24:00:00", "2018-11-04 00:00:00")]
    file = write(tmp_path / "s.csv", HEADER, *rows)
    told = faults(load("samples", file, timezone="America/Sao_Paulo"))
    assert [line for line, _ in told] == ["2", "3"]
    assert "occurs twice or not at all in America/Sao_Paulo" in told[0][1]


@pytest.mark.parametrize("mark", ["\x07", "\x1b", "\x7f", "\t", "\0"])
@pytest.mark.parametrize("name", HEADER.split(",")[:4])
def test_a_control_character_within_a_name_is_a_bad_row(
    load: Load, tmp_path: Path, name: str, mark: str
) -> None:
    place = HEADER.split(",").index(name)
    cells = ROW.split(",")
    cells[place] = f"a{mark}b"
    result = load("samples", write(tmp_path / "s.csv", HEADER, ",".join(cells)))
    assert faults(result) == [["2", f"{name} contains a control character"]]


def test_nothing_a_number_of_parquet_and_nan_are_told_apart(
    load: Load, tmp_path: Path, database: Database
) -> None:
    at = pa.array([AT + dt.timedelta(minutes=n) for n in range(3)], pa.timestamp("us", tz="UTC"))
    cells = [pa.array([cell] * 3) for cell in SENSOR.split(",")]
    value = pa.array([math.nan, None, 0.1], pa.float64(), from_pandas=False)
    table = pa.table(dict(zip(HEADER.split(","), [*cells, at, value], strict=True)))
    pq.write_table(table, tmp_path / "s.parquet")
    assert faults(load("samples", tmp_path / "s.parquet")) == [["2", "value is no number"]]
    load("samples", tmp_path / "s.parquet", "--skip-bad")
    nan, number = (row[5] for row in stored(database))
    assert math.isnan(nan) and number == 0.1


def test_room_numbers_of_parquet_are_names(load: Load, tmp_path: Path, database: Database) -> None:
    for room in (pa.array([611]), pa.array([611.0]), pa.array(["611"]).dictionary_encode()):
        cells = [room, *(pa.array([cell]) for cell in ROW.split(",")[1:])]
        table = pa.table(dict(zip(HEADER.split(","), cells, strict=True)))
        pq.write_table(table, tmp_path / "s.parquet")
        assert load("samples", tmp_path / "s.parquet").exit_code == 0
    assert stored(database) == SOLE
