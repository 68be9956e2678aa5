"""Many schedules on real processes: `python -m mushroom_assets_tests.faults.soak_processes N`.

One farm is up for all of them; between two it forgets. First each loss of the server or of all
alone, then what N seeds draw. Prints the progress, and each schedule under which something broke,
with what.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mushroom_assets_tests.faults.farm import small_farm_running
from mushroom_assets_tests.faults.processes import ALONE, Act, Trial, drawn
from mushroom_assets_tests.kit.running import Running
from mushroom_assets_tests.kit.servers import until


class Planned(NamedTuple):
    """A schedule by its name, and whether results are asked for by backfills or by runs."""

    name: str
    acts: list[Act]
    backfills: bool


def planned(first: int, count: int) -> Iterator[Planned]:
    """What is played, of the seeds from the first on."""
    for number, act in enumerate(ALONE, start=1):
        yield Planned(f"loss {number}", [act], backfills=False)
    for seed in range(first, first + count):
        yield Planned(f"seed {seed}", drawn(seed), backfills=seed % 2 == 0)


def run_trial(running: Running, schedule: Planned) -> list[str]:
    """Run a schedule; what broke."""
    began = time.monotonic()
    trial = Trial(running, schedule.acts, backfills=schedule.backfills)
    trial.play()
    broken = trial.broken()
    spent_s = time.monotonic() - began
    say(f"{schedule.name}: {'; '.join(trial.happened)}: {spent_s:.0f} s")
    for what in broken:
        say(f"  BROKEN {what}")
    return broken


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201 - it is a command


def start(running: Running) -> None:
    """Start the farm; it is up when its UI serves."""
    running.up()
    until(running.healthy, 120)


def main() -> int:
    """Read the arguments and run; 1 if anything broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=int, help="how many seeds")
    parser.add_argument("--seed", type=int, default=0, help="the first; the others follow it")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):  # SIGINT is ignored behind `&`
        signal.signal(number, lambda *_: sys.exit(143))  # the farm and its server end with this
    folder = Path(tempfile.mkdtemp(prefix="mushroom-soak-"))
    failed = []
    began = time.monotonic()
    with small_farm_running(folder) as running:
        start(running)
        for schedule in planned(given.seed, given.trials):
            if run_trial(running, schedule):
                failed.append(schedule.name)
                shutil.copy(running.log, folder / f"log of {schedule.name}")
                running.down()
                start(running)
            running.forget()
            running.log.write_text("")
    spent_s = time.monotonic() - began
    played = given.trials + len(ALONE)
    say(f"{played} schedules in {spent_s:.0f} s; broken: {failed or 'none'}")
    if failed:
        say(f"their logs: {folder}")
    else:
        shutil.rmtree(folder)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
