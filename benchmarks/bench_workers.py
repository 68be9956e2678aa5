"""A year by one worker and by two on its halves: by the days' locks, the table's, and without any.

    make bench, or: python benchmarks/bench_workers.py [--full] [--runs N] [--only TEXT]

A worker is a process with a connection of its own that does a run's own work: read, compute, write
and the metadata of every partition, without Dagster's events. The table's lock is what there was
before the days'. All ways take turns on one embedded PostgreSQL; figures are medians of the runs.
Where other programs take more than `QUIET` cores, further runs are tried and the quietest count;
`others` is the most that they took in one of those.

A worker keeps more than one core busy: its connection's server process works beside it. So two
workers on two cores cannot be twice as fast, whatever they lock: what they reach without any lock
is the limit. `computing` is the machine's own: two processes that sort numbers, against one.
Without `--full` the setpoints have a quarter.
"""

import argparse
import datetime as dt
import math
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import sqlalchemy as sa
from backfill_data import Case, fill
from backfill_peers import ours

from mushroom_assets.assets import environment, setpoints
from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage.connection import Database, Limits
from mushroom_assets.storage.day_locks import lock_days, lock_table

QUICK = [Case("environment", 4, 365), Case("setpoints", 4, 92)]
FULL = [Case("environment", 4, 365), Case("setpoints", 4, 365)]
SORTS = 20  # of a million numbers: 1.5 s of pure computing
QUIET = 0.2  # cores that other programs may keep busy during a run

Lock = Callable[[sa.Connection, sa.Table, Iterable[Any]], None]
LOCKS: dict[str, Lock] = {
    "days": lock_days,
    "table": lambda connection, table, days: lock_table(connection, table),
    "none": lambda connection, table, days: None,
}
# How many workers, by which locks; without one they compute and see no database
WAYS = {
    "one worker": (1, "days"),
    "two, the days' locks": (2, "days"),
    "two, the table's lock": (2, "table"),
    "two, no locks": (2, "none"),
    "computing, one": (1, ""),
    "computing, two": (2, ""),
}
_ready: list[threading.Barrier] = []  # in a worker's process: where it waits for the others


@dataclass(frozen=True)
class Share:
    """What a worker did: from when to when, how many core-seconds it and the whole machine took.

    And an answer: the sum of all medians, or the number of changes.
    """

    started: float
    ended: float
    core_s: float
    machine_s: float
    answer: float


@dataclass(frozen=True)
class Pass:
    """What all workers did together."""

    shares: Sequence[Share]

    @property
    def seconds(self) -> float:
        """From the first begin to the last end."""
        return max(each.ended for each in self.shares) - min(each.started for each in self.shares)

    @property
    def cores(self) -> float:
        """How many cores they kept busy, with their server processes."""
        return sum(each.core_s for each in self.shares) / self.seconds

    @property
    def others(self) -> float:
        """How many cores all other programs kept busy meanwhile."""
        longest = max(self.shares, key=lambda each: each.ended - each.started)
        own_s = sum(each.core_s for each in self.shares)
        return (longest.machine_s - own_s) / (longest.ended - longest.started)

    @property
    def answer(self) -> float:
        """That of all shares."""
        return sum(each.answer for each in self.shares)


BY_OTHERS = attrgetter("others")


def join(ready: threading.Barrier) -> None:
    """In a worker's process, before its work."""
    _ready.append(ready)


def work(case: Case, url: str, lock: str, number: int, workers: int) -> Share:
    """The worker's share of the days, once all workers are ready."""
    for module in (environment, setpoints):
        module.lock_days = LOCKS[lock]  # type: ignore[assignment]
    database = Database(url, limits=Limits(statement_timeout_s=3600))
    with database.transaction() as connection:
        server = psutil.Process(connection.scalar(sa.text("SELECT pg_backend_pid()")))
    start, _ = case.bounds
    begin, end = (
        start + dt.timedelta(days=case.days * part // workers) for part in (number, number + 1)
    )
    own = ours(database, case, {"start": begin, "end": end}, Path(), 0)
    share = _measured(own, server)
    database.dispose()
    return share


def compute(number: int, workers: int) -> Share:
    """A share of the pure computing."""
    numbers = np.random.default_rng(number).random(1_000_000)

    def sort() -> None:
        for _ in range(SORTS // workers):
            np.sort(numbers)

    return _measured(sort)


def _measured(own: Callable[[], float | None], server: psutil.Process | None = None) -> Share:
    """The work of this process, and of the server process that works for it."""
    _ready[0].wait()
    before = np.array(_used_s(server))
    started = time.monotonic()
    answer = own() or 0.0
    ended = time.monotonic()
    core_s, machine_s = np.array(_used_s(server)) - before
    return Share(started, ended, float(core_s), float(machine_s), answer)


def _used_s(server: psutil.Process | None) -> tuple[float, float]:
    """Core-seconds of this process and its server, and of the machine."""
    own = time.process_time() + (sum(server.cpu_times()[:2]) if server else 0.0)
    machine = psutil.cpu_times()
    return own, sum(machine) - machine.idle - machine.iowait


def together(workers: int, task: Callable[..., Share], *given: Any) -> Pass:
    """Let so many fresh processes work side by side."""
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(workers)
    with ProcessPoolExecutor(workers, spawn, join, (ready,)) as pool:
        asked = [pool.submit(task, *given, number, workers) for number in range(workers)]
        return Pass([each.result() for each in asked])


def run_case(case: Case, url: str, runs: int, tries: int) -> Iterator[str]:
    """Fill the database, let all ways work `runs` times over it; the lines of its table.

    Raises:
        SystemExit: the answers differ.
    """
    yield f"\n{case.name}: {fill(Database(url), case):,} samples"
    together(1, work, case, url, "days")  # so that every pass replaces rows
    passes: dict[str, list[Pass]] = {way: [] for way in WAYS}
    for _ in range(tries):
        for way, (workers, lock) in WAYS.items():
            if sum(each.others < QUIET for each in passes[way]) < runs:
                given = (work, case, url, lock) if lock else (compute,)
                passes[way].append(together(workers, *given))
    answers = {each.answer for way, (_, lock) in WAYS.items() if lock for each in passes[way]}
    if not math.isclose(min(answers), max(answers), rel_tol=1e-9):
        raise SystemExit(f"{case.name}: the answers differ: {answers}")
    yield from table({way: sorted(found, key=BY_OTHERS)[:runs] for way, found in passes.items()})


def table(passes: dict[str, list[Pass]]) -> Iterator[str]:
    """Medians by way: seconds, times as fast as one, busy cores."""
    seconds = {
        way: statistics.median(each.seconds for each in found) for way, found in passes.items()
    }
    cores = {way: statistics.median(each.cores for each in found) for way, found in passes.items()}
    yield f"{'':24}{'seconds':>9}{'times':>9}{'cores':>9}{'others':>9}"
    for way, found in passes.items():
        alone = "computing, one" if way.startswith("computing") else "one worker"
        times = seconds[alone] / seconds[way]
        others = max(each.others for each in found)
        yield f"{way:24}{seconds[way]:9.2f}{times:9.2f}{cores[way]:9.2f}{others:9.2f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="a year of setpoints: 6 GB of disk")
    parser.add_argument("--runs", type=int, default=5, help="of each way (default %(default)s)")
    parser.add_argument("--tries", type=int, default=10, help="at most (default %(default)s)")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores; medians of {given.runs} runs")
    for case in FULL if given.full else QUICK:
        if given.only in case.name:
            with (
                tempfile.TemporaryDirectory(prefix="bench-") as home,
                embedded_postgres(Path(home) / "pg") as url,
            ):
                for line in run_case(case, url, given.runs, given.tries):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
