"""A start that is ended while it makes Dagster's tables does not leave some missing for ever."""

import pytest
import sqlalchemy as sa

from mushroom_assets.instance.pooled import FarmStorage
from mushroom_assets.storage.connection import Database

TABLES = """
    SELECT tablename FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"""


def tables(database: Database) -> list[str]:
    with database.transaction() as connection:
        return list(connection.scalars(sa.text(TABLES)))


def opened(database: Database) -> None:
    """As a process opens the storage."""
    FarmStorage(database.url).event_log_storage.dispose()


def drop(database: Database, *names: str) -> None:
    with database.transaction() as connection:
        for name in names:
            connection.execute(sa.text(f"DROP TABLE {name} CASCADE"))


@pytest.mark.parametrize(
    "missing",
    [
        ("alembic_version", "asset_check_executions", "runs", "run_tags", "jobs", "job_ticks"),
        ("run_tags",),
        ("job_ticks", "instigators"),
    ],
)
def test_what_is_missing_is_made_at_the_next_start(
    database: Database, missing: tuple[str, ...]
) -> None:
    opened(database)
    whole = tables(database)
    drop(database, *missing)
    opened(database)
    assert tables(database) == whole
    with database.transaction() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM alembic_version")) == 1


def test_a_database_of_an_older_dagster_is_left_to_its_migration(database: Database) -> None:
    opened(database)
    drop(database, "asset_check_executions")
    with database.transaction() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '5771160a95ad'"))
    opened(database)
    assert "asset_check_executions" not in tables(database)
