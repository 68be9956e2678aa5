"""`mushroom export`: a file that is whole or not there, and what is said where it cannot be."""

import datetime as dt
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from click.testing import Result

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_env_stats, daily_room_report
from mushroom_assets_tests.kit.command import command_line, mushroom

DAY = dt.date(2026, 1, 5)
BY = {"run_id": "r", "computed_at": dt.datetime(2026, 1, 5, 17, tzinfo=dt.UTC)}
# Runs the command, then tells the most memory that it held, in MiB (Linux counts in KiB)
MEASURED = """
import atexit, resource, sys
from mushroom_assets.cli.main import main
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
atexit.register(lambda: print("MiB:", peak(), file=sys.stderr))
main(sys.argv[1:])
"""


@pytest.fixture
def home(database: Database, tmp_path: Path) -> dict[str, Any]:
    """The settings of a farm in Shanghai."""
    farm = tmp_path / "farm.yaml"
    text = 'timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {"607": {}, "611": {}}\n'
    farm.write_text(text, encoding="utf-8")
    return {
        "DATABASE_URL": database.url, "MUSHROOM_HOME": tmp_path / "m", "MUSHROOM_CONFIG": farm,
    }  # fmt: skip


def put_days(database: Database, days: int = 3) -> None:
    row: dict[str, Any] = {
        "room_id": "611", "quantity": "temperature", "unit": "°C", "sample_count": 1440,
        "rejected_count": 0, "suspect_count": 0, "mean": 18.1, "coverage": 1.0,
        "longest_gap_s": 0.0,
    } | BY  # fmt: skip
    with database.transaction() as connection:
        for number in range(days):
            day = {"stat_date": DAY + dt.timedelta(days=number)}
            connection.execute(sa.insert(daily_env_stats), row | day)


def put_reports(database: Database, count: int) -> None:
    """Reports of 10 kB, of a day and a room each: as many MB as hundreds of rows."""
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO farm.daily_room_report (stat_date, room_id, verdict, reasons, "
            "summary_md, run_id, computed_at) SELECT '2026-01-05', n::text, 'good', '[]', "
            "repeat(md5(n::text), 320), 'r', now() FROM generate_series(1, %s) AS n",
            (count,),
        )


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize(("name", "read"), [("x.csv", pd.read_csv), ("x.PARQUET", pd.read_parquet)])
def test_a_file_by_its_ending_with_the_days_asked_for(
    database: Database, home: dict[str, Any], tmp_path: Path, name: str, read: Any
) -> None:
    put_days(database)
    days = ["--since", "2026-01-06", "--until", "2026-01-07"]
    made = mushroom("export", "daily_env_stats", *days, "-o", tmp_path / name, **home)
    assert made.exit_code == 0
    assert f"daily_env_stats: 2 rows in {tmp_path / name}" in made.output
    frame = read(tmp_path / name)
    assert [str(day) for day in frame["stat_date"]] == ["2026-01-06", "2026-01-07"]
    assert list(frame.columns) == [column.name for column in daily_env_stats.columns]
    assert files(tmp_path) == ["farm.yaml", name]


def test_a_csv_file_is_marked_for_excel_and_stdout_is_not(
    database: Database, home: dict[str, Any], tmp_path: Path
) -> None:
    put_days(database)
    made = mushroom("export", "daily_env_stats", "-o", tmp_path / "x.csv", **home)
    assert made.exit_code == 0
    shown = mushroom("export", "daily_env_stats", **home)
    text = (tmp_path / "x.csv").read_bytes()
    assert text == b"\xef\xbb\xbf" + shown.stdout_bytes
    assert len(pd.read_csv(io.StringIO(shown.stdout))) == 3
    dashed = mushroom("export", "daily_env_stats", "-o", "-", **home)
    assert dashed.stdout_bytes == shown.stdout_bytes


def test_nothing_but_rows_comes_on_stdout(
    database: Database, home: dict[str, Any], tmp_path: Path
) -> None:
    """A warning of the log goes beside, and so does a fault."""
    put_days(database)
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO farm.removal VALUES ('daily_env_stats', '2026-01-01Z', 1, 1, 'r', now())"
        )
    done = process("export", "daily_env_stats", home=home)
    assert done.returncode == 0
    assert len(pd.read_csv(io.BytesIO(done.stdout))) == 3
    warned = "rows of farm.daily_env_stats of before 2026-01-01 00:00:00+00:00 are not there"
    assert warned in done.stderr.decode()
    broken = process("export", "batch_day", home=home)  # made by `mushroom init`
    assert (broken.returncode, broken.stdout) == (1, b"")
    assert "Remedy: run `mushroom init`" in broken.stderr.decode()


def process(*arguments: object, home: dict[str, Any]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command_line(*arguments), env=environment(home), capture_output=True, check=False
    )


def environment(home: dict[str, Any]) -> dict[str, str]:
    return os.environ | {name: str(value) for name, value in home.items()}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["daily_env_stat"], "'daily_env_stats', 'hourly_setpoint_changes'"),
        (["run_lease"], "is not one of"),
        (["point", "--since", "2026-01-05"], "rows of point belong to no day"),
        (["sample", "--room", "611", "--room", "61"], "the farm file has no room 61"),
        (["image_label", "--room", "611"], "rows of image_label are of no room"),
        (["sample", "--since", "2026-01-05", "--until", "2026-01-04"], "lies before the first"),
        (["sample", "--since", "05.01.2026"], "does not match the format"),
        (["sample", "-o", "x.xlsx"], "let it end in .csv or .parquet"),
        (["sample", "-o", "no/such/folder/x.csv"], "cannot be written"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    home: dict[str, Any], arguments: list[str], told: str
) -> None:
    refused: Result = mushroom("export", *arguments, **home)
    assert refused.exit_code == 2
    assert told in " ".join(refused.output.split())


def test_a_broken_export_leaves_the_file_before_as_it_was(
    database: Database, home: dict[str, Any], tmp_path: Path
) -> None:
    """The view was made for another farm file: the header is asked for and refused."""
    output = tmp_path / "x.csv"
    output.write_text("before")
    broken = mushroom("export", "batch_day", "-o", output, **home)
    assert broken.exit_code == 1
    assert output.read_text() == "before"
    assert files(tmp_path) == ["farm.yaml", "x.csv"]


@pytest.mark.long
@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("end", ["interrupt", "terminate", "database"])
def test_an_export_that_ends_in_the_middle_leaves_no_file(
    database: Database, home: dict[str, Any], tmp_path: Path, end: str, ending: str
) -> None:
    put_reports(database, 15_000)  # 150 MB; the first piece of a Parquet file is made of 32
    folder = tmp_path / "out"
    folder.mkdir()
    command = command_line("export", "daily_room_report", "-o", folder / f"x.{ending}")
    running = subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while not any(path.stat().st_size > 1000 for path in folder.iterdir()):
        assert running.poll() is None
        time.sleep(0.01)
    if end == "database":
        with database.transaction() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'mushroom'"
            )
    else:
        running.send_signal(signal.SIGINT if end == "interrupt" else signal.SIGTERM)
    output, _ = running.communicate(timeout=60)
    assert list(folder.iterdir()) == []
    assert running.returncode == (143 if end == "terminate" else 1)
    told = {"interrupt": "stopped before the end", "database": "the work at", "terminate": ""}
    assert told[end] in output
    assert ("Remedy: " in output) == (end == "database")
    assert "Traceback" not in output


def test_a_reader_that_leaves_ends_it(database: Database, home: dict[str, Any]) -> None:
    put_reports(database, 2000)
    running = subprocess.Popen(
        command_line("export", "daily_room_report"),
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None and running.stderr is not None
    assert running.stdout.readline().startswith(b"stat_date,")
    running.stdout.close()
    assert b"Traceback" not in running.stderr.read()
    running.stderr.close()
    assert running.wait(60) == 1


@pytest.mark.long
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_rows(
    database: Database, home: dict[str, Any], tmp_path: Path, ending: str
) -> None:
    """40,000 rows of one day are 400 MB of text; what is held of it has 32 MB before it leaves."""
    put_reports(database, 10)
    few = peak(home, tmp_path / f"few.{ending}")
    with database.transaction() as connection:
        connection.execute(sa.delete(daily_room_report))
    put_reports(database, 40_000)
    many = peak(home, tmp_path / f"many.{ending}")
    assert many - few < 200
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    assert len(read(tmp_path / f"many.{ending}")) == 40_000


def peak(home: dict[str, Any], output: Path) -> int:
    """The most memory that an export held, in MiB."""
    command = [sys.executable, "-c", MEASURED, "export", "daily_room_report", "-o", str(output)]
    done = subprocess.run(command, env=environment(home), capture_output=True, check=True)
    return int(done.stderr.decode().rpartition("MiB:")[2])
