"""Each of Dagster's programs alone, as in containers: whatever the order they come up in."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from mushroom_assets.automation.timetable import PARTITIONED
from mushroom_assets.service.ui import ask_ui
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.command import command_line, mushroom
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.server import Server, server_in
from mushroom_assets_tests.kit.servers import free_port, until
from mushroom_assets_tests.kit.small import FARM

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@dataclass
class Parts:
    """The programs by name, each with a home of its own, as in a container of its own."""

    folder: Path
    url: str
    page: int = field(default_factory=free_port)
    ui: int = field(default_factory=free_port)
    code: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def settings(self, name: str) -> dict[str, str]:
        """Of a part's machine."""
        return {
            "DATABASE_URL": self.url,
            "MUSHROOM_HOME": str(self.folder / name),
            "MUSHROOM_CONFIG": str(self.folder / "farm.yaml"),
            "MUSHROOM_IMAGE_ROOT": str(self.folder),
            "MUSHROOM_LOG_FORMAT": "json",
            "MUSHROOM_LOG_DIR": str(self.folder / "logs"),
        }

    def start(self, name: str) -> None:
        where = ["--code-server", f"127.0.0.1:{self.code}"]
        asked = {
            "page": ["--port", f"{self.page}"],
            "code-server": ["--port", f"{self.code}"],
            "webserver": ["--port", f"{self.ui}", *where],
            "daemon": where,
        }[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command_line("serve", name, *asked),
                env=os.environ | self.settings(name),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, name: str) -> int:
        process = self.running[name]
        process.terminate()
        return process.wait(60)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def healthy(self) -> bool:
        return self.says("health", "--port", str(self.ui))[0] == 0

    def says(self, *command: str) -> tuple[int, str]:
        """Exit code and output of a command on the webserver's machine."""
        done = mushroom(*command, **self.settings("webserver"))
        return done.exit_code, done.output

    def readers(self, name: str) -> int:
        """How many processes pass on the lines of a part."""
        children = psutil.Process(self.running[name].pid).children()
        return sum("log_lines" in " ".join(child.cmdline()) for child in children)

    def alive(self) -> bool:
        return all(process.poll() is None for process in self.running.values())


@pytest.fixture
def server() -> Iterator[Server]:
    """Not started."""
    with server_in("mushroom-serve-") as server:
        yield server


@pytest.fixture
def parts(server: Server, tmp_path: Path) -> Iterator[Parts]:
    (tmp_path / "farm.yaml").write_text(FARM.format(timezone="Asia/Shanghai"))
    parts = Parts(tmp_path, server.uri)
    yield parts
    for process in parts.running.values():
        process.terminate()
    for process in parts.running.values():
        process.wait(60)


def test_they_wait_for_the_database_and_for_each_other_and_one_restarts_alone(
    server: Server, parts: Parts
) -> None:
    for name in ("page", "daemon", "webserver", "code-server"):
        parts.start(name)
    for name in ("daemon", "webserver", "code-server"):
        until(lambda name=name: "failed, attempt 1" in parts.log(name))  # type: ignore[misc]
    server.start()
    until(parts.healthy)
    assert parts.alive()
    tables = "SELECT to_regclass('farm.daily_env_stats') IS NOT NULL"
    database = Database(server.uri, retry=NO_RETRY)
    with database.transaction() as connection:
        assert connection.scalar(sa.text(tables))
    database.dispose()

    others = {name: process.pid for name, process in parts.running.items()}
    del others["code-server"]
    assert parts.stop("code-server") == 143
    parts.start("code-server")
    until(lambda: parts.log("code-server").count("code server is up") == 2)
    query = "{workspaceOrError {... on Workspace {locationEntries {loadStatus "
    query += "locationOrLoadError {__typename}}}}}"

    def loaded() -> bool:
        told = ask_ui("127.0.0.1", parts.ui, query)
        (entry,) = told["workspaceOrError"]["locationEntries"]
        return bool(entry["locationOrLoadError"] == {"__typename": "RepositoryLocation"})

    until(loaded)
    until(parts.healthy)
    assert {name: parts.running[name].pid for name in others} == others
    assert parts.alive()
    assert [parts.readers(name) for name in parts.running] == [1, 1, 1, 1]
    code, told = parts.says("doctor")
    assert code == 0, told
    code, told = parts.says("status")
    assert code == 1  # of a farm without samples nothing is made
    assert [line.split()[0] for line in told.splitlines()[:5]] == ["asset", *PARTITIONED]

    for name in parts.running:
        assert parts.stop(name) == 143
        lines = parts.log(name).splitlines()
        assert all("event" in json.loads(line) for line in lines)
        kept = (parts.folder / "logs" / f"{name}.log").read_text().splitlines()
        assert [line for line in lines if line in set(kept)] == kept  # all but those before
        assert any("is up, pid" in line for line in kept)


def test_without_a_database_of_its_own_it_says_what_to_set() -> None:
    done = mushroom("serve", "daemon")
    assert done.exit_code == 1
    assert "DATABASE_URL is not set" in done.output


@pytest.mark.parametrize("given", ["code_server", "code_server:", ":4000", "code_server:70000"])
def test_a_code_server_is_named_by_host_and_port(given: str) -> None:
    done = mushroom("serve", "daemon", "--code-server", given, DATABASE_URL="postgresql://x/y")
    assert done.exit_code == 2
    assert "write it as HOST:PORT" in done.output
