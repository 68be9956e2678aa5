"""`daily_room_report` on PostgreSQL: built from that day's rows of that room, whatever else the tables hold."""

import datetime as dt

from mushroom_assets_tests.plant import put_batch
from mushroom_assets_tests.small import Sample, SmallFarm

ASSET = "daily_room_report"
DAY = "2026-01-05"


def climate(small: SmallFarm, room: str, day: str, celsius: float) -> list[Sample]:
    """A temperature that moves a little, every ten minutes of a day."""
    return [(room, "t", small.at(day, tenth / 6), celsius + 0.1 * (tenth % 2)) for tenth in range(144)]


def report(small: SmallFarm, day: str = DAY) -> dict[str, dict]:
    small.run("daily_env_stats", day)
    small.run("hourly_setpoint_changes", f"{day}-00:00", f"{day}-23:00")
    small.run(ASSET, day)
    return {row["room_id"]: row for row in small.rows(ASSET) if f"{row['stat_date']}" == day}


def test_each_room_has_its_own_verdict(small: SmallFarm) -> None:
    for room in "AB":
        put_batch(small.database, room, dt.date(2026, 1, 1))
    small.put(climate(small, "A", DAY, 18.0) + climate(small, "B", DAY, 24.0))
    small.put([(room, "h", small.at(DAY, tenth / 6), 90.0) for room in "AB" for tenth in range(144)])
    found = report(small)
    assert {room: row["verdict"] for room, row in found.items()} == {"A": "good", "B": "act"}
    (reason,) = found["B"]["reasons"]
    assert (reason["code"], reason["quantity"], reason["share"]) == ("in_range", "temperature", 0)
    assert "temperature in its band of 17 to 19 °C for 0% of the known time" in found["B"]["summary_md"]


def test_a_report_shows_the_days_changes_and_not_the_neighbours(small: SmallFarm) -> None:
    small.put([("A", "set", small.at(DAY, at), at) for at in (-0.5, 0, 23.9, 24, 24.5)])
    small.put([("B", "set", small.at(DAY, at), at) for at in (11, 12)])
    small.run("hourly_setpoint_changes", "2026-01-04-23:00", "2026-01-06-01:00")
    summary = report(small)["A"]["summary_md"]
    assert "Setpoint changes: 2" in summary
    assert "- 00:00 cooler_A setpoint: -0.5 → 0" in summary
    assert "- 23:54 cooler_A setpoint: 0 → 23.9" in summary


def test_a_day_without_anything_still_has_its_reports(small: SmallFarm) -> None:
    found = report(small)
    assert {row["verdict"] for row in found.values()} == {"insufficient_data"}
    assert set(found) == {"A", "B"}


def test_a_rerun_after_late_rows_judges_anew_and_touches_no_neighbour(small: SmallFarm) -> None:
    put_batch(small.database, "A", dt.date(2026, 1, 1))
    small.put(climate(small, "A", DAY, 18.0)[:60])
    small.put([("A", "h", small.at(DAY, tenth / 6), 90.0) for tenth in range(144)])
    report(small, "2026-01-06")
    neighbour = [row for row in small.rows(ASSET, provenance=True) if row["stat_date"].day == 6]
    assert report(small)["A"]["verdict"] == "insufficient_data"
    small.put(climate(small, "A", DAY, 18.0))
    assert report(small)["A"]["verdict"] == "good"
    assert [row for row in small.rows(ASSET, provenance=True) if row["stat_date"].day == 6] == neighbour


def test_a_range_of_reports_is_its_days(small: SmallFarm) -> None:
    small.put(climate(small, "A", "2026-01-06", 18.0))
    for day in (DAY, "2026-01-06"):
        report(small, day)
    single = small.rows(ASSET)
    small.execute("TRUNCATE farm.daily_room_report")
    small.run(ASSET, DAY, "2026-01-06")
    assert small.rows(ASSET) == single
