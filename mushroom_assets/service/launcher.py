"""Can Dagster's instance be used, and its run launcher be loaded? Asked before anything is queued.

Nothing is launched here.
"""

import dagster as dg
from dagster_postgres.utils import DagsterPostgresException

from mushroom_assets.faults.database import DatabaseRefused, DatabaseUnavailable
from mushroom_assets.service.home import ServerError
from mushroom_assets.settings import Settings


def load_run_launcher(settings: Settings) -> str:
    """The launcher's name.

    Raises:
        ServerError: its module or class cannot be loaded, or its configuration is refused.
    """
    file = settings.dagster_home / "dagster.yaml"
    with instance_of(settings) as instance:
        try:
            return type(instance.run_launcher).__name__
        # Whatever a class of someone else's raises: no run could be launched
        except Exception as error:
            told = " ".join(str(error).split())
            raise ServerError(
                f"the run launcher of {file} cannot be loaded: {type(error).__name__}: {told}. "
                f"Remedy: correct `run_launcher` there, or install what it names; "
                "without it every queued run would fail"
            ) from error


def instance_of(settings: Settings) -> dg.DagsterInstance:
    """Dagster's instance by the `dagster.yaml` of the settings, compute logs included.

    Raises:
        ServerError: the file cannot be used.
        DatabaseRefused, DatabaseUnavailable, DagsterPostgresException: its database cannot.
    """
    file = settings.dagster_home / "dagster.yaml"
    try:
        instance = dg.DagsterInstance.get()
        _ = instance.compute_log_manager  # made when first asked for, else in the first run
    except (DatabaseRefused, DatabaseUnavailable, DagsterPostgresException):
        raise
    # Whatever YAML, Dagster or a class of someone else's raises
    except Exception as error:
        # Dagster's message about a wrong entry has a page of its types before the entry itself
        wrong = [each.message for each in getattr(error, "errors", None) or ()]
        told = " ".join(("; ".join(wrong) or str(error)).split())[:500]
        raise ServerError(
            f"{file} cannot be used: {type(error).__name__}: {told}. Remedy: correct it; "
            "without it nothing of Dagster starts"
        ) from error
    return instance
