"""Servers in processes of their own: a free port for one, and the patience to wait for it."""

import socket
import time
from collections.abc import Callable


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(holds: Callable[[], bool], timeout_s: float = 180) -> None:
    """Wait until it holds, looking twice a second."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"it did not come to hold within {timeout_s:.0f} s"
        time.sleep(0.5)
