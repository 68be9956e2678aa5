"""How long a room was wet: the hours in which water can stand on caps, which blotch needs.

Wet is air of 97 % or more, or within half a kelvin of its dew point.
"""

import numpy as np

from mushroom_assets.domain.held import HOUR, Held
from mushroom_assets.domain.series import DECIMALS, Flags, Values

HUMIDITY_FROM = 97.0  # %
DEW_POINT_WITHIN = 0.5  # K


def wet_hours(temperature: Held, humidity: Held, dew_point: Held) -> float | None:
    """Hours of the window in which the room was known to be wet.

    None where nothing is known of its humidity.
    """
    if not humidity.since.size:
        return None
    if _is_read_together(temperature, humidity, dew_point):
        wet = _is_wet(temperature.value, humidity.value, dew_point.value)
        return int(humidity.known[wet].sum()) / HOUR
    ends = [np.append(held.since, held.until) for held in (temperature, humidity, dew_point)]
    edges = np.sort(np.concatenate(ends))
    since = edges[:-1]
    wet = _is_wet(temperature.at(since), humidity.at(since), dew_point.at(since))
    return int(np.diff(edges)[wet].sum()) / HOUR


def _is_wet(temperature: Values, humidity: Values, dew_point: Values) -> Flags:
    percent = np.round(humidity, DECIMALS)
    cooling = np.round(temperature - dew_point, DECIMALS)
    wet: Flags = (percent >= HUMIDITY_FROM) | (cooling <= DEW_POINT_WITHIN)
    return wet


def _is_read_together(*helds: Held) -> bool:
    """Whether the values are known in the same stretches, as those of one device mostly are."""
    first = helds[0]
    for held in helds[1:]:
        if not np.array_equal(held.since, first.since):
            return False
        if not np.array_equal(held.until, first.until):
            return False
    return True
