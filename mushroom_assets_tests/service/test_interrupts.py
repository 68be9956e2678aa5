"""Ctrl-C is raised, and raised again where it was lost."""

import subprocess
import sys

LOSING = """
import os, signal
from mushroom_assets.service import interrupts

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass

interrupts.listen()
interrupts.check()
Finalized()
print("lost", flush=True)
interrupts.check()
print("never here")
"""


def test_an_interrupt_that_a_finalizer_swallowed_is_raised_at_the_next_look() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOSING], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "lost\n"
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    assert done.returncode != 0
