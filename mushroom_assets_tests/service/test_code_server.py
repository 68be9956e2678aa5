"""Where the code server listens, and what is seen of one that is not there."""

import tempfile
from pathlib import Path

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
