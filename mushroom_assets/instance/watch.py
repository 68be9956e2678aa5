"""The daemon's side: one daemon a database, and an end for runs whose process is gone.

The daemon is known by its heartbeats. Only `pooled` imports this module.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

import dagster as dg
import sqlalchemy as sa

from mushroom_assets.faults.database import DatabaseRefused
from mushroom_assets.faults.retry import Retry
from mushroom_assets.instance.lease import Connect
from mushroom_assets.instance.patience import passes
from mushroom_assets.storage import leases
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.leases import LAPSE_S, Lease
from mushroom_assets.storage.locks import DAEMON, Holder, ProcessLock, me

log = logging.getLogger("dagster.daemon.farm_storage")
LOOK_S = 4.0
# A look that comes so late saw nothing of what happened meanwhile: the machine stood still, or the
# database was away, for the processes of runs as well. All are given their time anew.
BLIND_S = 3 * LOOK_S
WITH_PROCESS = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


class Seen(NamedTuple):
    """A run's lease as it was first seen, None without one, and when that was."""

    lease: Lease | None
    since: float


@dataclass
class Watch:
    """Ends runs whose lease was not renewed for `LAPSE_S`, by this watch's own clock.

    No clock of another machine is compared, and no time counts in which the database was away.
    A run that has yet to start is the business of Dagster's run monitoring.
    """

    instance: dg.DagsterInstance
    connect: Connect
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, Seen] = field(default_factory=dict)
    _looked: float = float("-inf")

    def look(self) -> list[str]:
        """Look at all runs that should have a process; returns those that were ended."""
        now = self.clock()
        if now - self._looked > BLIND_S:
            self._seen.clear()
        self._looked = now
        runs = self.instance.get_runs(dg.RunsFilter(statuses=WITH_PROCESS))
        with self.connect() as connection:
            held = leases.leases(connection)
        lapsed = self._lapsed(held.keys() | {run.run_id for run in runs}, held, now)
        ended = []
        for run in runs:
            lease = held.get(run.run_id)
            starting = lease is None and run.status is dg.DagsterRunStatus.STARTING
            if run.run_id in lapsed and not starting and self._end(run.run_id, lease):
                ended.append(run.run_id)
        left = lapsed.intersection(held).difference(run.run_id for run in runs)
        with self.connect() as connection:  # of runs that were ended by somebody else
            for run_id in left:
                if leases.revoke(connection, run_id, held[run_id]):
                    leases.end_sessions(connection, run_id)
        return ended

    def _lapsed(self, run_ids: set[str], held: Mapping[str, Lease], now: float) -> set[str]:
        """Runs whose lease, or lack of one, is the same since `LAPSE_S`."""
        before = self._seen
        self._seen = {}
        lapsed = set()
        for run_id in run_ids:
            lease = held.get(run_id)
            seen = before.get(run_id)
            if seen is None or seen.lease != lease:
                seen = Seen(lease, now)
            self._seen[run_id] = seen
            if now - seen.since >= LAPSE_S:
                lapsed.add(run_id)
        return lapsed

    def _end(self, run_id: str, lease: Lease | None) -> bool:
        if lease is not None:
            with self.connect() as connection:
                if not leases.revoke(connection, run_id, lease):
                    return False
        run = self.instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        whose = f", pid {lease.pid} on {lease.host}," if lease else ""
        message = (
            f"The process of the run{whose} has not renewed its lease for {LAPSE_S} s: it has died "
            "or cannot reach the database. It can write no more rows."
        )
        log.warning("run %s ends: %s", run_id, message)
        if run.status is dg.DagsterRunStatus.CANCELING:
            self.instance.report_run_canceled(run, message)
        else:
            self.instance.report_run_failed(run, message)
        with self.connect() as connection:
            leases.end_sessions(connection, run_id)
        return True


class Place:
    """The daemon's place at a database: one has it, and while it does it watches the runs."""

    def __init__(self, url: str) -> None:
        database = Database(url, retry=Retry(attempts=1), application_name=me("dagster-daemon"))
        self._held = ProcessLock(database, DAEMON)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._left = threading.Event()
        self._refused = False

    def take(self, watch: Callable[[], Watch]) -> None:
        """Take the place, or make sure of it.

        Raises:
            SystemExit: another daemon has it. It ends the thread that called, one of several, and
                the process is asked to end.
            DatabaseUnavailable: the database does not answer.
        """
        with self._lock:
            other = self._held.take()
            if other is not None and not other.is_me():
                self._refuse(other)
            if self._thread is None or not self._thread.is_alive():  # a fault of ours ended it
                self._thread = threading.Thread(
                    target=self._look, args=(watch(),), name="leases", daemon=True
                )
                self._thread.start()

    def _refuse(self, other: Holder) -> NoReturn:
        message = (
            f"another daemon serves the database {self._held.database.endpoint}: {other}. "
            "Remedy: stop one of the two; two would launch every run twice"
        )
        if not self._refused:
            self._refused = True
            log.error("%s", message)
            os.kill(os.getpid(), signal.SIGTERM)
        raise SystemExit(message)

    def leave(self) -> None:
        """Give the place to whoever wants it."""
        self._left.set()
        with self._lock:
            self._held.release()

    def _look(self, watch: Watch) -> None:
        while not self._left.wait(LOOK_S):
            try:
                with self._lock:
                    other = self._held.take()
                if other is None or other.is_me():  # else the next heartbeat ends this daemon
                    watch.look()
            except sa.exc.ProgrammingError as error:
                where = self._held.database.endpoint
                log.warning(
                    "runs at %s are not watched: %s. Remedy: run `mushroom init`", where, error.orig
                )
                self._left.wait(60)
            except Exception as fault:
                if not passes(fault) and not isinstance(fault, DatabaseRefused):
                    raise
