"""`this_morning` looks at the newest day alone, worst room first."""

import datetime as dt
from typing import Any

import dagster as dg
import pytest

from mushroom_assets.checks.morning import NAME, told
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets_tests.kit.evaluations import DAY, ENV, NEXT, REPORT, standing_evaluation
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.small import SmallFarm

pytestmark = pytest.mark.usefixtures("unpictured")

FARM = parse_farm(
    "{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {A: {}, B: {}, C: {}, D: {}}}"
)


def report(room: str, verdict: str, *texts: str) -> dict[str, Any]:
    reasons = [{"text": text} for text in texts]
    return {
        "stat_date": dt.date(2026, 1, 5),
        "room_id": room,
        "verdict": verdict,
        "reasons": reasons,
    }


def test_the_worst_room_comes_first_and_good_ones_are_left_out() -> None:
    rows = [
        report("A", "watch", "mould"),
        report("B", "insufficient_data", "no samples"),
        report("C", "good"),
        report("D", "act", "30 degrees", "and more"),
    ]
    found = told(rows, FARM)
    assert found["passed"] is False
    assert found["severity"] is dg.AssetCheckSeverity.WARN
    assert found["description"] == "2 rooms need somebody, by the reports of 2026-01-05"
    assert found["metadata"]["rooms"].value.splitlines() == [
        "- D: act: 30 degrees",
        "- B: insufficient data: no samples",
        "- A: watch: mould",
    ]


def test_what_is_to_be_watched_turns_no_light_on() -> None:
    assert told([report("A", "watch", "mould"), report("B", "good")], FARM)["passed"] is True
    assert told([], FARM)["passed"] is True


def test_a_bad_day_is_forgotten_when_a_better_one_is_there(covered: SmallFarm) -> None:
    assert standing_evaluation(covered, NAME).passed is True  # there is no report yet
    covered.run(ENV, DAY, NEXT)
    covered.run(REPORT, DAY)  # no batch is known
    assert standing_evaluation(covered, NAME).passed is False
    for room in "AB":
        put_batch(covered.database, room, dt.date(2026, 1, 1))
    covered.run(ENV, NEXT)
    covered.run(REPORT, NEXT)
    assert standing_evaluation(covered, NAME).passed is True
