"""What Dagster's own record says: which partitions are lacking, and whether the timetable stands.

What is due, missing, failed or outdated is the notion of the standing checks; when a schedule
should have ticked is told by `automation`. Nothing is recorded here.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import dagster as dg
import psycopg
import sqlalchemy as sa
from dagster_postgres.utils import DagsterPostgresException

from mushroom_assets.automation import ticks
from mushroom_assets.automation.timetable import PARTITIONED, watched
from mushroom_assets.checks.standing import DAYS, Watched, due, lacking, outdating
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import FarmFileError
from mushroom_assets.faults.database import (
    DatabaseRefused,
    DatabaseUnavailable,
    first_line,
    remedy,
)
from mushroom_assets.faults.retry import Retry
from mushroom_assets.instance.outstanding import closed, made, ranges
from mushroom_assets.partitions import farm_clock
from mushroom_assets.service.asking import Fault
from mushroom_assets.service.home import ServerError
from mushroom_assets.service.launcher import instance_of
from mushroom_assets.settings import Settings
from mushroom_assets.storage.connection import Database, Limits
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.outdated import Marks, read_marks

PART = "timetable"
STATEMENT_MS = 5000
LOOK_AGAIN = "ask again in a minute, then see under Deployment in the UI whether definitions load"
SEE_TICK = "see the tick under Automation in the UI"
UNREADABLE = (
    DatabaseRefused,
    DatabaseUnavailable,
    DagsterPostgresException,
    FarmFileError,
    ServerError,
    psycopg.Error,
    sa.exc.SQLAlchemyError,
)


class AssetState(NamedTuple):
    """An asset's partitions of the last 30 days.

    Attributes:
        asset: its key.
        newest_end: end of the newest one that is made, seconds since 1970; None without one.
        due: how many should be there.
        missing: how many of these were never made.
        failed: how many failed last.
        outdated: how many, of whatever age, were made under another farm file, by older code, or
            before an input of theirs changed.
        left: ranges of those that are too old to be made anew by themselves.
    """

    asset: str
    newest_end: float | None
    due: int
    missing: int
    failed: int
    outdated: int
    left: tuple[tuple[str, str], ...] = ()


class Record(NamedTuple):
    """What the record says: the assets' states, and what is wrong; no states, unreadable."""

    assets: tuple[AssetState, ...]
    faults: tuple[Fault, ...]


class RecordReader:
    """Reads the record through an instance of its own, which waits for no database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._instance: dg.DagsterInstance | None = None
        self._database = Database(
            settings.require_database_url(),
            limits=Limits(pool_size=1, max_overflow=0, statement_timeout_s=STATEMENT_MS // 1000),
            retry=Retry(attempts=1),
        )

    def read(self, *, fresh: bool = False) -> Record:
        """The record as it is now, by the farm file as it is now.

        With `fresh` also what changed since the sensor looked; it waits for others that look.
        """
        try:
            farm = self._settings.read_farm()
            now = dt.datetime.now(farm.zone)
            instance = self._open()
            if fresh:
                follow(self._database, farm)
            with self._database.transaction() as connection:
                marks = {asset: read_marks(connection, asset) for asset in PARTITIONED}
            states = [
                _state(instance, each, farm, now, marks) for each in watched(farm_clock(farm))
            ]
            return Record(tuple(states), tuple(timetable_faults(instance, farm, now)))
        except UNREADABLE as error:
            return Record((), (_unreadable(error),))

    def _open(self) -> dg.DagsterInstance:
        if self._instance is None:
            instance = instance_of(self._settings)
            # As the webserver does: what the database does not answer at once is a fault.
            instance.optimize_for_webserver(STATEMENT_MS, pool_recycle=300, max_overflow=1)
            self._instance = instance
        return self._instance


def timetable_faults(instance: dg.DagsterInstance, farm: Farm, now: dt.datetime) -> Iterator[Fault]:
    """Schedules and sensors that stand, in words."""
    for one in ticks.standing(instance, farm, now):
        if one.since is None:
            told = f"{one.name} has not ticked yet"
        else:
            told = f"{one.name} has not ticked well since {one.since:%Y-%m-%d %H:%M}"
        if one.error is not None:
            yield Fault(PART, f"{told}: {one.error}", SEE_TICK)
        else:
            yield Fault(PART, told, LOOK_AGAIN)


def _state(
    instance: dg.DagsterInstance,
    own: Watched,
    farm: Farm,
    now: dt.datetime,
    marks: Mapping[str, Marks],
) -> AssetState:
    asset = own.asset.to_user_string()
    due_by = now - own.due_after
    found = lacking(instance, own, due_by, farm, marks[asset])
    counts = {name: len(keys) for name, keys in found.items()}
    followed = now - dt.timedelta(days=farm.follow_days)
    windows = outdating(own, due_by, marks[asset])
    older = [window.key for window in windows if window.start < followed]
    left = tuple(ranges(older, found["outdated"]))
    newest = _newest_end(instance, own, now)
    return AssetState(asset, newest, len(due(own, due_by)), **counts, left=left)


def _newest_end(instance: dg.DagsterInstance, own: Watched, now: dt.datetime) -> float | None:
    """Of the partitions that have closed, due or not."""
    past = closed(own.partitions, dt.timedelta(days=DAYS), now)
    there = made(instance, own.asset, [window.key for window in past])
    return max((window.end.timestamp() for window in past if window.key in there), default=None)


def _unreadable(error: Exception) -> Fault:
    if isinstance(error, FarmFileError):
        return Fault(PART, str(error), "correct the farm file; it is read anew with each look")
    if "Remedy: " in str(error):
        return Fault.told(PART, error)
    return Fault(PART, f"Dagster's record cannot be read: {first_line(error)}", remedy(error))
