"""Messages that wait for those they are told: written with what they tell, marked when taken.

A message is claimed before it is sent: nobody else sends it for `CLAIMED`. Then it is marked as
taken, or with the reason why not. If neither comes, since the process was killed between, nobody
knows whether it was taken, and it is claimed again.
"""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa

from mushroom_assets.domain.message import Message
from mushroom_assets.storage.schema import message

CLAIMED = dt.timedelta(minutes=5)  # longer than a tick can take
FIRST_WAIT_S = 60
LONGEST_WAIT_S = 600
HOPELESS = 30  # attempts, four hours: what a service refuses for so long holds up no other
_NEXT = (
    sa.select(message)
    .where(message.c.target == sa.bindparam("target"), message.c.taken_at.is_(None))
    .order_by(message.c.attempts >= HOPELESS, message.c.message_id)
    .limit(1)
    .with_for_update()
)


class Claimed(NamedTuple):
    """A message to be sent now.

    Attributes:
        message_id: its number.
        message: what it says.
        written_at: when it was written, UTC.
        is_unsure: whether it may have been taken before.
    """

    message_id: int
    message: Message
    written_at: dt.datetime
    is_unsure: bool


def write_messages(
    connection: sa.Connection, targets: Iterable[str], told: Message, now: dt.datetime
) -> int:
    """Write a message for each target, in the caller's transaction; returns how many."""
    rows = [{"target": target, **told._asdict(), "written_at": now} for target in targets]
    if rows:
        connection.execute(sa.insert(message), rows)
    return len(rows)


def claim(connection: sa.Connection, target: str, now: dt.datetime) -> Claimed | None:
    """A target's oldest message, if it is time to send it.

    One that was not taken waits 1, 2, 4, 8, then 10 minutes, and those after it wait with it: what
    is over is not told before what began.
    """
    row = connection.execute(_NEXT, {"target": target}).mappings().first()
    if row is None:
        return None
    is_unsure = row["attempts"] > 0 and row["error"] is None
    if row["attempts"] and now < row["tried_at"] + _wait(row["attempts"], is_unsure=is_unsure):
        return None
    values = {"attempts": row["attempts"] + 1, "tried_at": now, "error": None}
    connection.execute(_of(row["message_id"]).values(values))
    told = Message(row["title"], row["body"], row["good"])
    return Claimed(row["message_id"], told, row["written_at"], is_unsure)


def mark_taken(connection: sa.Connection, message_ids: Iterable[int], now: dt.datetime) -> None:
    """Mark messages as taken."""
    taken = message.c.message_id.in_(list(message_ids)) & message.c.taken_at.is_(None)
    connection.execute(sa.update(message).where(taken).values(taken_at=now))


def mark_failed(connection: sa.Connection, message_id: int, error: str) -> None:
    """Say why a message was not taken."""
    connection.execute(_of(message_id).values(error=error))


def count_waiting(connection: sa.Connection, targets: Iterable[str]) -> int:
    """How many messages of some targets are not taken."""
    waiting = message.c.taken_at.is_(None) & message.c.target.in_(list(targets))
    return connection.scalar(sa.select(sa.func.count()).where(waiting)) or 0


def _wait(attempts: int, *, is_unsure: bool) -> dt.timedelta:
    if is_unsure:
        return CLAIMED
    return dt.timedelta(seconds=min(FIRST_WAIT_S * 2 ** min(attempts - 1, 9), LONGEST_WAIT_S))


def _of(message_id: int) -> sa.Update:
    return sa.update(message).where(message.c.message_id == message_id)
