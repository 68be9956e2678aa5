"""The watch over a farm: what `/readyz` and `/metrics` say, from three looks of different cost.

A look that is under way is shared by all who ask, and nobody waits for it longer than a scrape may
take. While the database is away no number of before is told. What is looked at lives in
`readiness`, `counting` and `record`, HTTP in `web`.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import psycopg
from prometheus_client.metrics_core import Metric

from mushroom_assets.domain.farm_file import FarmFileError
from mushroom_assets.service import asking, counting, figures, readiness
from mushroom_assets.service.asking import Connection, Fault
from mushroom_assets.service.counting import Read, Values
from mushroom_assets.service.looks import Look, Seen
from mushroom_assets.service.metrics import Told, about_assets, about_the_watch
from mushroom_assets.service.record import Record, RecordReader
from mushroom_assets.settings import Settings
from mushroom_assets.storage import migrations

log = logging.getLogger(__name__)
WHO = "mushroom web"
# Seconds: so old may be what is told, and so long who asks waits. A scrape has 10 by default.
NOW_S = 2.0
MINUTE_S = 60.0
RECORD_S = 15.0
WAIT_S = 4.0
KEPT_S = 180.0  # a figure of before is told while a new look takes its time, but no longer
# Limits for a statement of the look of each minute
SLOW_MS = 5000
SLOW_ANSWER_S = 6.0
TOO_SLOW = Fault(
    "database",
    f"the database does not answer in {WAIT_S:.0f} s",
    "see its load and its log, and whether a proxy before it hangs",
)
NO_RECORD = Fault(
    "timetable",
    f"Dagster's record cannot be read in {WAIT_S:.0f} s",
    "see the load of the database",
)
NOT_SEEN = Told(None, Read([], [WHO]))


class Now(NamedTuple):
    """What is looked at each time.

    Attributes:
        faults: what is wrong with database, tables, daemon and queue.
        read: figures.
        answers: whether the database was there to the end.
        has_record: whether Dagster has its tables in it.
    """

    faults: list[Fault]
    read: Read
    answers: bool
    has_record: bool


class Readiness(NamedTuple):
    """Which parts can do their work, and all that is wrong, first the causes."""

    parts: dict[str, bool]
    reasons: list[Fault]


class Watching:
    """The looks, and what they come to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.require_database_url()
        self._revision = migrations.head()
        self._attempts = Counter(ok=0, failed=0)
        self._counting = threading.Lock()
        self._told = ""  # of the database, so that each outage is one line of the log
        self._now = Look(self._look_now, fresh_s=NOW_S)
        self._minute = Look(self._look_each_minute, fresh_s=MINUTE_S, kept_s=KEPT_S)
        self._record = Look(RecordReader(settings).read, fresh_s=RECORD_S, kept_s=KEPT_S)

    async def readiness(self) -> Readiness:
        """Whether the farm can do its work."""
        now = await self._now.seen(WAIT_S)
        return _judged(now, await self._seen_record(now))

    async def metrics(self) -> list[Metric]:
        """All that is counted and judged."""
        now = await self._now.seen(WAIT_S)
        minute, record = await asyncio.gather(self._seen_minute(now), self._seen_record(now))
        looks = dict.fromkeys(("now", "minute", "record"), NOT_SEEN)
        if now is not None:
            looks["now"] = Told(now.took_s, now.value.read)
        if minute is not None:
            looks["minute"] = Told(minute.took_s, minute.value)
        if record is not None:
            looks["record"] = Told(record.took_s, about_assets(record.value.assets))
        with self._counting:
            attempts = dict(self._attempts)
        found = list(about_the_watch(_judged(now, record).parts, looks, attempts))
        for look in looks.values():
            found += look.read.metrics
        return found

    async def _seen_minute(self, now: Seen[Now] | None) -> Seen[Read] | None:
        if now is None or not now.value.answers:
            return None
        return await self._minute.seen(WAIT_S)

    async def _seen_record(self, now: Seen[Now] | None) -> Seen[Record] | None:
        if now is None or not now.value.has_record:
            return None
        return await self._record.seen(WAIT_S)

    def _look_now(self) -> Now:
        values = self._values()
        try:
            with self._connected(asking.STATEMENT_MS, asking.ANSWER_S) as connection:
                faults = list(readiness.faults(connection, self._revision))
                self._tell("")
                read = counting.read(connection, figures.AT_ONCE, values)
                return Now(faults, read, True, readiness.has_record(connection))
        except psycopg.Error as error:
            fault = asking.away(self._url, error)
            self._tell(f"{fault}")
            return Now([fault], Read([], [WHO]), False, False)

    def _tell(self, fault: str) -> None:
        """Log what is wrong with the database once, and its end."""
        if fault and not self._told:
            log.warning("%s", fault)
        if self._told and not fault:
            log.info("the database is back")
        self._told = fault

    def _look_each_minute(self) -> Read:
        values = self._values()
        try:
            with self._connected(SLOW_MS, SLOW_ANSWER_S) as connection:
                read = counting.read(connection, figures.EACH_MINUTE, values)
                rows = counting.read_rows(connection)
                return Read(read.metrics + rows.metrics, read.refused + rows.refused)
        except psycopg.Error:  # the next look of all tells it
            return Read([], [WHO])

    def _values(self) -> Values | None:
        """What figures need of the farm file; None where it has a mistake: `record` tells that."""
        try:
            farm = self._settings.read_farm()
        except FarmFileError:
            return None
        return {"rooms": list(farm.rooms), "zone": farm.timezone}

    @contextmanager
    def _connected(self, statement_ms: int, answer_s: float) -> Iterator[Connection]:
        """A connection with short limits; the attempt is counted."""
        with ExitStack() as stack:
            asked = asking.asked(self._url, WHO, statement_ms=statement_ms, answer_s=answer_s)
            try:
                connection = stack.enter_context(asked)
            except psycopg.Error:
                self._count("failed")
                raise
            self._count("ok")
            yield connection

    def _count(self, result: str) -> None:
        with self._counting:
            self._attempts[result] += 1


def _judged(now: Seen[Now] | None, record: Seen[Record] | None) -> Readiness:
    """A part of which nothing is known is not ready: what hides it is among the reasons."""
    if now is None:
        return Readiness(dict.fromkeys(readiness.PARTS, False), [TOO_SLOW])
    reasons = list(now.value.faults)
    if now.value.has_record:
        reasons += [NO_RECORD] if record is None else record.value.faults
    known = now.value.answers
    parts = {part: known for part in readiness.PARTS}
    parts["timetable"] = now.value.has_record
    for fault in reasons:
        parts[fault.part] = False
    return Readiness(parts, reasons)
