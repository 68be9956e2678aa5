"""Backup and restore by the very commands of `docs/care.md`: a farm at work, an empty server."""

import datetime as dt
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.faults.farm import fill
from mushroom_assets_tests.kit.command import command_line
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.dumps import BIN, contents, psql
from mushroom_assets_tests.kit.plant import materialize, write_farm
from mushroom_assets_tests.kit.running import ZONE, Running, kill_all, missing
from mushroom_assets_tests.kit.server import Server, server_in
from mushroom_assets_tests.kit.servers import until
from mushroom_assets_tests.kit.small import FARM

pytestmark = pytest.mark.long
CARE = Path(__file__).parent.parent.parent / "docs" / "care.md"
STATS = "daily_env_stats"
# What a running farm goes on to write; all else is still while it is dumped
STILL = ("farm.sample", "farm.point", "farm.batch", "farm.daily_env_stats")


def commands(program: str) -> list[str]:
    """The commands of the guide that run a program."""
    blocks = re.findall(r"```sh\n(.*?)```", CARE.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith(f"{program} ")]


def shell(command: str, folder: Path, url: str) -> None:
    environment = os.environ | {"DATABASE_URL": url, "PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-ec", command], cwd=folder, env=environment, check=True)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A farm that is up, with its days of climate made."""
    first = dt.datetime.now(ZONE).date() - dt.timedelta(days=6)
    text = FARM.format(timezone="Asia/Shanghai").replace("2025-01-01", f"{first}")
    farm = write_farm(tmp_path / "farm.yaml", text)
    with server_in("mushroom-pg-") as server:
        server.start()
        running = Running(tmp_path, server, farm)
        prepare(running)
        try:
            running.up()
            until(running.healthy)
            running.leave_only()  # nothing else writes while it is compared
            with running.instance() as instance:
                running.launch(STATS)
                until(lambda: not missing(instance, running, STATS))
            yield running
        finally:
            kill_all(running)


def prepare(running: Running) -> None:
    """Tables and samples."""
    command = command_line("init")
    subprocess.run(command, env=os.environ | running.environment, check=True)
    database = Database(running.server.uri, retry=NO_RETRY)
    fill(database, running.farm)
    database.dispose()


@pytest.fixture
def empty_server() -> Iterator[Server]:
    with server_in("mushroom-pg-") as server:
        server.start()
        yield server


def test_a_farm_at_work_is_dumped_and_goes_on_elsewhere(
    running: Running, empty_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (dump,) = commands("pg_dump")
    (restore,) = commands("pg_restore")
    shell(dump, tmp_path, running.server.uri)
    before = contents(running.server.uri)
    running.down()

    url = empty_server.uri
    shell(restore, tmp_path, url)
    restored = contents(url)
    assert restored.keys() == before.keys()
    assert {table: restored[table] for table in STILL} == {table: before[table] for table in STILL}
    assert restored["farm.sample"].rows == 2 * 3 * 48 * 6
    assert psql(url, "SELECT version_num FROM farm.alembic_version") == [[migrations.head()]]

    settings = running.environment | {"DATABASE_URL": url, "MUSHROOM_HOME": str(tmp_path / "new")}
    doctor = subprocess.run(
        command_line("doctor"),
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    monkeypatch.setenv("DATABASE_URL", url)
    with dg.DagsterInstance.from_config(str(tmp_path / "new" / "dagster")) as instance:
        made = instance.get_materialized_partitions(dg.AssetKey(STATS))
        assert set(running.keys(STATS)) <= made
        day = running.keys(STATS)[0]
        farm = running.farm
        file = tmp_path / "farm.yaml"
        done = materialize("daily_room_report", url, farm, day, farm_file=file, instance=instance)
        assert done.success
        assert day in instance.get_materialized_partitions(dg.AssetKey("daily_room_report"))
    verdicts = f"SELECT count(*) FROM farm.daily_room_report WHERE stat_date = '{day}'"
    assert psql(url, verdicts) == [["2"]]
