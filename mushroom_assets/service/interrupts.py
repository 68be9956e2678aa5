"""Ctrl-C, SIGTERM and a terminal that closes, which cannot be lost.

Python raises them in the main thread, wherever that is: within a finalizer an exception is printed
and forgotten. So they are noted too, and who waits for long looks at the note. Standard library
only.
"""

import signal
from typing import Any, NoReturn

_asked: list[int] = []  # signals, in the order in which they came


def listen() -> None:
    """Raise and note SIGINT, SIGTERM and SIGHUP from now on.

    A shell script that starts a program with `&` has SIGINT ignored, and children would inherit
    that. What ignores SIGHUP, as `nohup` does, is meant to outlive its terminal.
    """
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)


def check() -> None:
    """Raise again what was lost.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C.
        SystemExit: the process shall end, with the exit code that a shell gives for the signal.
    """
    if _asked:
        _raise(_asked[0])


def _interrupt(number: int, *_: Any) -> NoReturn:
    _asked.append(number)
    _raise(number)


def _raise(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
