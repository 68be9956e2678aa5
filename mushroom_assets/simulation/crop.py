"""How the crop and the air answer: breathing, fresh air and moisture in a steady state.

Here live the laws that both the grower (who expects them) and the climate (which obeys them) know.
"""

import math

OUTDOOR_CO2 = 450.0  # ppm
LEAK = 0.0015  # share of the room's air that a closed room exchanges in a minute
FAN = 0.03  # the same while the fresh air fan runs


def breath(growth_day: int) -> float:
    """CO2 that a full room gives off, in ppm a minute: 18 at first, 28 with grown clusters."""
    return 18.0 + 10.0 * min(max(growth_day - 2, 0), 20) / 20.0


def timed_co2(growth_day: int, on: float, off: float) -> float:
    """CO2 in ppm at which a full room settles.

    Its fan runs `on` minutes and rests `off` minutes.
    """
    return OUTDOOR_CO2 + breath(growth_day) / (LEAK + FAN * on / (on + off))


def settled_humidity(mist: float) -> float:
    """Relative humidity in % at which a full room settles.

    `mist` is the share of humidifying, from 0 to 1.
    """
    return 94.2 - 9.5 * math.exp(-2.5 * mist)
