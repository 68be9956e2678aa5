"""`mushroom serve`: one of the farm's programs alone, for a container or a machine of its own.

It waits for what it needs, in whatever order things come up, and is started again when it ends or
hangs. What each program is lives in `service.programs`.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import sqlalchemy as sa

from mushroom_assets.cli import options
from mushroom_assets.cli.command import log
from mushroom_assets.cli.ground import addressed, machine, open_database, tables_or_report
from mushroom_assets.faults.retry import FOREVER, Retry
from mushroom_assets.service import interrupts, programs
from mushroom_assets.service.code_server import Endpoint, sign, write_workspace
from mushroom_assets.service.guarding import Guarding
from mushroom_assets.service.home import LAST_PORT, prepare_dagster_home, require_free_port
from mushroom_assets.service.launcher import instance_of, load_run_launcher
from mushroom_assets.service.log_pipe import one_pipe
from mushroom_assets.service.programs import Program
from mushroom_assets.service.pulse import Sign
from mushroom_assets.service.supervisor import Supervisor
from mushroom_assets.service.ui import Door
from mushroom_assets.settings import Settings, load_settings
from mushroom_assets.storage.connection import Database

# The orchestrator decides when it has waited long enough. Not less often: after an outage it is
# ready within 15 s.
PATIENT = Retry(attempts=FOREVER, fixed_s=5, deadline_s=float("inf"))
# Dagster makes its tables when it is first used, and two that do so at once collide
ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtext('dagster.tables'))"
CODE_SERVER_S = 60.0  # then the UI starts without it, to show what is wrong


def _endpoint(_: click.Context, __: click.Parameter, given: str) -> Endpoint:
    host, colon, port = given.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) <= LAST_PORT):
        raise click.BadParameter("write it as HOST:PORT, e.g. code_server:4000")
    return Endpoint(host=host, port=int(port))


OF_THE_CODE_SERVER = click.option(
    "--code-server",
    metavar="HOST:PORT",
    default="127.0.0.1:4000",
    show_default=True,
    callback=_endpoint,
    help="Where `mushroom serve code-server` listens.",
)


@click.group(short_help="Run one of the farm's programs alone, for containers.")
def serve() -> None:
    """One of the farm's programs alone, for a container or a machine of its own.

    The database must be a server of its own: DATABASE_URL, or POSTGRES_HOST and the like.
    """


@serve.command("code-server", short_help="Holds the definitions and the processes of runs.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address it listens on; 0.0.0.0 for other machines. It asks nobody for a password.",
)
@click.option("--port", default=4000, show_default=True, type=options.PORT, help="Its port.")
def serve_code_server(host: str, port: int) -> None:
    """Holds the definitions and the processes of runs; brings the tables up to date."""
    farm = load_settings().read_farm()
    require_free_port(host, port)
    with _ready() as (settings, database):
        settings = tables_or_report(settings, database, farm)
        _keep(settings, programs.code_server(settings, Endpoint(host=host, port=port)))


@serve.command("webserver")
@options.of_the_ui
@OF_THE_CODE_SERVER
def serve_webserver(door: Door, code_server: Endpoint) -> None:
    """The UI."""
    require_free_port(door.host, door.port)
    with _ready(door.path_prefix) as (settings, _), _workspace(code_server) as workspace:
        _keep(settings, programs.webserver(settings, door, workspace))


@serve.command("daemon")
@OF_THE_CODE_SERVER
def serve_daemon(code_server: Endpoint) -> None:
    """Ticks schedules and sensors and launches runs: one a farm."""
    with _ready() as (settings, _), _workspace(code_server) as workspace:
        load_run_launcher(settings)
        _keep(settings, programs.daemon(settings, workspace))


@serve.command("page", short_help="`mushroom web`: tells what is wrong.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address it listens on; 0.0.0.0 for other machines.",
)
@click.option("--port", default=3001, show_default=True, type=options.PORT, help="Its port.")
@options.READ_ONLY
def serve_page(*, host: str, port: int, read_only: bool) -> None:
    """`mushroom web`: it waits for nothing, and tells what is wrong."""
    require_free_port(host, port)
    settings = addressed()
    prepare_dagster_home(settings)
    _keep(settings, programs.page(settings, Door(host, port, read_only=read_only), port))


@contextlib.contextmanager
def _ready(path_prefix: str | None = None) -> Iterator[tuple[Settings, Database]]:
    """Settings, a database that answers, and Dagster's home."""
    load_settings().require_database_url()
    with machine(path_prefix) as settings, open_database(settings, PATIENT) as database:
        database.connect().close()
        prepare_dagster_home(settings)
        with database.transaction() as connection:
            connection.execute(sa.text(ONE_BY_ONE))
            instance_of(settings).dispose()
        yield settings, database


@contextlib.contextmanager
def _workspace(endpoint: Endpoint) -> Iterator[Path]:
    """The file that names the code server; waits until that answers, for a minute at most."""
    deadline = time.monotonic() + CODE_SERVER_S
    while sign(endpoint) is not Sign.ALIVE:
        if time.monotonic() > deadline:
            log.warning("no code server at %s yet: going on without it", endpoint.target())
            break
        interrupts.check()
        time.sleep(1)
    with tempfile.TemporaryDirectory(prefix="mushroom-") as folder:
        yield write_workspace(Path(folder), endpoint)


def _keep(settings: Settings, program: Program) -> None:
    """Run it until Ctrl-C or SIGTERM."""
    child = program.child
    with contextlib.ExitStack() as stack:
        claim = stack.enter_context(tempfile.TemporaryFile())  # claims nothing: many may run
        guarding = Guarding("guard", claim.fileno())
        stack.callback(guarding.dismiss)
        guarding.start()
        passing = stack.enter_context(one_pipe(settings, child.name.replace(" ", "-")))
        supervisor = Supervisor(guarding, [passing, child], [program.look])
        try:
            supervisor.start()
            log.info("%s is up, pid %d", child.name, os.getpid())
            supervisor.run()
        except KeyboardInterrupt:
            click.echo("stopping")
        finally:
            supervisor.stop()
