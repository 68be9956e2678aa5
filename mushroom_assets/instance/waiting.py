"""What Dagster's storage does while PostgreSQL is away: it waits, and loses or doubles nothing.

Every call of the storage is tried again as a whole until the database answers. Calls that write
several rows do it in one transaction each, and where the answer to its COMMIT was lost the server
is asked what became of it. How long is waited is the business of `patience`. Only the parts of the
storage import this module.
"""

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy import exc

from mushroom_assets.faults.database import DatabaseUnavailable
from mushroom_assets.instance.patience import Patience
from mushroom_assets.storage.answering import be_patient

T = TypeVar("T")
# What gives a connection or a thread of its own, or needs no database
NOT_CALLS = {
    "call",
    "connect",
    "dispose",
    "end_watch",
    "index_connection",
    "index_transaction",
    "opened",
    "optimize_for_webserver",
    "register_instance",
    "run_connection",
    "together",
    "transaction",
    "watch",
}
# `dagster instance migrate` and a wipe may take hours
LONG = {
    "migrate",
    "optimize",
    "reindex_assets",
    "reindex_events",
    "upgrade",
    "wipe",
    "wipe_asset",
    "wipe_asset_partitions",
}


class OfThread(threading.local):
    """What a thread has open: a call of the storage, the transaction of one that writes."""

    calling = False
    long = False
    connection: sa.Connection | None = None


class Written(NamedTuple):
    """What a transaction returned, and its number at the server; None where it wrote nothing."""

    result: Any
    number: str | None


@contextmanager
def not_used_again(connection: sa.Connection) -> Iterator[None]:
    """Keep a connection that met a fault out of the pool: another may lead to a mended server."""
    try:
        yield
    except (exc.DBAPIError, psycopg.Error):
        connection.invalidate()
        raise


class Waiting:
    """A part of the storage whose calls wait for the database. `waiting` wraps them."""

    _engine: sa.Engine
    _patience: Patience | None = None
    _mine: OfThread

    @contextmanager
    def opened(self) -> Iterator[sa.Connection]:
        """A connection: inside a call that writes that of its transaction."""
        if self._mine.connection is not None:
            yield self._mine.connection
            return
        with self._engine.connect() as connection, not_used_again(connection):
            if self._mine.long:
                be_patient(connection)
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One transaction for all that this thread writes inside."""
        if self._mine.connection is not None:
            yield self._mine.connection
            return
        options = {"isolation_level": "READ COMMITTED"}
        with (
            self._engine.connect().execution_options(**options) as connection,
            not_used_again(connection),
            connection.begin(),
        ):
            self._mine.connection = connection
            try:
                yield connection
            finally:
                self._mine.connection = None

    def call(self, method: Callable[[], T], *, writes: bool, long: bool) -> T:
        """What a method of the storage returns, tried again while the database is away."""
        if self._mine.calling or self._patience is None:  # the outermost waits for all
            return method()
        self._mine.calling = True
        self._mine.long = long
        try:
            return self._patience.call(self._written_once(method) if writes else method)
        finally:
            self._mine.calling = False
            self._mine.long = False

    def _written_once(self, method: Callable[[], T]) -> Callable[[], T]:
        """The method in a transaction, not done again where an earlier attempt was committed."""
        attempts: list[Written] = []

        def attempt() -> T:
            if attempts and self._was_committed(attempts[-1]):
                return attempts[-1].result  # type: ignore[no-any-return]
            with self.transaction() as connection:
                result = method()
                number = connection.scalar(sa.text("SELECT pg_current_xact_id_if_assigned()::text"))
                attempts.append(Written(result, number))
            return result

        return attempt

    def _was_committed(self, written: Written) -> bool:
        if written.number is None:
            return False
        with self._engine.connect() as connection:
            status = connection.scalar(
                sa.text("SELECT pg_xact_status(cast(:number AS xid8))"), {"number": written.number}
            )
        if status == "in progress":
            raise DatabaseUnavailable("an earlier attempt has not ended yet")
        return bool(status == "committed")


def waiting(*, units: frozenset[str]) -> Callable[[type[Any]], type[Any]]:
    """Let the calls of a class wait.

    Args:
        units: those that write several rows, or must not be done twice.
    """

    def wrap(owner: type[Any]) -> type[Any]:
        for name in dir(owner):
            found = inspect.getattr_static(owner, name)
            if name.startswith("_") or name in NOT_CALLS or not inspect.isfunction(found):
                continue
            setattr(owner, name, _waiting(found, writes=name in units, long=name in LONG))
        return owner

    return wrap


def _waiting(method: Callable[..., Any], *, writes: bool, long: bool) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Waiting, *args: Any, **options: Any) -> Any:
        return self.call(lambda: method(self, *args, **options), writes=writes, long=long)

    return call
