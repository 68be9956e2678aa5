"""The one code server: where it listens, the workspace that names it, and whether it serves.

It is a proxy (`dagster code-server`) before an inner server that holds the code. *Reload
definitions* makes a new inner one. The proxy does not notice when the inner one dies: `sign` does.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import grpc
import yaml

from mushroom_assets.service.home import telling_what_cannot_be_written
from mushroom_assets.service.pulse import Sign
from mushroom_assets.service.ui import reachable

LOCATION = "mushroom_assets"
LIST = "/api.DagsterApi/ListRepositories"
CAN_CANCEL = "/api.DagsterApi/CanCancelExecution"
# Of no run: a message of protobuf whose first field is Dagster's own JSON
NO_RUN = b'\n<{"__class__": "CanCancelExecutionRequest", "run_id": "none"}'
PATIENCE_S = 10.0  # each takes 5 ms
OUTAGES = (b"DatabaseUnavailable", b"psycopg.OperationalError")


@dataclass(frozen=True)
class Endpoint:
    """A unix socket, or a port; by default one of this machine alone."""

    socket: str | None = None
    port: int | None = None
    host: str = "127.0.0.1"

    @classmethod
    def of(cls, home: Path) -> "Endpoint":
        """A socket in `home`; a port where its path is too long (Linux 107 bytes, macOS 103)."""
        path = home / "code.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.bind(os.fsencode(path))
            except OSError:  # or the file system has no sockets
                return cls(port=_free_port())
        path.unlink()
        return cls(socket=str(path))

    def arguments(self) -> list[str]:
        """For `dagster code-server start`."""
        if self.socket is not None:
            return ["--socket", self.socket]
        return ["--host", self.host, "--port", str(self.port)]

    def target(self) -> str:
        """For gRPC."""
        return f"unix:{self.socket}" if self.socket else f"{reachable(self.host)}:{self.port}"


def write_workspace(home: Path, endpoint: Endpoint) -> Path:
    """The file in `home` that tells webserver and daemon where the code server is."""
    where: dict[str, object] = {"host": endpoint.host, "port": endpoint.port}
    if endpoint.socket is not None:
        where = {"socket": endpoint.socket}
    entry = {"grpc_server": {**where, "location_name": LOCATION}}
    file = home / "workspace.yaml"
    with telling_what_cannot_be_written("MUSHROOM_HOME", home):
        file.write_text(yaml.safe_dump({"load_from": [entry]}), encoding="utf-8")
    return file


def sign(endpoint: Endpoint) -> Sign:
    """Whether the inner server answers through the proxy.

    It does with definitions that do not load, too: the UI shows why. But who met an outage of the
    database then has kept that fault, and does not try again. The request is empty, so that its
    bytes need none of Dagster's modules.
    """
    with grpc.insecure_channel(endpoint.target()) as channel:
        try:
            told = channel.unary_unary(LIST)(b"", timeout=PATIENCE_S)
        except grpc.RpcError as error:
            # The proxy answers, but with an exception: it has nobody to ask.
            gone = error.code() is grpc.StatusCode.UNKNOWN
            return Sign.GONE if gone else Sign.SILENT
        if any(name in told for name in OUTAGES):
            return Sign.BLIND
        return Sign.SILENT if _is_stuck(channel) else Sign.ALIVE


def _is_stuck(channel: grpc.Channel) -> bool:
    """Whether it cannot say what it executes: then it launches nothing either.

    So it is when it was asked to cancel a run whose process had stopped or died just then: it waits
    for that process, for ever, and all else waits for it.
    """
    try:
        channel.unary_unary(CAN_CANCEL)(NO_RUN, timeout=PATIENCE_S)
    except grpc.RpcError as error:  # any other answer is one
        return bool(error.code() is grpc.StatusCode.DEADLINE_EXCEEDED)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
