"""`mushroom diff`: the rows that would change, by how much, and not a row written."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result

from mushroom_assets.assets import beside
from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.partitions import farm_clock
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_room_report, metadata
from mushroom_assets_tests.kit.cameras import Cameras, picture
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.databases import execute, uri_of
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.small import Sample, SmallFarm

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("unpictured")]
DAILY = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
IMAGES = "daily_clip_inference"
REPORT = "daily_room_report"
DAY = "2026-01-05"
NEXT = "2026-01-06"
IMAGE = "7/20260110/607_cam1_202615_202601100{hour}0130.jpg"
Diff = Callable[..., Result]


def diff_of(farm: SmallFarm, *arguments: object, **settings: object) -> Result:
    """The command on a farm."""
    home = farm.path.parent
    own = {"DATABASE_URL": farm.database.url, "MUSHROOM_HOME": home, "MUSHROOM_CONFIG": farm.path}
    own["MUSHROOM_IMAGE_ROOT"] = home / "images"
    return mushroom("diff", *arguments, **(own | settings))


@pytest.fixture
def diff(small: SmallFarm) -> Diff:
    return lambda *arguments, **settings: diff_of(small, *arguments, **settings)


@pytest.fixture
def cameras(database: Database, tmp_path: Path) -> Iterator[Cameras]:
    """A farm with two images of 2026-01-10, judged."""
    with Cameras.open(database, tmp_path) as cameras:
        for hour in (8, 9):
            cameras.shoot(IMAGE.format(hour=hour), picture(hour))
        cameras.judge()
        yield cameras


def climate(small: SmallFarm, day: str, room: str = "A") -> list[Sample]:
    """Every ten minutes 18.0 and 18.1 °C by turns."""
    return [(room, "t", small.at(day, n / 6), 18 + n % 2 / 10) for n in range(144)]


def make(small: SmallFarm, first: str = DAY, last: str = NEXT) -> None:
    small.run(DAILY, first, last)
    small.run(HOURLY, f"{first}-00:00", f"{last}-23:00")
    small.run(REPORT, first, last)


def found(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.output.splitlines()]


def everything(database: Database) -> dict[str, list[Any]]:
    """Each table's rows, with the transactions that wrote them."""
    rows = {}
    with database.transaction() as connection:
        for name in metadata.tables:
            statement = sa.text(f"SELECT xmin::text, t::text FROM {name} AS t ORDER BY ctid")
            rows[name] = list(connection.execute(statement).tuples())
    return rows


def correct(small: SmallFarm, at: dt.datetime, value: float) -> None:
    """Another value of a stored sample of temperature."""
    statement = "UPDATE farm.sample SET value = :value WHERE sampled_at = :at"
    with small.database.transaction() as connection:
        connection.execute(sa.text(statement), {"value": value, "at": at})


# Two rooms of four quantities on two days; two changes; two rooms on two days
@pytest.mark.parametrize(
    ("asset", "partitions", "rows"), [(DAILY, 2, 16), (HOURLY, 48, 2), (REPORT, 2, 4)]
)
def test_what_was_just_made_would_not_change(
    small: SmallFarm, diff: Diff, asset: str, partitions: int, rows: int
) -> None:
    small.put(climate(small, DAY) + climate(small, NEXT))
    small.put([("A", "set", small.at(DAY, hour), 17 + hour / 10) for hour in (1, 2, 30)])
    make(small)
    result = diff(asset, "--since", DAY, "--until", NEXT)
    assert (result.exit_code, result.output) == (
        0,
        f"{asset} {DAY} to {NEXT}: partitions {partitions}, rows {rows};"
        " would come 0, go 0, change 0\n",
    )


@pytest.mark.parametrize("chunk", [1, 31])
def test_a_corrected_sample_changes_its_row_alone(
    small: SmallFarm, diff: Diff, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr("mushroom_assets.assets.environment.CHUNK_DAYS", chunk)
    small.put([row for room in "AB" for row in climate(small, DAY, room)])
    small.put([row for room in "AB" for row in climate(small, NEXT, room)])
    small.run(DAILY, DAY, NEXT)
    statement = "UPDATE farm.sample SET value = 19 WHERE sampled_at = '{}' AND point_id = {}"
    with small.database.transaction() as connection:
        point = connection.scalar(sa.text("SELECT point_id FROM farm.point WHERE room_id = 'B'"))
    small.execute(statement.format(small.at(NEXT, 12), point))
    # Of 72 values of 18.0 one became 19.0: the middle of 144 lies among those of 18.1 now
    result = diff(DAILY, "--since", DAY, "--until", NEXT)
    assert result.output.splitlines() == [
        f"{DAILY} {DAY} to {NEXT}: partitions 2, rows 16; would come 0, go 0, change 1",
        f"~ {NEXT} B temperature",
        "    mean  18.05 -> 18.0569  (+0.00694)",
        "    median  18.05 -> 18.1  (+0.05)",
        "    max  18.1 -> 19  (+0.9)",
        "    steepest_rise  0 -> 1  (+1)",
        "    steepest_fall  0 -> 1  (+1)",
    ]
    assert result.exit_code == 1
    (line,) = found(diff(DAILY, "--since", DAY, "--until", NEXT, "--json"))
    assert (line["asset"], line["change"]) == (DAILY, "change")
    assert line["key"] == {"stat_date": NEXT, "room_id": "B", "quantity": "temperature"}
    moved = {"steepest_rise", "steepest_fall"}
    assert set(line["columns"]) == {"mean", "median", "max"} | moved
    mean = line["columns"]["mean"]
    assert mean["stored"] == pytest.approx(18.05, rel=1e-12)
    assert mean["difference"] == pytest.approx(600 / 86400, rel=1e-9)  # 1 °C for ten minutes
    assert diff(DAILY, "--since", DAY, "--until", DAY).exit_code == 0


def test_another_band_changes_the_time_within_it_alone(small: SmallFarm, diff: Diff) -> None:
    put_batch(small.database, "A", dt.date(2026, 1, 1))
    small.put(climate(small, DAY))
    small.run(DAILY, DAY)
    other = small.path.with_name("other.yaml")
    other.write_text(small.path.read_text().replace("[17, 19]", "[17, 18.05]"))
    result = diff(DAILY, "--since", DAY, "--until", DAY, "--json", MUSHROOM_CONFIG=other)
    (line,) = found(result)
    assert line["key"]["quantity"] == "temperature"
    assert line["columns"]["in_range"] == {"stored": 1.0, "new": 0.5, "difference": -0.5}
    assert set(line["columns"]) == {"in_range", "above", "longest_out_s", "out_integral"}
    assert diff(DAILY, "--since", DAY, "--until", DAY).exit_code == 0


def test_the_rows_of_a_day_that_was_never_made_would_come(small: SmallFarm, diff: Diff) -> None:
    small.put(climate(small, DAY))
    result = diff(DAILY, "--since", DAY, "--until", DAY)
    summary, *lines = result.output.splitlines()
    assert summary.endswith("partitions 1, rows 8; would come 8, go 0, change 0")
    assert result.exit_code == 1
    assert [line[:2] for line in lines] == ["+ "] * 8
    (line,) = [line for line in lines if line.startswith(f"+ {DAY} A temperature: ")]
    assert line.startswith(f"+ {DAY} A temperature: mean=18.05, min=18, q25=18, median=18.05, ")


def test_a_change_that_came_and_one_that_went(small: SmallFarm, diff: Diff) -> None:
    small.put([("A", "set", small.at(DAY, hour), 17.0 + hour) for hour in (8, 10)])
    small.run(HOURLY, f"{DAY}-00:00", f"{DAY}-23:00")
    small.put([("B", "set", small.at(DAY, hour), value) for hour, value in ((9, 16.5), (9.5, 18))])
    small.execute(f"DELETE FROM farm.sample WHERE sampled_at = '{small.at(DAY, 10)}'")
    result = diff(HOURLY, "--since", DAY, "--until", DAY)
    summary, *lines = result.output.splitlines()
    assert summary.endswith("partitions 24, rows 2; would come 1, go 1, change 0")
    went, came = sorted(lines, reverse=True)
    assert f"{DAY} 10:00:00+08:00 A cooler_A set: " in went
    assert f"{DAY} 09:30:00+08:00 B cooler_B set: " in came
    assert (went[0], came[0]) == ("-", "+")
    as_json = found(diff(HOURLY, "--since", DAY, "--until", DAY, "--json"))
    by_kind = {line["change"]: line for line in as_json}
    assert by_kind["come"]["columns"]["delta"] == {"new": 1.5}
    assert by_kind["come"]["key"]["changed_at"] == small.at(DAY, 9.5).isoformat()
    assert by_kind["go"]["columns"]["delta"] == {"stored": 2.0}


def test_a_report_is_judged_anew_from_the_stored_results(small: SmallFarm, diff: Diff) -> None:
    put_batch(small.database, "A", dt.date(2026, 1, 1))
    small.put(climate(small, DAY))
    small.put([("A", "h", small.at(DAY, n / 6), 90.0) for n in range(144)])
    make(small, last=DAY)
    small.execute(
        "UPDATE farm.daily_env_stats SET in_range = 0"
        " WHERE room_id = 'A' AND quantity = 'temperature'"
    )
    result = diff(REPORT, "--since", DAY, "--until", DAY)
    lines = result.output.splitlines()
    assert lines[0].endswith("rows 2; would come 0, go 0, change 1")
    assert lines[1:3] == [f"~ {DAY} A", "    verdict  good -> act"]
    assert "    reasons.0.code  null -> in_range" in lines
    assert "    reasons.0.share  null -> 0" in lines
    told = lines[lines.index("    summary_md") + 1 :]
    assert {line[:7] for line in told} == {"      -", "      +"}
    assert any("in its band of 17 to 19 °C for 0% of the known time" in line for line in told)


def test_images_are_judged_without_a_vector_being_kept(cameras: Cameras) -> None:
    asked = (IMAGES, "--since", "2026-01-10", "--until", "2026-01-10")
    result = diff_of(cameras, *asked)
    assert (result.exit_code, result.output.splitlines()[0]) == (
        0,
        f"{IMAGES} 2026-01-10 to 2026-01-10: partitions 1, rows 2; would come 0, go 0, change 0",
    )
    cameras.shoot(IMAGE.format(hour=7), picture(7))
    (cameras.store / IMAGE.format(hour=8)).unlink()
    cameras.sense("607", "temperature", cameras.at("2026-01-10", 9), 18.5)
    before = everything(cameras.database)
    lines = found(diff_of(cameras, *asked, "--json"))
    assert everything(cameras.database) == before
    assert [(line["change"], line["key"]["image_path"]) for line in lines] == [
        ("come", IMAGE.format(hour=7)),
        ("go", IMAGE.format(hour=8)),
        ("change", IMAGE.format(hour=9)),
    ]
    assert lines[0]["columns"]["status"] == {"new": "ok"}
    assert lines[2]["columns"] == {"temperature_c": {"stored": None, "new": 18.5}}
    cameras.judge()
    assert diff_of(cameras, *asked).exit_code == 0


def test_nothing_is_written(small: SmallFarm, diff: Diff) -> None:
    """Not a row, and where the database allows no writing, it works all the same."""
    small.put(climate(small, DAY))
    make(small, last=DAY)
    correct(small, small.at(DAY, 12), 19.0)
    small.put([("A", "set", small.at(DAY, hour), hour) for hour in (1, 2)])
    before = everything(small.database)
    name = small.database.endpoint.rpartition("/")[2]
    execute(small.database.url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    refused = mushroom("init", DATABASE_URL=small.database.url, MUSHROOM_HOME=small.path.parent)
    assert refused.exit_code == 1
    for asset in (DAILY, HOURLY):
        assert diff(asset, "--since", DAY, "--until", DAY).exit_code == 1
    assert diff(REPORT, "--since", DAY, "--until", DAY).exit_code == 0
    assert everything(small.database) == before


def test_the_server_itself_refuses_to_write(small: SmallFarm) -> None:
    def compute(connection: sa.Connection, _: object) -> list[dict[str, Any]]:
        connection.execute(sa.delete(daily_room_report))
        return []

    method = beside.METHODS[REPORT](small.database, small.farm)._replace(compute=compute)
    day = dt.date.fromisoformat(DAY)
    spans = beside.windows_of(REPORT, day, day, farm_clock(small.farm))
    with pytest.raises((DatabaseRefused, DatabaseUnavailable), match="read-only transaction"):
        list(beside.compare(small.database, method, spans))


def test_a_long_list_is_cut(diff: Diff) -> None:
    asked = (DAILY, "--since", "2026-01-01", "--until", "2026-01-07")  # 7 days of 8 rows
    lines = diff(*asked).output.splitlines()
    assert (len(lines), lines[-1]) == (1 + 50 + 1, "... and 6 more: --all shows them")
    assert len(diff(*asked, "--all").output.splitlines()) == 1 + 56
    assert len(found(diff(*asked, "--json"))) == 56


def test_up_to_the_last_day_that_has_closed(small: SmallFarm, diff: Diff) -> None:
    yesterday = dt.datetime.now(small.farm.zone).date() - dt.timedelta(days=1)
    result = diff(HOURLY, "--since", yesterday)
    assert result.output.startswith(f"{HOURLY} {yesterday} to {yesterday}: partitions 24, rows 0;")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("nothing", "--since", DAY),
            f"is not one of '{DAILY}', '{HOURLY}', '{IMAGES}', '{REPORT}'",
        ),
        ((DAILY,), "Missing option '--since'"),
        ((DAILY, "--since", "yesterday"), "'yesterday' does not match the format '%Y-%m-%d'"),
        ((DAILY, "--since", NEXT, "--until", DAY), f"{DAY} lies before --since {NEXT}"),
        (
            (DAILY, "--since", "2024-12-31"),
            "2024-12-31 lies before the farm's first day, 2025-01-01",
        ),
        ((DAILY, "--since", DAY, "--until", "2999-01-01"), "2999-01-01 has not closed; the last"),
        ((DAILY, "--since", "2999-01-01"), "Invalid value for --since: 2999-01-01 has not closed"),
    ],
)
def test_a_wrong_command_line_is_told(diff: Diff, arguments: tuple[str, ...], told: str) -> None:
    result = diff(*arguments)
    assert result.exit_code == 2
    assert told in result.output


def test_a_fault_leaves_it_unknown_and_has_a_remedy(
    small: SmallFarm, diff: Diff, server_uri: str
) -> None:
    asked = (DAILY, "--since", DAY, "--until", DAY)
    result = diff(*asked, DATABASE_URL=uri_of(server_uri, "no_such_farm"))
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert "Remedy: create the database, or correct its name in DATABASE_URL" in result.output
    small.execute(
        "INSERT INTO farm.removal (table_name, removed_before, row_count, byte_count, run_id,"
        " removed_at) VALUES ('sample', '2026-02-01', 1, 1, 'run', now())"
    )
    result = diff(*asked, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Remedy: choose partitions that begin at least a day later" in result.stderr
    result = diff(IMAGES, *asked[1:], MUSHROOM_CLIP_PRETRAINED="/nowhere/x.pt")
    assert result.exit_code == 2
    assert "there is no file /nowhere/x.pt" in result.output
