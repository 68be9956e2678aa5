"""What a device point is: one value of one device in one room."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A row of the point table, by the names that people use."""

    point_id: int
    room_id: str
    device_type: str
    device_alias: str
    point_alias: str
