"""Faults on the processes of a running farm, drawn from a seed, and what must hold afterwards.

Processes are killed, stopped and asked to end, and the server goes and comes, while results are
made. On which farm is the business of `farm`, how its processes are found that of `kit.running`.
"""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import dagster as dg
import psutil
import sqlalchemy as sa

from mushroom_assets_tests.kit.running import (
    ASKED,
    ASSETS,
    PROCESSES,
    UNFINISHED,
    Running,
    missing,
    rows_of,
)

SIGNALS = {"kill": signal.SIGKILL, "end": signal.SIGTERM, "stop": signal.SIGSTOP}
# What happens to the server, and to all at once
SERVER = ("crash", "restart", "kill postmaster")
ALL = ("kill up", "power cut")
LONGEST_STOP_S = 25.0  # a run that is stopped for longer than its lease is taken for dead
LONGEST_OUTAGE_S = 30.0
BEGIN_S = 60.0  # a backfill begins after at most half of it
WITHIN_S = 20.0  # of the first write, all faults begin
COMPLETE_S = 240.0
HEALTHY_S = 60.0
ENDED_BACKFILLS = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "CANCELED", "FAILED"}


class Act(NamedTuple):
    """A fault: when it begins, what, on which process if on one, and how long it lasts."""

    after_s: float
    what: str
    process: str = ""
    lasts_s: float = 0.0

    def __str__(self) -> str:
        """In words."""
        lasts = f" for {self.lasts_s:.0f} s" if self.lasts_s else ""
        return f"{self.what} {self.process}".strip() + f"{lasts} at {self.after_s:.0f} s"


# At the first write. The tests have two of them, `make soak-processes` begins with all
ALONE = [
    *(Act(0.0, what, lasts_s=15.0) for what in SERVER),
    *(Act(0.0, what) for what in ALL),
]


def drawn(seed: int) -> list[Act]:
    """One to three faults of a seed, in the order in which they begin."""
    dice = random.Random(seed)
    acts = [_act(dice, dice.uniform(0, WITHIN_S)) for _ in range(dice.randint(1, 3))]
    return sorted(acts)


def _act(dice: random.Random, after_s: float) -> Act:
    what = dice.choice([*SIGNALS, *SIGNALS, *SERVER, *ALL])
    if what in SIGNALS:
        lasts_s = dice.uniform(1, LONGEST_STOP_S) if what == "stop" else 0.0
        return Act(after_s, what, dice.choice(list(PROCESSES)), lasts_s)
    lasts_s = dice.uniform(0, LONGEST_OUTAGE_S) if what in SERVER else 0.0
    return Act(after_s, what, lasts_s=lasts_s)


@dataclass
class Trial:
    """A schedule on a farm that is up: results are asked for, faults happen, all must be made.

    By backfills, which begin and end with the daemon's look of every half minute, or by runs.
    """

    running: Running
    acts: list[Act]
    backfills: bool = False
    asks: tuple[str, ...] = ASKED
    expects: tuple[str, ...] = ASSETS
    happened: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # backfills

    def play(self) -> None:
        """Ask for everything, and let the faults happen."""
        for asset in self.asks:
            if self.backfills:
                self.asked.append(self.running.backfill(asset, self.running.keys(asset)))
            else:
                self.running.launch(asset)
        _holds(self.running.writes, BEGIN_S)
        began = time.monotonic()
        for act in self.acts:
            time.sleep(max(0.0, began + act.after_s - time.monotonic()))
            self.happened.append(f"{act}")
            self._do(act)

    def _do(self, act: Act) -> None:
        if act.what in SIGNALS:
            self._signal(act)
        elif act.what in SERVER:
            server = self.running.server
            {"crash": server.crash, "restart": server.stop, "kill postmaster": server.kill}[
                act.what
            ]()
            time.sleep(act.lasts_s)
            server.start()
        elif act.what == "kill up":
            self.running.kill_up()
            self.running.up()
        else:
            self.running.power_cut()
            self.running.up()

    def _signal(self, act: Act) -> None:
        for process in self.running.find(act.process):
            _send(process, SIGNALS[act.what])
            if act.what == "stop":
                time.sleep(act.lasts_s)
                _send(process, signal.SIGCONT)

    def broken(self) -> list[str]:
        """What does not hold, once all has had its time."""
        began = time.monotonic()
        with self.running.instance() as instance:
            complete = _holds(lambda: not self._lacking(instance), COMPLETE_S)
            found = [] if complete else self._lacking(instance) or ["it was complete too late"]
        spent_s = time.monotonic() - began
        if not _holds(self.running.healthy, HEALTHY_S):
            found.append(f"not healthy after {spent_s:.0f} + {HEALTHY_S:.0f} s")
        for asset in self.expects:
            if (
                rows_of(self.running.server.uri, asset, self.running.keys(asset))
                != (self.running.expected[asset])
            ):
                found.append(f"the rows of {asset} are not those of a clean run")
        return found

    def _lacking(self, instance: dg.DagsterInstance) -> list[str]:
        found = []
        for asset in self.expects:
            lacking = missing(instance, self.running, asset)
            if lacking:
                found.append(f"{asset} lacks {len(lacking)} partitions, {min(lacking)} first")
        unfinished = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        found += [f"run {run.run_id} is still {run.status.value}" for run in unfinished]
        for asked in self.asked:
            backfill = instance.get_backfill(asked)
            if backfill is None or backfill.status.value not in ENDED_BACKFILLS:
                found.append(f"backfill {asked} has not ended")
        return found


def _holds(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except (sa.exc.DBAPIError, OSError):  # the server is on its way
            pass
        time.sleep(1)
    return False


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
