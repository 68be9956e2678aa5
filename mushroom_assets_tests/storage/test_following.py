"""A look at the log: what it marks, how often, and that nothing is in its way."""

import datetime as dt
import threading
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from mushroom_assets.domain.names import ENVIRONMENT, REPORT, SETPOINTS, VISION
from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.months import ensure_months
from mushroom_assets_tests.kit.small import Build, SmallFarm

DAY = "2026-02-10"
MARKS = "SELECT count(*), count(DISTINCT at) FROM farm.outdated WHERE asset = %s AND source = %s"
LEFT = "SELECT count(*) FROM farm.input_change"


def answer(small: SmallFarm, query: str, *given: Any) -> Any:
    with small.database.transaction() as connection:
        return connection.exec_driver_sql(query, given).one()


def marked(small: SmallFarm, asset: str) -> list[str]:
    """The hours that are marked, by the clock on the farm's wall; of a day it is the noon's."""
    with small.database.transaction() as connection:
        query = "SELECT DISTINCT at FROM farm.outdated WHERE asset = %s ORDER BY at"
        found = connection.exec_driver_sql(query, (asset,)).scalars().all()
    return [f"{at.astimezone(small.farm.zone):%Y-%m-%d %H}" for at in found]


def look(small: SmallFarm) -> None:
    """Look at the log, with no earlier marks."""
    small.execute("DELETE FROM farm.outdated")
    follow(small.database, small.farm)


def wall(*hours: int) -> list[str]:
    return [f"{DAY} {hour:02}" for hour in hours]


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Asia/Kolkata", "Asia/Kathmandu"])
def test_the_hour_of_the_next_sample_is_marked_between_changes_of_two_hours(
    build: Build, zone: str
) -> None:
    """By the clock on the wall: 8:50 and 10:10 change, 9:50 lies between them.

    In UTC the two lie in hours that follow each other where the zone is not a whole hour ahead.
    """
    small = build(zone)

    def at(hour: int, minute: int) -> dt.datetime:
        return small.at(DAY, hour + minute / 60)

    small.put([("A", "set", at(9, 50), 18.0), ("A", "set", at(12, 0), 17.0)])
    look(small)
    small.put([("A", "set", at(8, 50), 17.0), ("A", "set", at(10, 10), 17.0)])
    look(small)
    assert marked(small, SETPOINTS) == wall(8, 9, 10, 12)


@pytest.mark.parametrize(
    "gone", ["DELETE FROM farm.point", "UPDATE farm.point SET point_alias = 'x'"]
)
def test_samples_that_go_with_their_point_are_marked(small: SmallFarm, gone: str) -> None:
    small.put([("A", "set", small.at(DAY, hour), hour) for hour in (8.5, 9.5, 10.5)])
    small.put([("A", "t", small.at(DAY, 12), 18)])
    look(small)
    small.execute(f"DELETE FROM farm.sample; {gone}")
    look(small)
    assert marked(small, SETPOINTS) == wall(8, 9, 10)
    assert marked(small, ENVIRONMENT) == wall(12)


def test_a_sample_of_centuries_ahead_marks_no_century(small: SmallFarm) -> None:
    small.put([("A", "t", small.at(DAY, 12), 18.0), ("A", "t", small.at("9999-12-31", 12), 18.0)])
    small.put([("A", "set", small.at(DAY, 12), 18.0), ("A", "set", small.at("2526-01-01"), 18.0)])
    small.execute("UPDATE farm.point SET device_alias = device_alias || '2'")
    look(small)
    ahead = f"{dt.datetime.now(dt.UTC) + dt.timedelta(days=3)}"
    hours = marked(small, SETPOINTS)
    assert hours[0] == wall(12)[0]
    assert hours[-1] < ahead
    assert marked(small, REPORT)[-1] < ahead


def test_a_batch_of_centuries_ago_marks_no_century(small: SmallFarm) -> None:
    small.execute("INSERT INTO farm.batch VALUES ('A', '0206-02-01'), ('A', '2025-01-03')")
    look(small)
    assert marked(small, ENVIRONMENT)[:2] == ["2025-01-01 12", "2025-01-02 12"]
    assert answer(small, MARKS, SETPOINTS, "batch")[0] < 24 * 366 * 10


def test_what_lies_before_the_first_day_is_not_marked(small: SmallFarm) -> None:
    small.put(
        [("A", "t", small.at("2024-12-31", 12), 18.0), ("A", "t", small.at("2025-01-01"), 18)]
    )
    look(small)
    first = "2025-01-01 12"
    assert {asset: marked(small, asset) for asset in (ENVIRONMENT, REPORT, VISION)} == {
        ENVIRONMENT: [first],
        REPORT: [first],
        VISION: [first],
    }


POINTS = 8
YEARS = """
    INSERT INTO farm.sample
    SELECT point_id, at, extract(hour FROM at), now()
    FROM farm.point, generate_series('2022-12-31 16:30+00'::timestamptz,
        '2024-12-30 15:30+00', '1 hour') AS at"""


@pytest.mark.long
def test_two_years_at_once_are_as_many_marks_as_they_have_partitions(small: SmallFarm) -> None:
    small = replace(small, farm=small.farm.model_copy(update={"first_day": dt.date(2023, 1, 1)}))
    devices = ["set", "power", "t", "h"]
    with small.database.transaction() as connection:
        ensure_months(connection, dt.date(2022, 12, 1), dt.date(2024, 12, 31))
    small.put([(room, name, small.at("2022-12-31", 12), 1) for room in "AB" for name in devices])
    look(small)
    small.execute(YEARS)
    hours = 2 * 365 * 24
    assert answer(small, LEFT) == (POINTS * hours,)
    look(small)
    assert answer(small, LEFT) == (0,)
    assert answer(small, MARKS, SETPOINTS, "sample") == (hours, hours)
    for asset in (ENVIRONMENT, VISION, REPORT):
        count, days = answer(small, MARKS, asset, "sample")
        assert count == days
        # All days, and what the last evening reaches into
        assert days in (730, 731), asset


LONG_LOG = """
    INSERT INTO farm.input_change (source, room_id, in_date)
    SELECT 'batch', 'Z', '2026-01-01' FROM generate_series(1, %s)"""
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.mark.long
def test_two_looks_at_a_long_log_do_not_wait_for_each_other(small: SmallFarm) -> None:
    """PostgreSQL lets the second scan of a large table begin where another one is."""
    small.execute(LONG_LOG.replace("%s", "700000"))
    assert answer(small, "SELECT pg_relation_size('farm.input_change') > 32 * 1024 * 1024") == (
        True,
    )
    faults: list[DatabaseUnavailable] = []

    def take() -> None:
        try:
            follow(small.database, small.farm)
        except DatabaseUnavailable as fault:
            faults.append(fault)

    looks = [threading.Thread(target=take) for _ in range(2)]
    with small.database.transaction() as holding:
        held = "SELECT FROM farm.input_change WHERE ctid = '(20,1)' FOR UPDATE"
        assert holding.exec_driver_sql(held).rowcount == 1
        looks[0].start()
        _wait_for(small.database, 1)
        # Somebody reads on to the middle
        answer(small, "SELECT count(*) FROM (SELECT FROM farm.input_change LIMIT 300000) AS part")
        looks[1].start()
        _wait_for(small.database, 2)
    for thread in looks:
        thread.join()
    assert faults == []
    assert answer(small, LEFT) == (0,)


def _wait_for(database: Database, waiting: int) -> None:
    for _ in range(1000):
        with database.transaction() as connection:
            if connection.scalar(sa.text(WAITING)) >= waiting:
                return
            connection.execute(sa.text("SELECT pg_sleep(0.05)"))
    raise AssertionError("nobody waits")
