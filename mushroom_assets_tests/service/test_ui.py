"""Whether the UI is up, as its supervisor and `mushroom health` ask it."""

import socket
from typing import Any

import pytest

from mushroom_assets.service.ui import ui_fault, wait_for_ui
from mushroom_assets_tests.kit.command import mushroom
from mushroom_assets_tests.kit.servers import free_port
from mushroom_assets_tests.kit.ui import answering, as_http, told


def test_a_ui_that_nobody_serves_is_not_up() -> None:
    with socket.socket() as bound:  # bound but not listening: it refuses
        bound.bind(("127.0.0.1", 0))
        assert wait_for_ui("127.0.0.1", bound.getsockname()[1], [], timeout_s=0.1) is False


MISTAKE = {
    "message": "Error occurred during the loading",
    "errorChain": [
        {
            "error": {
                "className": "FarmFileError",
                "message": "room 611: folder 607\nis taken.",
            }
        },
        {"error": {"className": "ScannerError", "message": 'in "<unicode string>", line 4'}},
    ],
}


def test_a_ui_whose_daemons_beat_is_healthy() -> None:
    with answering(as_http(told(daemons={"SENSOR": 1, "SCHEDULER": 170}))) as port:
        assert ui_fault("127.0.0.1", port) is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (
            {"runs": "PythonError"},
            "the UI cannot read its database. Remedy: mend what `mushroom doctor` says of it",
        ),
        (
            {"daemons": {"SENSOR": 190, "SCHEDULER": 170, "ASSET": None}},
            "no heartbeat of the daemon for 3 minutes: SENSOR, ASSET. Remedy: see in the log of "
            "`mushroom up`, which starts it again, why it does not run; without `mushroom up` "
            "start `dagster-daemon run`",
        ),
        (
            {"error": MISTAKE},
            "the definitions do not load: room 611: folder 607 is taken. "
            "Remedy: mend the cause, then reload the definitions: see Deployment in the UI",
        ),
        (
            {"load": "LOADING"},
            "the definitions are still being loaded. Remedy: ask again in a minute",
        ),
    ],
    ids=["database", "daemon", "mistake", "loading"],
)
def test_health_tells_what_keeps_the_ui_from_working_and_what_to_do(
    answer: dict[str, Any], fault: str
) -> None:
    with answering(as_http(told(**answer))) as port:
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
        ". Remedy: start it with `mushroom up`, or say where it is by --host, "
        "--port and --path-prefix\n"
    )
    assert result.output.count("\n") == 1


def test_where_nobody_listens_the_remedy_is_to_start_it() -> None:
    fault = ui_fault("127.0.0.1", free_port())
    assert fault is not None
    assert "Connection refused" in fault
    assert "Remedy: start it with `mushroom up`" in fault
