"""The target band of a quantity in a room on a day, as the farm's page draws and tells it.

One place: a band is that of the farm file, or what was set for the room, batch and day.
"""

import datetime as dt

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Band


def target_band(
    farm: Farm, room_id: str, day: dt.date, quantity: str, growth_day: int | None
) -> Band | None:
    """The target band in force, both ends included; None where there is none."""
    return farm.on(room_id, day).band(quantity, growth_day)
