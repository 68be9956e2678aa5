"""The programs: Dagster's code server, webserver and daemon, and the farm's page.

Each with its command and its sign of life. `mushroom up` runs all of them, `mushroom serve` one.
Whoever outgrows that runs the same code location on Kubernetes or Celery: no asset depends on this
module. Dagster's home lives in `home`, keeping them running in `supervisor`.
"""

import dataclasses
import os
import shutil
import sys
import sysconfig
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from mushroom_assets.faults.retry import Retry
from mushroom_assets.logs import JSON
from mushroom_assets.service.children import Child
from mushroom_assets.service.code_server import LOCATION, Endpoint, sign, write_workspace
from mushroom_assets.service.home import ServerError
from mushroom_assets.service.pulse import Heartbeats, Pulse, Sign
from mushroom_assets.service.supervisor import Round
from mushroom_assets.service.ui import Door, answers, reachable, ui_serves
from mushroom_assets.settings import Settings
from mushroom_assets.storage.connection import Database, Limits

LOOK_S = 10.0  # between two looks for a sign of life
CODE_SERVER_S = 2.0  # three looks find its inner server gone; each takes 5 ms

# The inner code server ends when its proxy is silent for so long. On a busy machine 30 s, the
# default, is no proof that it is gone (dagster-io/dagster#24050). The supervisor ends both.
CODE_SERVER_TTL_S = 3600
# A tick waits for the database as long as all do, 150 s, and must have time left; default: 60 s.
TICKS = dict.fromkeys(
    ("DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS", "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"), "200"
)

# The proxy does not hand its own on to the inner code server, whose options Dagster reads here too
INNER_LOG_FORMAT = ("DAGSTER_CLI_API_GRPC_LOG_FORMAT",)
# Safe path: a file in the current folder must not stand in for a module that a program imports.
PYTHON = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


def console_script(name: str) -> str:
    """Path of a command that was installed with this Python, whether or not it is on the PATH.

    Run it by `sys.executable`, so that it is this Python whatever its first line says.

    Raises:
        ServerError: it is not there.
    """
    beside = str(Path(sys.executable).parent)
    folders = os.pathsep.join([beside, sysconfig.get_path("scripts")])
    found = shutil.which(name, path=folders)
    if found is None:
        raise ServerError(
            f"{name} is not in {beside}. Remedy: install Dagster into this Python's environment"
        )
    return found


class Program(NamedTuple):
    """A process that is kept running, and the looks for its signs of life."""

    child: Child
    look: Round


def of_one_machine(settings: Settings, door: Door, page_port: int) -> list[Program]:
    """All of them, in the order in which they start: the later ones ask the first.

    Without a daemon where the tables are not right, without a page where its port is 0.
    """
    endpoint = Endpoint.of(settings.home)
    workspace = write_workspace(settings.home, endpoint)
    own = f"http://{reachable(door.host)}:{page_port}" if page_port else None
    settings = dataclasses.replace(
        settings, ui_url=settings.ui_url or door.link, page_url=settings.page_url or own
    )
    started = [code_server(settings, endpoint), webserver(settings, door, workspace)]
    if settings.startup_error is None:
        started.append(daemon(settings, workspace))
    if page_port:
        started.append(page(settings, door, page_port))
    return started


def code_server(settings: Settings, endpoint: Endpoint) -> Program:
    """Holds the definitions and starts runs; webserver and daemon ask it, so it starts first."""
    package = Path(str(resources.files("mushroom_assets")))
    command = [
        *("-m", "dagster", "code-server", "start"),
        *("-m", "mushroom_assets.definitions"),
        # Imported from here; by default from the current folder
        *("--working-directory", str(package.parent)),
        *("--location-name", LOCATION),
        *("--heartbeat-ttl", str(CODE_SERVER_TTL_S)),
        *endpoint.arguments(),
    ]
    child = Child(
        "code server",
        [sys.executable, *command, *_log_options()],
        _environment(settings),
        ready=lambda: sign(endpoint) is Sign.ALIVE,
    )
    return Program(child, Round(CODE_SERVER_S, Pulse(child, lambda: sign(endpoint)).feel))


def webserver(settings: Settings, door: Door, workspace: Path) -> Program:
    """The UI at `door`; `workspace` names the code server."""
    command = ["-m", "dagster_webserver", "-h", door.host, "-p", str(door.port)]
    command += ["-w", str(workspace), *_log_options()]
    if door.path_prefix:
        command += ["--path-prefix", door.path_prefix]
    if door.read_only:
        command.append("--read-only")
    if _for_a_person():
        command += ["--dagster-log-level", "warning"]
    child = Child("webserver", [sys.executable, *command], _environment(settings))

    def seen() -> Sign:
        serves = ui_serves(door.host, door.port, prefix=door.path_prefix)
        return Sign.ALIVE if serves else Sign.SILENT

    return Program(child, Round(LOOK_S, Pulse(child, seen).feel))


def daemon(settings: Settings, workspace: Path) -> Program:
    """Ticks schedules and sensors, launches runs; `workspace` names the code server."""
    command = [console_script("dagster-daemon"), "run", "-w", str(workspace), *_log_options()]
    child = Child("daemon", [sys.executable, *command], _environment(settings))
    short = Limits(pool_size=1, connect_timeout_s=5, statement_timeout_s=5)
    database = Database(
        settings.require_database_url(), short, Retry(attempts=1), "mushroom heartbeats"
    )
    beats = Heartbeats(database, settings.owns_dagster_home)
    return Program(child, Round(LOOK_S, Pulse(child, beats.sign).feel))


def page(settings: Settings, door: Door, port: int) -> Program:
    """The farm's own server, at the UI's address, which asks none of the others."""
    command = ["-m", "mushroom_assets.cli.main", "web", "--host", door.host, "--port", str(port)]
    if door.read_only:
        command.append("--read-only")
    child = Child("page", [sys.executable, *command], _environment(settings))

    def seen() -> Sign:
        url = f"http://{reachable(door.host)}:{port}/healthz"
        return Sign.ALIVE if answers(url) else Sign.SILENT

    return Program(child, Round(LOOK_S, Pulse(child, seen).feel))


def _log_options() -> list[str]:
    """JSON, for `log_lines`; a person sees warnings alone, the UI has the rest."""
    options = ["--log-format", JSON]
    return [*options, "--log-level", "warning"] if _for_a_person() else options


def _for_a_person() -> bool:
    """Whether somebody looks at a terminal; asked before stdout becomes a pipe."""
    return sys.stdout.isatty()


def _environment(settings: Settings) -> dict[str, str]:
    logs = {"MUSHROOM_LOG_FORMAT": JSON, **dict.fromkeys(INNER_LOG_FORMAT, JSON)}
    return TICKS | os.environ | settings.environment() | PYTHON | logs
