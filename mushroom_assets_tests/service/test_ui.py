"""Whether the UI is up, as its supervisor and `mushroom health` ask it."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mushroom_assets.service.ui import ui_fault, wait_for_ui
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.servers import free_port


def test_a_ui_that_nobody_serves_is_not_up() -> None:
    with socket.socket() as bound:  # bound but not listening: it refuses
        bound.bind(("127.0.0.1", 0))
        assert wait_for_ui("127.0.0.1", bound.getsockname()[1], [], timeout_s=0.1) is False


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


def as_http(body: object) -> bytes:
    text = json.dumps(body).encode()
    return b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


def told(runs: str, **daemons: bool) -> dict[str, Any]:
    """What the UI answers: the type of its answer about runs, and which daemons are healthy."""
    statuses = [
        {"daemonType": name, "required": True, "healthy": healthy}
        for name, healthy in daemons.items()
    ]
    health = {"daemonHealth": {"allDaemonStatuses": statuses}}
    return {"data": {"runsOrError": {"__typename": runs}, "instance": health}}


def test_a_ui_whose_daemons_beat_is_healthy() -> None:
    with answering(as_http(told("Runs", SENSOR=True, SCHEDULER=True))) as port:
        assert ui_fault("127.0.0.1", port) is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (
            as_http(told("PythonError")),
            "the UI cannot read its database. Remedy: mend what `mushroom doctor` says of it",
        ),
        (
            as_http(told("Runs", SENSOR=False, SCHEDULER=True, ASSET=False)),
            "no heartbeat of the daemon: SENSOR, ASSET. Remedy: see in the log of `mushroom up` "
            "why it does not run, or start `dagster-daemon run`",
        ),
    ],
    ids=["database", "daemon"],
)
def test_health_tells_what_keeps_the_ui_from_working_and_what_to_do(
    answer: bytes, fault: str
) -> None:
    with answering(answer) as port:
        result = mushroom("health", "--port", port)
    assert (result.exit_code, result.output) == (1, f"mushroom: {fault}\n")


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2\r\n", as_http([]), as_http({"data": None}), b""]
)
def test_a_server_that_is_no_ui_is_told_as_one_that_does_not_answer(answer: bytes) -> None:
    with answering(answer) as port:
        result = mushroom("health", "--port", port)
    assert result.exit_code == 1
    assert result.output.startswith(f"mushroom: the UI on port {port} does not answer: ")
    assert result.output.endswith(
        ". Remedy: start it with `mushroom up`, or say where it is by --host and --port\n"
    )
    assert result.output.count("\n") == 1


def test_where_nobody_listens_the_remedy_is_to_start_it() -> None:
    fault = ui_fault("127.0.0.1", free_port())
    assert fault is not None
    assert "Connection refused" in fault
    assert "Remedy: start it with `mushroom up`" in fault
