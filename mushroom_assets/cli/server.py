"""Subcommands about the machine: `init`, `doctor`, `health`, `up`.

How processes are kept running and what is examined lives in `service`.
"""

import dataclasses
import datetime as dt
import sys

import click
import dagster as dg
import sqlalchemy as sa

from mushroom_assets.automation import backfill
from mushroom_assets.cli import options
from mushroom_assets.cli.command import EXPECTED, fail, log
from mushroom_assets.cli.ground import machine, open_database, prepare_tables
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.domain.farm import Farm
from mushroom_assets.faults.retry import Retry
from mushroom_assets.ingestion import simulated
from mushroom_assets.resources import ImageStore
from mushroom_assets.service import doctor
from mushroom_assets.service.children import dagster_children, supervise
from mushroom_assets.service.home import (
    ServerError,
    prepare_dagster_home,
    require_free_port,
    require_space,
)
from mushroom_assets.service.ui import ui_fault, wait_for_ui
from mushroom_assets.settings import Settings, SettingsError, load_settings
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database

# 14 days of 4 rooms: 0.6 GB of samples, as much of write-ahead log, and the images
DEMO_BYTES = 3_000_000_000


@click.command()
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
    """Create or migrate the tables; waits for the database."""
    farm = load_settings().read_farm()
    retry = Retry(attempts=attempts, fixed_s=wait, deadline_s=float("inf"))
    with machine() as settings, open_database(settings, retry) as database:
        prepare_tables(database, farm)


@click.command("doctor")
def run_doctor() -> None:
    """Check database, tables, extension, image store, model and Dagster's storage.

    Prints a line for each. Exit code 0 or 1.
    """
    well = True
    try:
        with machine() as settings:
            prepare_dagster_home(settings)
            for finding in doctor.examine(settings):
                click.echo(finding.line())
                well = well and finding.verdict == "ok"
    except (SettingsError, ServerError) as error:
        fail(str(error))
    sys.exit(0 if well else 1)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the UI.")
@click.option("--port", default=3000, show_default=True, type=options.PORT, help="Port of the UI.")
def health(host: str, port: int) -> None:
    """Does the UI answer from its database, and does the daemon beat?

    Exit code 0 or 1; for container checks.
    """
    fault = ui_fault(host, port)
    if fault:
        fail(fault)
    click.echo("healthy")


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address of the UI; 0.0.0.0 for other machines.",
)
@click.option("--port", default=3000, show_default=True, type=options.PORT, help="Port of the UI.")
@click.option(
    "--demo/--no-demo",
    "with_demo",
    default=True,
    show_default=True,
    help="A simulated farm if the database is empty.",
)
@click.option(
    "--days",
    default=14,
    show_default=True,
    type=options.FULL_DAYS,
    help="Days of the simulated farm.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=options.SEED,
    help="Seed of the simulated farm.",
)
@click.option(
    "--attempts",
    default=60,
    show_default=True,
    type=options.ATTEMPTS,
    help="Attempts to connect to the database, 10 s apart.",
)
def up(host: str, port: int, with_demo: bool, days: int, seed: int, attempts: int) -> None:
    """Run everything on one machine: database, tables, UI and daemon.

    An empty database gets a demo farm.
    """
    farm = load_settings().read_farm()
    require_free_port(host, port)
    require_space(load_settings().home, DEMO_BYTES if with_demo else DEMO_BYTES // 10)
    retry = Retry(attempts=attempts, fixed_s=10, deadline_s=float("inf"))
    with machine() as settings, open_database(settings, retry) as database:
        prepare_dagster_home(settings)
        prepared = _tables_or_report(settings, database, farm)
        state = None
        if with_demo and prepared.startup_error is None:
            state = _demo_farm(prepared, database, farm, days, seed)
        _serve(prepared, database, farm, host, port, state)


def _tables_or_report(settings: Settings, database: Database, farm: Farm) -> Settings:
    """Prepare the tables; a migration that fails is reported, here and in the UI.

    The returned settings name the failure. With it the UI starts, but nothing is scheduled.
    """
    try:
        prepare_tables(database, farm)
    except (sa.exc.DBAPIError, migrations.MigrationFailed) as error:
        failure = f"migrating the tables at {database.endpoint} failed: {error}"
        message = f"{failure}. Remedy: mend the cause and start again"
        log.error("%s", message)
        settings = dataclasses.replace(settings, startup_error=message)
    return settings


def _demo_farm(
    settings: Settings, database: Database, farm: Farm, days: int, seed: int
) -> simulated.Demo | None:
    """Begin or resume the demo farm with all its results.

    None where the database has samples of its own.
    """
    from mushroom_assets.definitions import defs  # 2 s, and it reads the farm file: only here

    now = dt.datetime.now(farm.zone)
    state = simulated.Demo.resume(settings.home, database, farm, seed=seed, days=days, now=now)
    if state is None:
        return None
    click.echo(f"demo farm: rooms {', '.join(farm.rooms)}, simulated from {state.first_day} on")
    store = ImageStore().images()
    state = simulated.deliver(database, store, farm, state, now, bars=progress_bar)
    state.save(settings.home)
    with dg.DagsterInstance.get() as instance:
        for failure in backfill.materialize_missing(
            defs, instance, state.first_day, now, progress_bar
        ):
            log.error("%s", failure)
    return state


def _serve(
    settings: Settings,
    database: Database,
    farm: Farm,
    host: str,
    port: int,
    state: simulated.Demo | None,
) -> None:
    """Run webserver and daemon until Ctrl-C; a demo farm, if there is any, delivers as they run."""
    children = dagster_children(settings, host, port, daemon=settings.startup_error is None)

    def every_minute() -> None:
        nonlocal state
        if state is not None:
            state = _deliver_due(settings, database, farm, state)

    try:
        for child in children:
            child.start()
        if wait_for_ui(host, port, children):
            click.echo(_welcome(settings, f"http://{host}:{port}"))
        else:
            log.error("the UI is not up yet: see the lines above. It is tried again until Ctrl-C")
        supervise(children, every_minute)
    except KeyboardInterrupt:
        click.echo("stopping")
    finally:
        for child in reversed(children):
            child.stop()


def _deliver_due(
    settings: Settings, database: Database, farm: Farm, state: simulated.Demo
) -> simulated.Demo:
    """Deliver what the simulated plant has by now, and tell how far that is; a fault is logged."""
    now = dt.datetime.now(farm.zone)
    try:
        state = simulated.deliver(database, ImageStore().images(), farm, state, now)
        state.save(settings.home)
    except (*EXPECTED, sa.exc.DBAPIError, OSError):
        log.exception(
            "the simulated plant could not deliver; what is due comes with the next minute"
        )
    return state


def _welcome(settings: Settings, ui: str) -> str:
    if settings.startup_error:
        shown = f"The UI is up to show the error: {ui}/locations  Nothing is scheduled."
        return f"\n{shown} (Ctrl-C stops everything)"
    return f"""
The farm is up: {ui}  (Ctrl-C stops everything)
  Lineage    {ui}/asset-groups              from the sensors and cameras to the report
  A day      {ui}/assets/daily_room_report  verdicts, reasons, what changed
  Timetable  {ui}/automation                schedules, switched on and off here
"""
