"""`make watch-test`: an alert fires when the feed stops, the daemon dies or the database goes.

Alertmanager delivers it to a webhook, and takes it back when the cause is gone. And the dashboard's
queries are answered. It needs Debian's prometheus and prometheus-alertmanager; seven minutes, of
which three are the daemon's, who may be silent for so long.
"""

import datetime as dt
import json
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.kit.databases import NO_RETRY
from mushroom_assets_tests.kit.page import Page, page
from mushroom_assets_tests.kit.plant import put_samples, write_farm
from mushroom_assets_tests.kit.running import ZONE, Running, kill_all
from mushroom_assets_tests.kit.server import server_in
from mushroom_assets_tests.kit.servers import until
from tools.watch.stack import PROMETHEUS, ROOT, Stack, missing_tools, running_stack

if told := missing_tools():
    pytest.exit(told, returncode=1)
pytestmark = pytest.mark.timeout(900)
FARM = "timezone: Asia/Shanghai\nfirst_day: {first_day}\nrooms: {{'607': {{}}, '611': {{}}}}\n"
SILENT_S = 300.0  # three minutes, and some for the messages
MADE_S = 600.0
VECTORS = """
INSERT INTO farm.image_embedding (content_sha256, encoder, embedding, width, height, sharpness,
    brightness, computed_at)
SELECT n::text, 'e', '[1]', 1, 1, 1, 1, now() - n * interval '1 s' FROM generate_series(1, 9) n;
INSERT INTO farm.daily_clip_inference (image_path, model_id, room_id, image_date, captured_at,
    status, error, content_sha256, run_id, computed_at)
SELECT n::text, 'm', '607', current_date, now(), 'unreadable', '', n::text, 'r', now()
FROM generate_series(1, 9) n"""


def checked(*command: str) -> str:
    """What a program says of a file of ours that it finds no fault with."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROMETHEUS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "config", "prometheus.yml"),
        ("promtool", "check", "rules", "rules.yml"),
        ("promtool", "test", "rules", "rules.test.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    ],
    ids=" ".join,
)
def test_the_shipped_files_hold(command: tuple[str, ...]) -> None:
    assert "SUCCESS" in checked(*command)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A farm that is up, on a PostgreSQL of its own."""
    folder = tmp_path_factory.mktemp("farm")
    first_day = dt.datetime.now(ZONE).date() - dt.timedelta(days=2)
    farm = write_farm(folder / "farm.yaml", FARM.format(first_day=first_day))
    with server_in("mushroom-pg-") as server:
        server.start()
        running = Running(folder, server, farm)
        running.up()
        try:
            yield running
        finally:
            kill_all(running)


@pytest.fixture(scope="module")
def served(running: Running) -> Iterator[Page]:
    with page(running.environment, running.folder) as served:
        until(lambda: served.ready()["ready"], MADE_S)
        deliver(running, "607", "611")
        yield served


@pytest.fixture(scope="module")
def stack(served: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("watch"), served.port) as stack:
        yield stack


def deliver(running: Running, *rooms: str) -> None:
    """A sample of each room now, and one of 20 minutes ago that came late."""
    now = dt.datetime.now(dt.UTC)
    ages = (dt.timedelta(0), dt.timedelta(minutes=20))
    samples = [(room, "env", "sensor", "t", now - age, 20.0) for room in rooms for age in ages]
    database = Database(running.server.uri, retry=NO_RETRY)
    put_samples(database, samples, received=now.replace(tzinfo=None).isoformat())
    database.dispose()


def age_samples(running: Running, room: str) -> None:
    """As if the room had delivered nothing for a quarter of an hour."""
    database = Database(running.server.uri, retry=NO_RETRY)
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "DELETE FROM farm.sample USING farm.point WHERE point.point_id = sample.point_id"
            f" AND room_id = '{room}' AND sampled_at > now() - interval '16 min'"
        )
    database.dispose()


def test_a_room_whose_feed_stops_is_told_and_the_others_are_not(
    running: Running, stack: Stack
) -> None:
    assert stack.query("ALERTS{alertname='MushroomRoomSilent'}") == []
    age_samples(running, "611")
    stack.webhook.wait_for("MushroomRoomSilent", "firing")
    told = stack.webhook.texts["MushroomRoomSilent"]
    assert told.startswith("Room 611: nothing new from its sensors for 20m ")
    deliver(running, "607", "611")
    stack.webhook.wait_for("MushroomRoomSilent", "resolved")


def test_promtool_finds_no_fault_with_the_metrics(served: Page, stack: Stack) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=served.metrics().text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_query_of_the_dashboard_is_answered(running: Running, stack: Stack) -> None:
    """Once the timetable has made the days; images there are none, so rows stand for them."""
    until(
        lambda: (
            len(stack.query("mushroom_partition_newest_end_seconds")) == 4
            and len(stack.query('mushroom_result_newest_seconds{asset="daily_room_report"}')) == 2
        ),
        MADE_S,
    )
    database = Database(running.server.uri, retry=NO_RETRY)
    with database.transaction() as connection:
        connection.exec_driver_sql(VECTORS)
    database.dispose()
    dashboard = ROOT / "deploy" / "grafana" / "mushroom.json"
    panels = json.loads(dashboard.read_text(encoding="utf-8"))["panels"]
    queries = {target["expr"] for panel in panels for target in panel["targets"]}

    def silent() -> list[str]:
        return [query for query in queries if stack.query(query) == []]

    until(lambda: silent() == [])  # some figures are a minute old
    assert len(queries) > len(panels) / 2


def test_a_database_that_goes_is_told_and_what_follows_from_it_is_not(
    running: Running, stack: Stack
) -> None:
    running.server.crash()
    stack.webhook.wait_for("MushroomDatabaseAway", "firing")
    assert stack.query("mushroom_sample_newest_seconds") == []
    running.server.start()
    deliver(running, "607", "611")
    stack.webhook.wait_for("MushroomDatabaseAway", "resolved")
    assert "MushroomTablesWrong" not in stack.webhook.states


def test_a_daemon_that_dies_with_all_of_its_farm_is_told_until_the_farm_is_up_again(
    running: Running, stack: Stack
) -> None:
    started = running.kill_up()
    for process in started:
        if process.is_running():
            process.kill()
    psutil.wait_procs(started, timeout=30)
    stack.webhook.wait_for("MushroomDaemonSilent", "firing", SILENT_S)
    told = stack.webhook.texts["MushroomDaemonSilent"]
    assert told == "Dagster's daemon gives no heartbeat, nothing is scheduled"
    running.up()
    stack.webhook.wait_for("MushroomDaemonSilent", "resolved", SILENT_S)
