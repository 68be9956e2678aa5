"""Runs, events and schedules of Dagster in PostgreSQL, through one small pool of connections.

dagster-postgres opens a connection for every query. Private names of Dagster: only `storage`
imports this module. How events and runs are written is the business of `event_log` and `runs`, what
happens while the database is away that of `waiting`.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Self

import sqlalchemy as sa
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.config import pg_config
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres import PostgresScheduleStorage
from dagster_postgres.utils import (
    create_pg_engine,
    get_token_provider_from_config,
    pg_url_from_config,
    set_pg_statement_timeout,
)

from mushroom_assets.faults.database import (
    DatabaseRefused,
    DatabaseUnavailable,
    first_line,
    refusal_remedy,
)
from mushroom_assets.instance.event_log import EventStorage
from mushroom_assets.instance.patience import Patience
from mushroom_assets.instance.runs import RunStorage
from mushroom_assets.instance.waiting import OfThread, Waiting, waiting
from mushroom_assets.storage.connection import endpoint

# Of one attempt. Without them a server that is cut off is waited for, for ever, by libpq itself.
# The URI's own win. Over a unix socket all but the first say nothing.
TIMEOUTS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
}
WRITING_SCHEDULES = {
    "add_instigator_state",
    "create_tick",
    "update_instigator_state",
    "update_tick",
}


def pooled_engine(url: str, token_provider: Any, **pool: int) -> sa.Engine:
    """An engine that notices before use when the server has closed a connection of its pool.

    What it raises where it cannot connect passes by dagster-postgres, whose own retry knows no
    limits but its own: 11.4 s.
    """
    engine = create_pg_engine(
        url, token_provider, isolation_level="AUTOCOMMIT", pool_pre_ping=True, **pool
    )

    @sa.event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
        for name, value in TIMEOUTS.items():
            parameters.setdefault(name, value)
        try:
            return dialect.connect(*arguments, **parameters)
        except dialect.dbapi.OperationalError as error:
            raise _fault(url, error) from error

    return engine


def _fault(url: str, error: Exception) -> DatabaseRefused | DatabaseUnavailable:
    """What to raise instead; `waiting` says of an outage where it is and what to do."""
    remedy = refusal_remedy(error)
    if remedy is None:
        return DatabaseUnavailable(first_line(error))
    return DatabaseRefused(f"{endpoint(url)} refused: {first_line(error)}. Remedy: {remedy}.")


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
            set_pg_statement_timeout(connection, statement_timeout)


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


class FarmStorage(DagsterStorage, ConfigurableClass):
    """All that Dagster stores."""

    def __init__(
        self, url: str, inst_data: ConfigurableClassData | None = None, **options: Any
    ) -> None:
        self._inst_data = inst_data
        # Connections beyond the two are closed after a rush.
        engine = pooled_engine(
            url, options.get("token_provider"), pool_size=2, max_overflow=-1, pool_recycle=300
        )
        patience = Patience(endpoint(url))
        patience.call(lambda: engine.connect().close())  # the parts look for their tables
        self._events = PooledEventLogStorage(url, **options)
        self._runs = PooledRunStorage(url, **options)
        self._schedules = PooledScheduleStorage(url, **options)
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
