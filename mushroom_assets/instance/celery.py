"""Runs on many machines by Celery: dagster-celery's launcher, under the one rule of the lease.

Whether a run lives is told by its lease alone, never by what Celery knows of its task. Needs the
extra `celery`: only `worker`, and Dagster where `dagster.yaml` says so, import this module. Private
names of Dagster.
"""

from typing import TYPE_CHECKING, Any, Self

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_QUEUE_TAG, DAGSTER_CELERY_TASK_ID_TAG
from kombu.exceptions import OperationalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg
    from dagster._config import UserConfigSchema
    from dagster._core.launcher import LaunchRunContext
    from dagster._serdes import ConfigurableClassData

SETTINGS = {
    # A run is a process of its own, as everywhere else. A child that lived on would renew the lease
    # of a run that it has long left, and keep old definitions.
    "worker_max_tasks_per_child": 1,
    # A busy worker keeps no run from an idle one. Redis only.
    "worker_disable_prefetch": True,
    # What a dead worker had is not handed out again: its run ends by its lease and is retried.
    "task_acks_late": False,
    # Workers wait for the broker as long as it is away. Their runs go on meanwhile.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # Else a silent broker would hold the daemon and the UI for ever
    "broker_transport_options": {
        "socket_connect_timeout": 5,
        "socket_timeout": 30,
        "socket_keepalive": True,
    },
    # Dagster takes what a run prints from the process itself
    "worker_redirect_stdouts": False,
}
ANSWER_S = 2.0  # for so long workers are waited for


class FarmCeleryLauncher(CeleryRunLauncher):
    """Launches runs as tasks of Celery."""

    @classmethod
    def config_type(cls) -> "UserConfigSchema":
        """That of dagster-celery without results, which nobody needs."""
        given: Any = super().config_type()
        return {name: given[name] for name in ("broker", "default_queue", "config_source")}

    @classmethod
    def from_config_value(
        cls, inst_data: "ConfigurableClassData", config_value: "Mapping[str, Any]"
    ) -> Self:
        """As `dagster.yaml` has it; what it sets comes before `SETTINGS`."""
        settings = SETTINGS | (config_value.get("config_source") or {})
        return cls(inst_data=inst_data, **{**config_value, "config_source": settings})

    def launch_run(self, context: "LaunchRunContext") -> None:
        """Hand a run to the workers.

        Raises:
            DagsterUserCodeUnreachableError: the broker is away. The queue tries again.
        """
        try:
            super().launch_run(context)
        except OperationalError as error:
            told = f"{error}".rstrip(".")
            raise DagsterUserCodeUnreachableError(
                f"the broker {self.where} did not take the run: {told}. "
                "Remedy: start it; the run waits in the queue"
            ) from error

    def terminate(self, run_id: str) -> bool:
        """Cancel a run; whether it will end.

        A worker that has it interrupts it. If none answers, it is canceled when its lease has
        lapsed, or none was taken, for 18 s.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        try:
            task = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
            if task is not None:
                self.celery.control.revoke(task, terminate=True)
        except OperationalError as error:
            self._instance.report_engine_event(
                f"The broker {self.where} is away, and nobody could be told to end the run: "
                f"{error}. It is canceled after run_monitoring.cancel_timeout_seconds, and commits "
                "nothing from then on.",
                run,
            )
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Never asked: `watch` knows, by the lease."""
        return False

    def get_run_worker_debug_info(
        self, run: "dg.DagsterRun", include_container_logs: bool | None = True
    ) -> str:
        """Why a run has not started."""
        queue = run.tags.get(DAGSTER_CELERY_QUEUE_TAG, self.default_queue)
        return (
            f"No worker took it from the queue {queue} of {self.where}. Remedy: start workers of "
            "that queue, or let max_concurrent_runs be no more than their slots: `mushroom doctor`"
        )

    @property
    def where(self) -> str:
        """The broker's address, without its password."""
        return str(self.celery.connection().as_uri())

    def slots(self) -> dict[str, int]:
        """How many runs each worker that answers executes at once."""
        try:
            found = self.celery.control.inspect(timeout=ANSWER_S).stats() or {}
        except OperationalError:  # nor does the broker
            found = {}
        return {name: each["pool"]["max-concurrency"] for name, each in found.items()}
