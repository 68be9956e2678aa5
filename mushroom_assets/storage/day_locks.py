"""Locks that a transaction holds until it ends: who may recompute which rows of a result table.

Whoever recomputes the rows of some farm days has those days for itself and shares the table;
whoever recomputes a whole table has it for itself. What is read and written under a lock is the
business of `results` and of the assets. Locks that a process holds live in `locks`.
"""

import datetime as dt
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY


def lock_days(connection: sa.Connection, table: sa.Table, days: Iterable[dt.date]) -> None:
    """Let one transaction at a time recompute a table's rows of a farm day, until it ends.

    Take it before the inputs are read, and once in a transaction: the later of two runs of a
    partition then reads at least what the earlier one read, so that both leave the rows of one
    clean run. Transactions that have no day in common go on side by side, and readers are not held
    up.

    Side by side leaves the rows that one after the other leaves, in one order or the other, as long
    as rows depend on no row of another day of their own table, as statistics, changes and images
    do: even the value before a change is a sample. Reports quote the verdicts of earlier days, as
    they are committed at that moment, and none of later days. So of two days at work at once the
    later may quote what the earlier one is about to replace, as it does when it goes first.

    A day is a lock, an hour locks its day: a default server has room for 6,400 locks of all its
    transactions, and a year of hours would fill it alone.

    Args:
        connection: in a transaction, READ COMMITTED (`Database` sees to it): each statement after
            this one sees what was committed before the lock was given.
        table: whose rows are recomputed.
        days: the farm-local days of the rows.
    """
    # In one order everywhere: two that wait for each other's days there cannot be
    numbers = sorted({day.toordinal() for day in days})
    number = sa.func.unnest(sa.literal(numbers, ARRAY(sa.Integer))).column_valued("number")
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_name(table))))
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_name(table), number)))


def lock_table(connection: sa.Connection, table: sa.Table) -> None:
    """Let one transaction at a time recompute a table, until it ends, and nobody some days of it.

    For the rest it is as `lock_days`.
    """
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_name(table))))


def _name(table: sa.Table) -> sa.ColumnElement[int]:
    return sa.func.hashtext(str(table))
