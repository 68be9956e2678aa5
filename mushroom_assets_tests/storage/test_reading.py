"""How samples are read: which months and indexes the server touches, and how reading ahead ends."""

import datetime as dt
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

from mushroom_assets.storage import samples
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.samples import read_samples, reading_ahead

START = dt.datetime(2026, 1, 20, 16, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
POINTS = [3, 17, 40]


@pytest.fixture
def filled(database: Database) -> Database:
    """46 points every quarter of an hour over three months, as they come: 390,000 samples."""
    with database.session() as connection:
        connection.exec_driver_sql(
            """INSERT INTO farm.sample (point_id, sampled_at, value)
            SELECT point_id, sampled_at, point_id + extract(minute FROM sampled_at)
            FROM generate_series(timestamptz '2026-01-01', '2026-03-31 23:59', interval '15 min')
                AS sampled_at, generate_series(1, 46) AS point_id ORDER BY sampled_at"""
        )
        connection.exec_driver_sql("ANALYZE farm.sample")
    return database


def scans(database: Database, query: str, *bounds: dt.datetime) -> dict[str, list[dict[str, Any]]]:
    """The nodes of the plan that read something, by table, for the query as it is sent."""

    def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield plan
        for part in plan.get("Plans", []):
            yield from nodes(part)

    with psycopg.connect(database.url) as connection:
        connection.execute(samples._NO_WORKERS)
        explain = f"EXPLAIN (ANALYZE, FORMAT json) {query}"
        (plans,) = connection.execute(explain, (POINTS, *bounds)).fetchone() or ()
    found: dict[str, list[dict[str, Any]]] = {}
    for node in nodes(plans[0]["Plan"]):
        if ("Index Cond" in node or "Relation Name" in node) and node["Actual Loops"]:
            table = node.get("Relation Name") or node["Index Name"].removesuffix("_pkey")
            found.setdefault(table, []).append(node)
    return found


@pytest.mark.parametrize(
    ("since", "before", "months"),
    [
        (START, START + HOUR, ["sample_2026_01"]),
        (START - 4 * HOUR, START + DAY, ["sample_2026_01"]),
        (START + 10 * DAY, START + 12 * DAY, ["sample_2026_01", "sample_2026_02"]),
    ],
    ids=["hour", "day", "turn of the month"],
)
def test_only_the_months_of_the_window_are_read_and_those_by_their_index(
    filled: Database, since: dt.datetime, before: dt.datetime, months: list[str]
) -> None:
    found = scans(filled, samples._READ, since, before)
    assert sorted(found) == months
    by_their_index(found)


def test_what_is_carried_is_looked_for_in_one_month_where_one_has_it(filled: Database) -> None:
    with filled.session() as connection:
        connection.exec_driver_sql("DELETE FROM farm.sample WHERE sampled_at >= '2026-03-20'")
        connection.exec_driver_sql("DELETE FROM farm.sample WHERE sampled_at < '2026-01-02'")
    march = dt.datetime(2026, 3, 25, tzinfo=dt.UTC)
    for before, months in (
        (march, ["sample_2026_03"]),
        (dt.datetime(2026, 3, 1, tzinfo=dt.UTC), ["sample_2026_02"]),
        (dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC), ["sample_2026_01"]),
        # None has: each older month is asked once for each point
        (dt.datetime(2026, 4, 10, tzinfo=dt.UTC), ["sample_2026_03", "sample_2026_04"]),
    ):
        found = scans(filled, samples._READ_LAST, before)
        assert sorted(month for month in found if month > "sample_2026") == months
        by_their_index(found)


def by_their_index(found: dict[str, list[dict[str, Any]]]) -> None:
    for nodes in found.values():
        conditions = [node["Index Cond"] for node in nodes if "Index Cond" in node]
        assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
        assert conditions
        assert all(
            "point_id" in condition and "sampled_at" in condition for condition in conditions
        )


def test_the_carried_sample_comes_before_the_points_own(filled: Database) -> None:
    with filled.transaction() as connection:
        carried = read_samples(connection, [2, 1, 99], START, START + HOUR, carried=True)
        own = read_samples(connection, [1, 2], START, START + HOUR)
    assert carried["point_id"].tolist() == [1] * 5 + [2] * 5
    assert (
        np.diff(carried["at"]).tolist() == [900_000_000] * 4 + [-3_600_000_000] + [900_000_000] * 4
    )
    first_of_each = [0, 5]
    assert carried.drop(index=first_of_each).reset_index(drop=True).equals(own)
    assert carried["value"].iloc[first_of_each].tolist() == [46, 47]  # the quarter before the hour


def test_late_samples_are_put_in_their_place(database: Database) -> None:
    with database.session() as connection:
        for minutes in ((0, 30, 60), (10, 50), (20, 40)):
            for minute in minutes:
                row = {"at": START + dt.timedelta(minutes=minute), "value": minute}
                connection.exec_driver_sql(
                    "INSERT INTO farm.sample VALUES (1, %(at)s, %(value)s)", row
                )
    with database.transaction() as connection:
        read = read_samples(connection, [1], START, START + DAY)
    assert read["value"].tolist() == [0, 10, 20, 30, 40, 50, 60]


def test_spans_are_read_ahead_in_their_order(filled: Database) -> None:
    spans = [(START + number * HOUR, START + (number + 1) * HOUR) for number in range(5)]
    with filled.transaction() as connection:
        with reading_ahead(connection, POINTS, spans) as read:
            parts = list(read)
        whole = [read_samples(connection, POINTS, *span) for span in spans]
    assert len(parts) == 5
    for part, expected in zip(parts, whole, strict=True):
        assert part.equals(expected)


def test_who_is_interrupted_does_not_wait_for_what_the_server_reads(filled: Database) -> None:
    with filled.session() as locking:
        locking.exec_driver_sql("BEGIN; LOCK TABLE farm.sample IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt), filled.transaction() as connection:
            with reading_ahead(connection, POINTS, [(START, START + HOUR)] * 2) as read:
                main = threading.main_thread().ident
                threading.Timer(0.5, signal.pthread_kill, [main, signal.SIGINT]).start()
                next(read)
        assert time.monotonic() - begun < 5
        locking.exec_driver_sql("ROLLBACK")


def test_nothing_is_read_any_more_once_the_block_is_left(filled: Database) -> None:
    spans = [(START + number * HOUR, START + (number + 1) * HOUR) for number in range(50)]
    with filled.transaction() as connection:
        with (
            pytest.raises(ValueError, match="enough"),
            reading_ahead(connection, POINTS, spans) as read,
        ):
            next(read)
            raise ValueError("enough")
        read_samples(connection, POINTS, *spans[0])
        with pytest.raises(RuntimeError, match="after shutdown"):
            list(read)


def test_a_fault_while_reading_ahead_reaches_the_caller(filled: Database) -> None:
    spans = [(START, START + HOUR), ("no time", START), (START, START + HOUR)]
    with filled.transaction() as connection, reading_ahead(connection, POINTS, spans) as read:  # type: ignore[arg-type]
        assert len(next(read)) == 12
        with pytest.raises(psycopg.errors.InvalidDatetimeFormat):
            next(read)
