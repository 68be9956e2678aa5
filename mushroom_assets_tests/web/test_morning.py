"""This morning's page: which room needs me first, and why?"""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mushroom_assets.domain.texts import say_in
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_room_report
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.web import BATCH, NOW, YESTERDAY, Served, Text

REASON = {
    "severity": "act",
    "code": "in_range",
    "quantity": "temperature",
    "share": 0.5975,
    "low": 17.0,
    "high": 19.5,
    "unit": "°C",
    "below": 0.0,
    "above": 0.4025,
    "longest_out_s": 5400.0,
    "out_integral": 12.5,
    "text": "as it was stored",
}
HOSTILE = "<script>alert('1')</script>"


@pytest.fixture
def served(tmp_path: Path, database: Database) -> Served:
    """Rooms 607 and 611, eleven days into a batch, delivering until now."""
    served = Served(tmp_path, database)
    for room in ("607", "611"):
        put_batch(database, room, BATCH)
        served.put_minutes(room)
    return served


def report(served: Served, room: str, verdict: str, *reasons: dict[str, Any], ago: int = 0) -> None:
    row = {
        "stat_date": YESTERDAY - dt.timedelta(days=ago),
        "room_id": room,
        "verdict": verdict,
        "reasons": list(reasons),
        "summary_md": "",
        "run_id": "r",
        "computed_at": NOW,
    }
    with served.database.transaction() as connection:
        connection.execute(sa.insert(daily_room_report), row)


def rooms(page: str) -> list[str]:
    return re.findall(r'id="room-([^"]*)"', page)


def test_the_worst_room_comes_first_with_its_reason_day_and_values(served: Served) -> None:
    report(served, "607", "good")
    report(served, "611", "act", REASON)
    report(served, "611", "good", ago=1)
    page = served.get("/")
    assert rooms(page) == ["611", "607"]
    told = str(Text(page))
    assert "1 of 2 rooms need a look" in told
    expected = (
        "temperature in its band of 17 to 19.5 °C for 59% of the known time "
        "(41% above, longest 1 h 30 min)"
    )
    assert expected in told
    assert "day 11 · in since 10 Jan" in told
    assert "verdict of Mon 19 Jan" in told
    assert "good → act since the day before" in told
    assert "temperature 18.0 °C" in told and "17–19.5" in told
    assert "measured just now" in told
    assert "no setpoint moved since yesterday" in told


def test_the_page_speaks_the_readers_language_and_remembers_it(served: Served) -> None:
    report(served, "607", "good")
    report(served, "611", "act", REASON)
    chinese = str(Text(served.get("/?lang=zh")))
    assert "2 个库房中有 1 个需要查看" in chinese
    assert "温度处于目标区间 17~19.5 °C 的时间占 59%" in chinese
    assert '<html lang="zh-CN">' in served.get("/")  # by the cookie
    served.client.cookies.clear()
    assert '<html lang="en">' in served.get("/")  # the farm's
    assert '<html lang="zh-CN">' in served.get("/", speaks="zh-TW,en;q=0.5")
    assert '<html lang="en">' in served.get("/", speaks="de,fr")
    assert '<html lang="en">' in served.get("/?lang=%22%3E")


def test_it_is_quiet_when_all_is_well(served: Served) -> None:
    report(served, "607", "good")
    report(served, "611", "good")
    page = served.get("/")
    assert "All 2 rooms are well" in str(Text(page))
    assert 'class="why"' not in page


def test_a_dead_sensor_and_a_dead_collector_stand_out(served: Served) -> None:
    for room in ("607", "611"):
        report(served, room, "good")
    served.now = NOW + dt.timedelta(hours=1)
    told = str(Text(served.get("/")))
    assert "No room has delivered a sample since 08:30: see whether the collector runs." in told
    assert told.count("no samples since 08:30") == 2
    assert "measured 60 min ago" in told
    assert "18.0 °C" not in told  # it is not the value of now
    served.forget()
    served.put_minutes("607")
    page = served.get("/")
    assert rooms(page) == ["611", "607"]
    assert "collector" not in page


def test_a_dead_camera_stands_out(served: Served) -> None:
    report(served, "607", "good")
    report(served, "611", "good")
    folder = served.images / "611" / "20260120"
    folder.mkdir(parents=True)
    (folder / "611_top_20260110_20260120050000.jpg").touch()
    page = served.get("/")
    assert "no picture since 05:00" in str(Text(page))
    assert rooms(page) == ["611", "607"]


def test_a_farm_without_anything_says_so(tmp_path: Path, database: Database) -> None:
    told = str(Text(Served(tmp_path, database).get("/")))
    assert "No room has delivered anything yet" in told
    assert "No day has a report yet." in told
    assert "Nothing for a week: 607, 611" in told


def test_names_are_text_whatever_is_in_them(tmp_path: Path, database: Database) -> None:
    name = HOSTILE.replace("'", "")
    served = Served(tmp_path, database, f"{{'{name}': {{folder: x}}, '6/../7 甲': {{folder: y}}}}")
    stored = {"severity": "act", "code": "gone", "text": HOSTILE}
    for room in served.farm.rooms:
        put_batch(database, room, BATCH)
        served.put_minutes(room)
        report(served, room, "act", stored)
    page = served.get("/")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "/rooms/6%2F..%2F7%20%E7%94%B2?day=2026-01-19" in page


def test_everybody_who_asks_at_once_shares_one_look(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mushroom_assets.web import morning

    looks = []
    real = morning.read_rooms

    def counted(*given: Any) -> Any:
        looks.append(given)
        return real(*given)

    monkeypatch.setattr(morning, "read_rooms", counted)
    with served.client:  # one event loop for all
        for _ in range(20):
            served.get("/")
    assert len(looks) <= 2  # 3 s fresh; the test may take longer


def test_no_page_holds_scripts_or_styles_of_its_own() -> None:
    folder = Path(__file__).parents[2] / "mushroom_assets" / "web" / "templates"
    for template in folder.glob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|\|\s*safe", text)


def test_static_files_are_kept_by_their_mark(served: Served) -> None:
    page = Text(served.get("/"))
    (sheet,) = page.attributes("link", rel="stylesheet")
    answer = served.client.get(sheet["href"])
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "body" in answer.text


def test_what_is_not_there_is_said_in_the_readers_language(served: Served) -> None:
    assert say_in("zh", "page.nothing") in served.get("/nowhere?lang=zh", 404)
