"""Subcommands about the machine: `init`, `doctor`.

What is examined lives in `service`; `up` and `health` have modules of their own.
"""

import sys

import click

from mushroom_assets.cli import options
from mushroom_assets.cli.command import fail
from mushroom_assets.cli.ground import machine, open_database, prepare_tables
from mushroom_assets.faults.retry import Retry
from mushroom_assets.service import doctor
from mushroom_assets.service.home import ServerError, prepare_dagster_home
from mushroom_assets.service.launcher import instance_of
from mushroom_assets.settings import SettingsError, load_settings


@click.command(short_help="Create or migrate the farm's tables and Dagster's.")
@click.option(
    "--attempts",
    default=5,
    show_default=True,
    type=options.ATTEMPTS,
    help="Attempts to connect.",
)
@click.option(
    "--wait",
    default=10.0,
    show_default=True,
    type=options.WAIT_S,
    help="Seconds between two attempts.",
)
def init(attempts: int, wait: float) -> None:
    """Create or migrate the farm's tables and Dagster's; waits for the database."""
    farm = load_settings().read_farm()
    retry = Retry(attempts=attempts, fixed_s=wait, deadline_s=float("inf"))
    with machine() as settings, open_database(settings, retry) as database:
        prepare_tables(database, farm)
        prepare_dagster_home(settings)
        with instance_of(settings) as instance:
            instance.upgrade()  # as `dagster instance migrate`


@click.command("doctor", short_help="Check that everything is there, a line each.")
def run_doctor() -> None:
    """Check database, tables, image store, deliveries, model and Dagster's storage.

    Prints a line for each. Exit code 0 or 1; a warning is no fault.
    """
    well = True
    try:
        with machine() as settings:
            prepare_dagster_home(settings)
            for finding in doctor.examine(settings):
                click.echo(finding.line())
                well = well and finding.verdict in ("ok", "warn")
    except (SettingsError, ServerError) as error:
        fail(str(error))
    sys.exit(0 if well else 1)
