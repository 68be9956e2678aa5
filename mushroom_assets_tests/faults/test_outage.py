"""One outage, one deadline: the layers that wait for a server do not multiply."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest
from pydantic import PrivateAttr

from mushroom_assets.automation.timetable import RETRY
from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.faults.outage import Outage
from mushroom_assets.faults.retry import Retry
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.resources import PostgresResource
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.clock import Clock
from mushroom_assets_tests.kit.servers import free_port

STEP_ATTEMPTS = 1 + RETRY.max_retries
AT_ONCE = dg.RetryPolicy(max_retries=RETRY.max_retries)
DEADLINE_S = 150.0


def nowhere() -> str:
    return f"postgresql://farm@127.0.0.1:{free_port()}/farm"


@contextmanager
def counting(
    monkeypatch: pytest.MonkeyPatch, connects: list[float], clock: Clock
) -> Iterator[None]:
    """Note when something tried to connect."""
    engine = Database.engine

    def counted(database: Database) -> object:
        connects.append(clock.now)
        return engine.fget(database)  # type: ignore[attr-defined]

    with monkeypatch.context() as patch:
        patch.setattr(Database, "engine", property(counted))
        yield


def test_a_step_that_is_retried_waits_for_one_outage_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    connects: list[float] = []
    began: list[int] = []

    class Timed(PostgresResource):
        _sleep: Any = PrivateAttr(default_factory=lambda: clock.sleep)
        _clock: Any = PrivateAttr(default_factory=lambda: clock)

    @dg.op(retry_policy=AT_ONCE)
    def work(postgres: Timed) -> None:
        clock.sleep(20 if began else 0)  # the policy's waits are longer still
        began.append(len(connects))
        with permanent_faults_fail_at_once(), postgres.transaction():
            pass

    @dg.job
    def job() -> None:
        work()

    doors = {"postgres": Timed(url=nowhere())}
    with counting(monkeypatch, connects, clock):
        result = job.execute_in_process(resources=doors, raise_on_error=False)
    assert not result.success
    of_attempt = [
        end - start for start, end in zip(began, [*began[1:], len(connects)], strict=True)
    ]
    assert len(of_attempt) == STEP_ATTEMPTS
    assert of_attempt[0] > DEADLINE_S / 20  # waits of at most 20 s fill the deadline
    assert of_attempt[1:] == [1] * RETRY.max_retries
    assert clock.now <= DEADLINE_S + 20 * RETRY.max_retries


def test_after_the_server_answered_there_is_a_deadline_again() -> None:
    clock = Clock()
    outage = Outage(clock)
    retry = Retry(deadline_s=DEADLINE_S)
    assert outage.end() is None
    outage.begin()
    clock.sleep(100)
    outage.begin()  # the same one
    assert outage.left(retry).deadline_s == 50
    clock.sleep(100)
    assert outage.left(retry).deadline_s == 0
    assert outage.end() == 200
    assert outage.left(retry) == retry


def test_a_call_after_the_deadline_is_one_attempt() -> None:
    clock = Clock()
    tried = Retry(attempts=1000, base_s=1, cap_s=5, deadline_s=DEADLINE_S)
    database = Database(nowhere(), retry=tried, sleep=clock.sleep, clock=clock)
    with pytest.raises(DatabaseUnavailable, match=r"after \d{2} attempts in 1[45]\d s"):
        database.connect()
    clock.sleep(5)  # the longest wait: nothing is left of the deadline
    with pytest.raises(DatabaseUnavailable, match="after 1 attempts in 0 s"):
        database.connect()
    database.dispose()
