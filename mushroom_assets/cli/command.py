"""How a fault reaches a person at the terminal: one line with the remedy, and exit code 1.

A fault that nobody foresaw keeps its traceback. The subcommands live in `data` and `server`.
"""

import contextlib
import errno
import logging
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import click

from mushroom_assets.cli.similar import SimilarError
from mushroom_assets.domain.farm_file import FarmFileError
from mushroom_assets.domain.records import RecordError
from mushroom_assets.domain.settable import UnusableSetting
from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.faults.image_store import ImageStoreRefused, ImageStoreUnavailable
from mushroom_assets.ingestion.report import LoadError
from mushroom_assets.ingestion.setting import ChangedMeanwhile
from mushroom_assets.service.home import ServerError
from mushroom_assets.settings import SettingsError
from mushroom_assets.storage.migrations import MigrationFailed
from mushroom_assets.storage.removals import RowsRemoved

# What a user can mend.
EXPECTED = (
    DatabaseRefused,
    DatabaseUnavailable,
    MigrationFailed,
    FarmFileError,
    SettingsError,
    UnusableSetting,
    ChangedMeanwhile,
    LoadError,
    RecordError,
    ServerError,
    SimilarError,
    ImageStoreRefused,
    ImageStoreUnavailable,
    RowsRemoved,
)
log = logging.getLogger("mushroom_assets")


class Command(click.Group):
    """Tells faults that a user can mend in one message, without a traceback, and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            fail(str(error))
        except KeyboardInterrupt:
            fail("stopped. The same command again goes on from here")
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            remedy = "make room, or set MUSHROOM_HOME to a larger disk"
            fail(f"the disk is full: {error}. Remedy: {remedy}")


@contextlib.contextmanager
def faults_beside_json() -> Iterator[None]:
    """Tell on stderr what a user can mend: on stdout a program expects JSON."""
    try:
        yield
    except EXPECTED as error:
        fail(str(error), err=True)


def fail(message: str, code: int = 1, *, err: bool = False) -> NoReturn:
    """End with a message, on stdout, like every other line, or on stderr."""
    click.echo(f"mushroom: {message}", err=err)
    sys.exit(code)
