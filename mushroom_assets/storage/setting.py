"""The settings: read all of them, add one. None is ever changed.

What they mean is the business of `domain.in_force`.
"""

import datetime as dt
import functools
import logging
from typing import Any

import sqlalchemy as sa

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.in_force import Setting, Settings
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.schema import setting as table

log = logging.getLogger(__name__)


def read_settings(connection: sa.Connection, farm: Farm) -> Settings:
    """All settings of a farm file."""
    columns = [table.c[name] for name in Setting._fields]
    rows = connection.execute(sa.select(*columns).order_by(table.c.version))
    found = [Setting(*row) for row in rows]
    return Settings(found, farm, read_batches(connection) if found else {})


def with_settings(connection: sa.Connection, farm: Farm) -> Farm:
    """The farm of the file with the settings that are stored, for a transaction that computes.

    Called after `claim`: what is read then holds every setting whose mark was taken.
    """
    settings = read_settings(connection, farm)
    for version, fault in settings.misfits.items():
        _tell(version, fault)
    return farm.with_past(settings) if settings.all else farm


@functools.cache
def _tell(version: int, fault: str) -> None:
    """Once a process."""
    remedy = f"`mushroom settings undo {version}`, or mend the farm file"
    log.warning("setting %d does not count: %s. Remedy: %s", version, fault, remedy)


def lock_settings(connection: sa.Connection) -> None:
    """Let nobody else add a setting until the transaction ends; who reads does not wait."""
    connection.execute(sa.text("LOCK TABLE farm.setting IN SHARE ROW EXCLUSIVE MODE"))


def append_setting(connection: sa.Connection, values: dict[str, Any]) -> Setting:
    """Add a setting, in the caller's transaction; returns it with its version and time.

    Args:
        connection: in a transaction that holds the lock (`lock_settings`).
        values: every column but version and set_at.
    """
    columns = [table.c[name] for name in Setting._fields]
    statement = sa.insert(table).values(**values).returning(*columns)
    return Setting(*connection.execute(statement).one())


def newest_setting(connection: sa.Connection) -> tuple[int, dt.datetime | None]:
    """The newest version, and when it was set; 0 where there is none."""
    newest = sa.select(table.c.version, table.c.set_at).order_by(table.c.version.desc()).limit(1)
    found = connection.execute(newest).one_or_none()
    return (0, None) if found is None else (found.version, found.set_at)
