"""`mushroom health`: is the farm served?

What is asked lives in `service.health`. Nothing that takes time is imported here.
"""

import dataclasses
import sys

import click

from mushroom_assets.cli import options
from mushroom_assets.service import health as examination
from mushroom_assets.settings import SettingsError, load_settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the UI.")
@click.option("--port", default=3000, show_default=True, type=options.PORT, help="Port of the UI.")
@options.PREFIX
def health(host: str, port: int, path_prefix: str) -> None:
    """Is the farm served: disk, database, UI, daemon, runs?

    Answers in 5 seconds. Exit code 0 or 1; for container checks.
    """
    try:
        settings = dataclasses.replace(load_settings(), path_prefix=path_prefix)
        fault = examination.fault(settings, host, port)
    except SettingsError as error:
        fault = str(error)
    if fault:
        click.echo(f"mushroom: {fault}")
        sys.exit(1)
    click.echo("healthy")
