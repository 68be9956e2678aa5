"""`mushroom up` loses one process after the other, then itself: the farm is served again each time.

All tests share one farm on its embedded PostgreSQL; the last ones end it.
"""

import contextlib
import datetime as dt
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import psycopg
import pytest

from mushroom_assets.service.asking import embedded_url
from mushroom_assets.service.code_server import Endpoint, sign
from mushroom_assets.service.health import fault
from mushroom_assets.service.postgres import server_pid
from mushroom_assets.service.pulse import Sign
from mushroom_assets.service.ui import answers, ask_ui
from mushroom_assets.settings import load_settings
from mushroom_assets_tests.kit.command import command_line
from mushroom_assets_tests.kit.servers import free_port, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
BACK_S = 60.0
GONE_S = 10.0
PREFIX = "/farm"
# What its command line shows of each process below `mushroom up`
SHOWS = {
    "guard": "guard.py",
    "code server": "code-server start",
    "inner code server": "api grpc",
    "webserver": "dagster_webserver",
    "daemon": "dagster-daemon",
    "page": "cli.main web",
}
ALL = {*SHOWS, "postgres"}
RELOAD = """mutation {
  reloadRepositoryLocation(repositoryLocationName: "mushroom_assets") {__typename}
}"""
SCHEDULES = """{schedulesOrError(
  repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "mushroom_assets"
  }
) {... on Schedules {results {name id scheduleState {status}}}}}"""
SCHEDULE = "daily_env_stats_schedule"


@dataclass
class Farm:
    """A farm's home and the `mushroom up` on it."""

    folder: Path
    port: int = field(default_factory=free_port)
    page_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    seen: set[psutil.Process] = field(default_factory=set)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.page_port}"

    def environment(self) -> dict[str, str]:
        settings = {"MUSHROOM_HOME": self.home, "MUSHROOM_CONFIG": self.folder / "farm.yaml"}
        return os.environ | {name: str(value) for name, value in settings.items()}

    def write(self, rooms: str) -> None:
        first_day = dt.datetime.now(ZoneInfo("Asia/Shanghai")).date() - dt.timedelta(days=1)
        text = f"timezone: Asia/Shanghai\nfirst_day: {first_day}\nrooms: {rooms}\n"
        (self.folder / "farm.yaml").write_text(text, encoding="utf-8")

    def launch(self, *options: str) -> None:
        """Start the command."""
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command_line(
                    *("up", "--no-demo", "--port", self.port, "--page-port", self.page_port),
                    *("--path-prefix", PREFIX, *options),
                ),
                env=self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def fault(self) -> str | None:
        prefixed = self.environment() | {"MUSHROOM_PATH_PREFIX": PREFIX}
        return fault(load_settings(prefixed), "127.0.0.1", self.port)

    def ask(self, query: str) -> dict[str, Any]:
        """What the UI answers."""
        return ask_ui("127.0.0.1", self.port, query, timeout_s=60, prefix=PREFIX)

    def serves(self) -> bool:
        """Whether all processes are there and the definitions can be loaded anew."""
        code_server = Endpoint(socket=str(self.home / "code.sock"))
        there = set(self.look()) == ALL and answers(f"{self.page}/healthz")
        return there and sign(code_server) is Sign.ALIVE and self.fault() is None

    def look(self) -> dict[str, psutil.Process]:
        """The processes by name, all remembered."""
        assert self.process is not None
        below = psutil.Process(self.process.pid).children(recursive=True)
        self.seen.update(below)
        found: dict[str, psutil.Process] = {}
        for process in below:
            line = ""
            with contextlib.suppress(psutil.Error):  # it ends just now
                line = " ".join(process.cmdline())
            found |= {name: process for name, shown in SHOWS.items() if shown in line}
        pid = server_pid(self.home / "postgres")
        if pid is not None:
            found["postgres"] = psutil.Process(pid)
            self.seen.add(found["postgres"])
        return found

    def living(self) -> list[psutil.Process]:
        dead = psutil.STATUS_ZOMBIE
        return [one for one in self.seen if one.is_running() and one.status() != dead]

    def end(self) -> None:
        """Whatever a test left is killed: first by the guard, then by us."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        deadline = time.monotonic() + 2 * GONE_S
        while self.living() and time.monotonic() < deadline:
            time.sleep(0.1)
        for process in self.living():
            process.kill()


@pytest.fixture(scope="module")
def farm() -> Iterator[Farm]:
    farm = Farm(Path(tempfile.mkdtemp(prefix="mushroom-up-")))  # short: it holds sockets
    farm.write('{"607": {}}')
    try:
        farm.launch()
        until(farm.serves, BACK_S)
        yield farm
    finally:
        farm.end()
        shutil.rmtree(farm.folder, ignore_errors=True)


def run_started(farm: Farm) -> bool:
    """Whether a backfill of yesterday, launched as the UI does it, gets a run that starts.

    The daemon queues and launches it by the code server.
    """
    day = dt.datetime.now(ZoneInfo("Asia/Shanghai")).date() - dt.timedelta(days=1)
    wanted = f'assetSelection: [{{path: ["daily_env_stats"]}}], partitionNames: ["{day}"]'
    launch = f"launchPartitionBackfill(backfillParams: {{{wanted}}})"
    asked = f"mutation {{{launch} {{... on LaunchBackfillSuccess {{backfillId}}}}}}"
    told = farm.ask(asked)
    tag = f'{{key: "dagster/backfill", value: "{told["launchPartitionBackfill"]["backfillId"]}"}}'
    runs = f"{{runsOrError(filter: {{tags: [{tag}]}}) {{... on Runs {{results {{startTime}}}}}}}}"
    until(
        lambda: any(run["startTime"] for run in farm.ask(runs)["runsOrError"]["results"]),
        BACK_S,
    )
    return True


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_killed_process_is_back_and_the_farm_served_within_a_minute(
    farm: Farm, name: str
) -> None:
    begun = time.monotonic()
    killed = farm.look()[name]
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: farm.look().get(name, killed) != killed, BACK_S)
    until(farm.serves, BACK_S)
    assert time.monotonic() - begun < BACK_S


def test_the_page_is_told_with_the_other_addresses_and_finds_the_farm_ready(farm: Farm) -> None:
    told = (farm.folder / "log").read_text(encoding="utf-8")
    assert f"\n  Watching   {farm.page}/readyz " in told
    until(lambda: status_of(f"{farm.page}/readyz") == 200, BACK_S)


def status_of(address: str) -> int:
    """Of what a server answers."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_daemon_and_webserver_found_the_code_server_again(farm: Farm) -> None:
    assert run_started(farm)


def test_reload_definitions_picks_up_the_farm_file_with_a_mistake_and_mended(farm: Farm) -> None:
    before = farm.look()
    farm.write('{"607": {}, "611": {folder: "607"}}')
    farm.ask(RELOAD)
    told = farm.fault()
    assert told is not None
    assert re.match("the definitions do not load: .*607.* Remedy: ", told)
    time.sleep(8)  # the supervisor looks every 2 s, and three times
    assert farm.fault() == told
    farm.write('{"607": {}, "611": {}}')
    farm.ask(RELOAD)
    until(lambda: farm.fault() is None, BACK_S)
    after = farm.look()
    same = {name for name in before if before[name] == after[name]}
    assert same == ALL - {"inner code server"}


def test_an_inner_server_outlives_a_code_server_that_is_silent_for_a_minute(
    farm: Farm,
) -> None:
    """By default it would end itself: https://github.com/dagster-io/dagster/issues/24050."""
    before = farm.look()
    before["code server"].suspend()
    time.sleep(62)  # twice its limit: it looks that often
    before["code server"].resume()
    until(farm.serves, BACK_S)
    assert farm.look() == before


def test_a_second_one_on_the_home_is_told_who_serves_it_and_where(farm: Farm) -> None:
    done = subprocess.run(
        command_line("up", "--no-demo", "--port", farm.port, "--page-port", 0),
        env=farm.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert farm.process is not None
    pid = farm.process.pid
    assert (done.returncode, done.stdout) == (
        1,
        f"mushroom: `mushroom up` (pid {pid}) already serves this home, {farm.home}. Remedy: stop "
        f"it (kill {pid}), or use it at http://127.0.0.1:{farm.port}{PREFIX}\n",
    )


def test_a_daemon_that_hangs_is_told_until_another_beats(farm: Farm) -> None:
    daemon = farm.look()["daemon"]
    daemon.suspend()
    url = embedded_url(farm.home / "postgres")
    assert url is not None
    with psycopg.connect(url) as connection:  # as if 200 s had gone by
        connection.execute(
            r"UPDATE daemon_heartbeats SET body = regexp_replace(body, '(\d{10}\.\d+)',"
            r" (substring(body from '\d{10}\.\d+')::numeric - 200)::text)"
        )
    told = farm.fault()
    assert told is not None
    assert re.match("no heartbeat of the daemon for 3 minutes: .*SCHEDULER", told)
    daemon.kill()
    until(lambda: farm.fault() is None, BACK_S)


def switches(farm: Farm) -> dict[str, str]:
    """Whether each schedule is on, as the UI shows it."""
    found = farm.ask(SCHEDULES)["schedulesOrError"]["results"]
    return {each["name"]: each["scheduleState"]["status"] for each in found}


def switch_off(farm: Farm, name: str) -> None:
    """As the UI does it."""
    found = farm.ask(SCHEDULES)["schedulesOrError"]["results"]
    (number,) = (each["id"] for each in found if each["name"] == name)
    farm.ask(f'mutation {{stopRunningSchedule(id: "{number}") {{__typename}}}}')


def test_after_its_own_kill_all_is_gone_in_ten_seconds_and_the_next_start_takes_over(
    farm: Farm,
) -> None:
    before = switches(farm)
    assert before[SCHEDULE] == "RUNNING"
    switch_off(farm, SCHEDULE)
    farm.look()
    old = set(farm.seen)
    assert farm.process is not None
    farm.process.kill()
    killed = time.monotonic()
    farm.process.wait()
    farm.launch("--read-only")  # while the guard is still at work
    until(lambda: not [one for one in farm.living() if one in old], GONE_S)
    assert time.monotonic() - killed < GONE_S
    until(farm.serves, BACK_S)
    assert not old & set(farm.look().values())
    assert switches(farm) == before | {SCHEDULE: "STOPPED"}  # what was switched off stays off
    assert farm.ask("{permissions {permission value}}")
    told = farm.ask(RELOAD)["reloadRepositoryLocation"]["__typename"]
    assert told == "UnauthorizedError"  # read-only
    until(lambda: answers(f"{farm.page}/healthz"), BACK_S)
    with urllib.request.urlopen(f"{farm.page}/login") as answer:
        assert "This page is for reading only." in answer.read().decode()


def test_a_terminal_that_closes_stops_all_and_who_presses_on_cuts_nothing_short(
    farm: Farm,
) -> None:
    farm.look()
    assert farm.process is not None
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        farm.process.send_signal(number)
        time.sleep(0.3)
    # 0, of Ctrl-C, where the machine is so busy that the process sees two of them at once
    assert farm.process.wait(60) in (129, 0)
    until(lambda: not farm.living(), 5)
    assert server_pid(farm.home / "postgres") is None
