"""`mushroom web` as a process: it tells the truth while every other process of the farm is dead."""

import contextlib
import datetime as dt
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from mushroom_assets.service.readiness import PARTS
from mushroom_assets_tests.kit.command import command_line
from mushroom_assets_tests.kit.page import Page, page
from mushroom_assets_tests.kit.plant import write_farm
from mushroom_assets_tests.kit.running import ZONE, Running, kill_all
from mushroom_assets_tests.kit.server import server_in
from mushroom_assets_tests.kit.servers import free_port, until
from mushroom_assets_tests.kit.tcp_proxy import Fault, Proxy

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
FARM = "timezone: Asia/Shanghai\nfirst_day: {first_day}\nrooms: {{'607': {{}}, '611': {{}}}}\n"
AGO_S = 400  # more than a daemon or a sensor may be silent
# All times of the daemon, as columns and within what Dagster keeps as JSON
LONG_AGO = rf"""
UPDATE daemon_heartbeats SET timestamp = timestamp - interval '{AGO_S} s';
UPDATE job_ticks SET tick_body = regexp_replace(tick_body, '"timestamp": \d+\.\d+',
  '"timestamp": ' || (substring(tick_body from '"timestamp": (\d+\.\d+)')::numeric - {AGO_S}))"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A farm that began three days ago and is not up; its server does not run."""
    first_day = dt.datetime.now(ZONE).date() - dt.timedelta(days=3)
    farm = write_farm(tmp_path / "farm.yaml", FARM.format(first_day=first_day))
    with server_in("mushroom-pg-") as server:
        running = Running(tmp_path, server, farm)
        try:
            yield running
        finally:
            kill_all(running)


def is_away(served: Page) -> bool:
    """Whether it tells that the database is away, and then no number that it does not know."""
    told = served.ready()
    if told["parts"] != dict.fromkeys(PARTS, False):
        return False
    (reason,) = told["reasons"]
    assert reason["part"] == "database"
    metrics = served.metrics()
    assert [metrics("mushroom_ready", part=part) for part in PARTS] == [0] * len(PARTS)
    kinds = ("sample", "partition", "queue", "daemon", "runs", "table", "result")
    assert [name for name in metrics.names if name.split("_")[1] in kinds] == []
    return True


def test_it_starts_without_a_database_and_outlives_all_others(running: Running) -> None:
    with page(running.environment, running.folder) as served:
        assert is_away(served)
        running.up()
        until(lambda: "attempt 1 of 120, next in 5.0 s" in running.log.read_text())
        running.server.start()
        until(lambda: served.reasons() == {})
        well = served.metrics()
        assert [well("mushroom_ready", part=part) for part in PARTS] == [1] * len(PARTS)
        _kill_everything(running)
        with psycopg.connect(running.server.uri, autocommit=True) as connection:
            connection.execute(LONG_AGO.encode())
        _tells_dead_processes(served)
        running.server.crash()
        until(lambda: is_away(served))
        assert served.alive()
        running.server.start()
        until(lambda: served.ready()["parts"]["database"])
        _tells_dead_processes(served)
    assert served.process.returncode == 143  # SIGTERM, as `mushroom up` has it
    assert "Traceback" not in served.log.read_text()


def _kill_everything(running: Running) -> None:
    """All that `mushroom up` had started, and itself, as after an out-of-memory killer."""
    started = running.kill_up()
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(started, timeout=30)


def _tells_dead_processes(served: Page) -> None:
    def told() -> bool:
        return {"daemon", "timetable"} <= served.reasons().keys()

    until(told)
    (beats,) = served.reasons()["daemon"]
    assert beats.startswith("no heartbeat of the daemon for 3 minutes: ")
    assert any(
        fault.startswith("catching_up has not ticked well since ")
        for fault in served.reasons()["timetable"]
    )
    metrics = served.metrics()
    ready = {part: metrics("mushroom_ready", part=part) for part in PARTS}
    assert (ready["database"], ready["tables"]) == (1, 1)
    assert (ready["daemon"], ready["timetable"]) == (0, 0)
    age = metrics("mushroom_daemon_heartbeat_age_seconds", daemon="sensor")
    assert age is not None and age >= AGO_S


def test_a_database_that_never_answers_piles_up_no_threads(server_uri: str, tmp_path: Path) -> None:
    folder = conninfo_to_dict(server_uri)["host"]
    with Proxy(f"{folder}/.s.PGSQL.5432") as proxy:
        proxy.decide = lambda opening, commit: Fault.SWALLOW
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"
        given = {"DATABASE_URL": url, "MUSHROOM_HOME": str(tmp_path)}
        with page(given, tmp_path) as served, ThreadPoolExecutor(80) as growers:
            served.ready()
            process = psutil.Process(served.process.pid)
            before = process.num_threads()
            asked = [growers.submit(served.get, path) for path in ("/readyz", "/metrics") * 40]
            while not all(one.done() for one in asked):
                assert served.alive()
                assert process.num_threads() <= before + 3  # as many as there are looks
            assert [one.result()[0] for one in asked] == [503, 200] * 40
            assert is_away(served)
            proxy.decide = lambda opening, commit: None
            until(lambda: served.ready()["parts"]["database"])


def test_a_port_that_is_taken_is_told_in_a_line(tmp_path: Path, database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            command_line("web", "--port", port),
            env={"DATABASE_URL": database_url, "MUSHROOM_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    told = f"port {port} on 127.0.0.1 is in use by another program. Remedy: choose another"
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"mushroom: {told}")


def test_a_farm_with_the_embedded_database_is_looked_for_at_its_home(tmp_path: Path) -> None:
    with page({"MUSHROOM_HOME": str(tmp_path)}, tmp_path) as served:
        assert is_away(served)
        assert f"{tmp_path}/postgres" in served.reasons()["database"][0]
        assert not (tmp_path / "postgres" / "PG_VERSION").exists()  # nothing is begun


def test_both_formats_of_prometheus_are_served(tmp_path: Path) -> None:
    away = f"postgresql://grower@127.0.0.1:{free_port()}/farm"
    with page({"DATABASE_URL": away, "MUSHROOM_HOME": str(tmp_path)}, tmp_path) as served:
        plain = served.get("/metrics")[1]
        newer = served.get("/metrics", accept="application/openmetrics-text; version=1.0.0")[1]
        assert not plain.endswith("# EOF\n")
        assert newer.endswith("# EOF\n")
        assert served.get("/nothing")[0] == 404
