"""Who claims a home or a database, and how a second one is refused."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mushroom_assets.service import claim
from mushroom_assets.service.claim import farm_claimed, home_claimed
from mushroom_assets.service.home import ServerError
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.locks import ProcessLock, me
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.servers import until

HOLD = """
import sys, time
from pathlib import Path
from mushroom_assets.service.claim import home_claimed
with home_claimed(Path(sys.argv[1]), "http://127.0.0.1:3000") as descriptor:
    print("claimed", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "NAMED_S", 0.1)
    monkeypatch.setattr(claim, "TIDYING_S", 0.5)


def test_a_home_is_claimed_once_and_free_as_soon_as_its_holder_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE) as first:
        try:
            assert first.stdout is not None
            assert first.stdout.readline() == b"claimed\n"
            told = (
                rf"`mushroom up` \(pid {first.pid}\) already serves this home, {tmp_path}\. "
                rf"Remedy: stop it \(kill {first.pid}\), or use it at http://127\.0\.0\.1:3000"
            )
            with pytest.raises(ServerError, match=told), home_claimed(tmp_path, "http://x"):
                pass
        finally:
            first.send_signal(signal.SIGKILL)
    with home_claimed(tmp_path, "http://x"):
        named = (tmp_path / "up.lock").read_text(encoding="utf-8")
    assert named == f"{os.getpid()}\nhttp://x\n"


def test_a_home_that_is_being_tidied_is_waited_for_and_then_told(tmp_path: Path) -> None:
    with home_claimed(tmp_path, "http://x") as descriptor:
        os.ftruncate(descriptor, 0)  # as the guard does when its `mushroom up` is gone
        with pytest.raises(ServerError, match="is still being ended after"):
            with home_claimed(tmp_path, "http://x"):
                pass


@pytest.mark.parametrize("name", ["farm", "daemon"])
def test_a_database_that_has_a_farm_or_a_daemon_is_refused(database: Database, name: str) -> None:
    other = Database(database.url, retry=NO_RETRY, application_name=me("someone"))
    lock = ProcessLock(other, name)
    settings = load_settings({"DATABASE_URL": database.url})
    assert lock.take() is None
    with pytest.raises(ServerError, match=rf"already serves a farm: someone, pid {os.getpid()} on"):
        with farm_claimed(settings, database):
            pass
    lock.release()
    with farm_claimed(settings, database):
        assert ProcessLock(database, "farm").holder() is not None
    until(lambda: ProcessLock(database, "farm").holder() is None)
    other.dispose()


def test_a_claim_that_the_server_forgot_is_taken_again_or_the_farm_ends(database: Database) -> None:
    settings = load_settings({"DATABASE_URL": database.url})
    other = ProcessLock(Database(database.url, retry=NO_RETRY, application_name=me("x")), "farm")
    with contextlib.ExitStack() as stack:
        make_sure = stack.enter_context(farm_claimed(settings, database))
        end_sessions(database)
        make_sure()
        assert ProcessLock(database, "farm").holder() is not None
        end_sessions(database)
        assert other.take() is None
        with pytest.raises(ServerError, match="already serves a farm: x, pid"):
            make_sure()
    other.release()
    other.database.dispose()


def end_sessions(database: Database) -> None:
    """As a restart of the server does, for the sessions that hold a lock."""
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
