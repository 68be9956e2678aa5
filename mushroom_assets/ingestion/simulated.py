"""The simulated plant as a source: samples, batches and notes into tables, images into the store.

What it delivers is the business of `simulation`; nothing here computes results or draws progress.
"""

import datetime as dt
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import pandas as pd
import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.image_store.store import Images
from mushroom_assets.simulation import cameras, plant, written_down
from mushroom_assets.storage.batches import insert_batches
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.harvest import insert_harvest
from mushroom_assets.storage.notes import insert_note
from mushroom_assets.storage.points import register_points
from mushroom_assets.storage.samples import has_samples, insert_samples

log = logging.getLogger(__name__)
IMAGE_DAYS = 3
BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
STATE_FILE = "demo.json"
LATE = dt.timedelta(days=2)  # rows arrive up to a day after their day
# Draws progress: takes how much there is to do (None: unknown), what it is and its unit; returns a
# context manager with `update()`, which is called once a unit.
Bars = Callable[[int | None, str, str], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Demo:
    """A demo farm: what was simulated, so that a later start resumes it. Days are farm-local."""

    seed: int
    first_day: dt.date
    first_image_day: dt.date | None  # None: no images
    delivered_until: dt.datetime  # everything that arrived before this instant is in the tables

    @classmethod
    def begin(cls, seed: int, first_day: dt.date, first_image_day: dt.date | None) -> Self:
        """A farm that has delivered nothing yet."""
        return cls(seed, first_day, first_image_day, BEGINNING)

    @classmethod
    def load(cls, home: Path) -> Self | None:
        """The saved state, None where there is none."""
        path = home / STATE_FILE
        if not path.exists():
            return None
        saved = json.loads(path.read_text(encoding="utf-8"))
        images = saved["first_image_day"]
        return cls(
            seed=saved["seed"],
            first_day=dt.date.fromisoformat(saved["first_day"]),
            first_image_day=dt.date.fromisoformat(images) if images else None,
            delivered_until=dt.datetime.fromisoformat(saved["delivered_until"]),
        )

    def save(self, home: Path) -> None:
        """Write the state; a crash leaves the old one or the new one."""
        draft = home / f"{STATE_FILE}.tmp"
        saved = asdict(self) | {"delivered_until": self.delivered_until.isoformat()}
        draft.write_text(json.dumps(saved, default=str, indent=1), encoding="utf-8")
        draft.replace(home / STATE_FILE)

    @classmethod
    def resume(
        cls, home: Path, database: Database, farm: Farm, *, seed: int, days: int, now: dt.datetime
    ) -> Self | None:
        """The farm saved in `home`, or a new one.

        None where the database has samples of its own.
        """
        state = cls.load(home)
        if state is None:
            with database.transaction() as connection:
                if has_samples(connection):
                    return None
            today = now.astimezone(farm.zone).date()
            first_day = today - dt.timedelta(days=days)
            state = cls.begin(seed, first_day, today - dt.timedelta(days=IMAGE_DAYS))
            state.save(home)
        return state

    def sample_days_due(self, farm: Farm, now: dt.datetime) -> list[dt.date]:
        """Days whose samples may have arrived between `delivered_until` and `now`."""
        return self._days_due(self.first_day, farm, now)

    def image_days_due(self, farm: Farm, now: dt.datetime) -> list[dt.date]:
        """Days whose images may have arrived between `delivered_until` and `now`."""
        if self.first_image_day is None:
            return []
        return self._days_due(self.first_image_day, farm, now)

    def _days_due(self, first: dt.date, farm: Farm, now: dt.datetime) -> list[dt.date]:
        since = (self.delivered_until - LATE).astimezone(farm.zone).date()
        return days_between(max(first, since), now.astimezone(farm.zone).date())


def days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every day from first to last, both included."""
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


def deliver(
    database: Database,
    store: Images,
    farm: Farm,
    state: Demo,
    now: dt.datetime,
    *,
    rooms: Sequence[str] = (),
    bars: Bars | None = None,
) -> Demo:
    """Deliver what has arrived since the state's instant; returns the new state.

    Args:
        database: where samples and batches go.
        store: where images go.
        farm: rooms and points.
        state: what was delivered before.
        now: aware; nothing that arrives at or after it is delivered.
        rooms: all rooms of the farm unless given.
        bars: draws progress. Without it, the numbers added are only logged for debugging.
    """
    rooms = rooms or list(farm.rooms)
    draw = bars or _no_bar
    store.make_root()
    days = state.sample_days_due(farm, now)
    added = 0
    with draw(len(days), "samples", "day") as bar:
        for day in days:
            added += deliver_day(database, farm, rooms, day, state, now)
            bar.update()
    made = 0
    with draw(None, "images", "image") as bar:
        for shot in _shots_due(store, farm, rooms, state, now):
            store.write(shot.key, cameras.render(shot, seed=state.seed))
            made += 1
            bar.update()
    level = logging.INFO if bars else logging.DEBUG
    log.log(level, "%s samples and %s images added", f"{added:,}", f"{made:,}")
    return replace(state, delivered_until=now)


class _NoBar:
    """A bar that nobody sees."""

    def update(self) -> None:
        """One unit more."""


def _no_bar(total: int | None, what: str, unit: str) -> AbstractContextManager[_NoBar]:
    return nullcontext(_NoBar())


def deliver_day(
    database: Database,
    farm: Farm,
    rooms: Sequence[str],
    day: dt.date,
    state: Demo,
    now: dt.datetime,
) -> int:
    """Load what has arrived for a day since the state's instant, with the batches in force.

    Returns:
        The samples added.
    """
    feed = plant.simulate_day(farm, rooms, day, seed=state.seed, until=now).samples
    arrived = feed["received_at"].between(
        pd.Timestamp(state.delivered_until), pd.Timestamp(now), inclusive="left"
    )
    feed = feed[arrived]
    with database.transaction() as connection:
        point_id = register_points(connection, plant.points(farm, rooms)).to_numpy()
        insert_batches(connection, plant.batches(farm, rooms, day, day, seed=state.seed))
        added, _ = insert_samples(connection, feed.assign(point_id=point_id[feed["point"]]))
        _write_down(connection, farm, rooms, day, state, now)
    return added


def _write_down(
    connection: sa.Connection,
    farm: Farm,
    rooms: Sequence[str],
    day: dt.date,
    state: Demo,
    now: dt.datetime,
) -> None:
    """What people wrote on a day since the state's instant: what somebody took away stays away."""
    for room in rooms:
        note = written_down.note(farm, room, day, state.seed)
        if note is not None and state.delivered_until <= note.noted_at < now:
            insert_note(connection, **note._asdict())
    closed = dt.datetime.combine(day, written_down.PICKED_AT, tzinfo=farm.zone)
    if state.delivered_until <= closed < now:
        pickings = [written_down.picking(farm, room, day, state.seed) for room in rooms]
        insert_harvest(connection, [each for each in pickings if each is not None])


def _shots_due(
    store: Images, farm: Farm, rooms: Sequence[str], state: Demo, now: dt.datetime
) -> Iterator[cameras.Shot]:
    for day in state.image_days_due(farm, now):
        yield from missing_shots(store, farm, rooms, day, state, now)


def missing_shots(
    store: Images, farm: Farm, rooms: Sequence[str], day: dt.date, state: Demo, now: dt.datetime
) -> list[cameras.Shot]:
    """The day's shots up to now whose images are not in the store."""
    shots = cameras.shots(farm, rooms, day, seed=state.seed)
    wanted = [shot for shot in shots if shot.captured_at < now]
    there: set[str] = set()
    for folder in {shot.key.rsplit("/", 1)[0] for shot in wanted}:
        there.update(store.paths(folder))
    return [shot for shot in wanted if shot.key not in there]
