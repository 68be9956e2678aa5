"""Runs as jobs of Kubernetes: dagster-k8s' launcher, for which a silent API server is no verdict.

Dagster's own fails every run that it cannot ask for, and every run that it cannot launch. Needs the
extra `kubernetes`: only Dagster, where `dagster.yaml` says so, imports this module. Private names
of Dagster.
"""

from typing import TYPE_CHECKING

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_k8s.client import DagsterK8sAPIRetryLimitExceeded, DagsterK8sUnrecoverableAPIError
from dagster_k8s.launcher import K8sRunLauncher

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.launcher import LaunchRunContext

EXISTS = 409  # status of a request to create what is there


class FarmK8sRunLauncher(K8sRunLauncher):
    """Launches runs as jobs."""

    def launch_run(self, context: "LaunchRunContext") -> None:
        """Create a run's job.

        Raises:
            DagsterUserCodeUnreachableError: the API server is away. The queue tries again.
            DagsterK8sUnrecoverableAPIError: it refuses the job.
        """
        try:
            super().launch_run(context)
        except DagsterK8sAPIRetryLimitExceeded as error:
            raise DagsterUserCodeUnreachableError(
                f"the API server of Kubernetes did not take the run: {error.k8s_api_exception}. "
                "Remedy: see that it answers; the run waits in the queue"
            ) from error
        except DagsterK8sUnrecoverableAPIError as error:
            if getattr(error.k8s_api_exception, "status", None) != EXISTS:
                raise  # else an earlier attempt made it, whose answer was lost

    def check_run_worker_health(self, run: "dg.DagsterRun") -> CheckRunHealthResult:
        """What Kubernetes knows of a run's job; what it does not know is told by the lease."""
        found: CheckRunHealthResult = super().check_run_worker_health(run)
        if found.status is WorkerStatus.UNKNOWN:
            return CheckRunHealthResult(WorkerStatus.RUNNING, found.msg)
        return found
