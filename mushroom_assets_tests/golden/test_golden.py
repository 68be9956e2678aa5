"""The figures of the golden month are those in git; what is another is printed."""

import copy

import pytest

from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.golden import kept
from mushroom_assets_tests.golden.figures import FIRST, KEYS, LAST, ROOMS, Row, compute, written

DAYS = (LAST - FIRST).days + 1


@pytest.mark.long
def test_the_figures_are_those_in_git(database: Database) -> None:
    found = compute(database)
    lines = kept.differences(kept.read(), found)
    assert not lines, kept.told(lines)
    assert kept.summary(found) == kept.read_summary()


def test_the_files_belong_together() -> None:
    assert kept.summary(kept.read()) == kept.read_summary()


def test_the_month_is_whole_and_has_something_to_tell() -> None:
    figures = kept.read()
    rows = {table: len(own) for table, own in figures.items()}
    assert rows["daily_env_stats"] == DAYS * len(ROOMS) * 5  # three measured, two derived
    assert rows["daily_room_report"] == DAYS * len(ROOMS)
    assert rows["hourly_setpoint_changes"] > 300
    verdicts = kept.read_summary()["daily_room_report"]["verdicts"]
    assert verdicts.keys() >= {"good", "watch"}
    assert sum(float(row["rejected_count"]) for row in figures["daily_env_stats"]) > 0


def find(rows: list[Row], **names: str) -> Row:
    (row,) = [row for row in rows if row.items() >= names.items()]
    return row


def test_another_figure_is_told_with_its_place() -> None:
    figures = {table: list(copy.deepcopy(rows)) for table, rows in kept.read().items()}
    day = find(
        figures["daily_env_stats"], stat_date="2026-02-03", room_id="607", quantity="temperature"
    )
    mean = day["mean"]
    day["mean"] = "18.5"
    gone = figures["hourly_setpoint_changes"].pop(0)
    report = find(figures["daily_room_report"], stat_date="2026-02-03", room_id="611")
    first = report["summary_md"].splitlines()[0]
    report["summary_md"] = report["summary_md"].replace(first, "### another")
    figures["daily_room_report"].append({**report, "room_id": "999"})
    lines = kept.differences(kept.read(), figures)
    change = " ".join(gone[name] for name in KEYS["hourly_setpoint_changes"])
    assert lines[:4] == [
        f"daily_env_stats 2026-02-03 607 temperature: mean {mean} -> 18.5",
        f"hourly_setpoint_changes {change}: the row is gone",
        f"daily_room_report 2026-02-03 611: summary_md -{first}",
        "daily_room_report 2026-02-03 611: summary_md +### another",
    ]
    assert lines[4].startswith("daily_room_report 2026-02-03 999: a new row, verdict ")
    assert len(lines) == 5
    message = kept.told(lines)
    assert all(line in message for line in lines)
    assert "`python -m mushroom_assets_tests.golden.renew`" in message
    assert kept.summary(figures) != kept.read_summary()


def test_of_many_figures_the_first_are_shown() -> None:
    message = kept.told([f"line {number}" for number in range(100)])
    assert message.startswith("100 figures")
    assert "line 59\n... and 40 more\n" in message


def test_floats_have_nine_digits() -> None:
    assert [written(cell) for cell in (0.1 + 0.2, 2730.1583333333338, 3.0, None, True)] == [
        "0.3",
        "2730.15833",
        "3",
        "",
        "True",
    ]
