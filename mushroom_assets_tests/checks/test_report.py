"""Rules of `daily_room_report`: each fault is found and counted.

It is shown by example and comes with a remedy.
"""

from mushroom_assets_tests.kit.evaluations import (
    DAY,
    ENV,
    ERROR,
    NEXT,
    REPORT,
    WARN,
    checks_only,
    examples,
    failing,
    offending,
    verdicts,
)
from mushroom_assets_tests.kit.small import SmallFarm


def test_a_room_without_a_report_is_an_error(covered: SmallFarm) -> None:
    covered.run(REPORT, DAY, NEXT)
    covered.execute(f"DELETE FROM farm.{REPORT} WHERE stat_date = '{NEXT}' AND room_id = 'B'")
    result = checks_only(covered, REPORT, DAY, NEXT)
    assert "rows_complete" not in failing(result)
    found = verdicts(result, NEXT)["rows_complete"]
    assert (found.passed, found.severity, found.blocking) == (False, ERROR, True)
    assert offending(found) == 1
    assert examples(found) == [f"{NEXT}, B"]


def test_a_room_without_a_verdict_is_a_warning_with_its_reason(covered: SmallFarm) -> None:
    covered.run(ENV, DAY)
    result = covered.run(REPORT, DAY)  # no batch: no target to judge by
    found = verdicts(result)["days_judged"]
    assert result.success
    assert (found.passed, found.severity, offending(found)) == (False, WARN, 2)
    assert examples(found) == [
        f"{DAY}, {room}, no target band for this day: no batch known" for room in "AB"
    ]
    covered.execute(f"UPDATE farm.{REPORT} SET verdict = 'good'")
    assert failing(checks_only(covered, REPORT, DAY)) == set()
