"""Rules of `hourly_setpoint_changes`: each fault is found and counted.

It is shown by example and comes with a remedy.
"""

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
    assert example.startswith("2026-01-05 11:30:00, A, cooler_A, power")
    assert "Remedy: " in (found.description or "")
    mended = covered.run(SETPOINTS, TEN, ELEVEN)
    assert failing(mended, TEN) == failing(mended, ELEVEN) == set()


def test_setpoints_with_a_scale_need_not_chain(small: SmallFarm) -> None:
    steps = ((8, 18.0), (9, 17.5), (9.3, 17.45), (9.6, 17.40), (10, 17.0))
    # Creeps below the threshold
    small.put([("A", "set", small.at(DAY, at), value) for at, value in steps])
    result = small.run(SETPOINTS, FIRST, LAST)
    assert len(small.rows(SETPOINTS)) == 2
    assert failing(result, NINE) == failing(result, TEN) == set()


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
