"""Ribbons of a made-up day, of every room of a farm."""

import datetime as dt

import numpy as np
import pandas as pd

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.ribbon import Ribbon, Steps, day_ribbons
from mushroom_assets.domain.sensors import RoomQuantity
from mushroom_assets.domain.windows import Window

MINUTE = 60_000_000  # µs
# Of each quantity: the middle of its noise, and its spread
LEVELS = {"temperature": (18.2, 0.3), "humidity": (91.0, 0.8), "co2": (2600.0, 80.0)}


def day(of: Farm) -> Window:
    """2026-01-05 on the farm's clock."""
    start = dt.datetime(2026, 1, 5, tzinfo=of.zone)
    return Window("2026-01-05", start, start + dt.timedelta(days=1))


def ribbons(of: Farm, *, gap_hours: int = 0, value: float | None = None) -> list[Ribbon]:
    """A noisy day of every room, or a flat one, without samples in its last hours."""
    window = day(of)
    rng = np.random.default_rng(1)
    at = np.arange(window.start_us, window.end_us - gap_hours * 60 * MINUTE, MINUTE)
    frames: list[pd.DataFrame] = []
    sources: dict[RoomQuantity, list[Point]] = {}
    for room in of.rooms:
        for name, (middle, spread) in LEVELS.items():
            point = len(frames) + 1
            sources[room, name] = [Point(point, room, "env", f"env_{room}", name)]
            values = rng.normal(middle, spread, at.size)
            if value is not None:
                values = np.full(at.size, value)
            numbers = np.full(at.size, point, np.int32)
            frames.append(pd.DataFrame({"point_id": numbers, "at": at, "value": values}))
    words = "温度设定" if of.language == "zh" else "temperature setpoint"
    setpoint = Steps(words, at[[0, 500]], np.array([17.5, 17.0]))
    settings = {(room, "temperature"): [setpoint] for room in of.rooms}
    batches = {room: [dt.date(2026, 1, 1)] for room in of.rooms}
    return day_ribbons(pd.concat(frames), window, sources, settings, of, batches)
