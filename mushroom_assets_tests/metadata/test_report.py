"""The report's page: rooms at a glance without a click, cards with pictures within a budget, the
way to the newest.
"""

import datetime as dt
from typing import Any

import pytest

from mushroom_assets.domain.card import Card, card
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.report import RoomDay
from mushroom_assets.metadata.report import PICTURES, report_metadata
from mushroom_assets_tests.kit.room_days import DAY, change, stats
from mushroom_assets_tests.metadata.plots.test_ribbons import ribbons

HIDDEN_FROM = 1000  # characters of Markdown that the UI hides behind a click


def farm(rooms: int, language: str = "en") -> Farm:
    names = ", ".join(f"'{600 + number}': {{}}" for number in range(rooms))
    return parse_farm(
        f"timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nlanguage: {language}\nrooms: {{{names}}}"
    )


def cards(of: Farm, *, bad: tuple[str, ...] = (), moves: int = 3) -> list[Card]:
    """A card a room: good but for those that need action."""
    found = []
    for room in of.rooms:
        statistics: list[Any] = stats(co2={"in_range": 0.3}) if room in bad else stats()
        changes: list[Any] = [
            change(minute, room_id=room, device_alias=f"air_cooler_{room}")
            for minute in range(moves)
        ]
        found.append(card(RoomDay(room, DAY, statistics, changes, [], True), of))
    return found


def test_each_room_is_told_at_a_glance() -> None:
    of = farm(2)
    shown = report_metadata(cards(of, bad=("601",)), of, DAY)
    assert [name for name in shown if name.startswith("room_")] == ["room_600", "room_601"]
    assert shown["room_600"].value.splitlines() == [
        "**✓ good** growth day 11, batch of 2026-01-10",
        "",
        "- in band: temperature 100%, humidity 100%, CO2 100%",
        "- Setpoint changes: 3",
        "    - 09:00 air cooler: setpoint 18.0 → 17.5 °C",
        "    - 09:01 air cooler: setpoint 18.0 → 17.5 °C",
        "    - 09:02 air cooler: setpoint 18.0 → 17.5 °C",
    ]
    assert "**‼ act**" in shown["room_601"].value
    assert (
        "- CO2 in its band of 1500 to 3800 ppm for 30% of the known time" in shown["room_601"].value
    )
    assert (shown["good"], shown["act"], shown["watch"], shown["insufficient_data"]) == (1, 1, 0, 0)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_glance_needs_no_click_however_much_was_moved(language: str) -> None:
    of = farm(1, language)
    told = report_metadata(cards(of, moves=60), of, DAY)["room_600"].value
    assert len(told) < HIDDEN_FROM
    listed = told.count("→")
    rest = {"en": f"and {60 - listed} more", "zh": f"另有 {60 - listed} 次"}[language]
    assert told.endswith(rest)


def test_an_older_day_leads_to_the_newest() -> None:
    of = farm(1)
    shown = report_metadata(cards(of), of, DAY + dt.timedelta(days=2))
    assert next(iter(shown)) == "newest"
    assert shown["newest"].value == (
        "The newest report is of [2026-01-22](/assets/daily_room_report?view=partitions&partition=2026-01-22)."
    )
    assert "newest" not in report_metadata(cards(of), of, DAY)


def test_of_many_rooms_those_that_need_action_have_their_pictures() -> None:
    of, bad = farm(40), ("611", "639")
    by_room: dict[str, list] = {}
    for ribbon in ribbons(of):
        by_room.setdefault(ribbon.room_id, []).append(ribbon)
    page = report_metadata(cards(of, bad=bad), of, DAY, by_room)["report"].value
    parts = page.split("\n\n---\n\n")
    pictured = {part.split()[2].rstrip(",") for part in parts if "data:image/png;base64," in part}
    assert len(parts) == 40
    assert set(bad) < pictured < set(of.rooms)
    assert 0.8 * PICTURES < len(page) < 1_000_000
    without = [part for part in parts if "data:image" not in part]
    assert all(part.endswith("*") and "Materialize this day alone" in part for part in without)
