"""A farm at work: results follow what comes late, then it is dumped and goes on elsewhere.

Backup and restore are the very commands of `docs/care.md`. Both tests share the farm, and the last
one ends it.
"""

import datetime as dt
import os
import re
import subprocess
import time
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
from mushroom_assets_tests.kit.running import UNFINISHED, ZONE, Running, kill_all, missing
from mushroom_assets_tests.kit.server import Server, server_in
from mushroom_assets_tests.kit.servers import until
from mushroom_assets_tests.kit.small import FARM
from mushroom_assets_tests.service.late import HOURLY, REPORT, STATS, SWITCHES, Late

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
CARE = Path(__file__).parent.parent.parent / "docs" / "care.md"
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


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A farm that is up, with its days of climate made."""
    folder = tmp_path_factory.mktemp("running")
    first = dt.datetime.now(ZONE).date() - dt.timedelta(days=6)
    text = FARM.format(timezone="Asia/Shanghai").replace("2025-01-01", f"{first}")
    farm = write_farm(folder / "farm.yaml", text)
    with server_in("mushroom-pg-") as server:
        server.start()
        running = Running(folder, server, farm)
        prepare(running)
        try:
            running.up()
            until(running.healthy)
            running.leave_only(*SWITCHES)
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
    Late(running).before()


@pytest.fixture
def empty_server() -> Iterator[Server]:
    with server_in("mushroom-pg-") as server:
        server.start()
        yield server


def make_all(running: Running, late: Late) -> None:
    """Setpoints and reports, from the backlog's day on."""
    with running.instance() as instance:
        for asset in (HOURLY, REPORT):
            running.launch(asset, since=f"{late.backlog}")
            own = {key for key in running.keys(asset) if key >= f"{late.backlog}"}
            until(lambda: not own & missing(instance, running, asset))  # noqa: B023
    until(late.at_rest, 300)


def test_what_comes_late_is_computed_once_for_all_and_nobody_asks(running: Running) -> None:
    late = Late(running)
    make_all(running, late)
    assert late.runs() == []
    assert late.moves("cooler_2", late.at(late.backlog, "22:00"), 2) == []
    begun = time.monotonic()
    late.come()
    until(late.at_rest, 300)  # of it two minutes around the hourly tick
    print(f"up to date after {time.monotonic() - begun:.0f} s and {len(late.runs())} runs")  # noqa: T201 - seen with -s

    assert late.moves("cooler_2", late.at(late.backlog, "22:00"), 2) == [
        (late.at(late.backlog, "22:58"), 18.0, 17.0)
    ]
    # Its own hour, and the hour of the next sample; 18.0 was the last value of the day before
    assert late.moves("cooler_A", late.at(late.single, "00:00"), 2) == [
        (late.at(late.single, "00:00"), 18.0, 17.0),
        (late.at(late.single, "00:40"), 17.0, 19.0),
        (late.at(late.single, "01:00"), 19.0, 17.0),
    ]
    # Each sample holds for 15 minutes
    counts = {day: late.stats("A", day)["sample_count"] for day in (late.single, late.deleted)}
    assert counts == {late.single: 49, late.deleted: 47}
    for day, count in counts.items():
        assert late.stats("A", day)["coverage"] == pytest.approx(count * 900 / 86400)
    values = [17 + step % 5 / 2 for step in range(3 * 48, 4 * 48)]
    assert late.stats("A", late.single)["mean"] == pytest.approx(sum([*values, 18.5]) / 49)
    assert [late.stats("B", day)["growth_day"] for day in (late.batch, late.single)] == [1, 1]
    assert late.stats("B", late.backlog)["growth_day"] is None
    for asset in (STATS, HOURLY, REPORT):
        assert late.would_change(asset) == ""
    for day in (late.backlog, late.batch, late.single, late.deleted):
        assert late.making(day) <= 3


def test_a_farm_at_work_is_dumped_and_goes_on_elsewhere(
    running: Running, empty_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.leave_only()  # nothing else writes while it is compared
    with running.instance() as instance:
        until(lambda: not instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)))
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
    assert restored["farm.sample"].rows >= 2 * 3 * 48 * 6
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
        file = running.folder / "farm.yaml"
        done = materialize("daily_room_report", url, farm, day, farm_file=file, instance=instance)
        assert done.success
        assert day in instance.get_materialized_partitions(dg.AssetKey("daily_room_report"))
    verdicts = f"SELECT count(*) FROM farm.daily_room_report WHERE stat_date = '{day}'"
    assert psql(url, verdicts) == [["2"]]
