"""`mushroom up`: everything on one machine.

How processes are kept running lives in `service`, its demo farm in `demo`.
"""

import contextlib

import click

from mushroom_assets.cli import demo, options
from mushroom_assets.cli.command import log
from mushroom_assets.cli.ground import machine, open_database, tables_or_report
from mushroom_assets.faults.retry import Retry
from mushroom_assets.service import interrupts
from mushroom_assets.service.claim import farm_claimed, home_claimed
from mushroom_assets.service.guard import Ward
from mushroom_assets.service.guarding import Guarding
from mushroom_assets.service.home import (
    LAST_PORT,
    ServerError,
    prepare_dagster_home,
    require_free_port,
    require_space,
)
from mushroom_assets.service.launcher import load_run_launcher
from mushroom_assets.service.log_pipe import one_pipe
from mushroom_assets.service.postgres import Cluster, Postmaster, server_pid
from mushroom_assets.service.programs import of_one_machine
from mushroom_assets.service.supervisor import Round, Supervisor
from mushroom_assets.service.ui import Door, reachable, wait_for_ui
from mushroom_assets.settings import Settings, load_settings

# 14 days of 4 rooms: 0.6 GB of samples, as much of write-ahead log, and the images
DEMO_BYTES = 3_000_000_000
CLAIM_S = 5.0  # how long a restart of the database may leave the farm unclaimed


@click.command()
@options.of_the_ui
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
    "--page-port",
    default=3001,
    show_default=True,
    type=options.PORT_OR_NONE,
    help="Port of the farm's own server (`mushroom web`); 0 for none.",
)
@click.option(
    "--attempts",
    default=120,
    show_default=True,
    type=options.ATTEMPTS,
    help="Attempts to connect to the database, 5 s apart.",
)
def up(door: Door, with_demo: bool, days: int, seed: int, page_port: int, attempts: int) -> None:
    """Run everything on one machine: database, tables, UI and daemon.

    An empty database gets a demo farm.
    """
    settings = load_settings()
    farm = settings.read_farm()
    retry = Retry(attempts=attempts, fixed_s=5, deadline_s=float("inf"))
    with contextlib.ExitStack() as stack:
        claim = stack.enter_context(home_claimed(settings.home, door.url))
        require_space(settings.home, DEMO_BYTES if with_demo else DEMO_BYTES // 10)
        if settings.database_url is None and server_pid(settings.postgres_dir) is None:
            _require_free_ports(door, page_port)  # before any work; nothing of ours can hold them
        guarding = Guarding("guard", claim)
        stack.callback(guarding.dismiss)
        postgres = _own_postgres(settings, guarding)
        settings = stack.enter_context(machine(door.path_prefix))
        database = stack.enter_context(open_database(settings, retry))
        make_sure = stack.enter_context(farm_claimed(settings, database))
        _require_free_ports(door, page_port)  # after the claims: who has them is not ours
        prepare_dagster_home(settings)
        settings = tables_or_report(settings, database, farm)
        load_run_launcher(settings)  # the UI needs Dagster's storage even to show an error
        farm_rounds = [Round(CLAIM_S, make_sure)]
        if settings.startup_error is None and with_demo:
            settings, state = demo.begin(settings, database, days=days, seed=seed)
            if state is not None:
                state = demo.fill(settings, database, state)
                farm_rounds.append(demo.deliveries(settings, database, state))
        interrupts.check()
        _serve(settings, guarding, postgres, door, page_port, farm_rounds)


def _require_free_ports(door: Door, page_port: int) -> None:
    require_free_port(door.host, door.port)
    if page_port == door.port:
        raise ServerError(
            f"--port and --page-port are both {page_port}. Remedy: choose another for one, e.g. "
            f"--page-port {page_port % LAST_PORT + 1}; 0 is for no such server"
        )
    if page_port:
        require_free_port(door.host, page_port, "--page-port")


def _own_postgres(settings: Settings, guarding: Guarding) -> Postmaster | None:
    """Start the guard, which stops the embedded PostgreSQL, if one is used, after a kill."""
    postgres = None
    if settings.database_url is None:
        postgres = Postmaster("postgres", Cluster.at(settings.postgres_dir))
        guarding.ward = Ward(groups=[], server=postgres.cluster.server())
    guarding.start()
    return postgres


def _serve(
    settings: Settings,
    guarding: Guarding,
    postgres: Postmaster | None,
    door: Door,
    page_port: int,
    farm_rounds: list[Round],
) -> None:
    """Run Dagster's programs and the farm's page until Ctrl-C, and the database beside them."""
    started = of_one_machine(settings, door, page_port)
    children = [program.child for program in started]
    kept = [*children] if postgres is None else [postgres, *children]
    server = None if postgres is None else postgres.cluster.server()
    rounds = farm_rounds + [program.look for program in started]
    with one_pipe(settings, "mushroom") as passing:
        supervisor = Supervisor(guarding, [passing, *kept], rounds, server)
        try:
            supervisor.start()
            if wait_for_ui(door.host, door.port, [supervisor], prefix=door.path_prefix):
                click.echo(_welcome(settings, door, page_port))
            else:
                log.error("the UI is not up yet: see the lines above. It is tried until Ctrl-C")
            supervisor.run()
        except KeyboardInterrupt:
            click.echo("stopping")
        finally:
            supervisor.stop()


def _welcome(settings: Settings, door: Door, page_port: int) -> str:
    ui = door.url
    if settings.startup_error:
        shown = f"The UI is up to show the error: {ui}/locations  Nothing is scheduled."
        return f"\n{shown} (Ctrl-C stops everything)"
    page = f"http://{reachable(door.host)}:{page_port}"
    told = f"  The page   {page}  for growers, on a phone too: which room needs somebody first\n"
    watching = f"  Watching   {page}/readyz  what is wrong, if anything; /metrics for Prometheus\n"
    return f"""
The farm is up: {ui}  (Ctrl-C stops everything)
{told if page_port else ""}\
  Lineage    {ui}/asset-groups              from the sensors and cameras to the report
  A day      {ui}/assets/daily_room_report  verdicts, reasons, what changed
  Timetable  {ui}/automation                schedules, switched on and off here
{watching if page_port else ""}"""
