"""Ctrl-C that cannot be lost.

Python raises it in the main thread, wherever that is: within a finalizer it is printed and
forgotten. So it is noted too, and who waits for long looks at the note. Standard library only.
"""

import signal
import threading
from typing import Any, NoReturn

_asked = threading.Event()


def listen() -> None:
    """Raise and note SIGINT from now on.

    A shell script that starts a program with `&` has it ignored, and children would inherit that.
    """
    signal.signal(signal.SIGINT, _interrupt)


def check() -> None:
    """Raise an interrupt again that was lost.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C.
    """
    if _asked.is_set():
        raise KeyboardInterrupt


def _interrupt(*_: Any) -> NoReturn:
    _asked.set()
    raise KeyboardInterrupt
