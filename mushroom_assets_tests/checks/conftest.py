"""A small farm with two good days."""

import pytest

from mushroom_assets_tests.kit.evaluations import DAY, NEXT
from mushroom_assets_tests.kit.small import SmallFarm


@pytest.fixture
def covered(small: SmallFarm) -> SmallFarm:
    """Two rooms, two full days of climate, one on/off point that moves at 9 and at 11 o'clock."""
    for day in (DAY, NEXT):
        instants = [small.at(day, tenth / 6) for tenth in range(144)]
        levels = {
            "t": [18.0 + 0.1 * (number % 3) for number in range(144)],
            "h": [90.0 + number % 2 for number in range(144)],
        }
        for room, point in (("A", "t"), ("A", "h"), ("B", "t"), ("B", "h")):
            values = zip(instants, levels[point], strict=True)
            small.put([(room, point, at, value) for at, value in values])
    small.put(
        [("A", "power", small.at(DAY, at), value) for at, value in ((8, 0.0), (9, 1.0), (11, 0.0))]
    )
    return small
