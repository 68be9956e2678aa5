"""`daily_room_report` on PostgreSQL: it is built from that day's rows of that room alone."""

import datetime as dt
import itertools
from typing import Any

import pytest
import sqlalchemy as sa

from mushroom_assets.storage.schema import room_day_embedding
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.small import Sample, SmallFarm
from mushroom_assets_tests.kit.vectors import ENCODER, NOON, image, put_images, unit

ASSET = "daily_room_report"
DAY = "2026-01-05"


def climate(small: SmallFarm, room: str, day: str, celsius: float) -> list[Sample]:
    """A temperature that moves a little, every ten minutes of a day."""
    return [
        (room, "t", small.at(day, tenth / 6), celsius + 0.1 * (tenth % 2)) for tenth in range(144)
    ]


def report(small: SmallFarm, day: str = DAY) -> dict[str, dict[str, Any]]:
    small.run("daily_env_stats", day)
    small.run("hourly_setpoint_changes", f"{day}-00:00", f"{day}-23:00")
    small.run(ASSET, day)
    return {row["room_id"]: row for row in small.rows(ASSET) if f"{row['stat_date']}" == day}


def test_each_room_has_its_own_verdict(small: SmallFarm) -> None:
    for room in "AB":
        put_batch(small.database, room, dt.date(2026, 1, 1))
    small.put(climate(small, "A", DAY, 18.0) + climate(small, "B", DAY, 24.0))
    tenths = itertools.product("AB", range(144))
    small.put([(room, "h", small.at(DAY, tenth / 6), 90.0) for room, tenth in tenths])
    found = report(small)
    assert {room: row["verdict"] for room, row in found.items()} == {"A": "good", "B": "act"}
    (reason,) = found["B"]["reasons"]
    assert (reason["code"], reason["quantity"], reason["share"]) == ("in_range", "temperature", 0)
    assert (
        "temperature in its band of 17 to 19 °C for 0% of the known time"
        in found["B"]["summary_md"]
    )


@pytest.mark.usefixtures("unpictured")
def test_a_report_shows_the_days_changes_and_not_the_neighbours(small: SmallFarm) -> None:
    small.put([("A", "set", small.at(DAY, at), at) for at in (-0.5, 0, 23.9, 24, 24.5)])
    small.put([("B", "set", small.at(DAY, at), at) for at in (11, 12)])
    small.run("hourly_setpoint_changes", "2026-01-04-23:00", "2026-01-06-01:00")
    summary = report(small)["A"]["summary_md"]
    assert "Setpoint changes: 2" in summary
    assert "| 00:00 | cooler: setpoint -0.5 → 0.0 °C |" in summary
    assert "| 23:54 | cooler: setpoint 0.0 → 23.9 °C |" in summary


def test_a_day_without_anything_still_has_its_reports(small: SmallFarm) -> None:
    found = report(small)
    assert {row["verdict"] for row in found.values()} == {"insufficient_data"}
    assert set(found) == {"A", "B"}


@pytest.mark.usefixtures("unpictured")
def test_a_rerun_after_late_rows_judges_anew_and_touches_no_neighbour(small: SmallFarm) -> None:
    put_batch(small.database, "A", dt.date(2026, 1, 1))
    small.put(climate(small, "A", DAY, 18.0)[:60])
    small.put([("A", "h", small.at(DAY, tenth / 6), 90.0) for tenth in range(144)])
    report(small, "2026-01-06")
    neighbour = [row for row in small.rows(ASSET, provenance=True) if row["stat_date"].day == 6]
    assert report(small)["A"]["verdict"] == "insufficient_data"
    small.put(climate(small, "A", DAY, 18.0))
    assert report(small)["A"]["verdict"] == "good"
    assert [
        row for row in small.rows(ASSET, provenance=True) if row["stat_date"].day == 6
    ] == neighbour


@pytest.mark.usefixtures("unpictured")
def test_a_range_of_reports_is_its_days(small: SmallFarm) -> None:
    small.put(climate(small, "A", "2026-01-06", 18.0))
    for day in (DAY, "2026-01-06"):
        report(small, day)
    single = small.rows(ASSET)
    small.execute("TRUNCATE farm.daily_room_report")
    small.run(ASSET, DAY, "2026-01-06")
    assert small.rows(ASSET) == single


def test_a_report_names_the_past_day_that_looked_most_like_it(small: SmallFarm) -> None:
    looks = {
        ("A", "2026-01-05"): [1, 0],
        ("A", "2026-01-04"): [1, 0],
        ("B", "2025-12-30"): [2, 1],
        ("B", "2025-12-31"): [0, 1],
        ("B", "2026-01-06"): [1, 0],
    }
    rows = [
        {
            "image_date": dt.date.fromisoformat(day),
            "room_id": room,
            "encoder": ENCODER,
            "embedding": unit(vector),
            "image_count": 48,
            "growth_day": 9,
            "run_id": "run-1",
            "computed_at": NOON,
        }
        for (room, day), vector in looks.items()
    ]
    with small.database.transaction() as connection:
        connection.execute(sa.insert(room_day_embedding), rows)
    put_images(
        small.database, [image(0, unit([1, 0]), room_id="A", image_date=dt.date.fromisoformat(DAY))]
    )
    report(small, "2025-12-30")
    found = report(small)
    assert found["A"]["summary_md"].endswith(
        "Looked most like room B on 2025-12-30 (growth day 9, similarity 0.89)"
    )  # 2 / sqrt(5)
    assert "Looked" not in found["B"]["summary_md"]


def test_files_beside_the_pictures_are_no_images_of_the_room(small: SmallFarm) -> None:
    day = dt.date.fromisoformat(DAY)
    seen = image(0, unit([1, 0]), room_id="A", image_date=day)
    beside = {"room_id": "A", "image_date": day, "captured_at": None, "status": "rejected"}
    videos = [image(number, None, **beside) for number in range(1, 6)]
    put_images(small.database, [seen, *videos])
    found = report(small)["A"]
    assert "Images: 1, mostly" in found["summary_md"]
    assert "unreadable" not in [reason["code"] for reason in found["reasons"]]
