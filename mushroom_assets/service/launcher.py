"""Can Dagster's instance be used, and its run launcher be loaded? Asked before anything is queued.

Nothing is launched here.
"""

from typing import Any

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


def examine_run_launcher(settings: Settings) -> str:
    """The launcher's name; where workers execute the runs, how many slots they have for how many.

    Raises:
        ServerError: it cannot be loaded, or its workers have not enough slots.
    """
    name = load_run_launcher(settings)
    with instance_of(settings) as instance:
        launcher: Any = instance.run_launcher
        if not hasattr(launcher, "slots"):  # it makes a process or a pod for each
            return name
        slots: dict[str, int] = launcher.slots()
        queue = instance.get_concurrency_config().run_queue_config
        most = queue.max_concurrent_runs if queue is not None else 0
        told = f"{name} at {launcher.where}: {len(slots)} workers with {sum(slots.values())} slots"
    if not slots:
        raise ServerError(
            f"{told}: none answers, and no run starts. Remedy: start the broker, and workers by "
            "`celery --app mushroom_assets.instance.worker worker`"
        )
    if most < 0 or sum(slots.values()) < most:
        limit = "without limit" if most < 0 else f"{most} at once"
        raise ServerError(
            f"{told}, but runs are launched {limit}: those without a slot fail by "
            "run_monitoring.start_timeout_seconds. Remedy: start more workers, or lower "
            f"concurrency.runs.max_concurrent_runs in {settings.dagster_home / 'dagster.yaml'}"
        )
    return f"{told} for {most} runs"


def instance_of(settings: Settings) -> dg.DagsterInstance:
    """Dagster's instance by the `dagster.yaml` of the settings, compute logs included.

    Raises:
        ServerError: the file cannot be used.
        DatabaseRefused, DatabaseUnavailable, DagsterPostgresException: its database cannot.
    """
    file = settings.dagster_home / "dagster.yaml"
    try:
        instance = dg.DagsterInstance.get()
        # Made when they are first asked for: else in the daemon, and in the first run
        _ = instance.run_coordinator, instance.compute_log_manager
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
