"""A process that is kept running: started, watched, started again, stopped with all it started.

Which processes those are is the business of `programs` and `postgres`, the loop over them that of
`supervisor`.
"""

import contextlib
import logging
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

log = logging.getLogger(__name__)
STOP_TIMEOUT_S = 20.0  # a stopping daemon lets its current tick end; then it is killed
RESTART_WAIT_S = (1.0, 60.0)  # first and longest wait before a process that ended is started again


@dataclass
class Kept(ABC):
    """Something that runs; when it ends by itself it starts again, after a wait that doubles."""

    name: str
    clock: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    started: float = field(default=0.0, init=False)
    running: bool = field(default=False, init=False)
    restart_at: float = field(default=0.0, init=False)
    wait: float = field(default=RESTART_WAIT_S[0], init=False)

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def _ended(self) -> str | None:
        """How it ended, in words after its name; None while it runs."""

    def _sweep(self) -> None:  # noqa: B027 - nothing is left of most
        """Take away what is left of it after its end."""

    def groups(self) -> list[int]:
        """The process groups that end with it."""
        return []

    @property
    def age_s(self) -> float:
        """Seconds since it was started last."""
        return self.clock() - self.started

    def start(self) -> None:
        """Start it."""
        self.started = self.clock()
        self.running = True
        self._start()

    def watch(self) -> None:
        """Start it again if it ended."""
        if not self.running:
            if self.clock() >= self.restart_at:
                self.start()
            return
        how = self._ended()
        if how is None:
            return
        if self.age_s > RESTART_WAIT_S[1]:
            self.wait = RESTART_WAIT_S[0]  # it ran well for a while
        log.error("%s %s, starting it again in %.0f s", self.name, how, self.wait)
        self._sweep()
        self.running = False
        self.restart_at = self.clock() + self.wait
        self.wait = min(2 * self.wait, RESTART_WAIT_S[1])


@dataclass
class Child(Kept):
    """A process of ours, in a session and a process group of its own.

    `ready` says whether those that ask it may be started.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    ready: Callable[[], bool] | None = field(default=None, kw_only=True)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def _start(self) -> None:
        """Start it in a session of its own.

        So Ctrl-C reaches this process alone, which then stops the others in order.
        """
        self.process = subprocess.Popen(  # noqa: S603 - a fixed command of our own
            self.command,
            env=dict(self.environment),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _ended(self) -> str | None:
        code = None if self.process is None else self.process.poll()
        return None if code is None else f"ended with exit code {code}"

    def _sweep(self) -> None:
        self._signal_group(signal.SIGKILL)  # what it had started would go on without it
        self.process = None

    def groups(self) -> list[int]:
        """Its own group, while it runs."""
        return [] if self.process is None else [self.process.pid]

    def kill(self, why: str) -> None:
        """End it and all it started at once; `watch` starts it again."""
        log.error("%s %s and is killed", self.name, why)
        self._signal_group(signal.SIGKILL)

    def ask_to_stop(self) -> None:
        """Ask the process and all it started to end; `stop` waits for it."""
        self._signal_group(signal.SIGTERM)
        self._signal_group(signal.SIGCONT)  # one that is halted would not hear it

    def stop(self) -> None:
        """Ask the process and all it started to end; kill what is left after `STOP_TIMEOUT_S`."""
        if self.process is None:
            return
        self.ask_to_stop()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop in %.0f s and is killed", self.name, STOP_TIMEOUT_S)
        self._signal_group(signal.SIGKILL)
        self.process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        if self.process is not None:
            # Permission: on macOS a group of which only a dead leader is left
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
