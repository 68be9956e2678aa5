"""What every subcommand stands on: the settings, a database behind them, and its tables.

No subcommand lives here.
"""

import contextlib
import dataclasses
import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from mushroom_assets.cli.command import log
from mushroom_assets.domain.farm import Farm
from mushroom_assets.faults.database import DatabaseRefused
from mushroom_assets.faults.retry import Retry
from mushroom_assets.service.home import telling_what_cannot_be_written
from mushroom_assets.service.postgres import Cluster, embedded_postgres
from mushroom_assets.settings import Settings, load_settings
from mushroom_assets.storage import migrations
from mushroom_assets.storage.batch_day import ensure_batch_day
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.months import ensure_months
from mushroom_assets.storage.predecessor import ensure_views


@contextlib.contextmanager
def machine(path_prefix: str | None = None) -> Iterator[Settings]:
    """The settings with a database behind them: the embedded one where no other is set.

    This process and all that it starts find them in the environment; a `path_prefix` is not that of
    MUSHROOM_PATH_PREFIX.

    Raises:
        ServerError: a folder of MUSHROOM_HOME cannot be made, or the database does not start.
    """
    settings = load_settings()
    if path_prefix is not None:
        settings = dataclasses.replace(settings, path_prefix=path_prefix)
    _make_folders(settings)
    with contextlib.ExitStack() as stack:
        if settings.database_url is None:
            url = stack.enter_context(embedded_postgres(settings.postgres_dir))
            settings = dataclasses.replace(settings, database_url=url)
        os.environ.update(settings.environment())
        yield settings


def addressed() -> Settings:
    """The settings with the database's address: the embedded one's where no other is set.

    Nothing is started: for who must do without a database. This process and what it imports find
    them in the environment.
    """
    settings = load_settings()
    if settings.database_url is None:
        url = Cluster.at(settings.postgres_dir).uri()
        settings = dataclasses.replace(settings, database_url=url)
    os.environ.update(settings.environment())
    return settings


def _make_folders(settings: Settings) -> None:
    """Make what lives under `MUSHROOM_HOME`; a place of the user's own is left as it is."""
    with telling_what_cannot_be_written("MUSHROOM_HOME", settings.home):
        if settings.database_url is None:
            settings.home.mkdir(parents=True, exist_ok=True)
        if settings.owns_image_root:
            Path(settings.image_root).mkdir(parents=True, exist_ok=True)


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
    """Bring the tables to the newest revision, and make the months of `sample` and the views.

    The months reach from 31 days before the farm's first day to a year from today.
    """
    with database.transaction() as connection:
        revision = migrations.upgrade(connection)
        today = dt.datetime.now(farm.zone).date()
        first = farm.first_day - dt.timedelta(days=31)
        last = today + dt.timedelta(days=366)
        ensure_months(connection, first, last)
        if revision == migrations.head():
            ensure_views(connection, farm.timezone)
            ensure_batch_day(connection, farm)
    log.info("tables of schema farm at %s are at revision %s", database.endpoint, revision)


def tables_or_report(settings: Settings, database: Database, farm: Farm) -> Settings:
    """Prepare the tables; a migration that fails is reported, here and in the UI.

    The returned settings name the failure. With it the UI starts, but nothing is scheduled.
    """
    try:
        prepare_tables(database, farm)
    except (sa.exc.DBAPIError, DatabaseRefused, migrations.MigrationFailed) as error:
        message = f"migrating the tables at {database.endpoint} failed: {error}"
        if "Remedy:" not in message:
            message += ". Remedy: mend the cause and start again"
        log.error("%s", message)
        settings = dataclasses.replace(settings, startup_error=message)
    return settings
