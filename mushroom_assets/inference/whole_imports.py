"""Imports that no signal breaks off.

Nothing else lives here. Standard library only.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

ASKS_TO_END = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def whole_imports() -> Iterator[None]:
    """Keep signals that ask this process to end until the block has ended.

    An exception in the middle of torch's import leaves half of it in `sys.modules`, or is taken for
    another fault on the way: the run would then fail for good, as by a fault of ours.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled in the main thread
        return
    kept: list[int] = []
    former: dict[signal.Signals, Any] = {}
    for number in ASKS_TO_END:
        if signal.getsignal(number) is not None:  # else it was not set by Python
            former[number] = signal.signal(number, lambda given, _: kept.append(given))
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        for given in kept[:1]:
            signal.raise_signal(given)
