"""Since when a server has been away: the time that all who wait for it in a process share.

So waits do not add up: after the deadline everything is tried once, until the server answers. What
an error means is the business of `database` and `image_store`, the waits are those of `retry`.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mushroom_assets.faults.retry import Retry


@dataclass
class Outage:
    """An outage of one server, if there is one. Threads may share it.

    Attributes:
        clock: seconds from any origin; it never goes back.
    """

    clock: Callable[[], float]
    _since: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def left(self, retry: Retry) -> Retry:
        """The same bounds with what is left of the deadline, nothing after it."""
        since = self._since
        if since is None:
            return retry
        return replace(retry, deadline_s=max(0.0, retry.deadline_s - (self.clock() - since)))

    def begin(self) -> None:
        """The server did not answer."""
        with self._lock:
            if self._since is None:
                self._since = self.clock()

    def end(self) -> float | None:
        """The server answered; how many seconds it was away, None where it was not."""
        if self._since is None:
            return None
        with self._lock:
            since = self._since
            self._since = None
        return None if since is None else self.clock() - since
