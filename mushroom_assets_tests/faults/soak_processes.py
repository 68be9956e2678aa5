"""Many schedules on real processes: `python -m mushroom_assets_tests.faults.soak_processes N`.

One farm is up for all of them; between two it forgets. Prints the progress, and each seed under
which something broke, with what.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from mushroom_assets_tests.faults.farm import small_farm_running
from mushroom_assets_tests.faults.processes import Trial, drawn
from mushroom_assets_tests.kit.running import Running
from mushroom_assets_tests.kit.servers import until


def run_trial(running: Running, seed: int) -> list[str]:
    """Run a schedule; what broke."""
    began = time.monotonic()
    trial = Trial(running, drawn(seed), backfills=seed % 2 == 0)
    trial.play()
    broken = trial.broken()
    say(f"seed {seed}: {'; '.join(trial.happened)}: {time.monotonic() - began:.0f} s")
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
    parser.add_argument("trials", type=int, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first; the others follow it")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):  # SIGINT is ignored behind `&`
        signal.signal(number, lambda *_: sys.exit(143))  # the farm and its server end with this
    folder = Path(tempfile.mkdtemp(prefix="mushroom-soak-"))
    failed = []
    began = time.monotonic()
    with small_farm_running(folder) as running:
        start(running)
        for seed in range(given.seed, given.seed + given.trials):
            if run_trial(running, seed):
                failed.append(seed)
                shutil.copy(running.log, folder / f"log of seed {seed}")
                running.down()
                start(running)
            running.forget()
            running.log.write_text("")
    spent_s = time.monotonic() - began
    say(f"{given.trials} schedules in {spent_s:.0f} s; broken: {failed or 'none'}")
    if failed:
        say(f"their logs: {folder}")
    else:
        shutil.rmtree(folder)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
