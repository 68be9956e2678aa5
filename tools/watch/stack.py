"""Prometheus, Alertmanager and the webhook that it calls, beside a farm; all on this machine.

The files of `deploy/prometheus` as they are shipped, but for their ports and their patience: what
lasts minutes lasts seconds here. Thresholds stay.
"""

import json
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mushroom_assets_tests.kit.servers import free_port, until

ROOT = Path(__file__).parent.parent.parent
PROMETHEUS = ROOT / "deploy" / "prometheus"
TOOLS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")
MESSAGE_S = 120.0


def missing_tools() -> str | None:
    """What is not installed, and what installs it."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not missing:
        return None
    return f"{', '.join(missing)} missing: apt-get install prometheus prometheus-alertmanager"


@dataclass
class Webhook:
    """What Alertmanager has sent: the last state of each alert, by its name."""

    states: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def take(self, message: dict[str, Any]) -> None:
        """Note what a message says of each alert."""
        for alert in message["alerts"]:
            name = alert["labels"]["alertname"]
            self.states[name] = alert["status"]
            self.texts[name] = alert["annotations"]["summary"]

    def wait_for(self, alert: str, status: str, timeout_s: float = MESSAGE_S) -> None:
        """Wait until the last message about an alert says so."""
        until(lambda: self.states.get(alert) == status, timeout_s)


@contextmanager
def listening(webhook: Webhook) -> Iterator[int]:
    """A server that takes the messages, on the port it yields."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            webhook.take(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Stack:
    """The running programs."""

    port: int  # of Prometheus
    webhook: Webhook

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an instant query answers."""
        given = urllib.parse.urlencode({"query": expression})
        address = f"http://127.0.0.1:{self.port}/api/v1/query?{given}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def scrapes(self) -> bool:
        """Whether it has reached the farm."""
        try:
            found = self.query('up{job="mushroom"}')
        except OSError:
            return False
        return [series["value"][1] for series in found] == ["1"]


@contextmanager
def running_stack(folder: Path, page_port: int) -> Iterator[Stack]:
    """Prometheus and Alertmanager over the farm's server on a port."""
    webhook = Webhook()
    ports = {name: free_port() for name in ("prometheus", "alertmanager")}
    with ExitStack() as stack:
        hook_port = stack.enter_context(listening(webhook))
        _write_files(folder, page_port, ports["alertmanager"], hook_port)
        commands = {
            "prometheus": [
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/prometheus",
                f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
            ],
            "prometheus-alertmanager": [
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/alertmanager",
                f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
                "--cluster.listen-address=",
            ],
        }
        for name, options in commands.items():
            stack.enter_context(_running(folder, name, options))
        started = Stack(ports["prometheus"], webhook)
        until(started.scrapes)
        yield started


@contextmanager
def _running(folder: Path, name: str, options: list[str]) -> Iterator[None]:
    with (
        (folder / f"{name}.log").open("w") as log,
        subprocess.Popen([name, *options], stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def _write_files(folder: Path, page_port: int, alertmanager_port: int, hook_port: int) -> None:
    """The shipped files, in a hurry and with the ports of this test."""
    rules = (PROMETHEUS / "rules.yml").read_text(encoding="utf-8")
    hurried = re.sub(r"^( +for: )\w+$", r"\g<1>1s", rules, flags=re.MULTILINE)
    config = (PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8")
    config = re.sub("_interval: 30s", "_interval: 1s", config)
    config = config.replace(":9093", f":{alertmanager_port}").replace(":3001", f":{page_port}")
    manager = (PROMETHEUS / "alertmanager.yml").read_text(encoding="utf-8")
    manager = re.sub(r"(group_wait|group_interval): \w+", r"\g<1>: 1s", manager)
    manager = manager.replace(":9099/", f":{hook_port}/")
    for name, text in {
        "rules.yml": hurried,
        "prometheus.yml": config,
        "alertmanager.yml": manager,
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
