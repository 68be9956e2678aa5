"""The simulated plant: a farm day of samples as the gateways deliver them, and the truth behind
them.

Here the rooms' days are put together. Everything is a function of (seed, room, day) and the farm
alone: which other rooms or days are simulated, and where a day is cut, changes no row. Nothing here
reads or writes a table.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mushroom_assets.domain.farm import Farm
from mushroom_assets.simulation.batch import batches
from mushroom_assets.simulation.clock import Minutes, Purpose, aware, chance, minutes
from mushroom_assets.simulation.devices import DEVICES, points
from mushroom_assets.simulation.feed import SECOND, SENSORS, Feed, faultless, spoil
from mushroom_assets.simulation.room import is_changeover, room_day

__all__ = ["PlantDay", "Truth", "batches", "points", "simulate_day"]
QUANTITIES = ("temperature", "humidity", "co2")


@dataclass(frozen=True)
class Truth:
    """What really happened, whatever the faults made of it.

    Attributes:
        changes: one row per move of a watched point inside the day: point (int, row of `points`),
            changed_at (datetime64[us, UTC], the first minute with the new value), previous and
            current (float). An analog step below the point's threshold is none. By point, then
            time.
        climate: room_id, quantity (temperature °C, humidity %, co2 ppm), sampled_at (UTC), value:
            every minute, rounded to the sensor's resolution.
    """

    changes: pd.DataFrame
    climate: pd.DataFrame


@dataclass(frozen=True)
class PlantDay:
    """A day of the plant.

    Attributes:
        samples: point (int, row of `points`), sampled_at (datetime64[us, UTC]), value (float64),
            received_at (datetime64[us, UTC]), in order of arrival, repeats included.
        truth: what really happened.
    """

    samples: pd.DataFrame
    truth: Truth


def simulate_day(
    farm: Farm,
    rooms: Sequence[str],
    day: dt.date,
    *,
    seed: int,
    faults: bool = True,
    until: dt.datetime | None = None,
) -> PlantDay:
    """One farm-local day of some rooms: 46 samples a room and minute, for 23, 24 or 25 hours.

    Args:
        farm: the farm; its watched points decide which changes are part of the truth.
        rooms: room ids; their order gives the points their numbers.
        day: farm-local day.
        seed: 0 or more; another seed is another plant.
        faults: False for the feed as it should be: each minute on the minute, received two seconds
            later.
        until: an aware instant; no sample, change or climate value at or after it. None for the
            whole day.

    Raises:
        ValueError: `until` without a time zone.
    """
    clock = minutes(farm, day)
    values = [room_day(farm, room, day, clock, seed) for room in rooms]
    samples, changes, climate = [], [], []
    for number, (room, true) in enumerate(zip(rooms, values, strict=True)):
        first = number * true.shape[1]
        random = chance(seed, room, day, Purpose.FAULTS)
        feed = (
            spoil(true, random, is_changeover=is_changeover(farm, room, day))
            if faults
            else faultless(true)
        )
        samples.append(_delivered(feed, clock, first))
        changes.append(_changes(true, clock, _least_steps(farm), first))
        climate.append(_climate(true, clock, room))
    arrived = pd.concat(samples, ignore_index=True).sort_values(
        "received_at", kind="stable", ignore_index=True
    )
    truth = Truth(
        _before(pd.concat(changes, ignore_index=True), "changed_at", until),
        _before(pd.concat(climate, ignore_index=True), "sampled_at", until),
    )
    return PlantDay(_before(arrived, "sampled_at", until), truth)


def _before(rows: pd.DataFrame, column: str, until: dt.datetime | None) -> pd.DataFrame:
    if until is None:
        return rows
    if until.tzinfo is None:
        raise ValueError("until needs a time zone: an instant, not a reading of some wall clock")
    return rows[rows[column] < pd.Timestamp(until)].reset_index(drop=True)


def _delivered(feed: Feed, clock: Minutes, first: int) -> pd.DataFrame:
    """A room's feed as rows, repeats last."""
    sampled = clock.utc[:, None] + feed.shift * SECOND
    received = sampled + (feed.delay * 1e6).astype("timedelta64[us]")
    number = np.broadcast_to(np.arange(first, first + feed.values.shape[1]), feed.values.shape)
    parts = [tuple(part[feed.sent] for part in (number, sampled, feed.values, received))]
    for *block, seconds in feed.again:
        where = tuple(block)
        later = received[where] + np.timedelta64(int(seconds * 1e6), "us")
        sent = feed.sent[where]
        parts.append(
            (number[where][sent], sampled[where][sent], feed.values[where][sent], later[sent])
        )
    point, sampled_at, value, received_at = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return pd.DataFrame(
        {
            "point": point,
            "sampled_at": aware(sampled_at),
            "value": value,
            "received_at": aware(received_at),
        }
    )


def _least_steps(farm: Farm) -> NDArray[np.float64]:
    """The smallest step that counts as a change, (46,): infinite where the farm does not watch the
    point.
    """
    found = [
        farm.points.get(device.device_type, {}).get(p.split()[1])
        for device in DEVICES
        for p in device.points
    ]
    return np.array([np.inf if point is None else point.threshold or 1e-6 for point in found])


def _changes(
    true: NDArray[np.float64], clock: Minutes, least: NDArray[np.float64], first: int
) -> pd.DataFrame:
    steps = np.abs(np.round(np.diff(true, axis=0), 6))  # decimal steps: 12.6 - 12.5 is 0.1
    column, minute = np.nonzero((steps >= least).T)
    return pd.DataFrame(
        {
            "point": first + column,
            "changed_at": aware(clock.utc[minute + 1]),
            "previous": true[minute, column],
            "current": true[minute + 1, column],
        }
    )


def _climate(values: NDArray[np.float64], clock: Minutes, room: str) -> pd.DataFrame:
    n = len(clock.utc)
    return pd.DataFrame(
        {
            "room_id": room,
            "quantity": np.repeat(QUANTITIES, n),
            "sampled_at": aware(np.tile(clock.utc, len(QUANTITIES))),
            "value": values[:, SENSORS].T.ravel(),
        }
    )
