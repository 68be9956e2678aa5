"""The farm's own server in a process of its own, and its answers; metrics by name and labels."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from mushroom_assets_tests.kit.command import command_line
from mushroom_assets_tests.kit.servers import free_port, until

ANSWER_S = 30
Labels = frozenset[tuple[str, str]]


@dataclass
class Metrics:
    """What `/metrics` told."""

    text: str

    def __post_init__(self) -> None:
        families = list(text_string_to_metric_families(self.text))
        self.names = {sample.name for family in families for sample in family.samples}
        # Those without a value too
        self.declared = {
            f"{family.name}_total" if family.type == "counter" else family.name
            for family in families
        }
        self.values: dict[tuple[str, Labels], float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float | None:
        """The value of one, None where there is none."""
        return self.values.get((name, frozenset(labels.items())))


@dataclass
class Page:
    """The server on its port."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def get(self, path: str, accept: str = "*/*") -> tuple[int, str]:
        """Status and body."""
        address = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(address, headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def alive(self) -> bool:
        """Whether `/healthz` is well."""
        try:
            return self.get("/healthz") == (200, '{"status":"alive"}')
        except OSError:
            return False

    def ready(self) -> dict[str, Any]:
        """What `/readyz` told; its status agrees with it."""
        status, body = self.get("/readyz")
        told: dict[str, Any] = json.loads(body)
        assert status == (200 if told["ready"] else 503)
        assert told["ready"] is all(told["parts"].values()) is (told["reasons"] == [])
        for reason in told["reasons"]:
            assert reason["fault"] and reason["remedy"]
        return told

    def reasons(self) -> dict[str, list[str]]:
        """Faults by part."""
        found: dict[str, list[str]] = {}
        for reason in self.ready()["reasons"]:
            found.setdefault(reason["part"], []).append(reason["fault"])
        return found

    def metrics(self) -> Metrics:
        """What `/metrics` told."""
        status, body = self.get("/metrics")
        assert status == 200
        return Metrics(body)


@contextmanager
def page(environment: dict[str, str], folder: Path, *options: str) -> Iterator[Page]:
    """`mushroom web` with these settings, ended by SIGTERM; its log lies in the folder."""
    port = free_port()
    log = folder / "page.log"
    with (
        log.open("w") as out,
        subprocess.Popen(
            command_line("web", "--port", port, *options),
            env=os.environ | environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        served = Page(port, process, log)
        try:
            until(served.alive)
            yield served
        finally:
            process.terminate()
            process.wait(60)
