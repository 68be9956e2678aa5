"""The `mushroom` command in this process, without what it leaves behind: settings, log handlers,
signal handlers.
"""

import logging
import os
import signal
from unittest import mock

from click.testing import CliRunner, Result

from mushroom_assets.cli import main as cli


def mushroom(*arguments: object, **settings: object) -> Result:
    """Run the command with these settings in its environment; an unexpected exception is raised."""
    root, terminated = logging.getLogger(), signal.getsignal(signal.SIGTERM)
    handlers, level = list(root.handlers), root.level
    try:
        with mock.patch.dict(os.environ, {name: str(value) for name, value in settings.items()}):
            return CliRunner().invoke(
                cli.main, [str(argument) for argument in arguments], catch_exceptions=False
            )
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        signal.signal(signal.SIGTERM, terminated)
