"""A room's page: the last hours, a day, its batch, its pictures."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_env_stats, daily_room_report
from mushroom_assets.storage.setting import append_setting
from mushroom_assets_tests.kit.plant import put_batch, put_samples
from mushroom_assets_tests.kit.web import BATCH, NOW, YESTERDAY, Served, Text

MIDNIGHT = dt.datetime(2026, 1, 18, 16, tzinfo=dt.UTC)  # of the 19th in Shanghai
PICTURE = "611/20260119/611_top_20260110_20260119120000.jpg"


@pytest.fixture
def served(tmp_path: Path, database: Database) -> Served:
    """Room 611 in the eleventh day of a batch; 607 has nothing."""
    served = Served(tmp_path, database)
    put_batch(database, "611", BATCH)
    return served


def store(served: Served, table: sa.Table, **row: Any) -> None:
    with served.database.transaction() as connection:
        connection.execute(sa.insert(table), row | {"run_id": "r", "computed_at": NOW})


def stats(served: Served, day: dt.date, median: float, batch: dt.date = BATCH) -> None:
    store(
        served, daily_env_stats, stat_date=day, room_id="611", quantity="temperature", unit="°C",
        sample_count=1440, rejected_count=0, suspect_count=0, mean=median, median=median, min=17.5,
        max=18.5, coverage=1.0, longest_gap_s=0.0, in_range=0.9986, batch_date=batch,
        growth_day=(day - batch).days + 1, is_growth_phase=True,
    )  # fmt: skip


def report(served: Served, day: dt.date, verdict: str = "good") -> None:
    store(
        served, daily_room_report, stat_date=day, room_id="611", verdict=verdict, reasons=[],
        summary_md="",
    )  # fmt: skip


def drawn(page: str, kind: str = "data-chart") -> dict[str, Any]:
    """The charts of a page by title."""
    found = [tags[kind] for tags in Text(page).attributes("div", role="img") if kind in tags]
    charts = [json.loads(chart) for chart in found]
    return {chart["title"]: chart for chart in charts}


def picture(served: Served, path: str = PICTURE, size: tuple[int, int] = (960, 540)) -> None:
    file = served.images / path
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 60)).save(file)


def test_the_last_hours_show_what_the_sensors_say_now(served: Served) -> None:
    served.put_minutes("611")
    page = served.get("/rooms/611")
    chart = drawn(page)["temperature"]
    assert chart["end"] - chart["start"] == 86_400
    assert chart["end"] == NOW.timestamp()
    assert chart["values"][-1] == 18.02  # a minute ago; each second one is a thousandth higher
    assert chart["bands"] == [[chart["start"], chart["end"], 17, 19.5]]
    assert "temperature 18.0 °C" in str(Text(page))
    later = NOW + dt.timedelta(minutes=10)
    served.put_minutes("611", 10, later, temperature=19.0)
    served.now = later
    served.forget()
    chart = drawn(served.get("/rooms/611"))["temperature"]
    assert (chart["end"], chart["values"][-1]) == (later.timestamp(), 19.02)


def test_a_day_shows_its_report_its_numbers_and_its_gaps(served: Served) -> None:
    served.put_minutes("611", 720, MIDNIGHT + dt.timedelta(hours=12))
    stats(served, YESTERDAY, 18.0)
    report(served, YESTERDAY)
    page = served.get("/rooms/611?day=2026-01-19")
    told = str(Text(page))
    assert "Every quantity was in its band for most of the day." in told
    assert "temperature °C 18.0 17.5–18.5 99% 100%" in told
    chart = drawn(page)["temperature"]
    noon = MIDNIGHT.timestamp() + 12 * 3600
    # The newest sample is of noon, and holds for 300 s
    assert chart["gaps"][-1] == [noon + 300, noon + 12 * 3600]
    spoken = [tags["aria-label"] for tags in Text(page).attributes("div", role="img")]
    assert spoken[0] == ("temperature: 18.0 to 18.0 °C; 50% known, 100% of it in its band")
    assert "No report of this day yet" in str(Text(served.get("/rooms/611?day=2026-01-20")))


def test_a_move_is_told_with_what_followed(served: Served) -> None:
    from mushroom_assets_tests.kit.plant import materialize

    at = MIDNIGHT + dt.timedelta(hours=6)
    minutes = range(-90, 91)
    rows = [
        ("611", "mushroom_env_status", "sensor_611", "temperature",
         at + dt.timedelta(minutes=minute), 18.0 if minute < 0 else 18.5)
        for minute in minutes
    ]  # fmt: skip
    rows += [
        ("611", "air_cooler", "air_cooler_611", "temp_set", at - dt.timedelta(hours=1), 18.0),
        ("611", "air_cooler", "air_cooler_611", "temp_set", at, 18.5),
    ]
    put_samples(served.database, rows)
    url = served.database.url
    path = served.settings.config
    materialize("hourly_setpoint_changes", url, served.farm, "2026-01-19-06:00", farm_file=path)
    page = served.get("/rooms/611?day=2026-01-19")
    told = str(Text(page))
    assert (
        "06:00 air cooler: temperature setpoint 18.0 → 18.5 °C temperature 18.0 → 18.5 °C" in told
    )
    (charts,) = Text(page).attributes("div", **{"class": "charts"})
    assert json.loads(charts["data-moves"]) == [
        [at.timestamp(), "air cooler: temperature setpoint 18.0 → 18.5 °C"]
    ]
    chart = drawn(page)["temperature"]
    assert chart["setpoints"] == [
        ["temperature setpoint", [at.timestamp() - 3600, at.timestamp()], [18.0, 18.5]]
    ]
    assert "空调：温度设定 18.0 → 18.5 °C" in str(
        Text(served.get("/rooms/611?day=2026-01-19&lang=zh"))
    )


def test_the_batch_is_shown_beside_the_one_before(served: Served) -> None:
    before = BATCH - dt.timedelta(days=30)
    put_batch(served.database, "611", before)
    stats(served, BATCH + dt.timedelta(days=1), 18.0)
    stats(served, before + dt.timedelta(days=1), 17.0, before)
    report(served, BATCH + dt.timedelta(days=1), "watch")
    page = served.get("/rooms/611?span=cycle")
    chart = drawn(page, "data-course")["temperature"]
    assert chart["own"][:3] == [None, 18.0, None]
    assert [[name, line[1]] for name, line in chart["others"]] == [["11 Dec", 17.0]]
    links = Text(page).attributes("a")
    assert {"href": f"/rooms/611?span=cycle&day={before}", "class": "button"} in links
    days = [tags["href"] for tags in links if "?day=" in str(tags.get("href"))]
    assert f"/rooms/611?day={BATCH + dt.timedelta(days=1)}" in days
    assert "temperature over 1 growth days: 18.0 to 18.0 °C; growth day 2: 18.0 °C" in page


def test_a_room_that_has_nothing_says_so_everywhere(served: Served) -> None:
    for span in ("", "?day=2026-01-19", "?span=cycle"):
        for language in ("en", "zh"):
            mark = "&" if span else "?"
            served.get(f"/rooms/607{span}{mark}lang={language}")
    told = str(Text(served.get("/rooms/607?lang=en")))
    assert "no batch" in told
    assert "No setpoint was moved." in told
    assert "No picture of this while." in told
    assert "No batch was in this room then." in served.get("/rooms/607?span=cycle")
    spoken = [
        tags["aria-label"] for tags in Text(served.get("/rooms/607")).attributes("div", role="img")
    ]
    assert spoken[0] == "temperature: nothing known"


@pytest.mark.parametrize(
    "path",
    [
        "/rooms/999", "/rooms/", "/rooms/611?day=2026-01-21", "/rooms/611?day=2025-12-31",
        "/rooms/611/..", "/rooms/..%2F611",
    ],
)  # fmt: skip
def test_what_is_not_there_is_no_page(path: str, served: Served) -> None:
    assert "There is no such page" in served.get(path, 404)


@pytest.mark.parametrize("path", ["/rooms/611?day=x", "/rooms/611?span=year", "/rooms/611?hour=x"])
def test_what_makes_no_sense_is_refused(path: str, served: Served) -> None:
    assert "There is no such page" in served.get(path, 404)


def test_pictures_come_small_or_large_and_are_kept(served: Served) -> None:
    picture(served, size=(2000, 1000))
    for size, side in (("small", 480), ("large", 1600)):
        answer = served.client.get(f"/pictures/{size}/{PICTURE}")
        assert answer.headers["content-type"] == "image/jpeg"
        file = served.images / f"{size}.jpg"
        file.write_bytes(answer.content)
        with Image.open(file) as shown:
            assert shown.size == (side, side // 2)
        mark = answer.headers["etag"]
        same = served.client.get(f"/pictures/{size}/{PICTURE}", headers={"If-None-Match": mark})
        assert (same.status_code, same.content) == (304, b"")


def test_todays_pictures_show_before_any_model_has_judged_them(served: Served) -> None:
    path = "611/20260120/611_top_20260110_20260120080000.jpg"
    picture(served, path)
    page = served.get("/rooms/611")
    (shown,) = Text(page).attributes("img")
    assert shown["src"] == f"/pictures/small/{path}"
    assert shown["alt"] == "Room 611, camera top, 08:00"
    assert "not judged yet" in str(Text(page))


@pytest.mark.parametrize(
    "path",
    [
        "farm.yaml",
        "..%2Ffarm.yaml",
        "611/20260119/..%2F..%2F..%2Ffarm.yaml",
        "611/20260119/../../../farm.yaml",
        "611/20260119/611_top_20260110_20260119120001.jpg",
        "%2Fetc%2Fpasswd",
        "999/20260119/611_top_20260110_20260119120000.jpg",
        "611/20260118/611_top_20260110_20260119120000.jpg",
        "611/20260119/%00_top_20260110_20260119120000.jpg",
    ],
)
def test_nothing_but_a_cameras_picture_is_served(path: str, served: Served) -> None:
    picture(served)
    for size in ("small", "large"):
        assert served.client.get(f"/pictures/{size}/{path}").status_code == 404
    assert served.client.get(f"/pictures/huge/{PICTURE}").status_code == 404


def test_no_link_leads_out_of_the_images_root(served: Served) -> None:
    picture(served)
    outside = served.images.parent / "outside"
    (served.images / "611").rename(outside)
    (served.images / "611").symlink_to(outside)
    served.get(f"/pictures/small/{PICTURE}", 404)
    (served.images / "611").unlink()
    inside = served.images / "elsewhere"
    outside.rename(inside)
    (served.images / "611").symlink_to(inside)
    assert served.client.get(f"/pictures/small/{PICTURE}").status_code == 200
    (inside / "20260119" / "611_low_20260110_20260119120000.jpg").symlink_to("/etc/hostname")
    served.get(f"/pictures/small/{PICTURE.replace('top', 'low')}", 404)


def test_odd_files_are_no_pictures(served: Served) -> None:
    day = served.images / "611/20260119"
    day.mkdir(parents=True)
    names = {camera: f"611_{camera}_20260110_20260119120000.jpg" for camera in ("dir", "pipe", "x")}
    (day / names["dir"]).mkdir()
    os.mkfifo(day / names["pipe"])
    with (day / names["x"]).open("wb") as huge:
        huge.truncate(70_000_000_000)  # takes no disk; nobody reads it whole
    for name in names.values():
        served.get(f"/pictures/small/611/20260119/{name}", 404)
    served.get(f"/pictures/small/611/20260119/611_{'x' * 300}_20260110_20260119120000.jpg", 404)
    served.get("/pictures/small/611/20260119/611_%ff_20260110_20260119120000.jpg", 404)
    deeper = f"/pictures/small/611/20260119/{names['x']}/x/20260119/{names['x']}"
    served.get(deeper, 404)


def test_a_file_that_is_no_picture_is_not_there(served: Served) -> None:
    file = served.images / PICTURE
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no picture")
    served.get(f"/pictures/small/{PICTURE}", 404)


def test_a_band_is_the_one_that_was_set_for_the_room_and_the_day(served: Served) -> None:
    served.put_minutes("611", 24 * 60)
    setting = {
        "key": "stages.fruiting.bands.temperature",
        "value": [10, 12],
        "room_id": "611",
        "in_date": None,
        "valid_from": NOW.astimezone(served.farm.zone).date(),
        "undoes": None,
        "author": "Li",
        "reason": "a trial",
    }
    with served.database.transaction() as connection:
        append_setting(connection, setting)
    page = served.get("/rooms/611")
    midnight = MIDNIGHT.timestamp() + 86_400
    start, end = NOW.timestamp() - 86_400, NOW.timestamp()
    assert drawn(page)["temperature"]["bands"] == [
        [start, midnight, 17, 19.5],  # the past is as it was
        [midnight, end, 10, 12],
    ]
    assert "10–12" in str(Text(page))
    assert "10–12" in str(Text(served.get("/")))
    chart = drawn(served.get("/rooms/611?span=cycle"), "data-course")["temperature"]
    assert chart["stages"] == [[1, 4, 17, 20], [5, 10, 17, 19.5], [11, 27, 10, 12]]
