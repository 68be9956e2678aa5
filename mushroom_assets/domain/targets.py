"""The target band of a quantity in a room on a day, as the farm's page draws and tells it.

One place: whatever decides a band besides the farm file comes in here.
"""

import datetime as dt

from mushroom_assets.domain.farm import Band, Farm


def target_band(
    farm: Farm, room_id: str, day: dt.date, quantity: str, growth_day: int | None
) -> Band | None:
    """The target band in force, both ends included; None where there is none."""
    return farm.on(room_id, day).band(quantity, growth_day)
