"""How long a room was wet: the hours in which water can stand on caps, which blotch needs.

Wet is air of 97 % or more, or within half a kelvin of its dew point.
"""

import numpy as np

from mushroom_assets.domain.held import HOUR, Held
from mushroom_assets.domain.series import DECIMALS

HUMIDITY_FROM = 97.0  # %
DEW_POINT_WITHIN = 0.5  # K


def wet_hours(temperature: Held, humidity: Held, dew_point: Held) -> float | None:
    """Hours of the window in which the room was known to be wet.

    None where nothing is known of its humidity.
    """
    if not humidity.since.size:
        return None
    helds = (temperature, humidity, dew_point)
    ends = [np.append(held.since, held.until) for held in helds]
    edges = np.unique(np.concatenate(ends))
    since = edges[:-1]
    percent = np.round(humidity.at(since), DECIMALS)
    above_dew_point = np.round(temperature.at(since) - dew_point.at(since), DECIMALS)
    wet = (percent >= HUMIDITY_FROM) | (above_dew_point <= DEW_POINT_WITHIN)
    return int(np.diff(edges)[wet].sum()) / HOUR
