"""What a worker machine runs: `celery --app mushroom_assets.instance.worker worker`.

Broker, queue and settings are those of the `dagster.yaml` in its DAGSTER_HOME, the same file as the
daemon's. How a run is launched is the business of `celery`.
"""

import dagster as dg
from celery import Celery
from dagster_celery.tasks import create_execute_job_task

from mushroom_assets.instance.celery import FarmCeleryLauncher


def worker_app() -> Celery:
    """Celery as the daemon has it, with the one task of executing a run.

    Raises:
        RuntimeError: `dagster.yaml` names another launcher.
        DatabaseUnavailable, DatabaseRefused: the database, which every run needs.
    """
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
    if not isinstance(launcher, FarmCeleryLauncher):
        raise RuntimeError(
            f"the run launcher of DAGSTER_HOME/dagster.yaml is {type(launcher).__name__}, not "
            "FarmCeleryLauncher. Remedy: copy deploy/celery/dagster.yaml into DAGSTER_HOME"
        )
    create_execute_job_task(launcher.celery)
    return launcher.celery


app = worker_app()
