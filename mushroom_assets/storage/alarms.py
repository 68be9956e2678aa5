"""What people were told of the rooms: which alarms are open, which begin and end.

Whoever decides holds the table until its transaction ends, so of two that look at once the second
sees what the first has told. What is to be told is decided by `domain.alarms`.
"""

import datetime as dt

import sqlalchemy as sa

from mushroom_assets.domain.alarms import AGAIN, Decision, Open, Sign, Subject
from mushroom_assets.storage.day_locks import lock_table
from mushroom_assets.storage.schema import alarm, daily_room_report

MORNING = "morning"
_OPEN = sa.text("""
    SELECT alarm_id, kind, room_id, name, clear_at, (
        SELECT count(*) FROM farm.alarm AS other
        WHERE (other.kind, other.room_id, other.name) = (alarm.kind, alarm.room_id, alarm.name)
          AND other.alarm_id <> alarm.alarm_id
          AND other.told_at > alarm.told_at - :again AND other.told_at <= alarm.told_at)
    FROM farm.alarm WHERE ended_at IS NULL ORDER BY alarm_id""")
Reports = list[dict[str, object]]


def read_open(connection: sa.Connection) -> list[Open]:
    """The alarms that were told and are not over; the table is the caller's until it commits."""
    lock_table(connection, alarm)
    rows = connection.execute(_OPEN, {"again": AGAIN}).tuples()
    return [
        Open(number, Subject(kind, room, name), clear_at, before)
        for number, kind, room, name, clear_at, before in rows
    ]


def write_decision(connection: sa.Connection, found: Decision, now: dt.datetime) -> None:
    """Write down what begins, ends and seems to be over."""
    for each, since in found.cleared:
        connection.execute(_of(each).values(clear_at=since))
    for each in (*found.dropped, *(ended for ended, _ in found.ended)):
        connection.execute(_of(each).values(ended_at=now))
    for sign in found.begun:
        connection.execute(sa.insert(alarm).values(_row(sign, now)))


def is_morning_told(connection: sa.Connection, name: str) -> bool:
    """Whether the rooms of a day were told, or something else that is told once by its name."""
    same = (alarm.c.kind == MORNING) & (alarm.c.name == name)
    return connection.scalar(sa.select(sa.exists().where(same))) is True


def write_morning(connection: sa.Connection, name: str, text: str, now: dt.datetime) -> None:
    """Write down that the rooms of a day are told."""
    row = {"kind": MORNING, "room_id": "", "name": name, "text": text}
    connection.execute(sa.insert(alarm).values(row | {"told_at": now, "ended_at": now}))


def read_reports(connection: sa.Connection, since: dt.date) -> Reports:
    """Verdicts and reasons of all reports from a day on."""
    names = ("stat_date", "room_id", "verdict", "reasons")
    columns = [daily_room_report.c[name] for name in names]
    statement = sa.select(*columns).where(daily_room_report.c.stat_date >= since)
    return [dict(row) for row in connection.execute(statement).mappings()]


def _of(each: Open) -> sa.Update:
    return sa.update(alarm).where(alarm.c.alarm_id == each.alarm_id)


def _row(sign: Sign, now: dt.datetime) -> dict[str, object]:
    return {**sign.subject._asdict(), "since": sign.since, "told_at": now, "text": sign.text}
