"""A server that stays connected and never answers is given up; a patient connection waits."""

import time

import pytest
import sqlalchemy as sa

from mushroom_assets.faults.database import DatabaseUnavailable, is_transient
from mushroom_assets.storage.answering import be_patient
from mushroom_assets.storage.connection import Database, Limits
from mushroom_assets_tests.kit.databases import NO_RETRY

SLOW = sa.text("SELECT pg_sleep(0.6)")


def test_silence_ends_the_work_and_the_next_has_a_new_connection(database_url: str) -> None:
    database = Database(database_url, Limits(answer_s=0.2), NO_RETRY)
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable) as caught, database.transaction() as connection:
        connection.execute(SLOW)
    assert 0.2 <= time.monotonic() - began < 0.6
    assert "the server is silent: no answer in 0.2 s. Remedy: see that Postgre" in str(caught.value)
    assert is_transient(caught.value)
    with database.transaction() as connection:
        assert connection.scalar(sa.text("SELECT 6 * 7")) == 42
    database.dispose()


def test_a_patient_connection_and_one_with_a_timeout_of_its_own_wait(database_url: str) -> None:
    impatient = Database(database_url, Limits(answer_s=0.2), NO_RETRY)
    with impatient.session() as connection:
        be_patient(connection)
        connection.execute(SLOW)
    impatient.dispose()
    url = f"{database_url}&options=-c%20statement_timeout%3D0"
    own = Database(url, Limits(answer_s=0.2), NO_RETRY)
    with own.transaction() as connection:
        connection.execute(SLOW)
    own.dispose()
