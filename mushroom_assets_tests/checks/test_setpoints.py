"""Rules of `hourly_setpoint_changes`: each fault is found and counted.

It is shown by example and comes with a remedy.
"""

from typing import Any

import numpy as np
import pytest

from mushroom_assets_tests.kit.evaluations import (
    DAY,
    ERROR,
    SETPOINTS,
    WARN,
    checks_only,
    examples,
    failing,
    offending,
    verdicts,
)
from mushroom_assets_tests.kit.small import SmallFarm

FIRST, NINE, TEN, ELEVEN, LAST = (f"{DAY}-{hour:02}:00" for hour in (0, 9, 10, 11, 23))


def test_a_state_that_does_not_follow_from_the_one_before_is_a_warning(covered: SmallFarm) -> None:
    covered.run(SETPOINTS, FIRST, LAST)
    # Off and on again in between came late, and only its own hour was materialized again.
    covered.execute(f"DELETE FROM farm.{SETPOINTS} WHERE changed_at = '{covered.at(DAY, 11)}'")
    covered.put(
        [("A", "power", covered.at(DAY, 10.5), 0.0), ("A", "power", covered.at(DAY, 11.5), 1.0)]
    )
    result = covered.run(SETPOINTS, ELEVEN)
    found = verdicts(result, ELEVEN)["values_chain"]
    assert result.success
    assert (found.passed, found.severity, offending(found)) == (False, WARN, 1)
    (example,) = examples(found)
    assert example == "- 2026-01-05 11:30:00, A, cooler_A, power, 1, 0".removeprefix("- ")
    assert "Remedy: " in (found.description or "")
    mended = covered.run(SETPOINTS, TEN, ELEVEN)
    assert failing(mended, TEN) == failing(mended, ELEVEN) == set()


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_where_smaller_steps_moved_a_point_both_its_hour_and_the_next_change_say_so(
    small: SmallFarm, kind: Any
) -> None:
    steps = ((8, 18.1), (9, 17.5), (9.3, 17.45), (9.6, 17.4), (9.7, 17.4), (14, 17.0), (15, 17.6))
    small.put([("A", "set", small.at(DAY, at), float(kind(value))) for at, value in steps])
    small.put([("B", "set", small.at(DAY, at), 3000.1 + at) for at in (8, 9, 10)])
    result = small.run(SETPOINTS, FIRST, LAST)
    assert len(small.rows(SETPOINTS)) == 3 + 2
    # Two steps of 0.05 at nine o'clock; the change at two leaves from where they led to
    assert failing(result, NINE) == {"moves_recorded"}
    moved = verdicts(result, NINE)["moves_recorded"]
    assert (moved.severity, offending(moved)) == (WARN, 1)
    assert examples(moved) == ["2026-01-05 09:42:00, A, cooler_A, set, 17.5, 17.4"]
    two = f"{DAY}-14:00"
    assert failing(result, two) == {"values_chain"}
    chained = verdicts(result, two)["values_chain"]
    assert (chained.severity, offending(chained)) == (WARN, 1)
    assert examples(chained) == ["2026-01-05 14:00:00, A, cooler_A, set, 17.5, 17.4"]
    for found in (moved, chained):
        assert "Remedy: " in (found.description or "")
    others = [f"{DAY}-{hour:02}:00" for hour in range(24) if hour not in (9, 14)]
    assert [failing(result, key) for key in others] == [set()] * 22


def test_a_ramp_in_small_steps_is_told_hour_by_hour(small: SmallFarm) -> None:
    small.put([("A", "set", small.at(DAY, 8.5 + n / 30), 12.5 + n / 20) for n in range(61)])
    result = small.run(SETPOINTS, FIRST, LAST)
    assert small.rows(SETPOINTS) == []
    told = {hour: verdicts(result, f"{DAY}-{hour:02}:00")["moves_recorded"] for hour in range(24)}
    assert {hour for hour, found in told.items() if not found.passed} == {8, 9, 10}
    # Every two minutes: 15 from half past eight, 30 from nine on, the last ones of the 61 at ten
    assert [examples(told[hour])[0].rsplit(", ", 2)[1:] for hour in (8, 9, 10)] == [
        ["12.5", "13.2"],
        ["13.2", "14.7"],
        ["14.7", "15.5"],
    ]


def test_small_steps_that_a_change_takes_back_are_told(small: SmallFarm) -> None:
    ramp = [("A", "set", small.at(DAY, 9 + n / 60), 18 + n / 20) for n in range(5)]
    small.put(
        [*ramp, ("A", "set", small.at(DAY, 9.5), 18.0), ("A", "set", small.at(DAY, 10), 18.0)]
    )
    result = small.run(SETPOINTS, FIRST, LAST)
    assert failing(result, NINE) == {"moves_recorded"}  # 18.2 -> 18.0 is the first change ever
    assert examples(verdicts(result, NINE)["moves_recorded"]) == [
        "2026-01-05 09:30:00, A, cooler_A, set, 17.8, 18"
    ]
    assert failing(result, TEN) == set()


def test_without_a_threshold_and_at_the_resolution_nothing_is_lost(small: SmallFarm) -> None:
    steps = [("A", "set", small.at(DAY, 8 + n / 60), 12.5 + n / 20) for n in range(61)]
    small.put(steps)
    small.path.write_text(small.path.read_text().replace("threshold: 0.1, ", ""))
    result = small.run(SETPOINTS, FIRST, LAST)
    assert len(small.rows(SETPOINTS)) == 60
    assert failing(result, f"{DAY}-08:00") == failing(result, NINE) == set()


def test_a_change_continues_the_one_before_however_long_ago(small: SmallFarm) -> None:
    small.put([("A", "set", small.at("2025-03-01", at), value) for at, value in ((8, 18), (9, 17))])
    small.put([("A", "set", small.at("2025-06-01", 9), 17.05), ("A", "set", small.at(DAY, 9), 16)])
    small.run(SETPOINTS, "2025-03-01-08:00", "2025-03-01-09:00")
    june = small.run(SETPOINTS, "2025-06-01-09:00")
    assert failing(june, "2025-06-01-09:00") == {"moves_recorded"}
    found = verdicts(small.run(SETPOINTS, NINE), NINE)["values_chain"]
    assert examples(found) == ["2026-01-05 09:00:00, A, cooler_A, set, 17, 17.05"]


@pytest.mark.parametrize(
    "corruption", ["current_value = previous_value, delta = 0", "delta = delta + 0.1"]
)
def test_numbers_that_contradict_each_other_are_an_error(
    covered: SmallFarm, corruption: str
) -> None:
    covered.run(SETPOINTS, FIRST, LAST)
    covered.execute(
        f"UPDATE farm.{SETPOINTS} SET {corruption} WHERE changed_at = '{covered.at(DAY, 9)}'"
    )
    found = verdicts(checks_only(covered, SETPOINTS, NINE), NINE)["steps_consistent"]
    assert (found.passed, found.severity, offending(found)) == (False, ERROR, 1)
    assert examples(found)[0].startswith("2026-01-05 09:00:00, A, cooler_A, power, 0, ")


def test_a_state_without_label_is_a_warning(covered: SmallFarm) -> None:
    covered.put([("A", "power", covered.at(DAY, 11.5), 2.0)])
    result = covered.run(SETPOINTS, NINE, ELEVEN)
    assert (failing(result, NINE), failing(result, ELEVEN)) == (set(), {"points_known"})
    found = verdicts(result, ELEVEN)["points_known"]
    assert (found.severity, offending(found)) == (WARN, 1)
    assert examples(found) == [
        "2026-01-05 11:30:00, A, cooler_A, power, 0, 2, a state without label"
    ]


@pytest.mark.parametrize(
    ("before", "after"), [("    power:", "    fan:"), ("{A: {}, B", "{C: {}, B")]
)
def test_a_point_that_is_no_longer_watched_is_a_warning(
    covered: SmallFarm, before: str, after: str
) -> None:
    covered.run(SETPOINTS, FIRST, LAST)
    covered.path.write_text(covered.path.read_text().replace(before, after))
    found = verdicts(checks_only(covered, SETPOINTS, NINE), NINE)["points_known"]
    assert examples(found) == ["2026-01-05 09:00:00, A, cooler_A, power, 0, 1, not watched"]


def test_a_point_without_any_labels_needs_none(covered: SmallFarm) -> None:
    covered.path.write_text(covered.path.read_text().replace(", labels: {0: off, 1: on}", ""))
    assert failing(covered.run(SETPOINTS, NINE, ELEVEN), NINE) == set()
