"""Progress bars on stdout: drawn in place on a terminal, a line now and then in a log."""

import sys
from typing import Any

from tqdm import tqdm

LOG_INTERVAL_S = 10.0  # between two lines where stdout is no terminal


def progress_bar(total: int | None, what: str, unit: str, *, quiet: bool = False) -> Any:
    """A bar over `total` units of work, None where that is unknown; unseen if `quiet`.

    It is a context manager with `update(n)`.
    """
    terminal = sys.stdout.isatty()
    interval_s = 0.1 if terminal else LOG_INTERVAL_S
    return tqdm(
        total=total,
        desc=what,
        unit=unit,
        file=sys.stdout,
        dynamic_ncols=terminal,
        mininterval=interval_s,
        disable=quiet,
    )
