"""Runs, events and schedules of Dagster in PostgreSQL, through one small pool of connections.

dagster-postgres opens a connection for every query. Private names of Dagster: only `storage`
imports this module. How it connects is the business of `engine`, how events and runs are written
that of `event_log` and `runs`, what happens while the database is away that of `waiting`.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self

import sqlalchemy as sa
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.config import pg_config
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres import PostgresScheduleStorage
from dagster_postgres.utils import (
    DagsterPostgresException,
    get_token_provider_from_config,
    pg_url_from_config,
)

from mushroom_assets.faults.database import told
from mushroom_assets.instance.creation import finish
from mushroom_assets.instance.engine import driver_url, pooled_engine
from mushroom_assets.instance.event_log import EventStorage
from mushroom_assets.instance.patience import Patience
from mushroom_assets.instance.runs import RunStorage
from mushroom_assets.instance.waiting import OfThread, Waiting, waiting
from mushroom_assets.storage.connection import endpoint

WRITING_SCHEDULES = {
    "add_instigator_state",
    "create_tick",
    "update_instigator_state",
    "update_tick",
}


class Pooled(Waiting):
    """A part of the storage that keeps the pre-ping in the webserver too.

    There Dagster gives each part a pool of its own, which would fail once on every connection that
    a restart of PostgreSQL has closed.
    """

    postgres_url: str
    _token_provider: Any

    def optimize_for_webserver(
        self, statement_timeout: int, pool_recycle: int, max_overflow: int
    ) -> None:
        """Take a pool of one's own, with a limit in milliseconds for a statement.

        From now on nothing waits: people want to know at once that the database is away.
        """
        if self._patience is not None:
            self._patience.deadline_s = 0.0
        self._engine = pooled_engine(
            self.postgres_url,
            self._token_provider,
            pool_size=1,
            pool_recycle=pool_recycle,
            max_overflow=max_overflow,
        )

        @sa.event.listens_for(self._engine, "connect")
        def limit(connection: Any, _: Any) -> None:
            connection.execute(f"SET statement_timeout = {int(statement_timeout)}")


class PooledEventLogStorage(Pooled, EventStorage):
    """The event log."""


class PooledRunStorage(Pooled, RunStorage):
    """Runs, backfills and the daemon's cursors."""


@waiting(units=frozenset(WRITING_SCHEDULES))
class PooledScheduleStorage(Pooled, PostgresScheduleStorage):
    """Schedules, sensors and their ticks."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._mine = OfThread()
        super().__init__(*args, **options)

    def connect(self, run_id: str | None = None) -> AbstractContextManager[sa.Connection]:
        """A connection: inside a call that writes that of its transaction."""
        return self.opened()


@contextmanager
def telling(where: str) -> Iterator[None]:
    """Raise what the server refuses when Dagster's tables are made as one message with a remedy.

    Raises:
        DatabaseRefused: it will refuse until somebody follows the remedy.
    """
    try:
        yield
    except (sa.exc.DBAPIError, DagsterPostgresException) as error:
        # dagster-postgres' own retry hides it
        cause = error.__cause__ if isinstance(error, DagsterPostgresException) else error
        message = None if cause is None else told(cause, where)
        if message is None:
            raise
        raise message from error


class FarmStorage(DagsterStorage, ConfigurableClass):
    """All that Dagster stores."""

    def __init__(
        self, url: str, inst_data: ConfigurableClassData | None = None, **options: Any
    ) -> None:
        self._inst_data = inst_data
        where = endpoint(url)
        url = driver_url(url)
        # Connections beyond the two are closed after a rush.
        engine = pooled_engine(
            url, options.get("token_provider"), pool_size=2, max_overflow=-1, pool_recycle=300
        )
        patience = Patience(where)
        patience.call(lambda: engine.connect().close())  # the parts look for their tables
        with telling(where):
            self._events = PooledEventLogStorage(url, **options)
            self._runs = PooledRunStorage(url, **options)
            self._schedules = PooledScheduleStorage(url, **options)
            if self._events.should_autocreate_tables:
                finish(engine, self._events, self._runs, self._schedules)
        mine = self._events._mine
        for part in (self._events, self._runs, self._schedules):
            part._engine = engine
            part._patience = patience
            part._mine = mine  # one transaction holds what two parts write
        self._events.runs = self._runs
        super().__init__()  # type: ignore[no-untyped-call]  # Dagster's own

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
    def event_log_storage(self) -> PooledEventLogStorage:
        """Events."""
        return self._events

    @property
    def run_storage(self) -> PooledRunStorage:
        """Runs."""
        return self._runs

    @property
    def schedule_storage(self) -> PooledScheduleStorage:
        """Schedules, sensors and their ticks."""
        return self._schedules
