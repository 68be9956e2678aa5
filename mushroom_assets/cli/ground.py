"""What every subcommand stands on: the settings, a database behind them, and its tables."""

import contextlib
import dataclasses
import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import click

from mushroom_assets.domain.farm import Farm
from mushroom_assets.faults.retry import Retry
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.settings import Settings, load_settings
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months


@contextlib.contextmanager
def machine() -> Iterator[Settings]:
    """The settings with a database behind them: the embedded one where no other is set.

    Exported to this process.
    """
    settings = load_settings()
    with contextlib.ExitStack() as stack:
        if settings.database_url is None:
            settings.home.mkdir(parents=True, exist_ok=True)
            url = stack.enter_context(embedded_postgres(settings.postgres_dir))
            settings = dataclasses.replace(settings, database_url=url)
        os.environ.update(settings.environment())
        if settings.owns_image_root:
            Path(settings.image_root).mkdir(parents=True, exist_ok=True)
        yield settings


@contextlib.contextmanager
def open_database(settings: Settings, retry: Retry | None = None) -> Iterator[Database]:
    """The database of the settings, closed at the end."""
    database = Database(
        settings.require_database_url(), retry=retry or Retry(), application_name="mushroom"
    )
    try:
        yield database
    finally:
        database.dispose()


def prepare_tables(database: Database, farm: Farm) -> None:
    """Newest tables, and the months of `sample` from the farm's first day (and the lookback before
    it) to a year on.
    """
    with database.transaction() as connection:
        revision = migrations.upgrade(connection)
        today = dt.datetime.now(farm.zone).date()
        ensure_months(
            connection, farm.first_day - dt.timedelta(days=31), today + dt.timedelta(days=366)
        )
    click.echo(f"tables of schema farm at {database.endpoint} are at revision {revision}")
