"""Ctrl-C and SIGTERM are raised, and raised again where they were lost."""

import subprocess
import sys

import pytest

LOSING = """
import os, signal
from mushroom_assets.service import interrupts

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000):
            pass

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` has it ignored
interrupts.listen()
interrupts.check()
Finalized()
print("lost", flush=True)
interrupts.check()
print("never here")
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_what_a_finalizer_swallowed_is_raised_at_the_next_look(name: str, code: int) -> None:
    program = [sys.executable, "-c", LOSING.replace("{name}", name)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "lost\n"
    # Of Ctrl-C the interpreter makes what a shell expects of it, a death by the signal
    assert done.returncode == (-2 if name == "SIGINT" else code)
