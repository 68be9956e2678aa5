"""Progress bars on stdout: drawn in place on a terminal, a line now and then in a log of text.

Where each line of stdout is to be an object, there are none.
"""

import sys
from typing import Any

from tqdm import tqdm

from mushroom_assets.settings import load_settings

LOG_INTERVAL_S = 10.0  # between two lines where stdout is no terminal


def progress_bar(total: int | None, what: str, unit: str, *, quiet: bool = False) -> Any:
    """A bar over `total` units of work, None where that is unknown; unseen if `quiet`.

    It is a context manager with `update(n)`.
    """
    quiet = quiet or load_settings().log_format == "json"
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
