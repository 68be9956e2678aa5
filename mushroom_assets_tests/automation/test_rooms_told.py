"""People are told of their rooms: once, and once more when it is over, whatever goes wrong between.

A real receiver on loopback counts what arrives. Rooms A and B have a temperature band of 17 to 19;
the farm is in Shanghai, NOW is 12:00 there.
"""

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from psycopg.conninfo import conninfo_to_dict

from mushroom_assets.automation import room_sensor
from mushroom_assets.automation.targets import NotDelivered
from mushroom_assets.definitions import build_definitions
from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
from mushroom_assets.storage.schema import alarm, message
from mushroom_assets.storage.setting import append_setting
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.small import Build, SmallFarm
from mushroom_assets_tests.kit.tcp_proxy import Fault, Proxy
from mushroom_assets_tests.kit.webhook import Webhook, listening

NOW = dt.datetime(2026, 3, 10, 4, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
TODAY = dt.date(2026, 3, 10)
YESTERDAY = "2026-03-09"


class Told:
    """A farm whose people are told, looked at by the clock of the test."""

    def __init__(self, small: SmallFarm, monkeypatch: pytest.MonkeyPatch) -> None:
        self.small = small
        self.now = NOW
        self.monkeypatch = monkeypatch
        self.images = small.path.parent / "images"
        self.images.mkdir(exist_ok=True)
        monkeypatch.setattr(room_sensor, "clock", lambda: self.now)
        self.restart()

    def restart(self) -> None:
        """Another process: what the former one remembered is gone."""
        self.sensor = room_sensor.room_sensor(self.small.farm, on=True)

    def tell(self, *urls: str) -> None:
        """Who is told."""
        self.monkeypatch.setenv("MUSHROOM_NOTIFY", " ".join(urls))

    def tick(self, minutes: float = 0, url: str | None = None) -> str:
        """A tick so many minutes later: what it says."""
        self.now += minutes * MINUTE
        with dg.build_sensor_context(self.small.instance, resources=self.doors(url)) as context:
            return self.sensor.evaluate_tick(context).skip_message or ""

    def doors(self, url: str | None = None) -> dict[str, Any]:
        """The resources of a tick."""
        return {
            "postgres": PostgresResource(url=url or self.small.database.url, connect_attempts=1),
            "image_store": ImageStore(root=str(self.images), attempts=1),
            "farm_file": FarmFile(path=str(self.small.path)),
        }

    def warm(self, value: float, minutes: int, room: str = "A", until: float = 0) -> None:
        """A temperature each minute for so many minutes, until so many ago."""
        steps = range(1, minutes + 1)
        last = self.now - until * MINUTE
        self.small.put([(room, "t", last - step * MINUTE, value) for step in steps])

    def report(self, room: str, verdict: str, text: str = "", day: str = YESTERDAY) -> None:
        """The verdict of a room's day, in the place of another."""
        reason = f'{{"severity": "{verdict}", "code": "in_range", "text": "{text}"}}'
        self.small.execute(
            "INSERT INTO farm.daily_room_report VALUES "
            f"('{day}', '{room}', '{verdict}', '[{reason if text else ''}]', '', 'run', now()) "
            "ON CONFLICT (stat_date, room_id) DO UPDATE "
            "SET verdict = excluded.verdict, reasons = excluded.reasons"
        )

    def rows(self, table: Any) -> list[Any]:
        with self.small.database.transaction() as connection:
            return list(connection.execute(table.select()))


@pytest.fixture
def webhooks() -> Iterator[list[Webhook]]:
    with listening(2) as found:
        yield found


@pytest.fixture
def webhook(webhooks: list[Webhook]) -> Webhook:
    return webhooks[0]


@pytest.fixture
def farm(build: Build, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> Told:
    return told(build(), webhook, monkeypatch)


def told(small: SmallFarm, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> Told:
    """A farm with a crop of ten days in both rooms, well until an hour ago."""
    found = Told(small, monkeypatch)
    found.tell(webhook.url)
    for room in "AB":
        put_batch(small.database, room, dt.date(2026, 3, 1))
        found.warm(18, 240, room, until=60)
    return found


def test_a_room_out_of_its_band_is_told_once_and_once_more_when_it_is_over(
    farm: Told, webhook: Webhook
) -> None:
    farm.warm(18, 31, until=29)
    farm.warm(20, 29)
    farm.warm(18, 60, "B")
    assert farm.tick() == "Nothing new to tell."
    farm.warm(20, 1, until=-1)
    assert farm.tick(1) == "1 new messages, 1 taken"
    (first,) = webhook.posted
    assert (first["title"], first["type"]) == ("Look at A", "failure")
    assert first["message"] == (
        "‼ A: temperature 20.0 °C, above 19.0 °C for 30 min, since 11:31\n"
        "http://127.0.0.1:3000/assets/daily_env_stats"
    )
    farm.tick(1)
    farm.restart()
    farm.tick(1)
    for room, value in (("A", 20), ("B", 18)):
        farm.warm(value, 13, room, until=-7)
    farm.tick(7)
    assert webhook.titles == ["Look at A"]
    for room in "AB":
        farm.warm(18, 45, room, until=-45)
    for minutes in (1, 29):  # over since 12:11
        farm.tick(minutes)
    assert webhook.titles == ["Look at A"]
    farm.tick(1)
    assert webhook.titles == ["Look at A", "Over: A"]
    over = webhook.posted[-1]
    assert over["type"] == "success"
    line = over["message"].splitlines()[0]
    assert line == "✓ A: temperature back in its band, now 18.0 °C, since 12:11"
    farm.tick(1)
    assert len(webhook.posted) == 2
    ended = [(row.kind, row.room_id, row.name) for row in farm.rows(alarm) if row.ended_at]
    assert ended == [("band", "A", "temperature")]


def test_the_band_is_the_one_that_was_set_for_the_room_from_today_on(
    farm: Told, webhook: Webhook
) -> None:
    farm.warm(20, 60)
    farm.warm(20, 60, "B")
    with farm.small.database.transaction() as connection:
        wider = {"key": "stages.all.bands.temperature", "value": [17, 21], "room_id": "A"}
        said = {"valid_from": TODAY, "author": "Li", "reason": "summer"}
        append_setting(connection, wider | said)
    farm.tick()
    assert webhook.titles == ["Look at B"]


def test_without_anybody_to_tell_nothing_is_looked_at(farm: Told) -> None:
    farm.monkeypatch.delenv("MUSHROOM_NOTIFY")
    farm.warm(20, 60)
    assert "MUSHROOM_NOTIFY" in farm.tick(url="postgresql://farm@127.0.0.1:1/farm")
    assert farm.rows(alarm) == farm.rows(message) == []


def test_the_sensor_of_the_definitions_tells_too_with_links_to_the_page(
    farm: Told, webhook: Webhook
) -> None:
    farm.monkeypatch.setenv("MUSHROOM_PAGE_URL", "https://farm.example.com")
    farm.sensor = build_definitions(farm.small.farm).resolve_sensor_def("room_notification")
    farm.warm(20, 60)
    farm.tick()
    (found,) = webhook.posted
    assert "https://farm.example.com/rooms/A?day=2026-03-10" in found["message"]


@pytest.mark.parametrize("in_date", [TODAY, None])
def test_a_room_without_a_crop_rings_nothing(
    build: Build, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, in_date: dt.date | None
) -> None:
    farm = Told(build(), monkeypatch)
    farm.tell(webhook.url)
    if in_date:
        put_batch(farm.small.database, "A", in_date)
    farm.warm(30, 240)
    farm.tick()
    assert webhook.posted == []


def test_a_chinese_farm_is_told_in_chinese(
    build: Build, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = told(build(addition="language: zh\n"), webhook, monkeypatch)
    farm.warm(20, 60)
    farm.warm(18, 44, "B", until=16)
    assert farm.tick() == "新消息 1 条，已送达 1 条"
    (found,) = webhook.posted
    assert found["title"] == "请查看 B，A"  # of B the samples have stopped
    assert found["message"].splitlines()[::2] == [
        "‼ B：11:43 起没有采样数据",
        "‼ A：温度 20.0 °C，高于 19.0 °C 已 1 小时 0 分钟，11:00 起",
    ]


def test_a_feed_that_stops_is_told_and_that_it_comes_again(farm: Told, webhook: Webhook) -> None:
    for room in "AB":
        farm.warm(18, 60, room)
    farm.tick(14)
    assert webhook.posted == []
    farm.warm(18, 2, "B")
    farm.tick(1)  # 16 min: the last is of 11:59
    assert webhook.titles == ["Look at A"]
    assert webhook.posted[0]["message"].splitlines()[0] == "‼ A: no samples since 11:59"
    farm.tick(1)
    farm.warm(18, 1)
    farm.warm(18, 1, "B")
    farm.tick(1)
    farm.tick(1)
    assert webhook.titles == ["Look at A", "Over: A"]
    assert webhook.posted[1]["message"].splitlines()[0] == "✓ A: samples come again"


def put_image(root: Path, room: str, at: dt.datetime) -> None:
    local = at + dt.timedelta(hours=8)
    folder = root / room / f"{local:%Y%m%d}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{room}_cam_20260301_{local:%Y%m%d%H%M%S}.jpg").touch()


def test_a_camera_that_stops_is_told_and_its_folders_are_not_listed_each_minute(
    farm: Told, webhook: Webhook
) -> None:
    for room in "AB":
        farm.warm(18, 60, room)
        put_image(farm.images, room, NOW - 115 * MINUTE)
    farm.tick()
    for room in "AB":
        farm.warm(18, 20, room, until=-20)
    put_image(farm.images, "B", NOW)
    farm.tick(6)  # 121 min, but not looked at
    assert webhook.posted == []
    farm.tick(5)
    assert webhook.titles == ["Look at A"]
    first = webhook.posted[0]["message"].splitlines()[0]
    assert first == "‼ A: no pictures since 10:05"
    put_image(farm.images, "A", NOW + 12 * MINUTE)
    farm.tick(5)
    assert len(webhook.posted) == 1
    farm.tick(5)
    assert webhook.titles == ["Look at A", "Over: A"]


def test_an_image_store_that_is_away_hides_no_sample(farm: Told, webhook: Webhook) -> None:
    farm.images.rmdir()
    hot(farm)
    farm.tick()
    assert webhook.titles == ["Look at A"]


def well(farm: Told, minutes: int = 240) -> None:
    """All is well, for so many minutes to come."""
    for room in "AB":
        farm.warm(18, 60 + minutes, room, until=-minutes)


def test_the_morning_message_comes_after_the_reports_once_a_day(
    farm: Told, webhook: Webhook
) -> None:
    farm.now = NOW - 8 * 60 * MINUTE  # 04:00
    well(farm, 600)
    farm.tick()
    farm.report("A", "act", "hot")
    farm.report("B", "good")
    farm.tick(119)
    assert webhook.posted == []  # 05:59
    farm.tick(1)
    assert webhook.titles == ["2026-03-09: 1 of 2 rooms are not well"]
    link = "http://127.0.0.1:3000/assets/daily_room_report?view=partitions&partition=2026-03-09"
    assert webhook.posted[0]["message"] == f"‼ A: act: hot\n{link}"
    farm.restart()
    farm.tick(1)
    assert len(webhook.posted) == 1
    assert [row.name for row in farm.rows(alarm) if row.kind == "morning"] == [YESTERDAY]


def test_a_verdict_that_turns_to_act_later_is_told_at_once_and_when_it_is_over(
    farm: Told, webhook: Webhook
) -> None:
    well(farm)
    farm.report("A", "good")
    farm.report("B", "good")
    farm.report("A", "act", "long past", day="2026-03-05")
    farm.tick()
    assert webhook.titles == ["2026-03-09: all 2 rooms good"]
    farm.report("A", "act", "mould")
    farm.tick(1)
    assert webhook.titles[1:] == ["Look at A"]
    assert webhook.posted[1]["message"].splitlines()[0] == "‼ A: mould (2026-03-09)"
    farm.report("A", "act", "mould")  # computed anew
    farm.tick(1)
    farm.report("A", "watch", "better")
    farm.tick(1)
    assert webhook.titles[1:] == ["Look at A", "Over: A"]
    over = webhook.posted[2]["message"].splitlines()[0]
    assert over == "✓ A: nothing to act on any more: watch (2026-03-09)"


def test_reports_that_come_late_are_told_when_they_are_there(farm: Told, webhook: Webhook) -> None:
    well(farm)
    farm.tick()
    assert webhook.posted == []
    farm.report("A", "good")
    farm.report("B", "watch", "x")
    farm.tick(1)
    assert webhook.titles == ["2026-03-09: 1 of 2 rooms are not well"]


def test_what_the_morning_has_told_is_told_by_no_other_message(
    farm: Told, webhook: Webhook
) -> None:
    well(farm, 24 * 60)
    farm.report("A", "act", "hot")
    farm.report("B", "good")
    farm.tick()
    farm.tick(1)
    for room in "AB":
        farm.report(room, "good", day="2026-03-10")
    farm.tick(12 * 60)  # past midnight: it waits for the morning
    assert webhook.titles == ["2026-03-09: 1 of 2 rooms are not well"]
    farm.tick(6 * 60)
    assert webhook.titles[1:] == ["2026-03-10: all 2 rooms good"]
    assert [row.kind for row in farm.rows(alarm) if row.ended_at is None] == []


def test_a_morning_without_reports_says_so_once_and_is_made_up_for(
    farm: Told, webhook: Webhook
) -> None:
    well(farm)
    farm.tick()
    assert webhook.posted == []  # a farm that never had any
    farm.report("A", "good", day="2026-03-08")
    farm.now -= 121 * MINUTE  # 09:59
    farm.tick()
    assert webhook.posted == []
    farm.tick(1)
    farm.tick(1)
    assert webhook.titles == ["There is no report of 2026-03-09 yet"]
    for room in "AB":
        farm.report(room, "good")
    farm.tick(1)
    assert webhook.titles[1:] == ["2026-03-09: all 2 rooms good"]


QUIET = 'alarms: {quiet_hours: ["22:00", "13:00"]}\n'


def test_what_happens_in_quiet_hours_is_told_in_one_message_if_it_still_holds(
    build: Build, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = told(build(addition=QUIET), webhook, monkeypatch)
    farm.warm(20, 60)
    farm.warm(21, 60, "B")
    farm.tick()
    farm.report("A", "good")
    farm.report("B", "good")
    farm.warm(20, 70, until=-70)
    farm.warm(18, 70, "B", until=-70)
    farm.tick(59)
    assert webhook.posted == []
    farm.tick(1)
    assert webhook.titles == ["2026-03-09: all 2 rooms good"]
    lines = webhook.posted[0]["message"].splitlines()
    assert lines[0] == "‼ A: temperature 20.0 °C, above 19.0 °C for 2 h 0 min, since 11:00"
    assert "B:" not in webhook.posted[0]["message"]
    farm.tick(1)
    assert len(webhook.posted) == 1


def test_what_breaks_quiet_hours_is_told_in_them(
    build: Build, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = build(addition='alarms: {quiet_hours: ["22:00", "13:00"], breaks_quiet: [feed]}\n')
    farm = told(small, webhook, monkeypatch)
    farm.warm(20, 60)  # and nothing of B
    farm.tick()
    assert webhook.titles == ["Look at B"]


def hot(farm: Told) -> None:
    """Something to tell about A."""
    farm.warm(20, 60)
    farm.warm(18, 60, "B")


def test_one_that_refuses_gets_everything_later_in_order_and_nobody_gets_it_twice(
    farm: Told, webhooks: list[Webhook]
) -> None:
    healthy, down = webhooks
    farm.tell(down.url, healthy.url)
    down.status = 500
    hot(farm)
    with pytest.raises(NotDelivered, match="error=500") as caught:
        farm.tick()
    assert "secret-path" not in str(caught.value)
    assert "(1 messages wait, and are sent until taken)" in str(caught.value)
    assert healthy.titles == ["Look at A"]
    farm.tick(0.5)  # it waits a minute
    assert down.refused == 1
    farm.report("A", "good")
    farm.report("B", "good")
    with pytest.raises(NotDelivered):
        farm.tick(0.5)
    assert down.refused == 2
    assert healthy.titles == ["Look at A", "2026-03-09: all 2 rooms good"]
    down.status = 200
    farm.restart()
    farm.tick(1)  # then two
    assert down.posted == []
    farm.tick(1)
    assert down.titles == healthy.titles
    farm.tick(60)
    titles = healthy.titles[:2]
    assert down.titles[:2] == titles
    assert len(set(down.titles)) == len(down.titles)
    assert len(set(healthy.titles)) == len(healthy.titles)


def test_one_that_hangs_holds_up_nobody_for_long(farm: Told, webhooks: list[Webhook]) -> None:
    healthy, hangs = webhooks
    farm.tell(hangs.url, healthy.url)
    hangs.silent = True
    hot(farm)
    with pytest.raises(NotDelivered):
        farm.tick()
    assert healthy.titles == ["Look at A"]
    hangs.silent = False
    farm.tick(20)
    assert hangs.titles[0] == "Look at A"
    assert hangs.posted[0]["message"].startswith("(written 12:00)\n")


def test_one_that_listens_no_more_gets_it_when_it_does_and_a_new_one_only_what_is_new(
    farm: Told, webhooks: list[Webhook]
) -> None:
    gone, new = webhooks
    gone.close()
    hot(farm)
    with pytest.raises(NotDelivered, match="did not take the message"):
        farm.tick()
    farm.tell(new.url)
    farm.tick(10)
    assert "Look at A" not in new.titles
    assert farm.rows(message)[0].taken_at is None


def test_two_daemons_tell_it_once(farm: Told, webhook: Webhook) -> None:
    hot(farm)
    gate = threading.Barrier(2)

    def daemon() -> None:
        mine = room_sensor.room_sensor(farm.small.farm, on=True)
        with dg.build_sensor_context(farm.small.instance, resources=farm.doors()) as context:
            gate.wait(60)
            mine.evaluate_tick(context)

    with ThreadPoolExecutor(2) as both:
        for each in [both.submit(daemon) for _ in range(2)]:
            each.result()
    assert webhook.titles == ["Look at A"]
    assert len(farm.rows(message)) == 1


def test_taken_while_the_database_goes_away_it_is_not_sent_again(
    farm: Told, webhook: Webhook
) -> None:
    hot(farm)
    given = conninfo_to_dict(farm.small.database.url)
    with Proxy(f"{given['host']}/.s.PGSQL.5432") as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{given['dbname']}"

        def cut() -> None:
            proxy.decide = lambda opening, commit: Fault.RESET

        webhook.before_answer = cut
        with pytest.raises(DatabaseUnavailable):
            farm.tick(url=url)
        with pytest.raises(DatabaseUnavailable):
            farm.tick(10, url=url)
        proxy.decide = lambda opening, commit: None
        webhook.before_answer = None
        farm.tick(10, url=url)
        assert webhook.titles.count("Look at A") == 1
        assert farm.rows(message)[0].taken_at is not None


KILLED = """
import datetime as dt, sys
import dagster as dg
from mushroom_assets.automation import room_sensor
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.resources import FarmFile, ImageStore, PostgresResource
url, path, images, now = sys.argv[1:]
room_sensor.clock = lambda: dt.datetime.fromisoformat(now)
farm = parse_farm(open(path, encoding="utf-8").read())
doors = {
    "postgres": PostgresResource(url=url), "image_store": ImageStore(root=images),
    "farm_file": FarmFile(path=path),
}
with dg.DagsterInstance.ephemeral() as instance:
    with dg.build_sensor_context(instance, resources=doors) as context:
        room_sensor.room_sensor(farm, on=True).evaluate_tick(context)
"""


def test_killed_between_sending_and_marking_it_is_sent_once_more_and_says_so(
    farm: Told, webhook: Webhook
) -> None:
    hot(farm)
    arguments = [farm.small.database.url, str(farm.small.path), str(farm.images), str(farm.now)]
    child = subprocess.Popen([sys.executable, "-c", KILLED, *arguments])
    webhook.before_answer = lambda: os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    webhook.before_answer = None
    assert webhook.titles == ["Look at A"]
    farm.tick(4)  # it may yet be at it
    assert webhook.titles == ["Look at A"]
    farm.tick(1)
    assert webhook.titles[:2] == ["Look at A"] * 2
    assert webhook.posted[1]["message"].startswith("(perhaps told before, written 12:00)\n")
    farm.restart()
    farm.tick(6)
    assert webhook.titles.count("Look at A") == 2
