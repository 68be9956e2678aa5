"""Dagster's own run launcher, which can also cancel a run whose process or code server is gone.

Other launchers, of Kubernetes or Celery say, need nothing of this: that a run without a living
process ends is the business of `watch`. No private name of Dagster here.
"""

import dagster as dg


class FarmRunLauncher(dg.DefaultRunLauncher):
    """Launches runs in processes of the code server."""

    def terminate(self, run_id: str) -> bool:
        """Cancel a run; whether it will end.

        Where no process answers, Dagster's own raises an error and leaves the run canceling.
        """
        try:
            if super().terminate(run_id):  # type: ignore[no-untyped-call]  # Dagster's own
                return True
        except dg.DagsterError as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            reason = "the code server does not know the run"
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.status is not dg.DagsterRunStatus.CANCELING:
            return False
        self._instance.report_engine_event(
            f"No process answers for the run ({reason}). It is canceled when its lease has lapsed, "
            "within 30 s.",
            run,
        )
        return True
