"""Dagster's tables that a start was making when it was ended.

Dagster makes them one by one and then looks for one of them alone, so that the others would be
missing for ever. Private names of Dagster: only `pooled` imports this module.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorageMetadata
from dagster._core.storage.runs import RunStorageSqlMetadata
from dagster._core.storage.schedules import ScheduleStorageSqlMetadata


def finish(engine: sa.Engine, events: Any, runs: Any, schedules: Any) -> None:
    """Make those that are missing, where they are missing for that reason.

    A database of an older Dagster lacks tables too; its revision says so, and it is migrated by
    `mushroom init`.

    Args:
        engine: to the database.
        events: Dagster's storage of events.
        runs: of runs.
        schedules: of schedules.
    """
    steps: list[tuple[Any, sa.MetaData, list[Callable[[], object]]]] = [
        (events, SqlEventLogStorageMetadata, [events.reindex_events, events.reindex_assets]),
        (runs, RunStorageSqlMetadata, [runs.migrate, runs.optimize]),
        (schedules, ScheduleStorageSqlMetadata, []),
    ]
    with engine.connect() as connection:
        present = set(sa.inspect(connection).get_table_names())
    for part, declared, afterwards in steps:
        if {table.name for table in declared.sorted_tables} <= present:
            continue
        revision, head = part.alembic_version()
        if revision in (None, head):
            part._init_db()
            for step in afterwards:
                step()
