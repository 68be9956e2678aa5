"""The report's page: rooms in a line and at a glance, cards with pictures within a budget.

An older day leads to the newest.
"""

import datetime as dt
from typing import Any

import dagster as dg
import pytest

from mushroom_assets.domain.card import Card, card
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.report import SEVERITY, RoomDay
from mushroom_assets.domain.ribbon import Ribbon
from mushroom_assets.metadata.report import PICTURES, report_metadata
from mushroom_assets_tests.kit.ribbons import ribbons
from mushroom_assets_tests.kit.room_days import DAY, change, stats

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
        found.append(card(RoomDay(room, DAY, statistics, changes, [], None), of))
    return found


def test_each_room_is_told_at_a_glance() -> None:
    of = farm(2)
    shown = report_metadata(cards(of, bad=("601",)), of, DAY)
    assert [name for name in shown if name.startswith("room_")] == ["room_601", "room_600"]
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


def test_the_rooms_that_need_somebody_come_first() -> None:
    of = farm(5)
    days: list[Any] = [
        stats(),
        stats(humidity={"in_range": 0.8}),
        stats(),
        stats(co2={"in_range": 0.3}),
        stats(temperature={"coverage": 0.1}),
    ]
    made = [
        card(RoomDay(room, DAY, day, [], [], None), of)
        for room, day in zip(of.rooms, days, strict=True)
    ]
    verdicts = {made.room_day.room_id: made.verdict for made in made}
    assert list(verdicts.values()) == ["good", "watch", "good", "act", "insufficient_data"]
    shown = report_metadata(made, of, DAY)
    order = sorted(of.rooms, key=lambda room: -SEVERITY.index(verdicts[room]))
    assert order[-2:] == ["600", "602"]  # of one verdict in the farm file's order
    for kind in ("card_", "room_"):
        assert [name for name in shown if name.startswith(kind)] == [kind + room for room in order]
    lines = shown["overview"].value.splitlines()
    assert [line.split()[1] for line in lines] == [f"**{room}**" for room in order]
    assert "- **603** ‼ act: CO2 in its band of 1500 to 3800 ppm for 30% of the known time" in lines
    assert lines[-1] == "- **602** ✓ good"


def test_a_card_has_the_days_course_above_its_verdict_and_the_rest_apart() -> None:
    of = farm(1)
    shown = report_metadata(cards(of), of, DAY, {"600": ribbons(of)})
    picture, *words = shown["card_600"].value.split("\n\n")
    assert picture.startswith("![600 2026-01-20](data:image/png;base64,")
    assert words[0] == "### Room 600, 2026-01-20: ✓ good"
    assert "| quantity |" in shown["card_600"].value
    assert "Setpoint changes: 3" in words[-2]
    assert shown["more_600"].value.split("\n\n") == [
        "No earlier batch was recorded at growth day 11.",
        "No images",
    ]


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
    page = "/assets/daily_room_report?view=partitions&partition=2026-01-22"
    assert shown["newest"].value == f"The newest report is of [2026-01-22]({page})."
    assert "newest" not in report_metadata(cards(of), of, DAY)


@pytest.mark.long
def test_of_many_rooms_those_that_need_action_have_their_pictures() -> None:
    of = farm(40)
    bad = ("611", "639")
    by_room: dict[str, list[Ribbon]] = {}
    for ribbon in ribbons(of):
        by_room.setdefault(ribbon.room_id, []).append(ribbon)
    shown = report_metadata(cards(of, bad=bad), of, DAY, by_room)
    parts = {name: entry.value for name, entry in shown.items() if name.startswith("card_")}
    pictured = {name for name, part in parts.items() if part.startswith("![")}
    assert len(parts) == 40
    assert {"card_611", "card_639"} < pictured < set(parts)
    # Those of the worst rooms, then in the order of the rooms
    assert [name for name in parts if name in pictured] == list(parts)[: len(pictured)]
    told = [entry.value for entry in shown.values() if isinstance(entry, dg.MarkdownMetadataValue)]
    assert 0.8 * PICTURES < sum(map(len, told)) < 1_000_000
    without = [part for name, part in parts.items() if name not in pictured]
    assert all(part.startswith("*A long run does not draw") for part in without)
