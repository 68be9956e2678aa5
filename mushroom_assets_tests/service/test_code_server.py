"""Where the code server listens, and what is seen of one that is not there or not well."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from dagster import _serdes
from dagster._grpc.__generated__ import dagster_api_pb2 as api
from dagster._grpc.types import CanCancelExecutionRequest

from mushroom_assets.service import code_server
from mushroom_assets.service.code_server import Endpoint, sign, write_workspace
from mushroom_assets.service.pulse import Sign


def workspace(home: Path, endpoint: Endpoint) -> object:
    return yaml.safe_load(write_workspace(home, endpoint).read_text(encoding="utf-8"))


def test_it_listens_on_a_socket_in_the_home() -> None:
    with tempfile.TemporaryDirectory(prefix="mushroom-") as folder:  # short: 107 bytes
        home = Path(folder)
        (home / "code.sock").touch()  # a former one's
        endpoint = Endpoint.of(home)
        socket = f"{home}/code.sock"
        assert endpoint.arguments() == ["--socket", socket]
        server = {"socket": socket, "location_name": "mushroom_assets"}
        assert workspace(home, endpoint) == {"load_from": [{"grpc_server": server}]}
        assert sign(endpoint) is Sign.SILENT


def test_where_the_path_is_too_long_it_listens_on_a_port_of_this_machine(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 100)
    home.mkdir()
    endpoint = Endpoint.of(home)
    assert endpoint.port is not None
    assert endpoint.arguments() == ["--host", "127.0.0.1", "--port", str(endpoint.port)]
    server = {"host": "127.0.0.1", "port": endpoint.port, "location_name": "mushroom_assets"}
    assert workspace(home, endpoint) == {"load_from": [{"grpc_server": server}]}
    assert sign(endpoint) is Sign.SILENT


@contextmanager
def serving(**answers: Callable[[], bytes]) -> Iterator[Endpoint]:
    """What answers to Dagster's calls as its proxy does."""

    def handler(answer: Callable[[], bytes]) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: answer())

    handlers = {name: handler(answer) for name, answer in answers.items()}
    service = grpc.method_handlers_generic_handler("api.DagsterApi", handlers)
    with ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads, handlers=[service])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield Endpoint(port=port)
        server.stop(None).wait()


def test_one_that_cannot_say_what_it_executes_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_server, "PATIENCE_S", 0.3)
    over = threading.Event()

    def wait() -> bytes:
        over.wait(10)
        return b""

    with serving(ListRepositories=lambda: b"{}", CanCancelExecution=wait) as endpoint:
        assert sign(endpoint) is Sign.SILENT
        over.set()
        assert sign(endpoint) is Sign.ALIVE


def test_the_question_about_no_run_is_dagsters_own() -> None:
    request = CanCancelExecutionRequest(run_id="none")
    message = api.CanCancelExecutionRequest(
        serialized_can_cancel_execution_request=_serdes.serialize_value(request)
    )
    assert message.SerializeToString() == code_server.NO_RUN


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (b'{"__class__": "ListRepositoriesResponse"}', Sign.ALIVE),
        (b'{"cls_name": "FarmFileError", "message": "two rooms share a folder"}', Sign.ALIVE),
        (b'{"cause": {"cls_name": "DatabaseUnavailable"}}', Sign.BLIND),
        (None, Sign.GONE),
    ],
)
def test_it_is_well_with_a_mistake_of_ours_but_not_without_its_process_or_its_database(
    answer: bytes | None, seen: Sign
) -> None:
    """The bytes are what Dagster's proxy answers with: what it lists, or why it cannot."""

    def told() -> bytes:
        if answer is None:
            raise ValueError("No available client to code server")
        return answer

    with serving(ListRepositories=told) as endpoint:
        assert sign(endpoint) is seen
