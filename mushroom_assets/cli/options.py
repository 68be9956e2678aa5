"""Bounds of the numbers that subcommands take: a value outside them is refused before any work.

What an option means and what it is when unset stands at its subcommand.
"""

import functools
from collections.abc import Callable

import click

from mushroom_assets.service.ui import Door
from mushroom_assets.settings import SettingsError, path_prefix

MOST_DAYS = 3660  # ten years

DAY = click.DateTime(["%Y-%m-%d"])
PORT = click.IntRange(1, 65535)
PORT_OR_NONE = click.IntRange(0, 65535)
SEED = click.IntRange(min=0)
ATTEMPTS = click.IntRange(min=1)
WAIT_S = click.FloatRange(0, 3600)
ROOMS = click.IntRange(min=1)
DAYS = click.IntRange(0, MOST_DAYS)  # 0: today alone
FULL_DAYS = click.IntRange(1, MOST_DAYS)  # results are of full days


def _prefix(_: click.Context, __: click.Parameter, given: str) -> str:
    try:
        return path_prefix(given)
    except SettingsError as error:
        raise click.BadParameter(str(error)) from error


PREFIX = click.option(
    "--path-prefix",
    envvar="MUSHROOM_PATH_PREFIX",
    default="",
    callback=_prefix,
    help="Path of the UI behind a proxy, e.g. /farm.",
)


READ_ONLY = click.option(
    "--read-only", is_flag=True, help="Nobody can launch or change anything by it."
)


def of_the_ui(command: Callable[..., None]) -> Callable[..., None]:
    """Options of where the UI listens and how it is shown, given to a command as one `door`."""

    @click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help="Address of the UI; 0.0.0.0 for other machines.",
    )
    @click.option("--port", default=3000, show_default=True, type=PORT, help="Port of the UI.")
    @PREFIX
    @READ_ONLY
    @functools.wraps(command)
    def packed(
        *, host: str, port: int, path_prefix: str, read_only: bool, **rest: int | bool
    ) -> None:
        command(door=Door(host, port, path_prefix, read_only), **rest)

    return packed
