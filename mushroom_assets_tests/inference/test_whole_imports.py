"""A signal in the middle of an import waits for its end."""

import signal
import subprocess
import sys
import threading

import pytest

from mushroom_assets.inference.whole_imports import whole_imports

# SIGTERM comes 0.3 s into the import of torch, which takes longer
PROGRAM = """
import os, signal, sys, threading
from mushroom_assets.inference.weights import import_open_clip

def end(*_):
    raise SystemExit(7 if "open_clip" in sys.modules else 8)

signal.signal(signal.SIGTERM, end)
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
import_open_clip()
"""


def test_a_process_that_is_asked_to_end_ends_after_the_import() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=False)
    assert done.returncode == 7, done.stderr.decode()


def test_handlers_are_as_before_and_a_fault_of_the_import_is_its_own() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ImportError), whole_imports():
        raise ImportError("no such module")
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt), whole_imports():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_nothing_is_changed() -> None:
    seen = []

    def work() -> None:
        with whole_imports():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
