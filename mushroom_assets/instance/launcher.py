"""Dagster's own run launcher, before a code server that is on its way down or gone.

It can cancel a run whose process or code server is gone, and a launch that a code server refuses
because it ends goes back into the queue. That a run without a living process ends is the business
of `watch`, whatever the launcher. Those for many machines live in `celery` and `kubernetes`.
"""

import time
from typing import TYPE_CHECKING

import dagster as dg

from mushroom_assets.instance.lease import BEAT_S

if TYPE_CHECKING:
    from dagster._core.launcher import LaunchRunContext

SILENT_S = 1.5 * BEAT_S  # a process that has not renewed its lease for so long does not answer
LOOK_S = 0.25


class FarmRunLauncher(dg.DefaultRunLauncher):
    """Launches runs in processes of the code server."""

    def launch_run(self, context: "LaunchRunContext") -> None:
        """Launch a run.

        Raises:
            DagsterUserCodeUnreachableError: the code server ends once its runs have ended, and
                refuses others until then. The queue tries again, as it does when nobody answers.
            DagsterLaunchFailedError: the process of the run did not start.
        """
        try:
            super().launch_run(context)
        except dg.DagsterError as error:
            # Not at the top of the module, which must import whatever the version
            from dagster._core.errors import (
                DagsterLaunchFailedError,
                DagsterUserCodeUnreachableError,
            )

            if not isinstance(error, DagsterLaunchFailedError):
                raise
            if error.serializable_error_info is not None:  # it was tried
                raise
            raise DagsterUserCodeUnreachableError(f"{error}") from error

    def terminate(self, run_id: str) -> bool:
        """Cancel a run; whether it will end.

        A process that does not answer is not asked: the code server would wait for its answer for
        ever, and launch nothing meanwhile. Where no process answers, Dagster's own raises an error
        and leaves the run canceling.
        """
        if not self._answers(run_id):
            run = self._instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                return False
            self._instance.report_run_canceling(run)
            return self._left_to_its_lease(run_id, "it does not renew its lease")
        try:
            if super().terminate(run_id):  # type: ignore[no-untyped-call]  # Dagster's own
                return True
        except dg.DagsterError as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            reason = "the code server does not know the run"
        return self._left_to_its_lease(run_id, reason)

    def _answers(self, run_id: str) -> bool:
        """Whether the run's process renews its lease; its next beat is waited for, 4 s at most."""
        silent_for = getattr(self._instance.run_storage, "silent_for", lambda run_id: None)
        began = time.monotonic()
        while True:
            silent_s = silent_for(run_id)
            if silent_s is None or silent_s < time.monotonic() - began:
                return True
            if silent_s > SILENT_S:
                return False
            time.sleep(LOOK_S)

    def _left_to_its_lease(self, run_id: str, reason: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.status is not dg.DagsterRunStatus.CANCELING:
            return False
        self._instance.report_engine_event(
            f"No process answers for the run ({reason}). It is canceled when its lease has lapsed, "
            "within 30 s.",
            run,
        )
        return True
