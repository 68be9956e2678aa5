"""A server that answers as the UI does, once."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server on the port it yields that answers the first request with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@contextmanager
def dripping() -> Iterator[int]:
    """A server on the port it yields that sends a byte twice a second, as long as it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                while not over.wait(0.5):
                    connection.sendall(b"H")

        over = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        over.set()
        thread.join()


def as_http(body: object) -> bytes:
    """The body as JSON in an answer of HTTP."""
    text = json.dumps(body).encode()
    return b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


def told(
    runs: str = "Runs",
    daemons: dict[str, float | None] | None = None,
    *,
    load: str = "LOADED",
    error: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What the UI answers.

    Args:
        runs: the type of its answer about runs.
        daemons: for each daemon how many seconds ago it beat, None for never.
        load: the state of the code location.
        error: why the code location does not load.
    """
    statuses = [
        {
            "daemonType": name,
            "required": True,
            "lastHeartbeatTime": None if ago is None else time.time() - ago,
        }
        for name, ago in (daemons or {"SENSOR": 1, "SCHEDULER": 31}).items()
    ]
    statuses.append({"daemonType": "SPARE", "required": False, "lastHeartbeatTime": None})
    entry = {"loadStatus": load, "locationOrLoadError": error or {}}
    return {
        "data": {
            "runsOrError": {"__typename": runs},
            "instance": {"daemonHealth": {"allDaemonStatuses": statuses}},
            "workspaceOrError": {"locationEntries": [entry]},
        }
    }
