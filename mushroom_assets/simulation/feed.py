"""What goes wrong between sensor and database.

Here lives what is done to a true day before it is delivered: wandering clocks, holes, repeats, late
rows, glitches, stuck sensors. The truth itself is never touched.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mushroom_assets.simulation.devices import DEVICE_COLUMNS, INDEX

SECOND = np.timedelta64(1_000_000, "us")
SENSORS = tuple(
    INDEX[f"mushroom_env_status.{point}"] for point in ("temperature", "humidity", "co2")
)
HUMIDITY, CO2 = SENSORS[1:]


@dataclass
class Feed:
    """A room's day on its way to the database; minutes n, points 46.

    Attributes:
        values: (n, 46) what the sensors report.
        sent: (n, 46) bool, False where the sample never arrives.
        shift: (n, 46) int, seconds by which the stamp is off the full minute: -1, 0 or 1.
        delay: (n, 46) seconds from stamp to arrival.
        again: blocks (minutes, points) that arrive a second time, and after how many seconds.
    """

    values: NDArray[np.float64]
    sent: NDArray[np.bool_]
    shift: NDArray[np.int64]
    delay: NDArray[np.float64]
    again: list[tuple[slice, slice, float]] = field(default_factory=list)


def faultless(values: NDArray[np.float64]) -> Feed:
    """Every sample, on the full minute, two seconds later in the database."""
    shape = values.shape
    return Feed(
        values=values,
        sent=np.ones(shape, dtype=bool),
        shift=np.zeros(shape, dtype=np.int64),
        delay=np.full(shape, 2.0),
    )


def spoil(values: NDArray[np.float64], random: np.random.Generator, *, is_changeover: bool) -> Feed:
    """A real feed of a true day.

    Args:
        values: (n, 46) the true values; left as they are.
        random: the stream of this room and day.
        is_changeover: on such days the room's sensor is at times taken out for the cleaning.
    """
    feed = faultless(values.copy())
    _wander(feed, random)
    _delay(feed, random)
    _lose(feed, random, is_changeover)
    _distort(feed, random)
    _repeat(feed, random)
    return feed


def _span(n: int, random: np.random.Generator, shortest: int, longest: int) -> slice:
    """Consecutive minutes of the day."""
    length = min(int(random.integers(shortest, longest + 1)), n)
    first = int(random.integers(0, n - length + 1))
    return slice(first, first + length)


def _device(random: np.random.Generator) -> slice:
    return list(DEVICE_COLUMNS.values())[int(random.integers(len(DEVICE_COLUMNS)))]


def _wander(feed: Feed, random: np.random.Generator) -> None:
    """A device's clock is off by up to a second.

    The stamps of a point stay a minute apart, or nearly so.
    """
    n = len(feed.values)
    for _ in range(int(random.integers(2, 6))):
        minutes = _span(n, random, 30, 400)
        off = random.integers(-1, 2, size=(minutes.stop - minutes.start, 1))
        feed.shift[minutes, _device(random)] = off
    np.maximum(feed.shift[0], 0, out=feed.shift[0])  # never into the day before


def _delay(feed: Feed, random: np.random.Generator) -> None:
    """Seconds as a rule, minutes now and then, hours when a gateway had to store and forward."""
    feed.delay[:] = random.uniform(0.5, 6.0, feed.delay.shape)
    feed.delay[random.random(feed.delay.shape, dtype=np.float32) < 0.004] += 150.0
    if random.random() < 0.35:
        minutes = _span(len(feed.values), random, 10, 90)
        feed.delay[minutes, _device(random)] += 3600.0 * random.uniform(0.8, 8.0)


def _lose(feed: Feed, random: np.random.Generator, is_changeover: bool) -> None:
    """What never arrives.

    Single samples, a sensor for minutes, a device for hours, the room's sensor for the whole
    cleaning day.
    """
    n, points = feed.sent.shape
    few = int(random.poisson(5))
    feed.sent[random.integers(0, n, few), random.integers(0, points, few)] = False
    for _ in range(int(random.poisson(0.8))):
        feed.sent[_span(n, random, 2, 15), int(random.choice(SENSORS))] = False
    if random.random() < 0.08:
        feed.sent[_span(n, random, 20, 200), _device(random)] = False
    if is_changeover and random.random() < 0.25:
        feed.sent[:, DEVICE_COLUMNS["mushroom_env_status"]] = False


def _distort(feed: Feed, random: np.random.Generator) -> None:
    """A sensor that sticks for hours.

    CO2 = 0 or humidity + 10 for one minute; rarely no number at all.
    """
    n = len(feed.values)
    if random.random() < 0.07:
        minutes = _span(n, random, 150, 420)
        sensor = int(random.choice(SENSORS))
        feed.values[minutes, sensor] = feed.values[minutes.start, sensor]
    for minute in random.integers(3, n - 3, int(random.poisson(0.5))):
        feed.values[minute, CO2] = 0.0
    for minute in random.integers(3, n - 3, int(random.poisson(0.4))):
        feed.values[minute, HUMIDITY] = round(min(feed.values[minute, HUMIDITY] + 10.0, 99.99), 2)
    for minute in random.integers(0, n, int(random.poisson(0.3))):
        feed.values[minute, int(random.choice(SENSORS))] = np.nan


def _repeat(feed: Feed, random: np.random.Generator) -> None:
    """A gateway that got no receipt sends a device's last minutes again, at most an hour later."""
    for _ in range(int(random.poisson(2.0))):
        minutes = _span(len(feed.values), random, 1, 20)
        device = _device(random)
        seconds = float(random.uniform(8, 3600))
        feed.again.append((minutes, device, seconds))
