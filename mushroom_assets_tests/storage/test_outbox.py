"""The order in which messages are sent, and how long one waits that was not taken."""

import datetime as dt

import pytest
import sqlalchemy as sa

from mushroom_assets.domain.message import Message
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.outbox import (
    HOPELESS,
    claim,
    count_waiting,
    mark_failed,
    mark_taken,
    write_messages,
)
from mushroom_assets.storage.schema import message

NOW = dt.datetime(2026, 3, 10, 4, tzinfo=dt.UTC)


@pytest.fixture
def outbox(database: Database) -> Database:
    """Two messages for a, one for b."""
    with database.transaction() as connection:
        write_messages(connection, ["a", "b"], Message("first", "body", good=False), NOW)
        write_messages(connection, ["a"], Message("second", "body", good=True), NOW)
    return database


def claimed(database: Database, target: str, minutes: float = 0) -> str | None:
    with database.transaction() as connection:
        found = claim(connection, target, NOW + dt.timedelta(minutes=minutes))
    return found and f"{found.message.title}{'?' if found.is_unsure else ''}"


def fail(database: Database, number: int = 1) -> None:
    with database.transaction() as connection:
        mark_failed(connection, number, "why")


def test_the_oldest_comes_first_to_each_and_a_taken_one_no_more(outbox: Database) -> None:
    assert [claimed(outbox, target) for target in "ab"] == ["first", "first"]
    with outbox.transaction() as connection:
        mark_taken(connection, [1], NOW)
        assert count_waiting(connection, ["a", "b"]) == 2
    assert claimed(outbox, "a") == "second"


def test_one_that_is_not_taken_waits_longer_each_time_and_those_after_it_with_it(
    outbox: Database,
) -> None:
    at = 0.0
    for minutes in (1, 2, 4, 8, 10, 10):
        assert claimed(outbox, "a", at) == "first"
        fail(outbox)
        assert claimed(outbox, "a", at + minutes - 0.1) is None
        at += minutes


def test_one_of_which_nobody_knows_is_sent_again_after_five_minutes_as_unsure(
    outbox: Database,
) -> None:
    assert claimed(outbox, "a") == "first"
    assert claimed(outbox, "a", 4.9) is None
    assert claimed(outbox, "a", 5) == "first?"


def test_what_is_refused_for_hours_holds_up_no_other(outbox: Database) -> None:
    with outbox.transaction() as connection:
        stuck = sa.update(message).where(message.c.message_id == 1)
        connection.execute(stuck.values(attempts=HOPELESS, error="too long", tried_at=NOW))
    assert claimed(outbox, "a") == "second"
    with outbox.transaction() as connection:
        mark_taken(connection, [3], NOW)
    assert [claimed(outbox, "a", minutes) for minutes in (9, 10)] == [None, "first"]
