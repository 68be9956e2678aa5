"""`mushroom load`: every row is loaded once, or named with its line and its fault.

No part of a file is left out without a word.
"""

import datetime as dt
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from mushroom_assets.ingestion import files
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.loads import HEADER, SENSOR, Load, stored, utc, write


def instants(database: Database) -> list[dt.datetime]:
    return [row[4] for row in stored(database)]


def test_instants_with_an_offset_are_kept_and_naive_ones_are_farm_time(
    load: Load, tmp_path: Path, database: Database
) -> None:
    texts = [
        "2026-01-05T10:00:00Z", "2026-01-05 10:01:00z", "2026-01-05T18:02:00+08:00",
        "2026-01-05T18:03:00.25+0800", "2026-01-05T18:04+08", "2026-01-05T05:05:00-05:00",
        "20260105T100600Z", "2026-01-05 18:07:00", "2026-01-05T18:08", "2026-01-06",
    ]  # fmt: skip
    rows = [f"{SENSOR},{text},{n}" for n, text in enumerate(texts)]
    result = load("samples", write(tmp_path / "s.csv", HEADER, *rows))
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[-4:] == [
        "10 rows read: 10 added, 0 already there, 0 bad",
        # The last sample is of midnight: the day before is carried on by it
        "touches 2 of daily_env_stats: 2026-01-05 to 2026-01-06",
        "touches 2 of daily_clip_inference: 2026-01-05 to 2026-01-06",
        "touches 2 of daily_room_report: 2026-01-05 to 2026-01-06",
    ]
    minutes = [utc(2026, 1, 5, 10, n) for n in range(9)]
    minutes[3] += dt.timedelta(milliseconds=250)
    assert stored(database) == [
        ("611", "mushroom_env_status", "env_611", "temperature", at, float(n))
        for n, at in enumerate([*minutes, utc(2026, 1, 5, 16)])
    ]


def test_local_times_that_a_clock_change_makes_ambiguous_or_impossible_are_bad(
    load: Load, tmp_path: Path, database: Database
) -> None:
    file = write(
        tmp_path / "s.csv",
        HEADER,
        f"{SENSOR},2025-10-26 01:59:00,1",  # summer time, +02:00
        f"{SENSOR},2025-10-26 02:30:00,2",  # twice
        f"{SENSOR},2025-10-26 02:30:00+02:00,3",
        f"{SENSOR},2025-10-26 02:30:00+01:00,4",
        f"{SENSOR},2025-10-26 03:00:00,5",
        f"{SENSOR},2026-03-29 02:30:00,6",  # never
    )
    refused = load("samples", file, timezone="Europe/Berlin")
    assert refused.exit_code == 1
    told = [
        line.split(" in Europe/Berlin")[0]
        for line in refused.output.splitlines()
        if line.startswith("  line")
    ]
    assert told == [f"  line {n}: sampled_at occurs twice or not at all" for n in (3, 7)]
    assert load("samples", file, "--skip-bad", timezone="Europe/Berlin").exit_code == 0
    hours = [
        utc(2025, 10, 25, 23, 59),
        utc(2025, 10, 26, 0, 30),
        utc(2025, 10, 26, 1, 30),
        utc(2025, 10, 26, 2),
    ]
    assert instants(database) == hours


def test_a_repeated_load_changes_nothing(load: Load, tmp_path: Path, database: Database) -> None:
    rows = [f"{SENSOR},2026-01-05T10:0{n}:00Z,1{n}.5" for n in range(3)]
    file = write(tmp_path / "s.csv", HEADER, *rows, rows[1])
    assert "4 rows read: 3 added, 1 already there, 0 bad" in load("samples", file).output
    before = stored(database)
    result = load("samples", file)
    assert (result.exit_code, stored(database)) == (0, before)
    assert "4 rows read: 0 added, 4 already there, 0 bad" in result.output


def test_a_value_that_differs_from_the_stored_one_is_told_and_not_taken(
    load: Load, tmp_path: Path, database: Database
) -> None:
    load("samples", write(tmp_path / "a.csv", HEADER, f"{SENSOR},2026-01-05T10:00:00Z,17.5"))
    result = load(
        "samples", write(tmp_path / "b.csv", HEADER, f"{SENSOR},2026-01-05T18:00:00,18.5")
    )
    assert (
        "1 rows read: 0 added, 1 already there, 0 bad; 1 of those there are stored with another"
        in result.output
    )
    assert [row[5] for row in stored(database)] == [17.5]


BAD = [
    (3, "expected 6 cells, found 2", "611,oops"),
    (4, "expected 6 cells, found 7", f"{SENSOR},2026-01-05T10:00:00Z,17.5,"),
    (5, "value is no number", f"{SENSOR},2026-01-05T10:01:00Z,warm"),
    (6, "value is no number", f"{SENSOR},2026-01-05T10:02:00Z,"),
    (
        7,
        "sampled_at begins with a day or a month, and nothing says which",
        f"{SENSOR},05.01.2026 10:00,17.5",
    ),
    (8, "sampled_at is no ISO 8601 time", f"{SENSOR},,17.5"),
    (9, "sampled_at is no ISO 8601 time", f"{SENSOR},2026-02-30T10:00:00Z,17.5"),
    (10, "sampled_at is no ISO 8601 time", f"{SENSOR},now,17.5"),
    (11, "sampled_at is no ISO 8601 time", f"{SENSOR},2026,17.5"),
    (12, "room_id is empty", ",air_cooler,c,on_off,2026-01-05T10:00:00Z,1"),
    (13, "device_type is empty", "611,,c,on_off,2026-01-05T10:00:00Z,1"),
    (14, "device_alias is empty", "611,air_cooler, ,on_off,2026-01-05T10:00:00Z,1"),
    (15, "point_alias is empty", "611,air_cooler,c,,2026-01-05T10:00:00Z,1"),
    (
        19,
        "another value for the same point and time earlier in the file",
        f"{SENSOR},2026-01-05T18:05:00,18.5",
    ),
]
GOOD = {2: f"{SENSOR},2026-01-05T10:00:00Z,17.5", 17: f"{SENSOR},2026-01-05T10:05:00Z,17.5"}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    lines = {1: HEADER} | GOOD | {line: text for line, _, text in BAD} | {16: "", 18: ""}
    return write(tmp_path / "mixed.csv", *[lines[number] for number in range(1, 20)])


def test_bad_rows_are_listed_with_their_lines_and_nothing_is_loaded(
    load: Load, mixed: Path, database: Database
) -> None:
    result = load("samples", mixed)
    assert result.exit_code == 1
    assert f"{mixed}: 14 of 16 rows are bad, nothing was loaded" in result.output
    told = [line for line in result.output.splitlines() if line.startswith("  line ")]
    assert [line.split(": ")[:2] for line in told] == [
        [f"  line {n}", reason] for n, reason, _ in BAD
    ]
    assert "Remedy: correct them, or load the others with --skip-bad" in result.output
    with database.transaction() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM farm.sample")) == 0
        assert connection.scalar(sa.text("SELECT count(*) FROM farm.point")) == 0
    assert not mixed.with_name("mixed.csv.bad.csv").exists()


def test_skip_bad_loads_the_others_and_writes_the_bad_ones_to_a_file(
    load: Load, mixed: Path, database: Database
) -> None:
    result = load("samples", mixed, "--skip-bad")
    assert result.exit_code == 0
    assert "16 rows read: 2 added, 0 already there, 14 bad" in result.output
    assert instants(database) == [utc(2026, 1, 5, 10), utc(2026, 1, 5, 10, 5)]
    beside = mixed.with_name("mixed.csv.bad.csv")
    assert str(beside) in result.output.replace("\n", "")
    written = beside.read_text(encoding="utf-8").splitlines()
    assert written[0] == "line,reason,text"
    assert [int(line.split(",")[0]) for line in written[1:]] == [line for line, _, _ in BAD]
    assert f'5,value is no number,"{SENSOR},2026-01-05T10:01:00Z,warm"' in written


def test_a_good_row_is_not_bad_because_a_bad_one_came_before_it(
    load: Load, tmp_path: Path, database: Database
) -> None:
    rows = [f"{SENSOR},2026-01-05T10:00:00Z,{value}" for value in ("n/a", "17.5", "17.5")]
    result = load("samples", write(tmp_path / "s.csv", HEADER, *rows), "--skip-bad")
    assert "3 rows read: 1 added, 1 already there, 1 bad" in result.output
    assert [row[5] for row in stored(database)] == [17.5]


def test_of_many_bad_rows_twenty_are_listed_and_the_others_counted(
    load: Load, tmp_path: Path
) -> None:
    rows = [f"{SENSOR},2026-01-05T10:00:{n:02}Z,x" for n in range(33)]
    result = load("samples", write(tmp_path / "s.csv", HEADER, *rows))
    assert result.output.count("  line ") == 20
    assert "  and 13 more" in result.output


def test_line_numbers_hold_over_the_blocks_of_a_large_file(
    load: Load, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK", 400)  # about 6 rows
    rows = {
        line: f"{SENSOR},{utc(2026, 1, 5) + dt.timedelta(minutes=line):%Y-%m-%dT%H:%M:%SZ},{line}"
        for line in range(2, 402)
    }
    faults = dict.fromkeys((5, 6, 7, 90, 200, 398), "611,short")
    faults |= {line: rows[line].replace("temperature", "") for line in (9, 91, 399)}
    blank = dict.fromkeys((8, 92, 201, 202, 400), "")
    lines = rows | faults | blank
    file = write(tmp_path / "large.csv", HEADER, *[lines[line] for line in sorted(lines)])
    assert load("samples", file).output.count("  line ") == len(faults)
    result = load("samples", file, "--skip-bad")
    written = file.with_name("large.csv.bad.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [int(line.split(",")[0]) for line in written] == sorted(faults)
    good = sorted(set(rows) - set(faults) - set(blank))
    assert f"{len(good) + len(faults)} rows read: {len(good)} added" in result.output
    assert [row[5] for row in stored(database)] == [float(line) for line in good]


def test_a_fault_in_a_later_block_undoes_the_blocks_before_it(
    load: Load, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK", 400)
    rows = [
        f"{SENSOR},{utc(2026, 1, 5) + dt.timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ},1"
        for n in range(100)
    ]
    assert (
        load("samples", write(tmp_path / "s.csv", HEADER, *rows, f"{SENSOR},never,1")).exit_code
        == 1
    )
    with database.transaction() as connection:
        counts = "SELECT (SELECT count(*) FROM farm.sample) + (SELECT count(*) FROM farm.point)"
        assert connection.scalar(sa.text(counts)) == 0


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_byte_order_mark_quotes_extra_and_reordered_columns_are_read(
    load: Load, tmp_path: Path, database: Database, end: str
) -> None:
    quoted = '"one, two ""three""","env, 611",mushroom_env_status,"611"'
    file = write(
        tmp_path / "s.csv",
        'value,sampled_at,"point_alias",note,device_alias,device_type,room_id',
        f"17.5,2026-01-05T10:00:00Z,temperature,{quoted}",
        ' 18.5 ,2026-01-05T10:01:00Z, temperature ,,"env, 611", mushroom_env_status,611 ',
        end=end,
        encoding="utf-8-sig",
    )
    assert load("samples", file).exit_code == 0
    assert stored(database) == [
        (
            "611",
            "mushroom_env_status",
            "env, 611",
            "temperature",
            utc(2026, 1, 5, 10, minute),
            value,
        )
        for minute, value in enumerate((17.5, 18.5))
    ]


def test_nan_and_infinities_are_values(load: Load, tmp_path: Path, database: Database) -> None:
    values = ["NaN", "nan", "inf", "-Infinity", "1e3", "+2", "-0.5"]
    rows = [f"{SENSOR},2026-01-05T10:0{n}:00Z,{value}" for n, value in enumerate(values)]
    assert load("samples", write(tmp_path / "s.csv", HEADER, *rows)).exit_code == 0
    read = [row[5] for row in stored(database)]
    assert [math.isnan(value) for value in read[:2]] == [True, True]
    assert read[2:] == [math.inf, -math.inf, 1000, 2, -0.5]


def test_decimals_are_the_nearest_floats(load: Load, tmp_path: Path, database: Database) -> None:
    texts = [
        "0.1",
        "17.30000000000000071",
        "123456.789",
        "2.2250738585072014e-308",
        "89.69999999999999",
    ]
    rows = [f"{SENSOR},2026-01-05T10:0{n}:00Z,{text}" for n, text in enumerate(texts)]
    load("samples", write(tmp_path / "s.csv", HEADER, *rows))
    assert [row[5] for row in stored(database)] == [float(text) for text in texts]


def test_rooms_that_the_farm_file_does_not_list_are_loaded_and_named(
    load: Load, tmp_path: Path, database: Database
) -> None:
    rows = [f"{room},air_cooler,c,on_off,2026-01-05T10:00:00Z,1" for room in ("700", "612", "699")]
    result = load("samples", write(tmp_path / "s.csv", HEADER, *rows))
    assert result.exit_code == 0
    assert (
        "nothing is computed for rooms that the farm file does not list: 699, 700" in result.output
    )
    assert [row[0] for row in stored(database)] == ["612", "699", "700"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("s.csv", b"", "lacks the columns room_id, device_type"),
        (
            "s.csv",
            b"room_id,device_type,device_alias,sampled_at\n",
            "lacks the columns point_alias, value. It has: room",
        ),
        (
            "s.csv",
            (HEADER + "\n").encode() + "Lüfter,t,d,p,2026-01-05,1\n".encode("latin-1"),
            "cannot be read: it is neither UTF-8 nor Chinese text in GB18030 (GBK). Remedy: ",
        ),
        (
            "s.csv",
            (HEADER + "\n").encode() + "鹿茸菇房,t,d,p,2026-01-05,1\n".encode()[1:],
            "cannot be read: it is neither UTF-8 nor ",
        ),
        ("s.csv", (HEADER + "\n").encode("utf-16-le"), "cannot be read: it is neither UTF-8 nor "),
        ("s.parquet", b"no parquet at all", "cannot be read: Parquet"),
    ],
    ids=["empty", "columns", "latin-1", "torn", "no mark", "no parquet"],
)
def test_a_file_that_is_no_such_table_is_refused_in_one_message(
    load: Load, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    result = load("samples", tmp_path / name)
    assert result.exit_code == 1
    assert f"mushroom: {tmp_path / name} {told}" in result.output


def test_a_file_with_only_a_header_loads_nothing_and_is_no_fault(
    load: Load, tmp_path: Path
) -> None:
    result = load("samples", write(tmp_path / "s.csv", HEADER))
    assert (result.exit_code, result.output.splitlines()[-1]) == (
        0,
        "0 rows read: 0 added, 0 already there, 0 bad",
    )


def parquet(path: Path, sampled_at: pa.Array, value: pa.Array) -> Path:
    names = HEADER.split(",")
    cells = [pa.array([cell] * len(value)) for cell in SENSOR.split(",")]
    pq.write_table(pa.table(dict(zip(names, [*cells, sampled_at, value], strict=True))), path)
    return path


NOON = dt.datetime(2026, 1, 5, 12, 0, 0, 123456)  # noqa: DTZ001 - farm time without a zone


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.timestamp("us"), utc(2026, 1, 5, 4, 0, 0, 123456)),
        (pa.timestamp("ns"), utc(2026, 1, 5, 4, 0, 0, 123456)),
        (pa.timestamp("us", tz="UTC"), utc(2026, 1, 5, 12, 0, 0, 123456)),
        (pa.timestamp("ms", tz="America/New_York"), utc(2026, 1, 5, 12, 0, 0, 123000)),
        (pa.string(), utc(2026, 1, 5, 4, 0, 0, 123456)),
    ],
    ids=str,
)
def test_parquet_timestamps_are_instants_or_farm_time(
    load: Load, tmp_path: Path, database: Database, kind: pa.DataType, expected: dt.datetime
) -> None:
    at = (
        pa.array([NOON.isoformat()])
        if kind == pa.string()
        else pa.array([NOON]).cast(kind, safe=False)
    )
    assert load("samples", parquet(tmp_path / "s.parquet", at, pa.array([17.5]))).exit_code == 0
    assert stored(database) == [
        ("611", "mushroom_env_status", "env_611", "temperature", expected, 17.5)
    ]


def test_parquet_rows_are_numbered_from_one_and_judged_like_lines(
    load: Load, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PARQUET_ROWS", 2)
    texts = pa.array(["2026-01-05T10:00:00Z", None, "2026-01-05T10:02:00Z", "2026-01-05T10:03:00Z"])
    file = parquet(tmp_path / "s.parquet", texts, pa.array([1, 2, 3, None], pa.int64()))
    told = [
        line.rsplit(": ", 1)[0]
        for line in load("samples", file).output.splitlines()
        if "  line" in line
    ]
    assert told == ["  line 2: sampled_at is no ISO 8601 time", "  line 4: value is no number"]
    assert "4 rows read: 2 added" in load("samples", file, "--skip-bad").output
    assert [row[5] for row in stored(database)] == [1.0, 3.0]


def test_without_tables_the_remedy_is_told(empty_database_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "s.csv", HEADER, f"{SENSOR},2026-01-05T10:00:00Z,1")
    result = mushroom(
        "load", "samples", file, DATABASE_URL=empty_database_url, MUSHROOM_HOME=tmp_path / "home"
    )
    assert result.exit_code == 1
    assert "Remedy: run `mushroom init`" in result.output


def test_a_full_disk_of_the_database_is_told_in_one_message(
    load: Load, tmp_path: Path, database: Database
) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("""
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$""")
        connection.exec_driver_sql(
            "CREATE TRIGGER full_disk BEFORE INSERT ON farm.point EXECUTE FUNCTION full_disk()"
        )
    result = load("samples", write(tmp_path / "s.csv", HEADER, f"{SENSOR},2026-01-05T10:00:00Z,1"))
    assert result.exit_code == 1
    assert f"mushroom: the work at {database.endpoint} was broken off: could not extend file" in (
        result.output
    )
    assert "Remedy: make room on the disk of the database, then do the same again" in result.output


def test_names_that_no_index_could_hold_and_clocks_off_by_years_are_bad_rows(
    load: Load, tmp_path: Path, database: Database
) -> None:
    today = dt.datetime.now(dt.UTC)
    late, early = (f"{today + dt.timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (49, 47))
    most = "\N{MUSHROOM}" * 200  # of 4 bytes each, in each of the three names that are indexed
    rows = {
        2: f"{most},env,{most},{most},2026-01-05T10:00:00Z,1",
        3: f"611,env,{'e' * 201},temperature,2026-01-05T10:00:00Z,2",
        4: "611,env,e\0,temperature,2026-01-05T10:00:00Z,3",
        5: f"{SENSOR},0001-01-01T00:00:00Z,4",
        6: f"{SENSOR},1999-12-31T23:59:59Z,5",
        7: f"{SENSOR},2000-01-01T00:00:00Z,6",
        8: f"{SENSOR},{early},7",
        9: f"{SENSOR},{late},8",
        10: f"{SENSOR},9999-12-31T00:00:00Z,9",
        11: f"{SENSOR},2026-01-05T10:00:00Z,{'1' * (3 << 20)}",
        12: f"{SENSOR},2026-01-05T10:00:00Z,11",
    }
    file = write(tmp_path / "s.csv", HEADER, *rows.values())
    told = [
        line.split(": ")[:2]
        for line in load("samples", file).output.splitlines()
        if "  line" in line
    ]
    assert told == [
        ["  line 3", "device_alias has over 200 characters"],
        ["  line 4", "device_alias contains a control character"],
        ["  line 5", "sampled_at is before 2000"],
        ["  line 6", "sampled_at is before 2000"],
        ["  line 9", "sampled_at is over 2 days ahead"],
        ["  line 10", "sampled_at is over 2 days ahead"],
        ["  line 11", "the line has 1,048,576 bytes or more"],
    ]
    result = load("samples", file, "--skip-bad")
    assert "11 rows read: 4 added, 0 already there, 7 bad" in result.output
    assert sorted(row[5] for row in stored(database)) == [1.0, 6.0, 7.0, 11.0]
    assert file.with_name("s.csv.bad.csv").stat().st_size < 5000


def test_long_cells_of_parquet_are_bad_rows_too(
    load: Load, tmp_path: Path, database: Database
) -> None:
    at = pa.array(["2026-01-05T10:00:00Z"] * 2)
    file = parquet(tmp_path / "s.parquet", at, pa.array(["1" * 5_000_000, "2"]))
    result = load("samples", file)
    assert "  line 1: value has over 200 characters: 611," in result.output
    assert len(result.output) < 2000
    load("samples", file, "--skip-bad")
    assert [row[5] for row in stored(database)] == [2.0]
