"""Ends what `mushroom up` started, once `mushroom up` itself is gone, killed say.

The guard is a process of its own that reads a pipe which only `mushroom up` holds: at its end that
one is gone. It stands on the standard library alone, so that it takes 10 MB, starts in 0.05 s and
goes on when the rest does not.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

# What it started is to be gone within 10 s: 4 s to end by itself (a run then tells that it was
# interrupted), 3 s for PostgreSQL to stop in order, 2 s to stop it at once
GRACE_S = 4.0
STOPS = (("fast", 3), ("immediate", 2))


class Server(TypedDict):
    """How the embedded PostgreSQL is stopped, in what JSON knows."""

    directory: str
    pg_ctl: str
    user: str | None  # of the system: as root it runs as another
    mutex: str  # a file: locked by who starts or stops it
    users: str  # a file: a shared lock for each process that uses it


class Ward(TypedDict):
    """What the guard ends: process groups, and the embedded PostgreSQL if there is one."""

    groups: list[int]
    server: Server | None


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold a file's lock; waits for it."""
    with Path(path).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def stop_unless_used(server: Server, stops: Sequence[tuple[str, int]]) -> None:
    """Stop the embedded PostgreSQL unless a living process uses it.

    Args:
        server: which.
        stops: modes of `pg_ctl stop`, each with the seconds after which the next is tried.
    """
    with locked(server["mutex"]), Path(server["users"]).open("w") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for mode, seconds in stops:
            how = ["-D", server["directory"], "-m", mode, "-w", "-t", str(seconds), "stop"]
            done = subprocess.run(  # noqa: S603 - PostgreSQL's own command
                [server["pg_ctl"], *how],
                user=server["user"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                cwd="/",  # its user may not enter ours
            )
            if done.returncode == 0 or not (Path(server["directory"]) / "postmaster.pid").exists():
                return


def end_groups(groups: Sequence[int], grace_s: float) -> None:
    """Ask process groups to end, and kill what is left of them after `grace_s`."""
    deadline = time.monotonic() + grace_s
    for group in groups:
        _signal(group, signal.SIGTERM)
        _signal(group, signal.SIGCONT)  # one that is halted would not hear it
    while time.monotonic() < deadline and any(_signal(group, 0) for group in groups):
        time.sleep(0.1)
    for group in groups:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Whether there is such a group."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # Permission: macOS, only a dead leader is left
        return False
    return True


def main() -> None:
    """Read wards from the pipe, a line each, until its end; then end what the last one says.

    The file on descriptor argv[1] is `mushroom up`'s claim to its home, locked as long as this
    process lives: emptied, it says that nobody serves the home and that it is being tidied.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ward: Ward = {"groups": [], "server": None}
    for line in sys.stdin:
        if line.endswith("\n"):  # else it was cut off
            ward = json.loads(line)
    if ward["groups"] or ward["server"]:
        os.ftruncate(int(sys.argv[1]), 0)
        with contextlib.suppress(OSError):  # its terminal may be gone as well
            os.write(1, b"mushroom up is gone: what it had started is ended\n")
        end_groups(ward["groups"], GRACE_S)
    if ward["server"]:
        stop_unless_used(ward["server"], STOPS)


if __name__ == "__main__":
    main()
