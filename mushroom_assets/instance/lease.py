"""The lease that a run's process holds in PostgreSQL, from its first event to its last.

One rule for every launcher and machine: whoever executes a run writes its events through our
storage, and so holds its lease. A thread renews it. `watch` looks at all leases. Private names of
Dagster: only `event_log` imports this module.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import dagster as dg
import sqlalchemy as sa
from dagster._core.events import EngineEventData

from mushroom_assets.instance.patience import passes
from mushroom_assets.storage import leases
from mushroom_assets.storage.answering import be_patient

log = logging.getLogger("dagster.farm_storage")
BEAT_S = 4.0  # four in the time after which a lease has lapsed
ENDS = {
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
}
Connect = Callable[[], AbstractContextManager[sa.Connection]]


class RunElsewhere(RuntimeError):
    """Another process executes the run; the message says which."""


class Keeper:
    """Holds the leases of the runs of this process."""

    def __init__(self, connect: Connect, where: str) -> None:
        self._connect = connect
        self._where = where
        self._held: set[str] = set()
        self._begun: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def before(self, event: dg.EventLogEntry) -> None:
        """Take the run's lease where the event tells that this process executes the run.

        Raises:
            RunElsewhere: a run was handed out twice, and this process has only begun.
        """
        if event.run_id not in self._held and _begins_here(event):
            begins = event.run_id not in self._begun
            self._begun.add(event.run_id)
            other = self._take(event.run_id)
            # Later, Dagster would take the error for the run's own and fail it
            if other is not None and begins and event.get_dagster_event().is_engine_event:
                raise RunElsewhere(other)

    def after(self, event: dg.EventLogEntry) -> None:
        """Give the lease back where the event was the run's last."""
        if event.run_id in self._held and event.dagster_event_type in ENDS:
            self._held.discard(event.run_id)
            with self._connect() as connection:
                leases.release(connection, event.run_id)

    def close(self) -> None:
        """Renew no more; what is held lapses."""
        self._held.clear()
        self._wake.set()

    def _take(self, run_id: str) -> str | None:
        """Take a run's lease; who has it, in words, where another process does."""
        try:
            with self._connect() as connection:
                taken = leases.take(connection, run_id)
                holder = None if taken else leases.leases(connection).get(run_id)
        except sa.exc.ProgrammingError as error:
            log.warning(
                "run %s holds no lease at %s: %s. Remedy: run `mushroom init`",
                run_id,
                self._where,
                error.orig,
            )
            return None
        if not taken:
            whose = f"pid {holder.pid} on {holder.host}" if holder else "another process"
            told = (
                f"run {run_id} is executed by {whose}, by its lease at {self._where}: this process "
                "leaves it alone. Remedy: none is needed, the run was handed out twice"
            )
            log.warning("%s", told)
            return told
        with self._lock:
            self._held.add(run_id)
            if self._thread is None or not self._thread.is_alive():
                self._wake.clear()
                self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
                self._thread.start()
        return None

    def _renew(self) -> None:
        while not self._wake.wait(BEAT_S):
            held = set(self._held)
            if not held:
                return
            try:
                with self._connect() as connection:
                    be_patient(connection, BEAT_S)  # the next may have another connection
                    kept = leases.renew(connection, held)
            except Exception as fault:
                if not passes(fault):
                    raise
                continue  # the next beat tries again, and who watches cannot reach it either
            for run_id in (held - kept) & self._held:
                self._held.discard(run_id)
                log.error("run %s has lost its lease: what it writes now is refused", run_id)


def _begins_here(event: dg.EventLogEntry) -> bool:
    """Whether an event is the first of a process that executes a run."""
    if event.dagster_event_type is dg.DagsterEventType.RUN_START:
        return True
    if event.dagster_event_type is not dg.DagsterEventType.ENGINE_EVENT:
        return False
    told = event.get_dagster_event().event_specific_data
    pid = told.metadata.get("pid") if isinstance(told, EngineEventData) else None
    return pid is not None and str(pid.value) == str(os.getpid())
