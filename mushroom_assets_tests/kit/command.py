"""The `mushroom` command: in this process without what it leaves behind, or in one of its own."""

import logging
import os
import signal
import sys
from unittest import mock

import pytest
from click.testing import CliRunner, Result

from mushroom_assets.cli import main as cli

SETTINGS = (
    "DATABASE_URL",
    "MUSHROOM_",
    "DAGSTER_HOME",
    "POSTGRES_",
    "PGHOST",
    "PGUSER",
    "PGPASSWORD",
    "PGDATABASE",
)


def forget_settings(patch: pytest.MonkeyPatch) -> None:
    """Take every setting of the developer's shell out of the environment."""
    for name in list(os.environ):
        if name.startswith(SETTINGS):
            patch.delenv(name)


def command_line(*arguments: object) -> list[str]:
    """What starts the command in a process of its own."""
    return [sys.executable, "-m", "mushroom_assets.cli.main", *map(str, arguments)]


def mushroom(*arguments: object, **settings: object) -> Result:
    """Run the command with these settings in its environment; an unexpected exception is raised.

    Log handlers and the handler of SIGTERM are afterwards what they were.
    """
    root = logging.getLogger()
    handlers = list(root.handlers)
    level = root.level
    terminated = signal.getsignal(signal.SIGTERM)
    try:
        with mock.patch.dict(os.environ, {name: str(value) for name, value in settings.items()}):
            return CliRunner().invoke(
                cli.main, [str(argument) for argument in arguments], catch_exceptions=False
            )
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        signal.signal(signal.SIGTERM, terminated)
