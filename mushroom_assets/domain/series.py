"""The samples of one sensor over time, and which of them count.

Times are int64 microseconds since 1970 UTC, windows half-open [start, end). Which samples are
rejected, a spike or stuck is the business of `marks`, how long each is known that of `held`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SECOND = 1_000_000  # microseconds
# Compared with a limit to so many decimals. The mean of three sensors at 10.7 lies inside a band
# that begins there, so does the dew point of saturated air at 17.6 °C in one that begins there, and
# 8.3 is not more than 2 above 6.3; but in binary they are 10.699999999999998, 17.599999999999998
# and 2.000000000000001
DECIMALS = 9


@dataclass(frozen=True)
class Series:
    """Samples of one sensor, ascending in time; the five arrays have one length.

    `rejected` samples and those that are a `spike` count in no statistic, `stuck` ones do. A
    rejected sample is neither of the others.
    """

    at: Times
    value: Values
    rejected: Flags
    spike: Flags
    stuck: Flags

    @property
    def accepted(self) -> Flags:
        """Those that count."""
        return ~(self.rejected | self.spike)

    @property
    def suspect(self) -> Flags:
        """Those that look wrong, whether they count or not."""
        return self.spike | self.stuck

    def within(self, start: int, end: int) -> Self:
        """The samples of [start, end), without a copy."""
        part = slice(*np.searchsorted(self.at, (start, end)))
        return type(self)(
            self.at[part],
            self.value[part],
            self.rejected[part],
            self.spike[part],
            self.stuck[part],
        )


def last_known(sensors: Sequence[Series], at: int, max_age_s: int) -> float | None:
    """The last value before an instant: the mean over the sensors; None where none has one.

    That of a sensor is its last accepted sample at or before the instant, at most `max_age_s` old.
    A glitch since then does not hide it, as it does in `held`.
    """
    values = []
    for series in sensors:
        accepted = series.at[series.accepted]
        last = int(np.searchsorted(accepted, at, side="right")) - 1
        if last >= 0 and at - accepted[last] <= max_age_s * SECOND:
            values.append(float(series.value[series.accepted][last]))
    return sum(values) / len(values) if values else None
