"""`mushroom note`: one line in the table, and one that says what it touches."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result

from mushroom_assets.domain.records import Note
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.notes import read_notes
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.loads import FARM

ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def note(database_url: str, tmp_path: Path) -> Callable[..., Result]:
    farm_file = tmp_path / "farm.yaml"
    farm_file.write_text(FARM.format("Asia/Shanghai"), encoding="utf-8")
    where = {
        "MUSHROOM_HOME": tmp_path / "home",
        "MUSHROOM_CONFIG": farm_file,
        "DATABASE_URL": database_url,
    }
    return lambda *given: mushroom("note", *given, **where)


def stored(database: Database) -> list[Note]:
    begin = dt.datetime(2025, 10, 1, tzinfo=ZONE)
    with database.transaction() as connection:
        return read_notes(connection, begin, dt.datetime.now(ZONE) + dt.timedelta(days=1))


def test_a_note_is_stored_and_its_report_named(
    note: Callable[..., Result], database: Database
) -> None:
    given = ("611", "fan repaired", "--at", "2026-02-03T09:40", "--author", "Li")
    expected = [
        "note 1: room 611, 2026-02-03 09:40",
        "touches 1 of daily_room_report: 2026-02-03",
    ]
    assert note(*given).output.splitlines() == expected
    assert note(*given).output.splitlines() == expected[:1]
    at = dt.datetime(2026, 2, 3, 9, 40, tzinfo=ZONE)
    assert stored(database) == [Note(1, "611", at, "fan repaired", "Li")]
    note("611", "the same hour elsewhere", "--at", "2026-02-03T01:41Z")
    assert stored(database)[1].noted_at == at + dt.timedelta(minutes=1)


def test_a_note_is_of_now_or_of_an_hour_of_today(
    note: Callable[..., Result], database: Database
) -> None:
    before = dt.datetime.now(ZONE)
    assert note("611", "now").exit_code == 0
    note("611", "midnight", "--at", "00:00")
    found = {each.text: each.noted_at for each in stored(database)}
    after = dt.datetime.now(ZONE)
    assert before <= found["now"] <= after
    assert found["midnight"].astimezone(ZONE).time() == dt.time(0)
    assert before - dt.timedelta(days=1) < found["midnight"] <= after


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("613", "x"), "the farm has no room '613'. Remedy: give one of 611, 612"),
        (("611", " "), "the note is empty. Remedy: "),
        (("611", "x", "--at", "2999-01-01T00:00"), "is still to come. Remedy: "),
        (("611", "x", "--at", "2025-09-30T23:59"), "is before the farm's first day. Remedy: "),
        (("611", "x", "--at", "soon"), "'soon' is no time: write 09:40"),
    ],
)
def test_what_is_no_note_is_told_in_one_line(
    note: Callable[..., Result], database: Database, given: tuple[str, ...], told: str
) -> None:
    result = note(*given)
    assert result.exit_code != 0
    assert told in result.output
    assert "Traceback" not in result.output
    assert stored(database) == []
