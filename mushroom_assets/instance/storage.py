"""Dagster's PostgreSQL storage, writing together what comes together and keeping its connections.

`dagster.yaml` names it. Tables and rows are those of dagster-postgres, so that either can follow
the other on the same database. No farm tables here, and nothing that knows an asset.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import dagster as dg
import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._config.config_schema import UserConfigSchema
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as Outcome,
)
from dagster._core.storage.asset_check_state import AssetCheckState
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.config import pg_config
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checks
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Log
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage
from dagster_postgres.utils import (
    create_pg_engine,
    get_token_provider_from_config,
    pg_url_from_config,
)
from sqlalchemy.dialects.postgresql import ARRAY

from mushroom_assets.instance.check_states import check_states

BATCH = 500  # events a statement
PLANNED = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
WHICH_CHECK = ("asset_key", "check_name", "run_id", "partition")
Stored = list[tuple[EventLogEntry, int, str]]  # events with their ids, and as they were written


class EventStorage(PostgresEventLogStorage):
    """The event log.

    Dagster's own writes materializations in batches at most, and every other event alone.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._held = threading.local()  # events of a thread that wait to be written together
        super().__init__(*args, **options)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What this thread logs inside is written on leaving, also by an error, in batches of
        `BATCH`.
        """
        held: list[EventLogEntry] = []
        self._held.events = held
        try:
            yield
        finally:
            self._held.events = None
            for first in range(0, len(held), BATCH):
                self.store_event_batch(held[first : first + BATCH])

    def store_event(self, event: EventLogEntry) -> None:
        """Write an event, or keep it for the end of `together`."""
        held = getattr(self._held, "events", None)
        if held is None:
            super().store_event(event)
        else:
            held.append(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write events, in their order, by one statement, and what follows for assets and checks by
        a few.
        """
        stored = self._insert(events)
        self._index_assets([each for each in stored if each[0].dagster_event_type in ASSET_EVENTS])
        self._conclude([each for each in stored if _is_of_partition(each[0])])
        for event, number, text in stored:
            if event.dagster_event_type is PLANNED:
                self._plan(event, number, text)
            elif event.dagster_event_type in ASSET_CHECK_EVENTS and not _is_of_partition(event):
                self.store_asset_check_event(event, number)

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
        self._engine.dispose()

    def _insert(self, events: Sequence[EventLogEntry]) -> Stored:
        insert = Log.insert().returning(Log.c.id, sort_by_parameter_order=True)
        rows = [self._event_to_row(event) for event in events]
        with self._connect() as connection:
            ids = connection.execute(insert, rows).scalars()
            return list(zip(events, ids, (row["event"] for row in rows), strict=True))

    def _index_assets(self, stored: Stored) -> None:
        """Keep the tags of every event, and of every asset its latest event of each kind."""
        if not stored:
            return
        latest = {
            (event.get_dagster_event().asset_key, event.dagster_event_type): (event, n)
            for event, n, _ in stored
        }
        events, ids, _ = zip(*stored, strict=True)
        with self.index_transaction() as connection:
            self._store_asset_event_tags(connection, events, ids)
            for event, number in latest.values():
                self._store_asset_event(connection, event, number)

    def _conclude(self, stored: Stored) -> None:
        """Turn rows that the start of the run planned into the checks' outcomes; what was not
        planned becomes a row.
        """
        if not stored:
            return
        rows = [self._outcome(*each) for each in stored]
        # Arrays: SQLAlchemy takes 0.4 ms to write a row of VALUES into a statement.
        arrays = [
            sa.cast([row[name] for row in rows], ARRAY(Checks.c[name].type)) for name in rows[0]
        ]
        found = sa.func.unnest(*arrays).table_valued(*rows[0], name="found").render_derived().c
        planned = sa.and_(*(Checks.c[name] == found[name] for name in WHICH_CHECK))
        outcome = {name: found[name] for name in rows[0] if name not in WHICH_CHECK}
        with self.index_transaction() as connection:
            update = (
                Checks.update()
                .where(planned)
                .values(outcome)
                .returning(Checks.c.evaluation_event_storage_id)
            )
            done = set(connection.execute(update).scalars())
            if unplanned := [row for row in rows if row["evaluation_event_storage_id"] not in done]:
                connection.execute(Checks.insert(), unplanned)

    def _plan(self, event: EventLogEntry, number: int, text: str) -> None:
        """A row for every partition of which a check is planned; dagster-postgres writes the event
        anew for each.
        """
        planned = event.get_dagster_event().asset_check_planned_data
        partitions = (
            list(planned.partitions_subset.get_partition_keys())
            if planned.partitions_subset
            else [None]
        )
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": Outcome.PLANNED.value,
            "evaluation_event": text,
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": number,
        }
        constants = [sa.literal(value, Checks.c[name].type) for name, value in row.items()]
        rows = sa.select(*constants, sa.func.unnest(sa.cast(partitions, ARRAY(sa.Text))))
        with self.index_connection() as connection:
            connection.execute(Checks.insert().from_select([*row, "partition"], rows))

    def _outcome(self, event: EventLogEntry, number: int, text: str) -> dict[str, Any]:
        """A check's row, as dagster-postgres writes it for one event."""
        evaluation = event.get_dagster_event().asset_check_evaluation_data
        target = evaluation.target_materialization_data
        status = Outcome.SUCCEEDED if evaluation.passed else Outcome.FAILED
        return {
            "asset_key": evaluation.asset_key.to_string(),
            "check_name": evaluation.check_name,
            "run_id": event.run_id,
            "partition": evaluation.partition,
            "execution_status": status.value,
            "evaluation_event": text,
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": number,
            "materialization_event_storage_id": target.storage_id if target else None,
        }


def _is_of_partition(event: EventLogEntry) -> bool:
    """Whether it is the evaluation of a check of one partition."""
    if event.dagster_event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return False
    return event.get_dagster_event().asset_check_evaluation_data.partition is not None


class FarmStorage(DagsterStorage, ConfigurableClass):
    """Runs, events and schedules of Dagster in PostgreSQL, through one small pool of connections."""

    def __init__(
        self, url: str, inst_data: ConfigurableClassData | None = None, **options: Any
    ) -> None:
        self._inst_data = inst_data
        self._events = EventStorage(url, **options)
        self._runs = PostgresRunStorage(url, **options)
        self._schedules = PostgresScheduleStorage(url, **options)
        # Connections beyond the two are closed after a rush; one that the server closed is noticed
        # before it is used.
        engine = create_pg_engine(
            url,
            options.get("token_provider"),
            isolation_level="AUTOCOMMIT",
            pool_size=2,
            max_overflow=-1,
            pool_pre_ping=True,
            pool_recycle=300,
        )
        self._events._engine = self._runs._engine = self._schedules._engine = engine
        super().__init__()

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """That of `storage: postgres`."""
        return pg_config()

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """As `dagster.yaml` has it."""
        return cls(
            pg_url_from_config(config_value),
            inst_data,
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            token_provider=get_token_provider_from_config(config_value),
        )

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """The entry of `dagster.yaml`, from which other processes make the same."""
        return self._inst_data

    @property
    def event_log_storage(self) -> EventStorage:
        """Events."""
        return self._events

    @property
    def run_storage(self) -> PostgresRunStorage:
        """Runs."""
        return self._runs

    @property
    def schedule_storage(self) -> PostgresScheduleStorage:
        """Schedules, sensors and their ticks."""
        return self._schedules
