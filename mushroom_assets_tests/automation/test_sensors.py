"""`clip_probe_sensor`: a run for every change of the labels, none lost to an outage."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain import probe
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.resources import PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.dagsters import quick_instance
from mushroom_assets_tests.kit.labels import image_path, keep_vector, say, see

FARM = parse_farm("{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {A: {}}}")
A = image_path("611", 10, 8)
B = image_path("611", 10, 9)
NOWHERE = "postgresql://farm@127.0.0.1:1/farm"


class Sensor:
    """The sensor's ticks, one after the other, as the daemon makes them."""

    def __init__(self, instance: dg.DagsterInstance, url: str) -> None:
        self.instance = instance
        self.url = url
        self.cursor: str | None = None
        self.keys: set[str | None] = set()

    def tick(self, url: str | None = None) -> int:
        """How many runs a tick asks for that were not asked for before."""
        data = self.evaluate(url or self.url)
        self.cursor = data.cursor
        new = {request.run_key for request in data.run_requests or []} - self.keys
        self.keys |= new
        return len(new)

    def evaluate(self, url: str) -> Any:
        defs = build_definitions(FARM)
        postgres = PostgresResource(url=url, connect_attempts=1)
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"postgres": postgres}
        ) as context:
            return defs.resolve_sensor_def("clip_probe_sensor").evaluate_tick(context)


@pytest.fixture
def sensor(database_url: str) -> Iterator[Sensor]:
    with quick_instance() as instance:
        yield Sensor(instance, database_url)


@pytest.fixture
def seen(database: Database) -> Database:
    """A database that has seen two images."""
    see(database, A, "a")
    see(database, B, "b", vector=None)
    return database


def test_without_labels_there_is_nothing_to_ask_for(sensor: Sensor, seen: Database) -> None:
    assert sensor.tick() == 0
    assert "those of the last run" in sensor.evaluate(sensor.url).skip_message


def test_each_change_is_one_run(sensor: Sensor, seen: Database) -> None:
    changes: list[Callable[[], object]] = [
        lambda: say(seen, A, "fruiting"),
        lambda: say(seen, A, "harvest"),
        lambda: say(seen, B, condition="healthy"),
        lambda: keep_vector(seen, "b", (0.0, 1.0)),
    ]
    for change in changes:
        change()
        assert [sensor.tick(), sensor.tick()] == [1, 0]
    say(seen, A, "harvest")  # the same again
    assert sensor.tick() == 0


def test_a_release_that_fits_otherwise_is_a_change_where_there_are_labels(
    sensor: Sensor, seen: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "VERSION", probe.VERSION + 1)
    assert sensor.tick() == 0
    say(seen, A, "fruiting")
    assert sensor.tick() == 1
    monkeypatch.setattr(probe, "VERSION", probe.VERSION + 1)
    assert [sensor.tick(), sensor.tick()] == [1, 0]


def test_labels_that_were_taken_away_are_a_change_each_time(sensor: Sensor, seen: Database) -> None:
    for _ in range(2):
        say(seen, A, "fruiting")
        assert sensor.tick() == 1
        with seen.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM farm.image_label")
        assert [sensor.tick(), sensor.tick()] == [1, 0]


def test_a_tick_without_a_database_fails_and_the_next_one_loses_nothing(
    sensor: Sensor, seen: Database
) -> None:
    say(seen, A, "fruiting")
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/farm after 1 attempts"):
        sensor.tick(NOWHERE)
    assert sensor.tick() == 1
    say(seen, A, "harvest")
    with pytest.raises(DatabaseUnavailable):
        sensor.tick(NOWHERE)
    assert [sensor.tick(), sensor.tick()] == [1, 0]


def test_without_tables_a_tick_says_what_to_do(sensor: Sensor, empty_database_url: str) -> None:
    with pytest.raises(dg.Failure, match="Remedy: run `mushroom init`"):
        sensor.tick(empty_database_url)


def test_a_tick_leaves_no_connection_behind(sensor: Sensor, seen: Database) -> None:
    sensor.tick()
    others = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    waits = iter([0.05] * 200)  # a server process outlives its connection by some milliseconds
    with seen.transaction() as connection:
        while connection.exec_driver_sql(others).scalar_one():
            time.sleep(next(waits))
            connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
