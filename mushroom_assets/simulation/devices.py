"""What a room has: its devices, their 46 points and what the controllers call them.

Here live names, units and order, nothing that moves. Values live in `grower`, `controllers` and
`climate`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from mushroom_assets.domain.farm import Farm

# The controllers count the rooms in the order in which they were wired, which is not the order of
# their numbers.
WIRED = {"611": 1, "612": 2, "607": 3, "608": 4}
COLUMNS = [
    "room_id",
    "device_type",
    "device_name",
    "device_alias",
    "point_name",
    "point_alias",
    "unit",
]


@dataclass(frozen=True)
class Device:
    """A device of every room. `points` are "<point_name> <point_alias> [<unit>]"."""

    name: str  # what its alias begins with, and the first half of a point's key
    device_type: str
    code: str  # the end of what the controller calls it
    points: tuple[str, ...]


_HUMIDIFIER = ("Model mode", "On on min", "Off off min", "Running status")
DEVICES = (
    Device(
        "air_cooler",
        "air_cooler",
        "CH01",
        (
            "OnOff on_off",
            "Running status",
            "TemSet temp_set °C",
            "TemDiffSet temp_diffset °C",
            "Tem temp °C",
            "CycOnTime cyc_on_time min",
            "CycOffTime cyc_off_time min",
            "ArOnOff air_on_off",
            "HumOnOff hum_on_off",
            "CycOnOff cyc_on_off",
        ),
    ),
    Device(
        "fresh_air_fan",
        "fresh_air_fan",
        "AR01",
        (
            "Model mode",
            "Control control",
            "Co2On co2_on ppm",
            "Co2Off co2_off ppm",
            "On on min",
            "Off off min",
            "Running status",
        ),
    ),
    Device("left_humidifier", "humidifier", "HUM01", _HUMIDIFIER),
    Device("right_humidifier", "humidifier", "HUM02", _HUMIDIFIER),
    Device(
        "grow_light",
        "grow_light",
        "LIGHT01",
        (
            "Model model",
            "OnMSet on_mset min",
            "OffMSet off_mset min",
            *(f"OnOff{lamp} on_off{lamp}" for lamp in range(1, 5)),
            *(f"Choose{lamp} choose{lamp}" for lamp in range(1, 5)),
            "Running status",
        ),
    ),
    Device(
        "mushroom_info",
        "mushroom_info",
        "INFO01",
        (
            "InYear in_year",
            "InMonth in_month",
            "InDay in_day",
            "InNum in_num",
            "InDayNum in_day_num",
            "Number in_time",
        ),
    ),
    Device(
        "mushroom_env_status",
        "mushroom_env_status",
        "TM01",
        ("Tatmosp temperature °C", "Hatmosp humidity %", "Co2 co2 ppm"),
    ),
)


def _columns_of_devices() -> dict[str, slice]:
    columns = {}
    first = 0
    for device in DEVICES:
        columns[device.name] = slice(first, first + len(device.points))
        first += len(device.points)
    return columns


def _keys() -> tuple[str, ...]:
    keys = []
    for device in DEVICES:
        keys += [f"{device.name}.{point.split()[1]}" for point in device.points]
    return tuple(keys)


KEYS = _keys()
"""The 46 points of a room as "<device>.<point_alias>", in the order of the value columns."""
INDEX = {key: column for column, key in enumerate(KEYS)}
DEVICE_COLUMNS = _columns_of_devices()
"""Which value columns a device has."""


def room_number(farm: Farm, room: str) -> int:
    """The number that a room's controller shows.

    It is the folder's number (7 for room 607), otherwise the wiring number.
    """
    digits = re.sub(r"\D", "", farm.folder(room))
    return int(digits) if digits else wiring_number(farm, room)


def wiring_number(farm: Farm, room: str) -> int:
    """The number in the controllers' device names.

    Rooms beyond the reference plant follow in the farm's order.
    """
    others = [other for other in farm.rooms if other not in WIRED]
    return WIRED.get(room) or len(WIRED) + 1 + others.index(room)


def points(farm: Farm, rooms: Sequence[str]) -> pd.DataFrame:
    """The points of some rooms, as table `farm.point` has them.

    Returns:
        46 rows a room with the columns room_id, device_type, device_name, device_alias, point_name,
        point_alias and unit (None where a point has none). The row number is what `samples.point`
        refers to.
    """
    rows = []
    for room in rooms:
        number = wiring_number(farm, room)
        for device in DEVICES:
            name = f"TD1_Q{number}MD{device.code}"
            alias = f"{device.name}_{room}"
            for point in device.points:
                point_name, point_alias, *rest = point.split()
                unit = rest[0] if rest else None
                rows.append((room, device.device_type, name, alias, point_name, point_alias, unit))
    table = pd.DataFrame(rows, columns=COLUMNS)
    # Otherwise pandas turns a None among strings into its own missing value.
    return table.assign(unit=pd.Series([row[-1] for row in rows], dtype=object))
