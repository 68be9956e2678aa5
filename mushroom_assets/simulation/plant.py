"""The simulated plant: a farm day of samples as the gateways deliver them, and the truth behind.

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
            current (float). An analog step below the point's threshold is not a change. By point,
            then time.
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
        faults: False for the feed as it should be: on the minute, received two seconds later.
        until: an aware instant from which on there is nothing; None for the whole day.

    Raises:
        ValueError: `until` without a time zone.
    """
    clock = minutes(farm, day)
    samples = []
    changes = []
    climate = []
    for number, room in enumerate(rooms):
        true = room_day(farm, room, day, clock, seed)
        feed = _feed(farm, room, day, true, seed) if faults else faultless(true)
        first = number * true.shape[1]
        samples.append(_delivered(feed, clock, first))
        changes.append(_changes(true, clock, _least_steps(farm), first))
        climate.append(_climate(true, clock, room))
    delivered = pd.concat(samples, ignore_index=True)
    arrived = delivered.sort_values("received_at", kind="stable", ignore_index=True)
    truth = Truth(
        _before(pd.concat(changes, ignore_index=True), "changed_at", until),
        _before(pd.concat(climate, ignore_index=True), "sampled_at", until),
    )
    return PlantDay(_before(arrived, "sampled_at", until), truth)


def _feed(farm: Farm, room: str, day: dt.date, true: NDArray[np.float64], seed: int) -> Feed:
    random = chance(seed, room, day, Purpose.FAULTS)
    return spoil(true, random, is_changeover=is_changeover(farm, room, day))


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
    sent = feed.sent
    parts = [(number[sent], sampled[sent], feed.values[sent], received[sent])]
    for minutes_again, points_again, seconds in feed.again:
        where = (minutes_again, points_again)
        sent = feed.sent[where]
        later = received[where] + np.timedelta64(int(seconds * 1e6), "us")
        parts.append(
            (number[where][sent], sampled[where][sent], feed.values[where][sent], later[sent])
        )
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    point, sampled_at, value, received_at = columns
    return pd.DataFrame(
        {
            "point": point,
            "sampled_at": aware(sampled_at),
            "value": value,
            "received_at": aware(received_at),
        }
    )


def _least_steps(farm: Farm) -> NDArray[np.float64]:
    """The smallest step that counts as a change, (46,).

    Infinite where the farm does not watch the point.
    """
    steps: list[float] = []
    for device in DEVICES:
        watched = farm.points.get(device.device_type, {})
        for point in device.points:
            rule = watched.get(point.split()[1])
            steps.append(np.inf if rule is None else rule.threshold or 1e-6)
    return np.array(steps)


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
