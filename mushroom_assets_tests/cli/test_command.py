"""What a user can mend is told in one line with exit code 1; other faults keep their traceback."""

import errno

import click
import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from mushroom_assets.cli.command import Command
from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.settings import SettingsError


def run(fault: BaseException) -> Result:
    """A subcommand that meets a fault."""

    @click.group(cls=Command)
    def main() -> None:
        pass

    @main.command()
    def work() -> None:
        raise fault

    return CliRunner().invoke(main, ["work"])


def through_sqlalchemy(fault: psycopg.Error) -> sa.exc.DBAPIError:
    return sa.exc.ProgrammingError("SELECT 1", None, fault)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (SettingsError("DATABASE_URL is not set"), "DATABASE_URL is not set"),
        (KeyboardInterrupt(), "stopped. The same command again goes on from here"),
        (DatabaseRefused("grower@db refused"), "grower@db refused"),
        (DatabaseUnavailable("no connection to grower@db"), "no connection to grower@db"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            f"the disk is full: [Errno {errno.ENOSPC}] No space left on device. "
            "Remedy: make room, or set MUSHROOM_HOME to a larger disk",
        ),
    ],
)
def test_a_fault_that_a_user_can_mend_is_one_line(fault: BaseException, told: str) -> None:
    result = run(fault)
    assert (result.exit_code, result.output) == (1, f"mushroom: {told}\n")
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    "fault",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        through_sqlalchemy(psycopg.errors.SyntaxError("at or near FORM")),
        psycopg.errors.SyntaxError("at or near FORM"),
        ValueError("of our own"),
    ],
)
def test_a_fault_of_our_own_keeps_its_traceback(fault: Exception) -> None:
    result = run(fault)
    assert result.exception is fault
    assert result.output == ""
