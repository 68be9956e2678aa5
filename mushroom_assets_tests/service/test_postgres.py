"""The embedded PostgreSQL: where it cannot start, is killed, or loses those who use it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from mushroom_assets.service.home import ServerError
from mushroom_assets.service.postgres import (
    Cluster,
    Postmaster,
    embedded_postgres,
    server_pid,
)
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.servers import until

USE = """
import sys, time
from pathlib import Path
from mushroom_assets.service.postgres import embedded_postgres
with embedded_postgres(Path(sys.argv[1])):
    print("used", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mushroom-pg-"))  # short: a socket's path holds 107 bytes
    yield folder / "pg"
    shutil.rmtree(folder)


def test_an_embedded_database_that_cannot_start_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(
        ServerError, match=r"embedded PostgreSQL in .* does not start.*or set DATABASE_URL"
    ):
        with embedded_postgres(tmp_path / "postgres"):
            pass


def test_a_server_that_is_killed_comes_back_at_the_same_address(data: Path) -> None:
    with embedded_postgres(data) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        postmaster = Postmaster("postgres", Cluster.at(data))
        postmaster.start()
        killed = server_pid(data)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)

        def back() -> bool:
            postmaster.watch()
            return server_pid(data) not in (None, killed)

        until(back, 60)
        postmaster.cluster.wait_until_ready()
        assert postmaster.cluster.uri() == url
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT answer FROM kept").fetchone()
        assert row == (42,)
    assert server_pid(data) is None


def test_the_last_one_stops_it_and_a_killed_one_does_not_count(data: Path) -> None:
    with embedded_postgres(data):
        command = [sys.executable, "-c", USE, str(data)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"used\n"
            other.send_signal(signal.SIGKILL)
        with embedded_postgres(data):
            pass
        assert server_pid(data) is not None  # one is left
    assert server_pid(data) is None


def test_a_pid_that_is_another_servers_after_a_restart_of_the_machine_is_left_alone(
    data: Path,
) -> None:
    other = data.parent / "other"
    with embedded_postgres(data):
        pass
    with embedded_postgres(other) as url:
        pid_file = (other / "postmaster.pid").read_text(encoding="utf-8")
        stale = pid_file.replace(str(other), str(data))
        (data / "postmaster.pid").write_text(stale, encoding="utf-8")
        running = server_pid(other)
        assert running is not None
        assert server_pid(data) is None
        with embedded_postgres(data) as mine, psycopg.connect(mine) as connection:
            assert server_pid(data) not in (None, running)
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert server_pid(other) == running
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_home_that_was_moved_is_told_and_not_raised(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = Path(f"{data.parent}-moved")
    with embedded_postgres(data):
        pid = server_pid(data)
        assert pid is not None
        data.parent.rename(moved)
    assert "PostgreSQL is left running" in caplog.text
    moved.rename(data.parent)
    assert server_pid(data) == pid
    os.kill(pid, signal.SIGQUIT)
    until(lambda: server_pid(data) is None, 30)


def test_a_data_directory_whose_path_is_too_long_for_a_socket_is_served(data: Path) -> None:
    long = data.parent / ("x" * 100) / "pg"
    with embedded_postgres(long) as url, psycopg.connect(url) as connection:
        assert str(long) not in url
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_home_may_be_called_anything(data: Path) -> None:
    with embedded_postgres(data.parent / "a b'c$%20&d" / "pg") as uri:
        assert psycopg.connect(uri).execute("SELECT 1").fetchone() == (1,)
        with Database(uri, retry=NO_RETRY).transaction() as connection:
            assert connection.exec_driver_sql("SELECT 2").scalar() == 2
        # As Dagster's storage reaches it
        with sa.create_engine(
            uri.replace("postgresql:", "postgresql+psycopg2:")
        ).connect() as there:
            assert there.exec_driver_sql("SELECT 3").scalar() == 3
