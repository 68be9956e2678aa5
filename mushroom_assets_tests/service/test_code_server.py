"""Where the code server listens, and what is seen of one that is not there or not well."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

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

    def told(request: bytes, context: Any) -> bytes:
        if answer is None:
            raise ValueError("No available client to code server")
        return answer

    handler = grpc.unary_unary_rpc_method_handler(told)
    service = grpc.method_handlers_generic_handler("api.DagsterApi", {"ListRepositories": handler})
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads, handlers=[service])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        assert sign(Endpoint(port=port)) is seen
        server.stop(None).wait()
