"""In which ranges partitions are asked for."""

import datetime as dt

import pytest

from mushroom_assets.domain.windows import Window
from mushroom_assets.instance.outstanding import with_gaps

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
HOURS = [
    Window(f"{number}", BEGIN + number * HOUR, BEGIN + (number + 1) * HOUR) for number in range(12)
]


@pytest.mark.parametrize(
    ("wanted", "free", "joined"),
    [
        ({3, 6}, range(12), {3, 4, 5, 6}),
        ({3, 7}, range(12), {3, 7}),  # three hours lie between
        ({3, 6}, {4}, {3, 6}),  # all of a gap or none
        ({3, 5, 9, 11}, range(12), {3, 4, 5, 9, 10, 11}),
        ({3, 4}, range(12), {3, 4}),  # nothing before and nothing behind
        (set(), range(12), set()),
    ],
)
def test_a_gap_of_two_hours_at_most_is_asked_for_besides(
    wanted: set[int], free: range | set[int], joined: set[int]
) -> None:
    keys = [{f"{number}" for number in each} for each in (wanted, free)]
    found = with_gaps(HOURS, keys[0], keys[1], 2 * HOUR)
    assert found == {f"{number}" for number in joined}
