"""Notes of growers: write one, correct it, take it away, read those of a span.

Which notes are taken is told by `domain.records`. Which reports a note touches is the business of
triggers and of `inputs`: nothing here has to mark anything.
"""

import datetime as dt
from dataclasses import fields

import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.records import (
    Note,
    RecordError,
    author_text,
    check_noted_at,
    note_text,
    require_room,
)
from mushroom_assets.storage.schema import note as table

COLUMNS = [table.c[field.name] for field in fields(Note)]


def write_note(
    connection: sa.Connection,
    farm: Farm,
    room_id: str,
    noted_at: dt.datetime,
    text: str,
    author: str = "",
) -> int:
    """Store a note, in the caller's transaction; the same note again is the one that is there.

    Args:
        connection: in a transaction.
        farm: rooms, zone and first day.
        room_id: of the farm.
        noted_at: when it happened, with its zone; not ahead.
        text: up to `records.LONGEST_NOTE` characters.
        author: may be empty.

    Returns:
        its note_id.

    Raises:
        RecordError: it is not taken; the message is for whoever typed it.
    """
    require_room(room_id, farm)
    return insert_note(connection, room_id=room_id, **_checked(farm, noted_at, text, author))


def insert_note(connection: sa.Connection, **values: str | dt.datetime) -> int:
    """Add a note that was checked, by its columns; one that says the same stays the only one.

    Returns:
        its note_id.
    """
    same = sa.and_(*(table.c[name] == value for name, value in values.items()))
    there = connection.scalar(sa.select(table.c.note_id).where(same).limit(1))
    if there is not None:
        return int(there)
    new = sa.insert(table).values(values).returning(table.c.note_id)
    return int(connection.execute(new).scalar_one())


def correct_note(
    connection: sa.Connection,
    farm: Farm,
    note_id: int,
    noted_at: dt.datetime,
    text: str,
    author: str = "",
) -> None:
    """Replace what a note says and when; its room stays.

    Raises:
        RecordError: there is no such note, or what it is to say is not taken.
    """
    given = _checked(farm, noted_at, text, author)
    change = sa.update(table).where(table.c.note_id == note_id).values(given)
    if not connection.execute(change).rowcount:
        raise _missing(note_id)


def remove_note(connection: sa.Connection, note_id: int) -> None:
    """Take a note away.

    Raises:
        RecordError: there is no such note.
    """
    if not connection.execute(sa.delete(table).where(table.c.note_id == note_id)).rowcount:
        raise _missing(note_id)


def read_note(connection: sa.Connection, note_id: int) -> Note | None:
    """One note; None if there is no such one."""
    row = connection.execute(sa.select(*COLUMNS).where(table.c.note_id == note_id)).one_or_none()
    return None if row is None else Note(*row)


def read_notes(
    connection: sa.Connection, since: dt.datetime, until: dt.datetime, room_id: str | None = None
) -> list[Note]:
    """The notes of `[since, until)` in time, of one room or of all."""
    within = (table.c.noted_at >= since) & (table.c.noted_at < until)
    statement = sa.select(*COLUMNS).where(within)
    if room_id is not None:
        statement = statement.where(table.c.room_id == room_id)
    found = connection.execute(statement.order_by(table.c.noted_at, table.c.note_id))
    return [Note(*row) for row in found]


def _checked(
    farm: Farm, noted_at: dt.datetime, text: str, author: str
) -> dict[str, str | dt.datetime]:
    check_noted_at(noted_at, dt.datetime.now(dt.UTC), farm)
    return {"noted_at": noted_at, "text": note_text(text), "author": author_text(author)}


def _missing(note_id: int) -> RecordError:
    return RecordError("no_note", note=note_id)
