"""The triggers of the source tables: every change is logged, once for each point and hour."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months, remove_month
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.dumps import restore_sql
from tools.release_dump import DUMPS

DAY = "2026-02-10"
# In UTC, by point
STORED = [(1, "08:10", 1.0), (1, "08:50", 2.0), (1, "09:00", 3.0), (2, "08:10", float("nan"))]
TAKE = """
    WITH gone AS (DELETE FROM farm.input_change RETURNING *)
    SELECT source, point_id, first_at, last_at, room_id, device_type, point_alias, in_date
    FROM gone ORDER BY change_id"""
TRIGGERS = """
    SELECT c.relname, array_agg(tgname::text ORDER BY tgname) FROM pg_class AS c
    LEFT JOIN pg_trigger AS t ON t.tgrelid = c.oid AND NOT tgisinternal
    WHERE c.oid = 'farm.sample'::regclass
       OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'farm.sample'::regclass)
    GROUP BY c.relname"""
OF_SAMPLES = ["log_delete", "log_insert", "log_truncate", "log_update"]
MONTH = "farm.sample_2026_02"
POINT = """
    INSERT INTO farm.point
    (room_id, device_type, device_alias, device_name, point_alias, point_name)"""
Logged = list[tuple[Any, ...]]


def utc(time: str, day: str = DAY) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{day}T{time}+00:00")


def rows(*triples: tuple[int, str, float], day: str = DAY) -> str:
    """VALUES of samples."""
    made = (f"({point}, '{utc(at, day)}', '{value}', now())" for point, at, value in triples)
    return ", ".join(made)


@pytest.fixture
def stored(database: Database) -> Database:
    """A database with a few samples of February, whose log is empty."""
    with database.transaction() as connection:
        connection.exec_driver_sql(f"INSERT INTO farm.sample VALUES {rows(*STORED)}")
        connection.exec_driver_sql("INSERT INTO farm.batch VALUES ('A', '2026-02-01', 100)")
        connection.exec_driver_sql(
            f"{POINT} VALUES ('A', 'env', 'env_A', 'sensor', 't', 'temperature')"
        )
        connection.exec_driver_sql(TAKE)
    return database


def logged(connection: sa.Connection) -> Logged:
    """What is in the log, without what is empty; it is taken out."""
    found = connection.exec_driver_sql(TAKE).all()
    return [tuple(cell for cell in row if cell is not None) for row in found]


def of(database: Database, statement: str) -> Logged:
    """What a statement logs; then it is undone."""
    with database.transaction() as connection:
        connection.exec_driver_sql(statement)
        found = logged(connection)
        connection.rollback()
    return sorted(found)


def hours(*expected: tuple[int, str, str]) -> Logged:
    return [("sample", point, utc(first), utc(last)) for point, first, last in expected]


NEW = rows((1, "08:20", 9.0), (1, "08:40", 9.0), (1, "10:00", 9.0), (2, "08:59", 9.0))
OLD_AND_NEW = rows(
    (1, "08:10", 1.0), (1, "08:50", 7.0), (1, "08:20", 9.0), (2, "08:10", float("nan"))
)
MERGE = f"""
    MERGE INTO {{table}} AS s
    USING (VALUES {rows((1, "08:10", 5.0), (1, "09:00", 0.0), (1, "11:30", 9.0))})
        AS n (point_id, at, value, received)
    ON s.point_id = n.point_id AND s.sampled_at = n.at::timestamptz
    WHEN MATCHED AND n.value::float8 = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET value = n.value::float8
    WHEN NOT MATCHED THEN
        INSERT VALUES (n.point_id, n.at::timestamptz, n.value::float8, n.received)"""
STATEMENTS: dict[str, tuple[str, Logged]] = {
    "insert": (
        f"INSERT INTO {{table}} VALUES {NEW}",
        hours((1, "08:20", "08:40"), (1, "10:00", "10:00"), (2, "08:59", "08:59")),
    ),
    "insert of nothing": ("INSERT INTO {table} SELECT * FROM {table} WHERE false", []),
    "do nothing": (
        f"INSERT INTO {{table}} VALUES {OLD_AND_NEW} ON CONFLICT DO NOTHING",
        hours((1, "08:20", "08:20")),
    ),
    "do update": (
        f"INSERT INTO {{table}} VALUES {OLD_AND_NEW} ON CONFLICT (point_id, sampled_at) "
        "DO UPDATE SET value = excluded.value",
        hours((1, "08:20", "08:20"), (1, "08:50", "08:50")),
    ),
    "update": (
        "UPDATE {table} SET value = value + 1 WHERE point_id = 1",
        hours((1, "08:10", "08:50"), (1, "09:00", "09:00")),
    ),
    "update to the same": ("UPDATE {table} SET value = value, received_at = now()", []),
    "update to NaN": (
        "UPDATE {table} SET value = 'NaN'",
        hours((1, "08:10", "08:50"), (1, "09:00", "09:00")),
    ),
    "update of nothing": ("UPDATE {table} SET value = 7 WHERE false", []),
    "update of a time": (
        "UPDATE {table} SET sampled_at = sampled_at + '1 min' WHERE value = 1",
        hours((1, "08:10", "08:11")),
    ),
    "update over the hour": (
        "UPDATE {table} SET sampled_at = sampled_at + '20 min' WHERE value = 2",
        hours((1, "08:50", "08:50"), (1, "09:10", "09:10")),
    ),
    "update of the point": (
        "UPDATE {table} SET point_id = 3 WHERE value = 2",
        hours((1, "08:50", "08:50"), (3, "08:50", "08:50")),
    ),
    "two that change places": (
        "UPDATE {table} SET value = 3 - value WHERE value IN (1, 2)",
        hours((1, "08:10", "08:50")),
    ),
    "delete": (
        "DELETE FROM {table} WHERE value > 1",
        hours((1, "08:50", "08:50"), (1, "09:00", "09:00"), (2, "08:10", "08:10")),
    ),
    "delete of nothing": ("DELETE FROM {table} WHERE false", []),
    "truncate": ("TRUNCATE {table}", [("sample",)]),
    "merge": (
        MERGE,
        hours((1, "08:10", "08:10"), (1, "09:00", "09:00"), (1, "11:30", "11:30")),
    ),
    "taken out and put in": (
        "WITH gone AS (DELETE FROM {table} WHERE value = 3 RETURNING *) INSERT INTO {table} "
        "SELECT point_id, sampled_at + '2 h', value, received_at FROM gone",
        hours((1, "09:00", "09:00"), (1, "11:00", "11:00")),
    ),
}


@pytest.mark.parametrize("table", ["farm.sample", MONTH])
def test_a_statement_logs_the_samples_that_it_changes(stored: Database, table: str) -> None:
    for what, (statement, expected) in STATEMENTS.items():
        found = of(stored, statement.format(table=table))
        if what == "truncate":  # the whole's and that of each of its months
            found = sorted(set(found))
        assert found == expected, what


@pytest.mark.parametrize("table", ["farm.sample", MONTH])
def test_copy_logs_what_it_brings(stored: Database, table: str) -> None:
    with stored.transaction() as connection:
        cursor = connection.connection.cursor()
        with cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for minute in range(90):
                at = utc("11:00") + dt.timedelta(minutes=minute)
                copy.write_row((1, at, 5.0, at))
        assert sorted(logged(connection)) == hours((1, "11:00", "11:59"), (1, "12:00", "12:29"))


def test_a_sample_moves_to_another_month(stored: Database) -> None:
    move = "UPDATE farm.sample SET sampled_at = sampled_at + '1 month' WHERE value = 1"
    march = utc("08:10", "2026-03-10")
    expected = [*hours((1, "08:10", "08:10")), ("sample", 1, march, march)]
    assert of(stored, move) == expected


def test_months_in_one_statement_are_logged_together(stored: Database) -> None:
    both = f"{rows((1, '07:00', 1.0))}, {rows((1, '07:00', 1.0), day='2026-03-31')}"
    march = utc("07:00", "2026-03-31")
    expected = [*hours((1, "07:00", "07:00")), ("sample", 1, march, march)]
    assert of(stored, f"INSERT INTO farm.sample VALUES {both}") == expected


def test_who_may_only_add_samples_has_them_logged(stored: Database) -> None:
    with stored.transaction() as connection:
        connection.exec_driver_sql(
            "CREATE ROLE collector; GRANT USAGE ON SCHEMA farm TO collector;"
            "GRANT INSERT ON farm.sample TO collector; SET LOCAL ROLE collector"
        )
        connection.exec_driver_sql(f"INSERT INTO farm.sample VALUES {rows((1, '07:00', 1.0))}")
        for forbidden in ("SELECT * FROM farm.input_change", "DELETE FROM farm.sample"):
            with (
                pytest.raises(exc.ProgrammingError, match="permission denied"),
                connection.begin_nested(),
            ):
                connection.exec_driver_sql(forbidden)
        connection.exec_driver_sql("RESET ROLE")
        assert logged(connection) == hours((1, "07:00", "07:00"))
        connection.rollback()


def test_what_is_rolled_back_is_not_logged(stored: Database) -> None:
    with stored.transaction() as connection:
        connection.exec_driver_sql(f"INSERT INTO farm.sample VALUES {rows((1, '06:00', 1.0))}")
        with connection.begin_nested() as savepoint:
            connection.exec_driver_sql("DELETE FROM farm.sample")
            connection.exec_driver_sql("TRUNCATE farm.batch")
            savepoint.rollback()
        assert logged(connection) == hours((1, "06:00", "06:00"))
        connection.exec_driver_sql("DELETE FROM farm.point")
        connection.rollback()
    with stored.transaction() as connection:
        assert logged(connection) == []


OF_POINTS: dict[str, tuple[str, Logged]] = {
    "rename": (
        "UPDATE farm.point SET point_alias = 'h'",
        [("point", 1, "A", "env", "h"), ("point", 1, "A", "env", "t")],
    ),
    "move": (
        "UPDATE farm.point SET room_id = 'B'",
        [("point", 1, "A", "env", "t"), ("point", 1, "B", "env", "t")],
    ),
    "a point: device": (
        "UPDATE farm.point SET device_alias = 'x'",
        [("point", 1, "A", "env", "t")] * 2,
    ),
    "a point: unit": ("UPDATE farm.point SET unit = 'K', point_name = 'x', device_name = 'y'", []),
    "a point: delete": ("DELETE FROM farm.point", [("point", 1, "A", "env", "t")]),
    "a point: truncate": ("TRUNCATE farm.point", [("point",)]),
    "known": (f"{POINT} VALUES ('A', 'env', 'env_A', '', 't', '') ON CONFLICT DO NOTHING", []),
}
DATE = dt.date(2026, 2, 1)
LATER = dt.date(2026, 2, 2)
OF_BATCHES: dict[str, tuple[str, Logged]] = {
    "insert": ("INSERT INTO farm.batch VALUES ('B', '2026-02-02')", [("batch", "B", LATER)]),
    "move": (
        "UPDATE farm.batch SET in_date = in_date + 1",
        [("batch", "A", DATE), ("batch", "A", LATER)],
    ),
    "room": ("UPDATE farm.batch SET room_id = 'B'", [("batch", "A", DATE), ("batch", "B", DATE)]),
    "bags": ("UPDATE farm.batch SET bag_count = 7", []),
    "delete": ("DELETE FROM farm.batch", [("batch", "A", DATE)]),
    "truncate": ("TRUNCATE farm.batch", [("batch",)]),
}


def test_points_and_batches_are_logged_as_they_were_and_as_they_are(stored: Database) -> None:
    for what, (statement, expected) in {**OF_POINTS, **OF_BATCHES}.items():
        assert of(stored, statement) == expected, what


def test_a_new_point_is_logged_if_its_samples_were_there_before(stored: Database) -> None:
    ((source, _, *kind),) = of(stored, f"{POINT} VALUES ('B', 'env', 'env_B', '', 't', '')")
    assert (source, kind) == ("point", ["B", "env", "t"])
    assert of(stored, f"{POINT} VALUES ('B', 'env', 'env_B', '', 'h', '')") == []


def triggers(connection: sa.Connection) -> dict[str, Sequence[str | None]]:
    return dict(connection.exec_driver_sql(TRIGGERS).tuples().all())


def test_every_month_has_the_triggers_of_the_whole(database: Database) -> None:
    with database.transaction() as connection:
        before = triggers(connection)
        ensure_months(connection, dt.date(2026, 1, 1), dt.date(2026, 6, 30))
        found = triggers(connection)
    assert found.keys() - before.keys() == {"sample_2026_05", "sample_2026_06"}
    assert len(found) == 9  # 2025-11 to 2026-06, and the whole
    assert {name: own for name, own in found.items() if own != OF_SAMPLES} == {}


def test_the_months_of_an_earlier_release_get_them(empty_database_url: str) -> None:
    restore_sql(empty_database_url, sorted(DUMPS.glob("*.sql.gz"))[0])
    database = Database(empty_database_url, retry=NO_RETRY)
    with database.transaction() as connection:
        assert {name for own in triggers(connection).values() for name in own} == {None}
        migrations.upgrade(connection)
        assert logged(connection) == []
        found = triggers(connection)
        assert len(found) > 1
        assert {name: own for name, own in found.items() if own != OF_SAMPLES} == {}
        connection.exec_driver_sql("DELETE FROM farm.sample")
        assert {row[0] for row in logged(connection)} == {"sample"}
    database.dispose()


def test_what_retention_removes_is_no_change(stored: Database) -> None:
    old = rows((1, "08:00", 4.0), (1, "09:00", 5.0), day="2025-11-10")
    with stored.transaction() as connection:
        connection.exec_driver_sql(f"INSERT INTO farm.sample VALUES {old}")
        logged(connection)
        for month in ("2025-11", "2025-12"):
            remove_month(connection, pd.Period(month, "M"), "a run")
        assert logged(connection) == []
        found = triggers(connection)
        assert found.pop("sample_kept") == [None]
        assert {name for name, own in found.items() if own != OF_SAMPLES} == set()
    # What comes for a removed month has its place, and is told
    late = rows((1, "10:00", 6.0), day="2025-11-10")
    at = utc("10:00", "2025-11-10")
    assert of(stored, f"INSERT INTO farm.sample VALUES {late}") == [("sample", 1, at, at)]
