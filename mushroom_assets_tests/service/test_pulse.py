"""A process that lives and does nothing is ended, and started again by whoever watches it."""

import os
import signal
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest

from mushroom_assets.service.children import Child
from mushroom_assets.service.pulse import Heartbeats, Pulse, Sign
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.servers import until

BEATS = "CREATE TABLE daemon_heartbeats (timestamp timestamp)"
DAEMON = """
import sys, time, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    while True:
        connection.execute("INSERT INTO daemon_heartbeats VALUES (localtimestamp)")
        time.sleep(0.1)
"""


@pytest.fixture
def daemon(database: Database) -> Iterator[Child]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(BEATS)
    daemon = Child("daemon", [sys.executable, "-c", DAEMON, database.url], os.environ)
    daemon.wait = 0.1
    yield daemon
    daemon.stop()


def test_a_daemon_that_hangs_is_killed_and_beats_again(daemon: Child, database: Database) -> None:
    pulse = Pulse(daemon, Heartbeats(database, expected=True).sign, limit_s=2)
    daemon.start()
    until(lambda: pulse.sign() is Sign.ALIVE, 20)
    halted = daemon.process
    assert halted is not None
    halted.send_signal(signal.SIGSTOP)
    begun = time.monotonic()

    def another() -> bool:
        pulse.feel()
        daemon.watch()
        return daemon.process not in (None, halted)

    until(another, 20)
    assert halted.returncode == -signal.SIGKILL
    assert time.monotonic() - begun >= 2 - 0.5  # counted from its last beat
    until(lambda: pulse.sign() is Sign.ALIVE, 20)


def test_a_database_that_is_away_is_no_fault_of_the_daemon(daemon: Child) -> None:
    away = Database("postgresql://grower@127.0.0.1:1/farm", retry=NO_RETRY)
    assert Heartbeats(away, expected=True).sign() is Sign.UNKNOWN


def test_where_no_beat_was_ever_seen_none_is_missed(daemon: Child, database: Database) -> None:
    beats = Heartbeats(database, expected=False)
    assert [beats.sign(), beats.sign()] == [Sign.UNKNOWN, Sign.UNKNOWN]
    assert Heartbeats(database, expected=True).sign() is Sign.SILENT


def test_who_says_that_it_cannot_serve_is_killed_after_the_third_time() -> None:
    child = Child("server", [sys.executable, "-c", "import time; time.sleep(600)"], os.environ)
    signs = iter([Sign.GONE, Sign.GONE, Sign.ALIVE, Sign.GONE, Sign.GONE, Sign.GONE])
    pulse = Pulse(child, lambda: next(signs))
    child.start()
    assert child.process is not None
    for _ in range(5):
        pulse.feel()
    time.sleep(0.2)
    assert child.process.poll() is None
    pulse.feel()
    assert child.process.wait(10) == -signal.SIGKILL
