"""The loop that keeps everything of `mushroom up` running, and ends it in order.

What is kept lives in `children`, `programs` and `postgres`.
"""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mushroom_assets.service import interrupts
from mushroom_assets.service.children import Child, Kept
from mushroom_assets.service.guard import Server, Ward
from mushroom_assets.service.guarding import Guarding

TURN_S = 0.5
READY_S = 60.0  # the code server takes 3 s; webserver and daemon would complain meanwhile
LAST_ROUND_S = 5.0  # what a round has begun may end so long, before its database is stopped


@dataclass
class Round:
    """Work that is due every `every_s`, in a thread: a slow one keeps nobody from being watched."""

    every_s: float
    work: Callable[[], None]
    due: float = field(default_factory=time.monotonic)
    thread: threading.Thread | None = field(default=None, init=False)
    fault: BaseException | None = field(default=None, init=False)

    def watch(self) -> None:
        """Begin the work when it is due; raise what it raised."""
        if self.thread is not None and self.thread.is_alive():
            return
        if self.fault is not None:
            raise self.fault
        if time.monotonic() >= self.due:
            self.due = time.monotonic() + self.every_s
            self.thread = threading.Thread(target=self._run, daemon=True)
            self.thread.start()

    def _run(self) -> None:
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - `watch` raises it
            self.fault = error


@dataclass
class Supervisor:
    """Keeps processes running and tells the guard what to end should this process be killed.

    Attributes:
        guarding: the guard's handle, started.
        kept: in the order in which they start.
        rounds: what is done beside watching.
        server: the embedded PostgreSQL for the guard.
    """

    guarding: Guarding
    kept: Sequence[Kept]
    rounds: Sequence[Round] = ()
    server: Server | None = None

    def start(self) -> None:
        """Start all, each after the one before is ready."""
        for one in self.kept:
            one.start()
            self._tell_guard()
            if isinstance(one, Child) and one.ready is not None:
                self._wait_until_ready(one, one.ready)

    def _wait_until_ready(self, child: Child, ready: Callable[[], bool]) -> None:
        """Wait for `READY_S` at most: then the UI is to show what is wrong."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and not ready():
            child.watch()
            self._tell_guard()
            time.sleep(TURN_S / 2)

    def watch(self) -> None:
        """Start again what ended, and do what is due."""
        interrupts.check()
        for one in self.kept:
            one.watch()
        self._tell_guard()
        self.guarding.watch()
        for work in self.rounds:
            work.watch()

    def run(self) -> None:
        """Watch until KeyboardInterrupt or SystemExit, which the caller handles."""
        while True:
            self.watch()
            time.sleep(TURN_S)

    def stop(self) -> None:
        """Stop all, the last first. The first is asked when the others have ended: they ask it."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second one must not cut this short
        children = [one for one in self.kept if isinstance(one, Child)]
        for child in children[1:]:
            child.ask_to_stop()
        for child in reversed(children):
            child.stop()
        self.guarding.tell(Ward(groups=[], server=self.server))
        for work in self.rounds:
            if work.thread is not None:
                work.thread.join(LAST_ROUND_S)

    def _tell_guard(self) -> None:
        groups = [group for one in self.kept for group in one.groups()]
        self.guarding.tell(Ward(groups=groups, server=self.server))
