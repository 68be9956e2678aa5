"""The programs on one machine: Dagster's code server, webserver and daemon, and the farm's page.

Whoever outgrows it runs the same code location on Kubernetes, Celery or Ray: no asset depends on
this module. Dagster's home lives in `home`, keeping them running in `supervisor`.
"""

import os
import shutil
import sys
import sysconfig
from importlib import resources
from pathlib import Path

from mushroom_assets.service.children import Child
from mushroom_assets.service.code_server import LOCATION, Endpoint, sign, write_workspace
from mushroom_assets.service.home import ServerError
from mushroom_assets.service.pulse import Sign
from mushroom_assets.service.ui import Door, reachable
from mushroom_assets.settings import Settings

# The inner code server ends when its proxy is silent for so long. On a busy machine 30 s, the
# default, is no proof that it is gone (dagster-io/dagster#24050). The supervisor ends both.
CODE_SERVER_TTL_S = 3600
# A tick waits for the database as long as all do, 150 s, and must have time left; default: 60 s.
TICKS = dict.fromkeys(
    ("DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS", "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"), "200"
)

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


def dagster_children(
    settings: Settings, door: Door, *, daemon: bool = True, endpoint: Endpoint | None = None
) -> list[Child]:
    """The code server, the webserver, and the daemon that ticks schedules and launches runs.

    In this order: the later ones ask the first, at `endpoint`.
    """
    endpoint = endpoint or Endpoint.of(settings.home)
    workspace = ["-w", str(write_workspace(settings.home, endpoint))]
    webserver = ["-m", "dagster_webserver", "-h", door.host, "-p", str(door.port), *workspace]
    if door.path_prefix:
        webserver += ["--path-prefix", door.path_prefix]
    if door.read_only:
        webserver.append("--read-only")
    scheduler = [console_script("dagster-daemon"), "run", *workspace]
    quiet = ["--log-format", "json"]  # for a log collector
    if sys.stdout.isatty():  # a person: warnings only, the UI has the rest
        quiet = ["--log-level", "warning"]
        webserver += ["--dagster-log-level", "warning"]
    ui = {"MUSHROOM_UI_URL": f"http://{reachable(door.host)}:{door.port}{door.path_prefix}"}
    environment = ui | TICKS | os.environ | settings.environment() | PYTHON
    children = [
        Child(
            "code server",
            [sys.executable, *_code_server(endpoint), *quiet],
            environment,
            ready=lambda: sign(endpoint) is Sign.ALIVE,
        ),
        Child("webserver", [sys.executable, *webserver, *quiet], environment),
    ]
    if daemon:
        children.append(Child("daemon", [sys.executable, *scheduler, *quiet], environment))
    return children


def page_child(settings: Settings, host: str, port: int) -> Child:
    """The farm's own server, which asks none of the others."""
    command = [sys.executable, "-m", "mushroom_assets.cli.main", "web"]
    environment = os.environ | settings.environment() | PYTHON
    return Child("page", [*command, "--host", host, "--port", str(port)], environment)


def _code_server(endpoint: Endpoint) -> list[str]:
    package = Path(str(resources.files("mushroom_assets")))
    return [
        *("-m", "dagster", "code-server", "start"),
        *("-m", "mushroom_assets.definitions"),
        # Imported from here; by default from the current folder
        *("--working-directory", str(package.parent)),
        *("--location-name", LOCATION),
        *("--heartbeat-ttl", str(CODE_SERVER_TTL_S)),
        *endpoint.arguments(),
    ]
