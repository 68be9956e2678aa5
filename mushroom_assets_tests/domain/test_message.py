"""What stands in a message: the worst room first, short, in both languages, whatever its name."""

import datetime as dt
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from mushroom_assets.domain.alarms import Open, Sign, Subject
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.message import (
    MOST_BYTES,
    Links,
    Message,
    News,
    at_once,
    morning,
    noted,
    plain,
)

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)  # 20:00 of the farm
DAY = dt.date(2026, 3, 9)
TEXT = """
timezone: Asia/Shanghai
first_day: 2026-01-01
rooms: {"607": {}, "608": {}, "611": {}, "612": {}}
"""
FARM = parse_farm(TEXT)
ZH = parse_farm(TEXT + "language: zh")
PAGE = Links("https://farm.example.com/", "http://127.0.0.1:3000")
UI = Links(None, "http://127.0.0.1:3000/")
NOTHING = News([], [], NOW)


def report(room: str, verdict: str = "good", *texts: str) -> dict[str, Any]:
    reasons = [{"severity": verdict, "code": "x", "text": text} for text in texts]
    return {"stat_date": DAY, "room_id": room, "verdict": verdict, "reasons": reasons}


MIXED = [
    report("607", "watch", "CO2 high", "humidity known for 60%"),
    report("608"),
    report("611", "act", "98% of the images show green mould"),
    report("612", "insufficient_data", "no samples of CO2"),
]


def tell(farm: Farm = FARM, links: Links = PAGE, news: News = NOTHING, **given: Any) -> Message:
    found = morning(given.get("reports", MIXED), given.get("still", []), news, links, farm)
    assert found is not None
    return found


def test_the_morning_has_the_worst_room_first_with_its_one_reason_and_its_link() -> None:
    assert tell() == Message(
        "2026-03-09: 3 of 4 rooms are not well",
        "‼ 611: act: 98% of the images show green mould\n"
        "https://farm.example.com/rooms/611?day=2026-03-09\n"
        "? 612: insufficient data: no samples of CO2\n"
        "https://farm.example.com/rooms/612?day=2026-03-09\n"
        "! 607: watch: CO2 high\n"
        "https://farm.example.com/rooms/607?day=2026-03-09",
        good=False,
    )


def test_without_a_page_the_link_is_that_of_the_asset() -> None:
    link = "http://127.0.0.1:3000/assets/daily_room_report?view=partitions&partition=2026-03-09"
    assert tell(links=UI).body.splitlines()[1] == link


def test_a_chinese_morning() -> None:
    found = tell(ZH)
    assert found.title == "2026-03-09：4 个库房中 3 个有问题"
    assert found.body.splitlines()[0] == "‼ 611：需处理：98% of the images show green mould"


WELL = [report(room) for room in FARM.rooms]


def test_a_morning_without_trouble_is_one_line_or_none() -> None:
    well = ("2026-03-09: all 4 rooms good", "https://farm.example.com/")
    assert tell(reports=WELL) == Message(*well, good=True)
    assert tell(ZH, reports=WELL).title == "2026-03-09：4 个库房全部良好"
    silent = parse_farm(TEXT + "alarms: {morning_if_good: false}")
    assert morning(WELL, [], NOTHING, PAGE, silent) is None
    assert tell(silent).title == "2026-03-09: 3 of 4 rooms are not well"


def test_a_good_morning_says_what_still_goes_on() -> None:
    subjects = [Subject("feed", "612", "sample"), Subject("band", "607", "co2")]
    still = [Open(number, subject, None, 0) for number, subject in enumerate(subjects)]
    silent = parse_farm(TEXT + "alarms: {morning_if_good: false}")
    found = tell(silent, reports=WELL, still=still)
    assert found.body.splitlines()[0] == "Still on: 607, 612"


def test_a_room_without_a_report_is_named() -> None:
    found = tell(reports=[*WELL[:3]])
    assert found.title == "2026-03-09: 1 of 4 rooms are not well"
    assert found.body.splitlines()[0] == "? 612: no report"


def sign(kind: Any, room: str, name: str, text: str, minutes: float | None = None) -> Sign:
    since = None if minutes is None else NOW - dt.timedelta(minutes=minutes)
    return Sign(Subject(kind, room, name), "on", since, text)


HIGH = sign("band", "611", "co2", "CO2 4210 ppm, above 3800 ppm for 35 min", 35)
FALLS = sign("rate", "607", "humidity", "humidity falls by 5.2 % an hour, now 80 %")
SILENT = sign("feed", "607", "sample", "no samples since 19:40", 20)
BACK = sign("band", "612", "co2", "CO2 back in its band, now 3500 ppm", 30)


def test_what_begins_is_told_by_room_gravest_first_then_what_is_over() -> None:
    assert at_once(News([HIGH, FALLS, SILENT], [BACK], NOW), PAGE, FARM) == Message(
        "Look at 607, 611",
        "‼ 607: no samples since 19:40\n"
        "‼ 607: humidity falls by 5.2 % an hour, now 80 %\n"
        "https://farm.example.com/rooms/607?day=2026-03-10\n"
        "‼ 611: CO2 4210 ppm, above 3800 ppm for 35 min, since 19:25\n"
        "https://farm.example.com/rooms/611?day=2026-03-10\n"
        "✓ 612: CO2 back in its band, now 3500 ppm, since 19:30\n"
        "https://farm.example.com/rooms/612?day=2026-03-10",
        good=False,
    )
    over = at_once(News([], [BACK], NOW), UI, ZH)
    assert over is not None
    assert (over.title, over.good) == ("已恢复：612", True)
    assert over.body.endswith("/assets/daily_env_stats")
    assert at_once(NOTHING, PAGE, FARM) is None


def test_news_of_the_same_minute_stand_below_the_morning() -> None:
    found = tell(news=News([HIGH], [], NOW))
    assert found.title == "2026-03-09: 3 of 4 rooms are not well"
    assert found.body.splitlines()[-2].startswith("‼ 611: CO2 4210 ppm")
    well = tell(reports=WELL, news=News([HIGH], [], NOW))
    assert not well.good


@pytest.mark.parametrize(
    "room",
    [
        "a\nb",
        "611\n‼ 612: burns",
        "<b>x</b>&\"'",
        "../../etc/passwd?day=1#x",
        "[x](http://evil.example.com)",
        "\u202e116\u200b",
        "库房 一号",
        "%2F..%00",
        "x" * 300,
        "@all",
    ],
)
def test_a_room_whatever_its_name_is_one_line_and_its_link_is_its_own(room: str) -> None:
    farm = FARM.model_copy(update={"rooms": {room: FARM.rooms["611"]}})
    row = report("x", "act", "reason") | {"room_id": room}
    found = tell(farm, reports=[row], links=PAGE)
    line, link = found.body.splitlines()
    assert line == f"‼ {plain(room)}: act: reason"
    parts = urlsplit(link)
    assert (parts.netloc, parts.query, parts.fragment) == ("farm.example.com", f"day={DAY}", "")
    assert unquote(parts.path.removeprefix("/rooms/")) == room
    assert parts.path.count("/") == 2
    assert link.isascii()


def test_what_is_shown_of_a_name_has_no_line_break_and_no_mark_of_direction() -> None:
    assert plain("a\r\nb\u2028c\u202ed\x00e") == "a b c d e"
    assert plain("x" * 300) == "x" * 39 + "…"


def test_a_message_of_forty_rooms_fits_into_what_the_smallest_service_takes() -> None:
    rooms = {f"{number}": FARM.rooms["611"] for number in range(600, 640)}
    farm = ZH.model_copy(update={"rooms": rooms})
    rows = [report(room, "act", "98% 的图像显示绿霉") for room in rooms]
    found = tell(farm, reports=rows)
    assert len(found.title.encode()) + len(found.body.encode()) <= MOST_BYTES + 40
    told = found.body.count("‼")
    assert 0 < told < 40
    assert found.body.splitlines()[-1] == f"另有 {40 - told} 条"
    news = News([sign("feed", room, "sample", "x") for room in rooms], [], NOW)
    many = at_once(news, PAGE, farm)
    assert many is not None
    assert many.title == "请查看 600，601，602，603，另有 36 条"


def test_a_late_message_says_when_it_was_written() -> None:
    message = Message("t", "body", good=True)
    written = NOW - dt.timedelta(hours=30)
    assert noted(message, "alarm.late", written, FARM, NOW) == "(written 2026-03-09 14:00)\nbody"
    told = noted(message, "alarm.unsure", NOW, ZH, NOW)
    assert told == "（可能已发送过，写于 20:00）\nbody"
