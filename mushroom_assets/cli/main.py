"""The `mushroom` command. Each subcommand prepares settings and database in the same way, then calls one room."""

import contextlib
import dataclasses
import datetime as dt
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import click
import dagster as dg
import psycopg
import sqlalchemy as sa

from mushroom_assets.automation import backfill
from mushroom_assets.cli import similar
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.domain.farm import Farm, FarmFileError
from mushroom_assets.faults.image_store import ImageStoreUnavailable
from mushroom_assets.ingestion import files as loading
from mushroom_assets.ingestion import labels as labelling
from mushroom_assets.ingestion import simulated as demo
from mushroom_assets.resources import ImageStore
from mushroom_assets.service import children as server
from mushroom_assets.service import doctor
from mushroom_assets.settings import Settings, SettingsError, load_settings
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database, DatabaseRefused, DatabaseUnavailable, Retry
from mushroom_assets.storage.samples import ensure_months

EXPECTED = (
    DatabaseRefused, DatabaseUnavailable, migrations.MigrationFailed,
    FarmFileError, SettingsError, loading.LoadError, server.ServerError, similar.SimilarError,
    ImageStoreUnavailable,
)  # fmt: skip
DEMO_BYTES = 3_000_000_000  # 14 days of 4 rooms: 0.6 GB of samples, as much of write-ahead log, and the images
log = logging.getLogger("mushroom_assets")


class Command(click.Group):
    """Tells faults that a user can mend in one message, without a traceback, and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            _fail(str(error))
        except KeyboardInterrupt:
            _fail("stopped. The same command again goes on from here")
        except (sa.exc.DBAPIError, psycopg.Error) as error:  # the latter, bare, from COPY
            fault = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            if isinstance(fault, psycopg.errors.DiskFull):
                _fail(f"the database's disk is full: {fault}. Remedy: make room and start again")
            if isinstance(fault, psycopg.errors.UndefinedTable):
                _fail(f"the farm's tables are not there: {fault}. Remedy: run `mushroom init`")
            raise
        except OSError as error:
            if error.errno != 28:  # ENOSPC
                raise
            _fail(f"the disk is full: {error}. Remedy: make room, or set MUSHROOM_HOME to a larger disk")


def _fail(message: str) -> NoReturn:
    click.echo(f"mushroom: {message}")  # stdout, like every other line
    sys.exit(1)


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """A mushroom farm's data pipeline on Dagster and PostgreSQL."""
    logging.basicConfig(
        stream=sys.stdout, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    log.setLevel(logging.INFO)
    # As on Ctrl-C, what was started is stopped. SIGINT is set too: a shell script that starts this with `&` has it
    # ignored, and the children would inherit that.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def _machine() -> Iterator[Settings]:
    """The settings with a database behind them: the embedded one where no other is set. Exported to this process."""
    settings = load_settings()
    with contextlib.ExitStack() as stack:
        if settings.database_url is None:
            settings.home.mkdir(parents=True, exist_ok=True)
            url = stack.enter_context(server.embedded_postgres(settings.postgres_dir))
            settings = dataclasses.replace(settings, database_url=url)
        os.environ.update(settings.environment())
        if settings.owns_image_root:
            Path(settings.image_root).mkdir(parents=True, exist_ok=True)
        yield settings


@contextlib.contextmanager
def _database(settings: Settings, retry: Retry | None = None) -> Iterator[Database]:
    database = Database(settings.require_database_url(), retry=retry or Retry(), application_name="mushroom")
    try:
        yield database
    finally:
        database.dispose()


def _prepare_tables(database: Database, farm: Farm) -> None:
    """Newest tables, and the months of `sample` from the farm's first day (and the lookback before it) to a year on."""
    with database.transaction() as connection:
        revision = migrations.upgrade(connection)
        today = dt.datetime.now(farm.zone).date()
        ensure_months(connection, farm.first_day - dt.timedelta(days=31), today + dt.timedelta(days=366))
    click.echo(f"tables of schema farm at {database.endpoint} are at revision {revision}")


@main.command()
@click.option("--attempts", default=5, show_default=True, help="Attempts to connect.")
@click.option("--wait", default=10.0, show_default=True, help="Seconds between two attempts.")
def init(attempts: int, wait: float) -> None:
    """Create or migrate the tables; waits for the database."""
    farm = load_settings().read_farm()
    retry = Retry(attempts=attempts, fixed_s=wait, deadline_s=float("inf"))
    with _machine() as settings, _database(settings, retry) as database:
        _prepare_tables(database, farm)


@main.command()
@click.option("--days", default=14, show_default=True, help="Full days before today; today so far comes with them.")
@click.option("--rooms", type=int, help="Only the first N rooms of the farm file.")
@click.option("--seed", default=0, show_default=True, help="Another seed is another plant.")
@click.option("--images/--no-images", default=True, show_default=True, help="Camera images of the last days too.")
@click.option("--image-days", default=demo.IMAGE_DAYS, show_default=True, help="Days of images.")
def simulate(days: int, rooms: int | None, seed: int, images: bool, image_days: int) -> None:
    """Let a simulated plant deliver samples, batches and images; the same again changes nothing."""
    farm = load_settings().read_farm()
    names = list(farm.rooms)[:rooms]
    if rooms is not None and rooms > len(farm.rooms):
        raise click.BadParameter(f"the farm file has {len(farm.rooms)} rooms", param_hint="--rooms")
    with _machine() as settings, _database(settings) as database:
        now = dt.datetime.now(farm.zone)
        first_image_day = now.date() - dt.timedelta(days=image_days) if images else None
        state = demo.Demo.begin(seed, now.date() - dt.timedelta(days=days), first_image_day)
        demo.deliver(database, ImageStore(), farm, state, now, rooms=names)


@main.group()
def load() -> None:
    """Load files into the plant's tables; loading one again changes nothing."""


@load.command("samples")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--skip-bad", is_flag=True, help="Load the good rows, and write the bad ones to FILE.bad.csv.")
def load_samples(file: Path, skip_bad: bool) -> None:
    """CSV or Parquet: room_id, device_type, device_alias, point_alias, sampled_at (ISO 8601), value."""
    farm = load_settings().read_farm()
    with _machine() as settings, _database(settings) as database, progress_bar(None, "samples", "row") as bar:
        with database.transaction() as connection:
            report = loading.load_samples(
                connection, file, farm, skip_bad=skip_bad, progress=lambda rows: bar.update(rows - bar.n)
            )
    _tell(report, file)


@load.command("batches")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--skip-bad", is_flag=True, help="Load the good rows, and write the bad ones to FILE.bad.csv.")
def load_batches(file: Path, skip_bad: bool) -> None:
    """CSV or Parquet: room_id, in_date (YYYY-MM-DD), bag_count (may be empty)."""
    farm = load_settings().read_farm()
    with _machine() as settings, _database(settings) as database, database.transaction() as connection:
        report = loading.load_batches(connection, file, farm, skip_bad=skip_bad)
    _tell(report, file)


def _tell(report: loading.LoadReport, file: Path) -> None:
    click.echo(report.sentence())
    if report.bad:
        click.echo(f"bad rows: {loading.bad_rows_file(file)}")
    if report.unknown_rooms:
        rooms = ", ".join(sorted(report.unknown_rooms))
        click.echo(f"nothing is computed for rooms that the farm file does not list: {rooms}")


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--skip-bad", is_flag=True, help="Store the good rows, and write the bad ones to FILE.bad.csv.")
def label(file: Path, skip_bad: bool) -> None:
    """What growers see on images, CSV or Parquet: image_path, stage and/or condition, labelled_by (may be left out)."""
    farm = load_settings().read_farm()
    with _machine() as settings, _database(settings) as database, database.transaction() as connection:
        report = labelling.load_labels(connection, file, farm, skip_bad=skip_bad)
        lines = labelling.progress_lines(connection, farm)
    _tell(report, file)
    click.echo("\n".join(lines))


@main.command("similar")
@click.argument("image_or_text")
@click.option("--k", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many images.")
@click.option("--room", "rooms", multiple=True, help="Only this room; may be given more than once.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From this farm day on.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Up to this farm day.")
def run_similar(
    image_or_text: str, k: int, rooms: tuple[str, ...], since: dt.datetime | None, until: dt.datetime | None
) -> None:
    """Find the stored images most like a file, a path in the image store, or else a text.

    The packaged model learned only the farm file's prompts: other words mean little to it.
    """
    farm = load_settings().read_farm()
    if strangers := set(rooms) - set(farm.rooms):
        raise click.BadParameter(f"the farm file has no room {', '.join(sorted(strangers))}", param_hint="--room")
    days = [day.date() if day else None for day in (since, until)]
    with _machine() as settings, _database(settings) as database, database.transaction() as connection:
        lines = similar.similar(connection, settings, farm, image_or_text, k, rooms, *days)
    click.echo("\n".join(lines))


@main.command("doctor")
def run_doctor() -> None:
    """Check database, tables, extension, image store, model and Dagster's storage; a line each, exit code 0 or 1."""
    findings = []
    try:
        with _machine() as settings:
            server.prepare_dagster_home(settings)
            for finding in doctor.examine(settings):
                click.echo(finding.line())
                findings.append(finding)
    except (SettingsError, server.ServerError) as error:
        _fail(str(error))
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the UI.")
@click.option("--port", default=3000, show_default=True, help="Port of the UI.")
def health(host: str, port: int) -> None:
    """Does the UI answer from its database, and does the daemon beat? Exit code 0 or 1; for container checks."""
    if fault := server.ui_fault(host, port):
        _fail(fault)
    click.echo("healthy")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the UI; 0.0.0.0 for other machines.")
@click.option("--port", default=3000, show_default=True, help="Port of the UI.")
@click.option(
    "--demo/--no-demo", "with_demo", default=True, show_default=True, help="A simulated farm if the database is empty."
)
@click.option("--days", default=14, show_default=True, help="Days of the simulated farm.")
@click.option("--seed", default=0, show_default=True, help="Seed of the simulated farm.")
@click.option("--attempts", default=60, show_default=True, help="Attempts to connect to the database, 10 s apart.")
def up(host: str, port: int, with_demo: bool, days: int, seed: int, attempts: int) -> None:
    """One machine, everything: database, tables, demo farm if the database is empty, UI and daemon."""
    farm = load_settings().read_farm()
    server.require_free_port(host, port)
    server.require_space(load_settings().home, DEMO_BYTES if with_demo else DEMO_BYTES // 10)
    retry = Retry(attempts=attempts, fixed_s=10, deadline_s=float("inf"))
    with _machine() as settings, _database(settings, retry) as database:
        server.prepare_dagster_home(settings)
        settings = _tables_or_report(settings, database, farm)
        state = None
        if with_demo and settings.startup_error is None:
            state = _demo_farm(settings, database, farm, days, seed)
        _serve(settings, database, farm, host, port, state)


def _tables_or_report(settings: Settings, database: Database, farm: Farm) -> Settings:
    """Prepare the tables; a migration that fails is reported, here and in the UI, where nothing is scheduled then."""
    try:
        _prepare_tables(database, farm)
    except (sa.exc.DBAPIError, migrations.MigrationFailed) as error:
        message = f"migrating the tables at {database.endpoint} failed: {error}. Remedy: mend the cause and start again"
        log.error("%s", message)
        settings = dataclasses.replace(settings, startup_error=message)
    return settings


def _demo_farm(settings: Settings, database: Database, farm: Farm, days: int, seed: int) -> demo.Demo | None:
    """Begin or resume the demo farm with all its results; None where the database has samples of its own."""
    from mushroom_assets.definitions import defs  # 2 s, and it reads the farm file: only here

    now = dt.datetime.now(farm.zone)
    state = demo.Demo.resume(settings.home, database, farm, seed=seed, days=days, now=now)
    if state is None:
        return None
    click.echo(f"demo farm: rooms {', '.join(farm.rooms)}, simulated from {state.first_day} on")
    state = demo.deliver(database, ImageStore(), farm, state, now)
    state.save(settings.home)
    with dg.DagsterInstance.get() as instance:
        for failure in backfill.materialize_missing(defs, instance, state.first_day, now):
            log.error("%s", failure)
    return state


def _serve(settings: Settings, database: Database, farm: Farm, host: str, port: int, state: demo.Demo | None) -> None:
    children = server.dagster_children(settings, host, port, daemon=settings.startup_error is None)

    def every_minute() -> None:
        nonlocal state
        if state is None:
            return
        try:
            state = demo.deliver(database, ImageStore(), farm, state, dt.datetime.now(farm.zone), quiet=True)
            state.save(settings.home)
        except (*EXPECTED, sa.exc.DBAPIError, OSError):
            log.exception("the simulated plant could not deliver; what is due comes with the next minute")

    try:
        for child in children:
            child.start()
        if server.wait_for_ui(host, port, children):
            click.echo(_welcome(settings, f"http://{host}:{port}"))
        else:
            log.error("the UI is not up yet: see the lines above. It is tried again until Ctrl-C")
        server.supervise(children, every_minute)
    except KeyboardInterrupt:
        click.echo("stopping")
    finally:
        for child in reversed(children):
            child.stop()


def _welcome(settings: Settings, ui: str) -> str:
    if settings.startup_error:
        return f"\nThe UI is up to show the error: {ui}/locations  Nothing is scheduled. (Ctrl-C stops everything)"
    return f"""
The farm is up: {ui}  (Ctrl-C stops everything)
  Lineage    {ui}/asset-groups              from the sensors and cameras to the report
  A day      {ui}/assets/daily_room_report  verdicts, reasons, what changed
  Timetable  {ui}/automation                schedules, switched on and off here
"""


if __name__ == "__main__":
    main()
