"""What is stored stays unless `--correct` is said; devices are not mixed; doubts are named."""

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa

from mushroom_assets.ingestion import files
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.loads import HEADER, SENSOR, Load, faults, stored, utc, write

TOUCHES = [
    "touches 1 of daily_env_stats: 2026-01-05",
    "touches 1 of daily_clip_inference: 2026-01-05",
    "touches 1 of daily_room_report: 2026-01-05",
]
REPEATED = "another value for the same point and time earlier in the file"
UNREAD = "nothing in the farm file reads "


def values(database: Database) -> list[float]:
    return [row[5] for row in stored(database)]


def rows(*given: float | str) -> list[str]:
    """A row a minute from 10:00 on, with these values."""
    return [f"{SENSOR},2026-01-05T10:0{n}:00+08:00,{value}" for n, value in enumerate(given)]


def log(database: Database) -> list[tuple[dt.datetime, dt.datetime]]:
    """First and last instant of each logged change of samples, which goes."""
    statement = "DELETE FROM farm.input_change WHERE source = 'sample' RETURNING first_at, last_at"
    with database.transaction() as connection:
        return [tuple(row) for row in connection.execute(sa.text(statement))]


def test_a_copy_that_was_cut_within_its_last_number_is_corrected_by_the_whole(
    load: Load, tmp_path: Path, database: Database
) -> None:
    load("samples", write(tmp_path / "cut.csv", HEADER, *rows(18.4, 1)))
    log(database)
    whole = write(tmp_path / "whole.csv", HEADER, *rows(18.4, 18.5, 18.6))
    kept = load("samples", whole)
    assert (
        "3 rows read: 1 added, 2 already there, 0 bad; 1 of those there are stored with another "
        "value, which was kept. Remedy: --correct replaces what is stored\n"
    ) in kept.output
    assert values(database) == [18.4, 1, 18.6]
    log(database)
    corrected = load("samples", whole, "--correct")
    assert corrected.output.splitlines()[-4:] == [
        "3 rows read: 0 added, 3 already there, 0 bad; 1 of those there were stored with another "
        "value and are corrected",
        *TOUCHES,
    ]
    assert values(database) == [18.4, 18.5, 18.6]
    assert log(database) == [(utc(2026, 1, 5, 2, 1), utc(2026, 1, 5, 2, 1))]
    again = load("samples", whole, "--correct")
    assert again.output.splitlines()[-1] == "3 rows read: 0 added, 3 already there, 0 bad"
    assert log(database) == []


def test_a_correction_that_fails_leaves_everything_as_it_was(
    load: Load, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "BLOCK", 150)  # two rows
    load("samples", write(tmp_path / "a.csv", HEADER, *rows(1, 2, 3)))
    file = write(tmp_path / "b.csv", HEADER, *rows(11, 12, 13, 14, 15, "x"))
    assert load("samples", file, "--correct").exit_code == 1
    assert values(database) == [1, 2, 3]


def test_nan_and_infinities_are_corrected_and_stay_corrected(
    load: Load, tmp_path: Path, database: Database
) -> None:
    load("samples", write(tmp_path / "a.csv", HEADER, *rows("nan", "inf", 1, "nan")))
    file = write(tmp_path / "b.csv", HEADER, *rows(1, "-inf", "nan", "nan"))
    assert "; 3 of those there were stored" in load("samples", file, "--correct").output
    assert [str(value) for value in values(database)] == ["1.0", "-inf", "nan", "nan"]
    assert "4 already there, 0 bad\n" in load("samples", file, "--correct").output


@pytest.mark.parametrize("size", [100_000, 150], ids=["one block", "blocks"])
def test_of_two_values_in_one_file_the_first_is_taken_and_the_others_are_bad(
    load: Load, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(files, "BLOCK", size)
    load("samples", write(tmp_path / "a.csv", HEADER, *rows(5, 6, 7)))
    given = [*rows(1, 2), *rows(11, 2), *rows(11, 12), *rows(1, 2)]
    file = write(tmp_path / "b.csv", HEADER, *given)
    for options in (["--correct"], ["--correct", "--skip-bad"], ["--correct", "--skip-bad"]):
        result = load("samples", file, *options)
        if "--skip-bad" not in options:
            assert faults(result) == [[line, REPEATED] for line in ("4", "6", "7")]
            assert values(database) == [5, 6, 7]
        else:
            assert "8 rows read: 0 added, 5 already there, 3 bad" in result.output
            assert values(database) == [1, 2, 7]
    assert "corrected" not in result.output


def device(device_type: str, minute: int, alias: str = "unit1") -> str:
    return f"611,{device_type},{alias},on_off,2026-01-05T10:{minute:02}:00Z,{minute % 2}"


@pytest.mark.parametrize("size", [100_000, 150], ids=["one block", "blocks"])
def test_two_devices_with_one_name_are_not_one_point(
    load: Load, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(files, "BLOCK", size)
    told = (
        "device_type is humidifier, and this point's is fan",
        "two devices need two device_alias",
    )
    kinds = ["fan", "humidifier", "fan", "humidifier"]
    mixed = write(tmp_path / "a.csv", HEADER, *[device(kind, n) for n, kind in enumerate(kinds)])
    assert faults(load("samples", mixed)) == [[line, told[0]] for line in ("3", "5")]
    assert told[1] in load("samples", mixed).output
    assert stored(database) == []
    load("samples", mixed, "--skip-bad")
    assert [row[1:4] + row[5:] for row in stored(database)] == [("fan", "unit1", "on_off", 0.0)] * 2
    # Known from the database now
    other = write(tmp_path / "b.csv", HEADER, device("humidifier", 5), device("fan", 6))
    assert faults(load("samples", other)) == [["2", told[0]]]
    named = write(tmp_path / "c.csv", HEADER, device("humidifier", 5, "unit2"))
    assert load("samples", named).exit_code == 0
    assert {row[1:3] for row in stored(database)} == {("fan", "unit1"), ("humidifier", "unit2")}


def test_a_bad_row_says_nothing_of_its_device(
    load: Load, tmp_path: Path, database: Database
) -> None:
    bad = device("humidifier", 0).replace("2026-01-05", "some day")
    file = write(tmp_path / "a.csv", HEADER, bad, device("fan", 1))
    assert [line for line, _ in faults(load("samples", file))] == ["2"]
    load("samples", file, "--skip-bad")
    assert [row[1] for row in stored(database)] == ["fan"]


def test_points_that_nothing_reads_are_named_with_what_may_be_meant(
    load: Load, tmp_path: Path
) -> None:
    points = [
        "mushroom_env_status,e,temperatur",
        "mushroom_env_status,e,temperature",
        "mushroom_env_stats,f,co2",
        "air_cooler,c,temp",
        "air_cooler,c,temp_set",
        "boiler,b,x",
        "boiler,b,y",
    ]
    given = [f"611,{point},2026-01-05T10:0{n}:00Z,1" for point in points for n in (0, 1)]
    lines = load("samples", write(tmp_path / "a.csv", HEADER, *given)).output.splitlines()
    (told,) = [line for line in lines if line.startswith(UNREAD)]
    assert told == (
        f"{UNREAD}5 points (10 samples): mushroom_env_status.temperatur (did you mean "
        "temperature?), mushroom_env_stats.co2 (did you mean mushroom_env_status.co2?), "
        "air_cooler.temp and 2 more"
    )


def test_rooms_with_leading_zeros_are_those_of_the_farm_file(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    farm = tmp_path / "farm.yaml"
    farm.write_text(
        "timezone: Asia/Shanghai\nfirst_day: 2026-01-01\n"
        "rooms: {01: {}, 07: {folder: 07}, 08: {}, 010: {}}\n",
        encoding="utf-8",
    )
    rooms = ("01", "07", "08", "010", "8")
    given = [f"{room},mushroom_env_status,e,temperature,2026-01-05,1" for room in rooms]
    result = mushroom(
        "load", "samples", write(tmp_path / "s.csv", HEADER, *given),
        MUSHROOM_HOME=tmp_path / "home", MUSHROOM_CONFIG=farm, DATABASE_URL=database_url,
    )  # fmt: skip
    assert "nothing is computed for rooms that the farm file does not list: 8\n" in result.output
    assert sorted(row[0] for row in stored(database)) == sorted(rooms)


def test_points_that_the_farm_file_reads_are_not_named(load: Load, tmp_path: Path) -> None:
    assert UNREAD not in load("samples", write(tmp_path / "a.csv", HEADER, *rows(1))).output


def test_instants_ahead_of_now_and_of_before_the_first_day_are_named(
    load: Load, tmp_path: Path, database: Database
) -> None:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    soon, sooner = now + dt.timedelta(hours=9), now + dt.timedelta(hours=8)
    # Midnight of 2025-10-01 in Shanghai is 16:00 of the day before
    given = [
        soon,
        sooner,
        now - dt.timedelta(minutes=1),
        utc(2025, 9, 30, 16),
        utc(2025, 9, 30, 15),
    ]
    lines = load(
        "samples",
        write(tmp_path / "a.csv", HEADER, *[f"{SENSOR},{at.isoformat()},1" for at in given]),
    ).output.splitlines()
    first, last = (
        f"{at.astimezone(dt.timezone(dt.timedelta(hours=8))):%Y-%m-%d %H:%M}"
        for at in (sooner, soon)
    )
    assert f"2 samples ({first} to {last}) are ahead of now: is the clock right?" in lines
    assert (
        "1 samples (2025-09-30 23:00) are before first_day of the farm file (2025-10-01): nothing "
        "is computed of that time"
    ) in lines
    assert len(stored(database)) == 5
