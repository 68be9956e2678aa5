"""Lets the lines of this process and of all that it starts go through one pipe.

At its other end `log_lines` gives them one form and writes them to stdout, and into a file of
MUSHROOM_LOG_DIR besides. It is kept running like the others; meanwhile the pipe holds their lines.
"""

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mushroom_assets.service.children import Kept
from mushroom_assets.service.home import telling_what_cannot_be_written
from mushroom_assets.settings import Settings

STDOUT = 1
LAST_S = 5.0  # for the last lines


@dataclass
class Passing(Kept):
    """The process at the other end.

    Attributes:
        command: what it is started by.
        source: descriptor of the pipe that it reads.
        target: descriptor of the former stdout.
    """

    command: list[str]
    source: int
    target: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def _start(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            self.command,
            stdin=self.source,
            stdout=self.target,
            stderr=self.target,
            start_new_session=True,
        )

    def _ended(self) -> str | None:
        code = None if self.process is None else self.process.poll()
        return None if code is None else f"ended with exit code {code}"

    def finish(self) -> None:
        """Wait for the last lines; nobody writes any more."""
        if self.process is not None:
            try:
                self.process.wait(LAST_S)
            except subprocess.TimeoutExpired:  # somebody who was not ended still holds the pipe
                self.process.kill()
                self.process.wait()


@contextlib.contextmanager
def one_pipe(settings: Settings, name: str) -> Iterator[Passing]:
    """While it lasts, stdout is the pipe; `name` is that of the file.

    The process at its other end is yet to be started, by whoever keeps it running.

    Raises:
        ServerError: MUSHROOM_LOG_DIR cannot be made or written.
    """
    command = [sys.executable, "-m", "mushroom_assets.service.log_lines", settings.log_format]
    if settings.log_dir is not None:
        _require_writable(settings.log_dir)
        command.append(str(settings.log_dir / f"{name}.log"))
    sys.stdout.flush()
    target = os.dup(STDOUT)
    source, pipe = os.pipe()
    passing = Passing("log", command, source, target)
    os.dup2(pipe, STDOUT)
    os.close(pipe)
    try:
        yield passing
    finally:
        sys.stdout.flush()
        os.dup2(target, STDOUT)
        passing.finish()
        os.close(source)
        os.close(target)


def _require_writable(folder: Path) -> None:
    """Fail where no file can be made; a disk that is full costs lines of the file alone."""
    with telling_what_cannot_be_written("MUSHROOM_LOG_DIR", folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
