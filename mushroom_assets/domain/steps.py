"""Whether a step from one value to another counts, as people read the two: in decimal.

What is compared with what, and which step is the smallest of a point, is the business of
`setpoints`.
"""

import numpy as np
import numpy.typing as npt

# A step counts in decimal: 12.6 - 12.5 is 0.0999999999999996 in binary. Doubles are good for 13
# digits of sums of a few decimals.
_DOUBLE_NOISE = 1e-13  # of the value
# A feed of 4-byte floats says 12.6 as 12.60000038, and a controller that multiplies by 0.1 in them
# may say the number beside it: each value is off by one distance between 4-byte floats at most,
# 5e-4 at 5,000. Up to 32,768 (2e-3) steps of 0.1 are all found and those of 0.09 never; beyond,
# the noise of two values might be taken for the hundredth that lacks.
_LARGEST_NOISE = 0.05  # of the threshold
Values = npt.NDArray[np.float64]


@np.errstate(over="ignore")  # 1e308 is no setpoint, but may be a sample
def reaches(before: Values, after: Values, least: Values) -> npt.NDArray[np.bool_]:
    """Whether steps reach the smallest one that counts.

    Args:
        before: finite values, shape (n,).
        after: those that came next, finite too, shape (n,).
        least: the smallest step that counts, shape (n,); 0 where every difference does, but for
            that of two ways to write one decimal.
    """
    size = np.maximum(np.maximum(np.abs(before), np.abs(after)), least)
    noise = _distance(before) + _distance(after)
    capped = np.where(least > 0, np.minimum(noise, _LARGEST_NOISE * least), noise)
    slack = capped + _DOUBLE_NOISE * size
    step = np.abs(after - before)
    return np.where(least > 0, step >= least - slack, step > slack)


def _distance(value: Values) -> Values:
    """How far apart 4-byte floats are at a value that may have come as one; else 0.

    Whole numbers are meant as they are.
    """
    short = value.astype(np.float32)
    came_as_one = (short == value) & (np.rint(value) != value)
    return np.where(came_as_one, np.abs(np.spacing(short)), 0).astype(np.float64)
