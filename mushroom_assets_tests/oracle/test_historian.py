"""A published example: OPC UA Part 13, annex A.1.3, Historian 3, which is stepped.

Uncertain counts as bad there, which is rejected here: NaN stands for both. Good data holds until
the next sample, and a bad one ends it. Raw samples and expected figures are those of the annex as
node-opcua's tests type them (packages/node-opcua-aggregates/test/test_aggregates.ts: DurationGood,
Count, Minimum, Maximum by 16 s, Interpolative by 5 s); TimeAverage2 is that of
OPCFoundation/UA-.NET-Legacy, Historian3ExpectedData.csv. Left out is the time after the last
sample, at which the annex's data ends and ours holds.
"""

import math

import numpy as np
import pytest

from mushroom_assets.domain.farm_parts import Quantity
from mushroom_assets.domain.held import hold
from mushroom_assets.domain.marks import mark
from mushroom_assets.domain.statistics import count, spread_out
from mushroom_assets_tests.oracle.judged import SECOND, Held, Rule, judge
from mushroom_assets_tests.oracle.statistics import statistics

BAD = math.nan
RAW = {
    0: BAD, 2: 10.0, 25: 20.0, 28: 25.0, 39: 30.0, 42: BAD, 48: 40.0, 52: 50.0, 72: 60.0, 77: BAD,
    83: 70.0, 86: 80.0, 90: 90.0,
}  # fmt: skip
SAMPLES = [(second * SECOND, value) for second, value in RAW.items()]
HOLD_S = 300  # longer than any step: it ends nothing here

# Begin of 16 s, then seconds of good data, good samples, their minimum and maximum
INTERVALS = [
    (0, 14, 1, 10, 10),
    (16, 16, 2, 20, 25),
    (32, 10, 1, 30, 30),
    (48, 16, 2, 40, 50),
    (64, 13, 1, 60, 60),
]
# The value every 5 s; None where the annex calls it bad or uncertain
INTERPOLATIVE = [
    None, 10, 10, 10, 10, 20, 25, 25, 30, None, 40, 50, 50, 50, 50, 60, None, 70, 90,
]  # fmt: skip
TIME_AVERAGE_2 = {45: 40.0, 80: 70.0}  # of the 5 s from there, in which bad data ends
QUANTITY = Quantity(device_type="d", point_alias="p", unit="u", plausible=(0, 100))
SERIES = mark({"at": np.array([at for at, _ in SAMPLES]), "value": np.array(list(RAW.values()))},
              QUANTITY, HOLD_S)  # fmt: skip
JUDGED = judge(SAMPLES, Rule(0, 100, HOLD_S), 0, 100 * SECOND)


@pytest.mark.parametrize(("first", "good_s", "samples", "least", "most"), INTERVALS)
def test_good_time_and_good_samples_are_the_published_ones(
    first: int, good_s: int, samples: int, least: float, most: float
) -> None:
    start = first * SECOND
    end = start + 16 * SECOND
    held = hold([SERIES], start, end, HOLD_S)
    own = [SERIES.within(start, end)]
    values = spread_out(own)
    found = (held.coverage * 16, count(own).samples, values.min, values.max)
    assert found == (good_s, samples, least, most)
    oracle = statistics([JUDGED], HOLD_S, start, end, None)
    counted = (oracle["coverage"] * 16, oracle["sample_count"], oracle["min"], oracle["max"])
    assert counted == found


def test_the_value_at_an_instant_is_the_published_one() -> None:
    instants = [5 * SECOND * place for place in range(len(INTERPOLATIVE))]
    found = hold([SERIES], 0, 100 * SECOND, HOLD_S).at(np.array(instants))
    assert [None if math.isnan(value) else value for value in found] == INTERPOLATIVE
    assert [Held(JUDGED, HOLD_S * SECOND).at(instant) for instant in instants] == INTERPOLATIVE


@pytest.mark.parametrize(("first", "average"), TIME_AVERAGE_2.items())
def test_the_mean_beside_bad_data_is_the_published_one(first: int, average: float) -> None:
    start = first * SECOND
    end = start + 5 * SECOND
    assert hold([SERIES], start, end, HOLD_S).mean() == average
    assert statistics([JUDGED], HOLD_S, start, end, None)["mean"] == average
