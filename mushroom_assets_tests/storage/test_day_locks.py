"""Locks of a transaction: days side by side, a day one after the other, a whole table alone."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import sqlalchemy as sa

from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.day_locks import lock_days, lock_table
from mushroom_assets.storage.schema import RESULTS, clip_probe, daily_env_stats, daily_room_report

table = daily_room_report
ADVISORY = """
    SELECT objid::int - %(first)s FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2 AND granted = %(granted)s
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY objid"""
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def days(*numbers: int) -> list[dt.date]:
    """Days of January."""
    return [dt.date(2026, 1, number) for number in numbers]


@contextmanager
def impatient(database: Database) -> Iterator[sa.Connection]:
    """A transaction that gives up on a lock soon."""
    with database.transaction() as connection:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")
        yield connection


def refused(database: Database, take: Callable[[sa.Connection], None]) -> bool:
    """Whether another transaction would have to wait."""
    try:
        with impatient(database) as connection:
            take(connection)
    except DatabaseUnavailable as fault:
        assert "lock timeout" in str(fault)
        return True
    return False


def numbers(connection: sa.Connection, *, granted: bool) -> list[int]:
    """The days of January that somebody holds or waits for."""
    given = {"first": dt.date(2026, 1, 1).toordinal() - 1, "granted": granted}
    return list(connection.exec_driver_sql(ADVISORY, given).scalars())


def test_days_are_held_one_by_one_and_others_are_free(database: Database) -> None:
    with database.transaction() as one:
        lock_days(one, table, days(5, 7))
        assert refused(database, lambda other: lock_days(other, table, days(4, 5)))
        assert refused(database, lambda other: lock_days(other, table, days(7, 8)))
        assert not refused(database, lambda other: lock_days(other, table, days(4, 6, 8)))
        assert not refused(database, lambda other: lock_days(other, daily_env_stats, days(5, 7)))
        assert numbers(one, granted=True) == [5, 7]
    assert not refused(database, lambda other: lock_days(other, table, days(5, 7)))


def test_two_write_disjoint_days_while_both_transactions_are_open(database: Database) -> None:
    insert = sa.text(
        "INSERT INTO farm.daily_room_report VALUES (:day, 'A', 'good', '[]', '', 'r', now())"
    )
    with impatient(database) as one, impatient(database) as other:
        for connection, (day,) in ((one, days(5)), (other, days(6))):
            lock_days(connection, table, [day])
            connection.execute(sa.delete(table).where(table.c.stat_date == day))
            connection.execute(insert, {"day": day})
        assert numbers(one, granted=True) == [5, 6]
    with database.transaction() as connection:
        stored = connection.scalars(sa.select(table.c.stat_date).order_by(table.c.stat_date))
        assert list(stored) == days(5, 6)


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_the_later_of_two_waits_and_sees_what_was_there_for_the_earlier(
    database: Database, level: str
) -> None:
    with database.transaction() as connection:
        name = connection.scalar(sa.text("SELECT current_database()"))
        connection.exec_driver_sql(
            f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'"
        )
        connection.exec_driver_sql("CREATE TABLE seen (what text)")
    database.dispose()
    waits = threading.Event()
    seen: list[str] = []

    def later() -> None:
        assert waits.wait(60)
        with database.transaction() as connection:
            lock_days(connection, table, days(5, 6))
            seen.extend(connection.scalars(sa.text("SELECT what FROM seen ORDER BY what")))

    thread = threading.Thread(target=later)
    thread.start()
    with database.transaction() as earlier:
        lock_days(earlier, table, days(4, 5))
        waits.set()
        while not earlier.scalar(sa.text(WAITING)):
            assert thread.is_alive()
        with database.transaction() as connection:
            connection.exec_driver_sql("INSERT INTO seen VALUES ('a sample that came meanwhile')")
        earlier.exec_driver_sql("INSERT INTO seen VALUES ('a row of the earlier')")
    thread.join()
    assert seen == ["a row of the earlier", "a sample that came meanwhile"]


def test_whoever_waits_for_a_day_holds_no_later_one_whatever_the_order_of_the_asking(
    database: Database,
) -> None:
    orders = [days(9, 5, 7), days(5, 7, 9), days(7, 9, 5)]

    def ask(order: list[dt.date]) -> None:
        with database.transaction() as connection:
            lock_days(connection, table, order)

    threads = [threading.Thread(target=ask, args=(order,)) for order in orders]
    with database.transaction() as first:
        lock_days(first, table, days(5))
        for thread in threads:
            thread.start()
        while first.scalar(sa.text(WAITING)) < len(orders):
            assert all(thread.is_alive() for thread in threads)
        assert numbers(first, granted=False) == [5, 5, 5]
        assert numbers(first, granted=True) == [5]
    for thread in threads:
        thread.join()


def test_a_whole_table_is_for_one_alone(database: Database) -> None:
    with database.transaction() as one:
        lock_table(one, table)
        assert refused(database, lambda other: lock_table(other, table))
        assert refused(database, lambda other: lock_days(other, table, days(5)))
        assert not refused(database, lambda other: lock_days(other, daily_env_stats, days(5)))
        assert not refused(database, lambda other: lock_table(other, clip_probe))
    with database.transaction() as one, database.transaction() as other:
        lock_days(one, table, days(5))
        lock_days(other, table, days(6))
        assert refused(database, lambda third: lock_table(third, table))
        one.rollback()
        assert refused(database, lambda third: lock_table(third, table))
    assert not refused(database, lambda third: lock_table(third, table))


def test_no_two_result_tables_share_their_locks(database: Database) -> None:
    with database.transaction() as connection:
        hashes = [sa.func.hashtext(str(each)) for each in RESULTS.values()]
        names = list(connection.execute(sa.select(*hashes)).one())
    assert len(set(names)) == len(RESULTS) > 3


def test_ten_years_at_once_leave_room_among_the_locks_of_a_default_server(
    database: Database,
) -> None:
    with ExitStack() as open_at_once:
        for year in range(10):
            first = dt.date(2026, 1, 1) + dt.timedelta(days=365 * year)
            connection = open_at_once.enter_context(database.transaction())
            lock_days(connection, table, [first + dt.timedelta(days=n) for n in range(365)])
        settings = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("max_connections", "max_locks_per_transaction")
        ]
        held = len(numbers(connection, granted=True))
    assert settings == ["100", "64"]
    assert held == 3650
