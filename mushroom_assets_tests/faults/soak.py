"""Many schedules of faults, one after the other: `python -m mushroom_assets_tests.faults.soak N`.

Prints the progress, and each seed under which something broke, with what. The same seed draws the
same faults again. Here are no faults and no work.
"""

import argparse
import logging
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets_tests.faults.ground import (
    Ground,
    Instances,
    Outcome,
    behind_the_proxy,
    ground,
    in_memory,
)
from mushroom_assets_tests.faults.schedule import KINDS, Planned, drawn

EVERY = 25  # trials between two lines of progress
Say = Callable[[str], None]


@contextmanager
def own_ground(instances: Instances) -> Iterator[Ground]:
    """A ground on a server of its own."""
    folder = Path(
        tempfile.mkdtemp(prefix="mushroom-soak-")
    )  # short: a socket's path holds 107 bytes
    folder.chmod(0o755)
    try:
        with embedded_postgres(folder / "pg") as uri, ground(uri, folder, instances) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def soak(made: Ground, trials: dict[str, list[Planned]], say: Say) -> int:
    """Run the trials by name; returns how many broke."""
    started = time.monotonic()
    happened: Counter[str] = Counter()
    failures = 0
    broken = 0
    for number, (name, faults) in enumerate(trials.items(), 1):
        outcome = made.run(faults)
        happened.update(outcome.happened)
        failures += len(outcome.failures)
        if outcome.broken:
            broken += 1
            say(_told(name, outcome))
        if number % EVERY == 0 or number == len(trials):
            spent_s = time.monotonic() - started
            counts = ", ".join(f"{kind} {count}" for kind, count in sorted(happened.items()))
            say(
                f"{number} of {len(trials)} in {spent_s:.0f} s, {spent_s / number:.2f} s each, "
                f"{broken} broken; {failures} failures were told and mended; {counts}"
            )
    return broken


def _told(name: str, outcome: Outcome) -> str:
    what = "\n".join(f"  {text}" for text in outcome.broken)
    return f"BROKEN {name} ({', '.join(outcome.happened)}):\n{what}"


def main() -> int:
    """Read the arguments and run; 1 if anything broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=int, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first; the others follow it")
    parser.add_argument(
        "--sweep", choices=KINDS, help="this fault at the first, second ... message"
    )
    parser.add_argument("--record", action="store_true", help="faults of Dagster's storage too")
    parser.add_argument(
        "--without", choices=KINDS, action="append", default=[], help="never this fault"
    )
    given = parser.parse_args()
    kinds = [kind for kind in KINDS if kind not in given.without]
    numbers = range(given.seed, given.seed + given.trials)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # server and disk end with this
    logging.disable(logging.CRITICAL)  # what is retried is told there

    def say(line: str) -> None:
        print(line, flush=True)  # noqa: T201 - it is a command

    with own_ground(behind_the_proxy if given.record else in_memory) as made:
        if made.site.disk is None:
            say(f"no full disks: {made.site.why_no_disk}")
        say(f"a clean trial has {made.messages} messages")
        trials = {f"seed {seed}": drawn(seed, made.messages, kinds) for seed in numbers}
        if given.sweep:
            trials = {
                f"{given.sweep} at {at + 1}": [Planned(given.sweep, at + 1)] for at in numbers
            }
        return int(soak(made, trials, say) > 0)


if __name__ == "__main__":
    sys.exit(main())
