"""What the watch says of a database in all its states: ready or not, with which reasons."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client import generate_latest

from mushroom_assets.service import watching
from mushroom_assets.service.readiness import PARTS
from mushroom_assets.service.watching import Readiness, Watching
from mushroom_assets.settings import Settings, load_settings
from mushroom_assets.web.watch import Scrape
from mushroom_assets_tests.kit.dagsters import STORAGE, add_run, beat
from mushroom_assets_tests.kit.page import Metrics
from mushroom_assets_tests.kit.servers import free_port

pytestmark = pytest.mark.long
SCHEDULES = 6  # that never ticked


@pytest.fixture
def settings(watched_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    given = {"DATABASE_URL": watched_url, "MUSHROOM_HOME": str(tmp_path)}
    settings = load_settings(given)
    settings.dagster_home.mkdir()
    (settings.dagster_home / "dagster.yaml").write_text(STORAGE, encoding="utf-8")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return settings


def judged(settings: Settings) -> Readiness:
    """By a watch that has seen nothing before."""
    return asyncio.run(Watching(settings).readiness())


def faults(settings: Settings, part: str) -> list[str]:
    found = judged(settings)
    told = [reason.fault for reason in found.reasons if reason.part == part]
    assert found.parts[part] is (told == [])
    return told


def scraped(settings: Settings) -> Metrics:
    scrape: Any = Scrape(asyncio.run(Watching(settings).metrics()))
    return Metrics(generate_latest(scrape).decode())


def test_a_farm_whose_daemon_never_ran_is_told_to_wait_for_it(settings: Settings) -> None:
    found = judged(settings)
    assert found.parts == {
        "database": True, "tables": True, "daemon": False, "queue": True, "timetable": False
    }  # fmt: skip
    assert [reason.part for reason in found.reasons] == ["daemon", *["timetable"] * SCHEDULES]
    assert found.reasons[0].fault == "the daemon has not yet given a heartbeat"


def test_a_daemon_is_well_until_one_of_its_beats_is_three_minutes_old(
    settings: Settings, rows: psycopg.Connection
) -> None:
    beat(rows, "SENSOR", 5)
    beat(rows, "SCHEDULER", 170)
    assert faults(settings, "daemon") == []
    beat(rows, "SCHEDULER", 190)
    assert faults(settings, "daemon") == ["no heartbeat of the daemon for 3 minutes: SCHEDULER"]
    beat(rows, "SENSOR", 300)
    told = ["no heartbeat of the daemon for 3 minutes: SCHEDULER, SENSOR"]
    assert faults(settings, "daemon") == told


def test_the_row_of_a_kind_that_no_daemon_beats_any_more_is_no_fault(
    settings: Settings, rows: psycopg.Connection
) -> None:
    beat(rows, "RETIRED", 90_000, "cccccccc-3")
    beat(rows, "SENSOR", 5)
    assert faults(settings, "daemon") == []
    beat(rows, "ASSET", 10, "bbbbbbbb-2")
    (told,) = faults(settings, "daemon")
    assert told.startswith("two daemons work on one database (aaaaaaaa, bbbbbbbb)")


def test_every_fault_of_the_queue_is_told(settings: Settings, rows: psycopg.Connection) -> None:
    assert faults(settings, "queue") == []
    add_run(rows, "QUEUED", 400)
    stuck = add_run(rows, "NOT_STARTED", 140)
    first, second = faults(settings, "queue")
    assert first == f"launches fail: run {stuck} was made but not queued"
    assert second.startswith("runs wait in the queue, 1 since ")


def test_tables_of_another_revision_or_missing_are_told(
    settings: Settings, rows: psycopg.Connection
) -> None:
    rows.execute("DROP TABLE farm.image_label")
    assert faults(settings, "tables") == ["tables missing: farm.image_label"]
    rows.execute("UPDATE farm.alembic_version SET version_num = '0001'")
    (told,) = faults(settings, "tables")
    assert told.startswith("schema farm is at revision 0001, ")
    rows.execute("DROP SCHEMA farm CASCADE")
    (told,) = faults(settings, "tables")
    assert told.startswith("schema farm is at revision None, ")
    rows.execute("DROP TABLE job_ticks")
    found = judged(settings)
    tables = [reason.fault for reason in found.reasons if reason.part == "tables"]
    assert tables[1:] == ["Dagster has no tables in the database"]
    # Of what is in them nothing is known, and nothing is made to look.
    assert not found.parts["timetable"]
    assert "timetable" not in {reason.part for reason in found.reasons}
    assert rows.execute("SELECT to_regclass('job_ticks')").fetchone() == (None,)


def test_of_a_database_that_is_away_nothing_else_is_told_and_not_the_password(
    settings: Settings,
) -> None:
    url = f"postgresql://grower:secret123@127.0.0.1:{free_port()}/farm"
    found = judged(dataclasses.replace(settings, database_url=url))
    assert found.parts == dict.fromkeys(PARTS, False)
    (reason,) = found.reasons
    assert reason.part == "database"
    assert "does not answer" in reason.fault
    assert reason.remedy.startswith("start PostgreSQL")
    assert "secret123" not in str(reason)


def test_a_database_that_takes_no_writes_is_told_with_all_else(settings: Settings) -> None:
    url = f"{settings.database_url}&options=-c%20default_transaction_read_only%3Don"
    found = judged(dataclasses.replace(settings, database_url=url))
    assert found.reasons[0].fault == "the database is read-only"
    assert {reason.part for reason in found.reasons} == {"database", "daemon", "timetable"}
    assert found.parts["tables"]


@pytest.mark.parametrize("held", ["runs", "daemon_heartbeats"])
def test_a_database_that_answers_too_slowly_counts_as_away(
    settings: Settings,
    rows: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    held: str,
) -> None:
    rows.autocommit = False
    rows.execute(f"LOCK TABLE {held}".encode())
    found = judged(settings)
    assert found.parts == dict.fromkeys(PARTS, False)
    assert " answers too slowly: " in found.reasons[0].fault
    monkeypatch.setattr(watching, "WAIT_S", 0.2)
    assert judged(settings) == Readiness(dict.fromkeys(PARTS, False), [watching.TOO_SLOW])
    rows.rollback()


def test_metrics_say_the_same_and_no_number_of_before(
    settings: Settings, rows: psycopg.Connection
) -> None:
    beat(rows, "SENSOR", 5)
    well = scraped(settings)
    assert [well("mushroom_ready", part=part) for part in PARTS] == [1, 1, 1, 1, 0]
    looks = ("now", "minute", "record")
    assert [well("mushroom_look_success", look=look) for look in looks] == [1, 1, 1]
    assert well("mushroom_partitions_failed", asset="daily_env_stats") == 0
    assert well("mushroom_database_connect_attempts_total", result="failed") == 0
    away = scraped(dataclasses.replace(settings, database_url="postgresql://127.0.0.1:1/farm"))
    assert [away("mushroom_ready", part=part) for part in PARTS] == [0] * 5
    assert [away("mushroom_look_success", look=look) for look in looks] == [0, 0, 0]
    assert away("mushroom_database_connect_attempts_total", result="failed") == 1
    assert away.names == {
        "mushroom_build_info",
        "mushroom_ready",
        "mushroom_look_success",
        "mushroom_look_duration_seconds",
        "mushroom_database_connect_attempts_total",
    }


def test_a_mistake_in_the_farm_file_hides_no_heartbeat(
    settings: Settings, rows: psycopg.Connection, tmp_path: Path
) -> None:
    beat(rows, "SENSOR", 5)
    file = tmp_path / "farm.yaml"
    file.write_text("timezone: Asia/Nowhere\n", encoding="utf-8")
    broken = dataclasses.replace(settings, config=file)
    found = judged(broken)
    assert found.parts["daemon"]
    (reason,) = [reason for reason in found.reasons if reason.part == "timetable"]
    assert str(file) in reason.fault
    told = scraped(broken)
    assert told("mushroom_daemon_heartbeat_age_seconds", daemon="sensor") is not None
    assert told("mushroom_look_success", look="now") == 0
