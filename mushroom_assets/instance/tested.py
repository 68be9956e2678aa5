"""Which versions of Dagster the private names in this room were tested with, and what to say else.

A module that needs private names imports them under `try`, after `require_tested`, and catches
`MISSING`. What it then does instead is its own business.
"""

import functools
import re
import warnings

import dagster as dg

# setup.py has the same bounds. dagster-postgres asks for the very version of Dagster.
FIRST = (1, 13, 27)
BELOW = (1, 14)
BOUNDS = ">=1.13.27,<1.14"
LATEST = "1.13.27"  # that all tests were run with
# What importing a module with private names raises where one is gone, a class's attribute too
MISSING = (ImportError, AttributeError)

COST = (
    "The tables stay the same. Dagster's own PostgreSQL storage stands in for FarmStorage: it "
    "waits for the database for 12 s instead of 150 s; a run whose process dies unseen is failed "
    "after `run_monitoring.max_runtime_seconds` instead of 30 s; a second daemon is not refused. A "
    "run over a range of partitions sends the database about 30 times as many statements, and "
    "pages of assets with checks load more slowly. Partitions are recorded without the versions of "
    "their inputs, so Dagster calls none of them outdated, and evaluations without the "
    "materialization that they are of, so it shows them as outdated. To choose that storage, write "
    "`storage: {postgres: {postgres_url: {env: DATABASE_URL}}}` in dagster.yaml."
)


def require_tested() -> None:
    """Say whether the private names may be used.

    Raises:
        ImportError: the installed Dagster is not one that was tested.
    """
    numbers = tuple(int(part) for part in re.findall(r"\d+", dg.__version__)[:3])
    if not FIRST <= numbers < BELOW:
        raise ImportError(f"only {BOUNDS} was tested")


def require_names(owner: type, *names: str) -> None:
    """Make sure that a class of Dagster still has what is called or overridden of it.

    Raises:
        ImportError: it lacks a name.
    """
    missing = [name for name in names if not hasattr(owner, name)]
    if missing:
        raise ImportError(f"{owner.__name__} has no {', '.join(missing)}")


def warn_of_fallback(reason: Exception) -> None:
    """Say what is missing, what it costs and what to do, once a process.

    Called at import. A FutureWarning, since Python shows it by default.
    """
    _warn(str(reason))


@functools.cache
def _warn(reason: str) -> None:
    remedy = (
        f"install dagster=={LATEST}, with the dagster-webserver and dagster-postgres of the same "
        "release, or a mushroom_assets that was tested with this one"
    )
    message = f"Dagster {dg.__version__} is used without its private names ({reason}). {COST}"
    warnings.warn(f"{message} Remedy: {remedy}", FutureWarning, stacklevel=4)
