"""`mushroom doctor` examines every door and says what to do."""

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result

from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.contract import TABLES, WORK_TABLES
from mushroom_assets_tests.kit.databases import uri_of
from mushroom_assets_tests.kit.plant import put_batch, put_samples, write_farm

SUBJECTS = [
    "farm file",
    "database",
    "tables",
    "vector extension",
    "settings",
    "image store",
    "batches",
    "samples",
    "images",
    "model",
    "dagster storage",
    "run launcher",
    "notifications",
]


@pytest.fixture
def own_dagster(tmp_path: Path) -> Path:
    """A Dagster home of the user's own, with storage in files: it does not need the database."""
    home = tmp_path / "own-dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    return home


def findings(result: Result) -> dict[str, tuple[str, str]]:
    """Verdict and text by subject, in the order of the lines."""
    verdicts = ("ok  ", "warn", "FAIL", "skip")
    lines = [line for line in result.output.splitlines() if line.startswith(verdicts)]
    return {line[5:].split(": ")[0]: (line[:4].strip(), line.split(": ", 1)[1]) for line in lines}


def failing(result: Result) -> list[str]:
    assert list(findings(result)) == SUBJECTS
    return [subject for subject, (verdict, _) in findings(result).items() if verdict == "FAIL"]


def test_where_all_is_well_every_door_has_a_line_and_the_exit_code_is_0(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "images" / "611").mkdir(parents=True)
    result = mushroom("doctor", DATABASE_URL=database_url, MUSHROOM_HOME=tmp_path)
    assert failing(result) == []
    assert result.exit_code == 0
    told = {subject: text for subject, (_, text) in findings(result).items()}
    assert told["farm file"].startswith("the packaged farm.yaml: 4 rooms, ")
    assert told["tables"] == f"revision {migrations.head()}, {len(TABLES | WORK_TABLES)} tables"
    assert "PostgreSQL 18" in told["database"]
    assert told["image store"] == (
        f"{tmp_path}/images: 1 of 4 room folders; none for room 607 (folder 7), 608 (folder 8), 612"
        ". Remedy: let cameras write there, or give the room its `folder` in the farm file"
    )
    assert told["dagster storage"].endswith(", 0 runs")
    assert told["notifications"].startswith("off; set MUSHROOM_NOTIFY")
    assert (tmp_path / "dagster" / "dagster.yaml").exists()


def test_without_tables_the_remedy_is_init_and_the_exit_code_is_1(
    empty_database_url: str, tmp_path: Path, own_dagster: Path
) -> None:
    where: dict[str, Any] = {
        "DATABASE_URL": empty_database_url,
        "MUSHROOM_HOME": tmp_path,
        "DAGSTER_HOME": own_dagster,
    }
    before = mushroom("doctor", **where)
    assert before.exit_code == 1
    assert failing(before) == ["tables", "vector extension"]
    assert "Remedy: run `mushroom init`" in findings(before)["tables"][1]
    assert "Remedy: run `mushroom init`" in findings(before)["vector extension"][1]
    assert mushroom("init", **where).exit_code == 0
    assert mushroom("doctor", **where).exit_code == 0


def test_a_table_that_was_dropped_is_named(
    database: Database, database_url: str, tmp_path: Path, own_dagster: Path
) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE farm.daily_room_report")
    result = mushroom(
        "doctor", DATABASE_URL=database_url, MUSHROOM_HOME=tmp_path, DAGSTER_HOME=own_dagster
    )
    assert (result.exit_code, failing(result)) == (1, ["tables"])
    assert findings(result)["tables"][1].startswith("tables missing: daily_room_report. Remedy: ")


def test_each_fault_is_told_beside_the_others_with_its_remedy(
    server_uri: str, tmp_path: Path, own_dagster: Path
) -> None:
    farm = tmp_path / "farm.yaml"
    farm.write_text(
        'timezone: Nowhere/Farm\nfirst_day: 2026-01-01\nrooms: {"611": {}}\n', encoding="utf-8"
    )
    result = mushroom(
        "doctor",
        DATABASE_URL=uri_of(server_uri, "no_such_farm"),
        MUSHROOM_HOME=tmp_path,
        MUSHROOM_CONFIG=farm,
        MUSHROOM_IMAGE_ROOT=tmp_path / "nowhere",
        MUSHROOM_CLIP_PRETRAINED=tmp_path / "gone.pt",
        DAGSTER_HOME=own_dagster,
    )
    assert result.exit_code == 1
    assert failing(result) == [
        "farm file",
        "database",
        "tables",
        "vector extension",
        "model",
    ]
    told = {subject: text for subject, (_, text) in findings(result).items()}
    assert "line 1, timezone: unknown time zone 'Nowhere/Farm'" in told["farm file"]
    assert 'database "no_such_farm" does not exist. Remedy: create the database' in told["database"]
    assert "gone.pt" in told["model"]
    assert ". Remedy: correct the MUSHROOM_CLIP_ settings" in told["model"]


def test_a_missing_image_store_of_ones_own_is_told_and_not_made(
    database_url: str, tmp_path: Path, own_dagster: Path
) -> None:
    result = mushroom(
        "doctor", DATABASE_URL=database_url, MUSHROOM_HOME=tmp_path, DAGSTER_HOME=own_dagster,
        MUSHROOM_IMAGE_ROOT=tmp_path / "nowhere",
    )  # fmt: skip
    assert failing(result) == ["image store"]
    assert findings(result)["image store"][1].endswith(
        "Remedy: create it or correct MUSHROOM_IMAGE_ROOT"
    )
    assert not (tmp_path / "nowhere").exists()


def test_what_no_day_will_look_at_is_counted_and_the_first_one_named(
    database_url: str, tmp_path: Path, own_dagster: Path
) -> None:
    for folder in ("611/20260110", "elsewhere/20260110", "611/january"):
        (tmp_path / "images" / folder).mkdir(parents=True)
    result = mushroom(
        "doctor", DATABASE_URL=database_url, MUSHROOM_HOME=tmp_path, DAGSTER_HOME=own_dagster
    )
    verdict, told = findings(result)["image store"]
    assert verdict == "warn"
    assert told.startswith(
        f"{tmp_path}/images: 1 of 4 room folders;"
        " 2 where no day looks, the first 611/january/: the "
    )


def test_a_farm_file_that_cannot_be_used_is_one_fault_and_the_images_are_not_examined(
    database_url: str, tmp_path: Path, own_dagster: Path
) -> None:
    result = mushroom(
        "doctor", DATABASE_URL=database_url, MUSHROOM_HOME=tmp_path, DAGSTER_HOME=own_dagster,
        MUSHROOM_CONFIG=tmp_path / "nowhere.yaml",
    )  # fmt: skip
    assert (result.exit_code, failing(result)) == (1, ["farm file"])
    assert findings(result)["image store"] == (
        "skip",
        "not examined, since the farm file cannot be used: see there",
    )
    assert result.output.count("nowhere.yaml") == 1


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("MUSHROOM_CLIP_MODEL", "ViT-B-33", "open_clip has no model 'ViT-B-33'. Nearest: "),
        ("MUSHROOM_CLIP_DEVICE", "tpu", "MUSHROOM_CLIP_DEVICE is 'tpu'; it can be auto, cpu or"),
    ],
)
def test_a_model_or_device_that_is_not_there_is_told_with_a_remedy(
    database_url: str, tmp_path: Path, own_dagster: Path, setting: str, value: str, told: str
) -> None:
    where: dict[str, Any] = {
        "DATABASE_URL": database_url,
        "MUSHROOM_HOME": tmp_path,
        "DAGSTER_HOME": own_dagster,
        setting: value,
    }
    result = mushroom("doctor", **where)
    assert (result.exit_code, failing(result)) == (1, ["model"])
    text = findings(result)["model"][1]
    assert text.startswith(told)
    assert text.endswith(
        ". Remedy: correct the MUSHROOM_CLIP_ settings; "
        "without any the packaged model is used, which needs neither download nor GPU"
    )


FARM = """
timezone: Asia/Shanghai
first_day: 2026-01-01
rooms: {A: {}, B: {}, C: {folder: 03}}
feeds: {samples_late_s: 3600, images_late_s: 3600}
"""


def test_rooms_without_folder_batch_or_fresh_data_are_warnings_and_no_fault(
    database: Database, database_url: str, tmp_path: Path, own_dagster: Path
) -> None:
    write_farm(tmp_path / "farm.yaml", FARM)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    ages = {"A": dt.timedelta(minutes=20), "B": dt.timedelta(hours=3), "C": dt.timedelta(days=8)}
    rooms = {"A": "A", "B": "B", "C": "03"}

    def examine() -> dict[str, tuple[str, str]]:
        result = mushroom(
            "doctor", DATABASE_URL=database_url, MUSHROOM_HOME=tmp_path, DAGSTER_HOME=own_dagster,
            MUSHROOM_CONFIG=tmp_path / "farm.yaml",
        )  # fmt: skip
        assert (result.exit_code, failing(result)) == (0, [])
        return findings(result)

    def deliver(room: str, at: dt.datetime) -> None:
        local = at.astimezone(ZoneInfo("Asia/Shanghai"))
        put_samples(database, [(room, "mushroom_env_status", f"e{room}", "temperature", at, 18.0)])
        folder = tmp_path / "images" / rooms[room] / f"{local:%Y%m%d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{room}_1_20260101_{local:%Y%m%d%H%M%S}.jpg").touch()

    for room, age in ages.items():
        deliver(room, now - age)
    put_batch(database, "B", dt.date(2026, 1, 5))
    found = examine()
    since = (now - ages["B"]).astimezone(ZoneInfo("Asia/Shanghai"))
    told = (
        f"1 of 3 rooms delivered within 60 min; stopped: B (since {since:%Y-%m-%d %H:%M}); "
        "nothing for 7 days: C. Remedy: see its "
    )
    assert found["samples"] == ("warn", f"{told}collector")
    assert found["images"] == ("warn", f"{told}cameras")
    assert found["image store"] == ("ok", f"{tmp_path}/images: 3 of 3 room folders")
    verdict, text = found["batches"]
    assert verdict == "warn"
    assert text.startswith("none for room A, C: ")
    for room in rooms:
        deliver(room, now - dt.timedelta(minutes=1))
        put_batch(database, room, dt.date(2026, 1, 6))
    found = examine()
    assert found["samples"] == ("ok", "3 of 3 rooms delivered within 60 min")
    assert found["images"] == ("ok", "3 of 3 rooms delivered within 60 min")
    assert found["batches"] == ("ok", "every room has one, the newest of 2026-01-06")


def test_settings_that_the_farm_file_no_longer_fits_are_told(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    insert = """
        INSERT INTO farm.setting (key, value, valid_from, author, reason)
        VALUES ('stages.{}.bands.co2', '[1500, 3500]', '2026-02-01', 'Li', 'x')"""
    where: dict[str, Any] = {"DATABASE_URL": database_url, "MUSHROOM_HOME": tmp_path}
    assert findings(mushroom("doctor", **where))["settings"] == ("ok", "none; the farm file holds")
    with database.transaction() as connection:
        connection.exec_driver_sql(insert.format("fruiting"))
    verdict, text = findings(mushroom("doctor", **where))["settings"]
    assert verdict == "ok"
    assert text.startswith("1 hold, newest version 1, Li, 20")
    with database.transaction() as connection:
        connection.exec_driver_sql(insert.format("gone"))
    verdict, text = findings(mushroom("doctor", **where))["settings"]
    assert verdict == "FAIL"
    assert "version 2: the farm file has no key stages.gone.bands.co2" in text
    assert "Remedy: `mushroom settings undo VERSION`" in text
