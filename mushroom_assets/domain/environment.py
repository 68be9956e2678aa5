"""`daily_env_stats`: a room's day in numbers, from the samples of its sensors.

Samples come in and rows go out; this module does not know where they are stored. `sensors` finds
and marks the samples of each sensor, `held` says what they know together, `statistics` counts.
Times are int64 microseconds since 1970 UTC, windows half-open [start, end).
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NotRequired, TypedDict

import pandas as pd

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.growth import Growth, growth_on
from mushroom_assets.domain.held import Held, hold
from mushroom_assets.domain.names import ENVIRONMENT
from mushroom_assets.domain.sensors import Sensor, Sources, room_sensors
from mushroom_assets.domain.series import SECOND
from mushroom_assets.domain.statistics import Counts, count, spread_out
from mushroom_assets.domain.versions import Parts
from mushroom_assets.domain.wetness import wet_hours
from mushroom_assets.domain.windows import Window

VERSION = 2  # of the code: raise it when the rows' meaning changes, see `versions`


class DailyEnvStats(TypedDict):
    """A row of `daily_env_stats`; what writes it adds `run_id` and `computed_at`."""

    stat_date: dt.date
    room_id: str
    quantity: str
    unit: str
    sensor_count: int | None
    sample_count: int
    rejected_count: int
    suspect_count: int
    coverage: float
    longest_gap_s: float
    mean: float | None
    spread: float | None
    in_range: float | None
    below: float | None
    above: float | None
    longest_out_s: float | None
    out_integral: float | None
    steepest_rise: float | None
    steepest_fall: float | None
    wet_hours: float | None
    min: float | None
    q25: float | None
    median: float | None
    q75: float | None
    max: float | None
    batch_date: dt.date | None
    growth_day: int | None
    is_growth_phase: bool | None
    settings_version: int
    run_id: NotRequired[str]
    computed_at: NotRequired[dt.datetime]


class SensorDay(NamedTuple):
    """One of several sensors of a quantity in a room, beside the others.

    Attributes:
        room_id: the room.
        quantity: what it measures.
        name: what people call its device.
        counts: its samples of the day.
        coverage: share of the day in which it knows a value.
        mean: time-weighted; None where it knows none.
        room_mean: that of all of them together.
    """

    room_id: str
    quantity: str
    name: str
    counts: Counts
    coverage: float
    mean: float | None
    room_mean: float | None


class EnvironmentDay(NamedTuple):
    """A day's rows, one a room and quantity; and the sensors of where a room has several of one."""

    rows: list[DailyEnvStats]
    sensors: list[SensorDay]


def samples_a_day(farm: Farm) -> int:
    """How many samples a day brings, at one a minute and one sensor of a quantity in each room."""
    return 24 * 60 * len(farm.rooms) * len(farm.quantities)


def summarise_day(
    samples: pd.DataFrame,
    day: Window,
    sources: Sources,
    farm: Farm,
    in_dates: Mapping[str, Sequence[dt.date]],
) -> EnvironmentDay:
    """What a day was like in every room.

    Args:
        samples: columns point_id, at, value, by point and time. What `sensors.neighbourhood` names
            counts, and no more, so that a day's rows do not depend on what else was read.
        day: the farm-local day.
        sources: as `sensors.find_sources` returns them.
        farm: rooms, and the rules and bands in force in each.
        in_dates: ascending in-dates by room.
    """
    columns = {name: samples[name].to_numpy() for name in ("point_id", "at", "value")}
    found = EnvironmentDay([], [])
    for room in farm.rooms:
        growth = growth_on(day.date, in_dates.get(room, ()), farm.cycle_days)
        rules = farm.on(room, day.date)
        measured = room_sensors(columns, room, day, sources, rules)
        helds: dict[str, Held] = {}
        for name, sensors in measured.items():
            series = [sensor.series for sensor in sensors]
            helds[name] = hold(series, day.start_us, day.end_us, farm.max_hold_s)
            found.sensors.extend(_sensor_days(room, name, sensors, helds[name], farm))
        for name, held in helds.items():
            key = _Key(day.date, room, name)
            found.rows.append(_row(key, measured[name], held, growth, rules))
        _tell_wetness(found.rows, room, helds)
    return found


class _Key(NamedTuple):
    day: dt.date
    room_id: str
    quantity: str


def _row(
    key: _Key, sensors: Sequence[Sensor], held: Held, growth: Growth, farm: Farm
) -> DailyEnvStats:
    own = [sensor.series.within(held.start, held.end) for sensor in sensors]
    counts = count(own)
    values = spread_out(own)
    band = farm.band(key.quantity, growth.growth_day)
    beside = None if band is None else held.beside(band)
    steepest = held.steepest()
    return {
        "stat_date": key.day,
        "room_id": key.room_id,
        "quantity": key.quantity,
        "unit": farm.units()[key.quantity],
        "sensor_count": counts.sensors,
        "sample_count": counts.samples,
        "rejected_count": counts.rejected,
        "suspect_count": counts.suspect,
        "coverage": held.coverage,
        "longest_gap_s": held.longest_gap() / SECOND,
        "mean": held.mean(),
        "spread": held.mean_spread(),
        "in_range": beside and beside.inside,
        "below": beside and beside.below,
        "above": beside and beside.above,
        "longest_out_s": beside and beside.longest_out_s,
        "out_integral": beside and beside.out_integral,
        "steepest_rise": steepest and steepest.rise,
        "steepest_fall": steepest and steepest.fall,
        "wet_hours": None,
        "min": values.min,
        "q25": values.q25,
        "median": values.median,
        "q75": values.q75,
        "max": values.max,
        "batch_date": growth.batch_date,
        "growth_day": growth.growth_day,
        "is_growth_phase": growth.is_growth_phase,
        "settings_version": farm.settings_version(ENVIRONMENT),
    }


def _tell_wetness(rows: Sequence[DailyEnvStats], room: str, helds: Mapping[str, Held]) -> None:
    """Write the hours of wetness, which are the room's, into its row of humidity."""
    if "dew_point" not in helds:
        return
    wet = wet_hours(helds["temperature"], helds["humidity"], helds["dew_point"])
    for row in rows:
        if (row["room_id"], row["quantity"]) == (room, "humidity"):
            row["wet_hours"] = wet


def _sensor_days(
    room: str, quantity: str, sensors: Sequence[Sensor], together: Held, farm: Farm
) -> list[SensorDay]:
    """Each of several sensors by itself; one alone is the room's row."""
    start = together.start
    end = together.end
    delivering = [sensor for sensor in sensors if sensor.series.within(start, end).at.size]
    if len(delivering) < 2:
        return []
    found = []
    for sensor in delivering:
        held = hold([sensor.series], start, end, farm.max_hold_s)
        counts = count([sensor.series.within(start, end)])
        figures = (counts, held.coverage, held.mean(), together.mean())
        found.append(SensorDay(room, quantity, sensor.name, *figures))
    return found


def depends_on(farm: Farm) -> list[Parts]:
    """The parts of the farm file that the rows of `daily_env_stats` depend on."""
    # A quantity may say more, how to draw it for instance: no number depends on that.
    said = {"device_type", "point_alias", "unit", "plausible", "spike", "stuck_s", "full_scale"}
    quantities = farm.quantities.items()
    return [
        {
            "timezone": farm.timezone,
            "rooms": sorted(farm.rooms),
            "cycle_days": farm.cycle_days,
            "max_hold_s": farm.max_hold_s,
            "pair_within_s": farm.pair_within_s,
            "quantities": {name: one.model_dump(include=said) for name, one in quantities},
            "stages": sorted([stage.days, sorted(stage.bands.items())] for stage in farm.stages),
        }
    ]
