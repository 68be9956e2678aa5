"""Settings in the database: append-only, whoever writes, and two at once."""

import datetime as dt
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.names import ENVIRONMENT, REPORT
from mushroom_assets.domain.settable import UnusableSetting
from mushroom_assets.ingestion.setting import Change, ChangedMeanwhile, set_value, undo
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.outdated import read_marks
from mushroom_assets.storage.setting import newest_setting, read_settings, with_settings
from mushroom_assets_tests.kit.plant import put_batch

NOW = dt.datetime.now(dt.UTC)
TODAY = (NOW + dt.timedelta(hours=8)).date()  # in Shanghai
FARM = parse_farm("timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {A: {}, B: {}}\n")
BAND = "stages.fruiting.bands.co2"
CHANGE = Change(BAND, "[1500, 3500]", "A", None, TODAY, "Li", "stems too long")


def put(database: Database, **given: Any) -> int:
    change = CHANGE._replace(**given)
    with database.transaction() as connection:
        return set_value(connection, change, FARM, TODAY).version


def days_marked(database: Database, asset: str) -> list[dt.date]:
    with database.transaction() as connection:
        found = read_marks(connection, asset).found
    assert all(each.sources == ["setting"] for each in found)
    return [each.at.astimezone(FARM.zone).date() for each in found]


def test_a_setting_is_stored_as_it_is_meant_and_holds(database: Database) -> None:
    assert put(database) == 1
    assert put(database, key="report.act_below", text="0.5", room_id=None) == 2
    assert put(database, key="devices.air_cooler", text="{en: chiller, zh: 冷机}") == 3
    with database.transaction() as connection:
        first, second, third = read_settings(connection, FARM).all
        farm = with_settings(connection, FARM).on("A", TODAY)
        assert newest_setting(connection)[0] == 3
    assert (first.value, second.value) == ([1500.0, 3500.0], 0.5)
    assert third.value == {"en": "chiller", "zh": "冷机"}
    assert (first.author, first.reason, first.room_id) == ("Li", "stems too long", "A")
    assert farm.band("co2", 20) == (1500, 3500)
    assert farm.report.act_below == 0.5
    assert farm.say(farm.devices["air_cooler"]) == "chiller"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"key": "stages.fruiting.bands.co3"}, r"did you mean stages\.fruiting\.bands\.co2"),
        ({"text": "[3500, 1500]"}, "must not exceed"),
        ({"text": "much"}, "valid tuple"),
        ({"text": "[1, "}, "cannot be read"),
        ({"room_id": "C"}, "no room 'C'"),
        ({"in_date": TODAY}, "has no batch"),
        ({"valid_from": dt.date(2025, 12, 31)}, "no day to begin on"),
        ({"valid_from": TODAY + dt.timedelta(days=400)}, "no day to begin on"),
        ({"reason": " "}, "author and reason"),
        ({"author": "x" * 501}, "500 characters"),
    ],
)
def test_what_cannot_hold_is_refused_and_nothing_is_stored(
    database: Database, given: dict[str, Any], told: str
) -> None:
    with pytest.raises(UnusableSetting, match=told):
        put(database, **given)
    with database.transaction() as connection:
        assert read_settings(connection, FARM).all == []


def test_the_same_once_more_adds_nothing(database: Database) -> None:
    assert put(database) == put(database, reason="a second click") == 1
    assert put(database, text="[1500, 3400]") == 2


def test_who_has_not_seen_what_another_has_set_is_told(database: Database) -> None:
    put(database, author="Wang", reason="too dry", room_id=None)
    with pytest.raises(ChangedMeanwhile, match=r"Wang has set .* for all rooms .*too dry"):
        put(database, text="[1500, 3000]", seen=0)
    assert put(database, text="[1500, 3000]", seen=1) == 2
    assert put(database, text="[1500, 3000]", room_id="B", seen=1) == 3  # of another room


def test_two_at_once_are_one_after_the_other(database: Database) -> None:
    """The second waits for the first, and then knows of it."""
    told: list[str] = []
    with database.transaction() as connection:
        set_value(connection, CHANGE, FARM, TODAY)

        def second() -> None:
            try:
                put(database, text="[1500, 3000]", author="Wang", seen=0)
            except ChangedMeanwhile as error:
                told.append(str(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
    thread.join(30)
    assert "Li has set" in told[0]


def test_an_undone_one_leaves_what_was_before_and_can_come_back(database: Database) -> None:
    put(database)
    put(database, text="[1500, 3000]", valid_from=TODAY - dt.timedelta(days=1))

    def undone(version: int) -> Any:
        with database.transaction() as connection:
            made = undo(connection, version, "Li", "it was the sensor", FARM)
            farm = with_settings(connection, FARM).on("A", TODAY)
        return made.value, farm.band("co2", 20)

    assert undone(1) == ([1500, 3000], (1500, 3000))
    with pytest.raises(UnusableSetting, match="undone already, by version 3 of Li"):
        undone(1)
    assert undone(3)[1] == (1500, 3500)
    with pytest.raises(UnusableSetting, match="no version 9"):
        undone(9)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE farm.setting SET value = '[1, 2]'",
        "DELETE FROM farm.setting",
        "TRUNCATE farm.setting",
    ],
)
def test_no_setting_is_changed_or_removed_by_anybody(database: Database, statement: str) -> None:
    put(database)
    with (
        pytest.raises(sa.exc.DBAPIError, match="append-only"),
        database.transaction() as connection,
    ):
        connection.exec_driver_sql(statement)
    with database.transaction() as connection:
        assert len(read_settings(connection, FARM).all) == 1


def by_hand(database: Database, **given: Any) -> None:
    """As somebody does it in psql."""
    values = {"key": BAND, "value": "[1, 2]", "room_id": "A", "first": TODAY} | given
    statement = """
        INSERT INTO farm.setting (key, value, room_id, valid_from, author, reason)
        VALUES (:key, CAST(:value AS jsonb), :room_id, :first, 'me', 'psql')"""
    with database.transaction() as connection:
        connection.execute(sa.text(statement), values)


@pytest.mark.parametrize("write", [put, by_hand])
def test_a_back_dated_setting_marks_exactly_its_days_of_what_reads_its_key(
    database: Database, write: Callable[..., Any]
) -> None:
    days = [TODAY - dt.timedelta(days=number) for number in range(6, -2, -1)]
    write(database, room_id=None, **({"first": days[3]} if write is by_hand else {}))
    if write is put:
        put(database, room_id=None, valid_from=days[3])
    follow(database, FARM)
    # A day more than today: of two machines' clocks one is ahead
    assert days_marked(database, ENVIRONMENT) == days_marked(database, REPORT) == days[3:]
    assert days_marked(database, "hourly_setpoint_changes") == []
    assert days_marked(database, "daily_clip_inference") == []


def test_what_a_narrower_setting_hides_is_not_touched(database: Database) -> None:
    first = TODAY - dt.timedelta(days=3)
    put_batch(database, "A", first)
    put(database, in_date=first, valid_from=first)
    put(database, room_id="B", valid_from=first + dt.timedelta(days=1))
    follow(database, FARM)
    with database.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM farm.outdated")
    put(database, room_id=None, text="[1, 9]", valid_from=first - dt.timedelta(days=1))
    follow(database, FARM)
    # Before, and on the day on which room B had none of its own
    assert days_marked(database, ENVIRONMENT) == [first - dt.timedelta(days=1), first]


def test_what_was_set_and_undone_between_two_looks_is_marked(database: Database) -> None:
    """A run may have read it meanwhile."""
    version = put(database)
    with database.transaction() as connection:
        undo(connection, version, "Li", "a mistake", FARM)
    follow(database, FARM)
    assert days_marked(database, ENVIRONMENT) == [TODAY, TODAY + dt.timedelta(days=1)]


def test_what_does_not_fit_holds_nothing_up_and_can_be_undone(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    by_hand(database, key="report.typo", value="1")
    by_hand(database, value="[9, 1]")
    put(database, key="report.act_below", text="0.5", room_id=None)
    with database.transaction() as connection:
        farm = with_settings(connection, FARM).on("A", TODAY)
        assert undo(connection, 1, "Li", "no such key", FARM).undoes == 1
        assert undo(connection, 2, "Li", "the wrong way round", FARM).undoes == 2
        assert read_settings(connection, FARM).misfits == {}
    assert (farm.band("co2", 20), farm.report.act_below) == ((1500, 3800), 0.5)
    told = [record.getMessage() for record in caplog.records]
    assert any("setting 1 does not count" in each and "undo 1" in each for each in told)


def test_nobody_gives_a_version_of_their_own(database: Database) -> None:
    statement = """
        INSERT INTO farm.setting (version, key, value, valid_from, author, reason)
        VALUES (500, 'report.act_below', '0.5', '2026-02-01', 'me', 'psql')"""
    with (
        pytest.raises(sa.exc.DBAPIError, match="GENERATED ALWAYS"),
        database.transaction() as connection,
    ):
        connection.exec_driver_sql(statement)


def test_every_change_is_a_mark_so_that_what_failed_before_it_is_tried_again(
    database: Database,
) -> None:
    def count() -> int:
        with database.transaction() as connection:
            return int(connection.scalar(sa.text("SELECT count(*) FROM farm.outdated")) or 0)

    put(database)
    follow(database, FARM)
    first = count()
    put(database, text="[1500, 3400]")
    follow(database, FARM)
    assert count() == 2 * first
