"""Dagster's event log in PostgreSQL, which writes together what comes together.

Tables and rows are those of dagster-postgres. Private names of Dagster: only `pooled` imports this
module. No farm tables here, and nothing that knows an asset.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.asset_check_state import AssetCheckState
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Log
from dagster_postgres import PostgresEventLogStorage

from mushroom_assets.instance.check_rows import Stored, conclude, plan
from mushroom_assets.instance.check_states import check_states
from mushroom_assets.instance.engine import conninfo
from mushroom_assets.instance.lease import ENDS, Keeper
from mushroom_assets.instance.runs import RunStorage
from mushroom_assets.instance.tested import require_names
from mushroom_assets.instance.waiting import OfThread, Waiting, waiting
from mushroom_assets.storage.connection import endpoint

require_names(
    PostgresEventLogStorage,
    *("_event_to_row", "_event_insert_timestamp", "_store_asset_event", "_store_asset_event_tags"),
    *("index_connection", "index_transaction", "_connect", "store_asset_check_event", "_instance"),
    *("get_asset_check_partition_info", "get_asset_check_state"),
    "handles_run_events_in_store_event",
)
ABOUT_THE_RUN = ENDS | {dg.DagsterEventType.RUN_START}
EVENTS_AT_ONCE = 500  # events a transaction
PLANNED = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
EVALUATED = dg.DagsterEventType.ASSET_CHECK_EVALUATION


class Held(OfThread):
    """What a thread has open; of the events those that wait to be written together."""

    held: list[EventLogEntry] | None = None


@waiting(units=frozenset({"store_event", "store_event_batch"}))
class EventStorage(Waiting, PostgresEventLogStorage):
    """The event log.

    Dagster's own writes materializations in batches at most, and every other event alone, in one
    transaction for the event and others for what follows from it.
    """

    _mine: Held
    runs: RunStorage | None = None  # set by `pooled`

    def __init__(self, url: str, *args: Any, **options: Any) -> None:
        self._mine = Held()
        # Connections of its own: what becomes of an event must not undo a lease.
        self._keeper = Keeper(lambda: self._engine.connect(), endpoint(conninfo(url)))
        super().__init__(url, *args, **options)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what this thread logs inside on leaving, also by an error, in batches.

        Inside another `together` the outer one writes, so that the order stays. A batch that fails
        raises its error, and it and those after it are not written: what was not told counts as
        not done, and the retry of the step does it again.
        """
        if self._mine.held is not None:
            yield
            return
        held: list[EventLogEntry] = []
        self._mine.held = held
        try:
            yield
        finally:
            self._mine.held = None
            for first in range(0, len(held), EVENTS_AT_ONCE):
                self.store_event_batch(held[first : first + EVENTS_AT_ONCE])

    def store_event(self, event: EventLogEntry) -> None:
        """Write an event, or keep it for the end of `together`."""
        if self._mine.held is not None:
            self._mine.held.append(event)
            return
        self._keeper.before(event)
        if (
            self.runs is not None
            and event.is_dagster_event
            and event.get_dagster_event().is_job_event
        ):
            self._store_event_of_run(event, self.runs)
        else:
            self.store_event_batch([event])
        self._keeper.after(event)

    @property
    def handles_run_events_in_store_event(self) -> bool:
        """Whether an event of a run brings the run's status up to it: nobody sees one alone."""
        return self.runs is not None

    def _store_event_of_run(self, event: EventLogEntry, runs: RunStorage) -> None:
        with self.transaction():
            late = runs.has_ended(event.run_id) and event.dagster_event_type in ABOUT_THE_RUN
            self.store_event_batch([_as_message(event) if late else event])
            if not late:
                runs.follow(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write events in their order, and what follows for assets and checks: all or nothing.

        A retry asks the events what is finished, so none may be there without its tags.
        """
        if not events:
            return
        with self.transaction() as connection:
            stored = self._insert(connection, events)
            plan(connection, [each for each in stored if each.kind is PLANNED])
            evaluated = [each for each in stored if each.kind is EVALUATED]
            conclude(connection, [each for each in evaluated if each.is_of_partition])
            for each in evaluated:
                if not each.is_of_partition:
                    self.store_asset_check_event(each.event, each.number)
            # Last: these rows are locked until the end, and other runs want them.
            self._index_assets(connection, [each for each in stored if _asset(each)])

    def index_connection(self) -> AbstractContextManager[sa.Connection]:
        """A connection: inside a batch that of its transaction."""
        return self.opened()

    @contextmanager
    def index_transaction(self) -> Iterator[sa.Connection]:
        """A connection in a transaction: inside a batch the batch's."""
        with self.transaction() as connection:
            yield connection

    def _connect(self) -> AbstractContextManager[sa.Connection]:
        return self.opened()

    def get_asset_check_state(
        self, keys: Sequence[tuple[dg.AssetCheckKey, dg.PartitionsDefinition | None]]
    ) -> Mapping[dg.AssetCheckKey, AssetCheckState]:
        """What the UI shows of checks."""
        partitioned = {key: definition for key, definition in keys if definition is not None}
        rows = self.get_asset_check_partition_info(list(partitioned))
        rest = super().get_asset_check_state([pair for pair in keys if pair[1] is None])
        return {**rest, **check_states(self._instance, partitioned, rows)}

    def dispose(self) -> None:
        """Close the watcher and the connections."""
        super().dispose()
        self._keeper.close()
        self._engine.dispose()

    def _insert(self, connection: sa.Connection, events: Sequence[EventLogEntry]) -> list[Stored]:
        insert = Log.insert().returning(Log.c.id, sort_by_parameter_order=True)
        rows = [self._event_to_row(event) for event in events]
        ids = connection.execute(insert, rows).scalars().all()
        return [
            Stored(event, number, row["event"], row["timestamp"])
            for event, number, row in zip(events, ids, rows, strict=True)
        ]

    def _index_assets(self, connection: sa.Connection, stored: Sequence[Stored]) -> None:
        """Keep the tags of every event, and of every asset its latest event of each kind.

        The rows of assets are written asset by asset in one order, so that two batches wait for
        each other instead of locking each other out; an asset's in the order of the events.
        """
        if not stored:
            return
        latest: dict[tuple[str, dg.DagsterEventType | None], Stored] = {}
        for each in stored:
            latest[_asset(each), each.kind] = each
        in_order = sorted(latest.items(), key=lambda found: (found[0][0], found[1].number))
        events = [each.event for each in stored]
        self._store_asset_event_tags(connection, events, [each.number for each in stored])
        for _, each in in_order:
            self._store_asset_event(connection, each.event, each.number)


def _as_message(event: EventLogEntry) -> EventLogEntry:
    """What is left of an event about a run that has ended already: a line in its log.

    A process that was taken for dead came back. As an event it would be told to people, and the run
    might be started once more.
    """
    return EventLogEntry(  # type: ignore[no-untyped-call]  # Dagster's own
        error_info=event.error_info,
        level=logging.WARNING,
        user_message=f"{event.get_dagster_event().event_type_value} came after the run had ended",
        run_id=event.run_id,
        timestamp=event.timestamp,
        job_name=event.job_name,
    )


def _asset(stored: Stored) -> str:
    """The asset's key as its row has it; empty where the event is of none."""
    key = stored.event.get_dagster_event().asset_key if stored.kind in ASSET_EVENTS else None
    return key.to_string() if key else ""
