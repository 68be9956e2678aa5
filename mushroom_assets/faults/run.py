"""Which faults Dagster retries: transient ones by the RetryPolicy.

Others, and a cancellation, end the run at once. `faults.database` and `faults.image_store` decide
which faults are transient. Only this module of the room imports dagster.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from mushroom_assets.faults.database import is_transient


class RunCancelled(dg.Failure):
    """The run was cancelled: nothing of it goes on, not even by its retry policy."""


@contextmanager
def cancellation_ends_the_run() -> Iterator[None]:
    """Let a run end when somebody cancels it.

    In one process Dagster takes the interrupt for a fault like any other, and the retry policy goes
    on with the run (https://github.com/dagster-io/dagster/issues/15026). Other interrupts pass: a
    run that a shutdown ended may go on.
    """
    try:
        yield
    except dg.DagsterExecutionInterruptedError as interrupt:
        context = dg.OpExecutionContext.get()
        run = context.instance.get_run_by_id(context.run_id)
        if run is not None and run.status in (
            dg.DagsterRunStatus.CANCELING,
            dg.DagsterRunStatus.CANCELED,
        ):
            raise RunCancelled(
                "The run was cancelled. What it had finished stays.", allow_retries=False
            ) from interrupt
        raise


@contextmanager
def permanent_faults_fail_at_once() -> Iterator[None]:
    """Let transient faults through to the RetryPolicy; every other fails the run at once.

    Transient faults are those of the database that pass, and lost or timed out connections, to
    which ImageStoreUnavailable belongs. Any other becomes a Failure that is not retried.
    """
    try:
        with cancellation_ends_the_run():
            yield
    except dg.Failure:
        raise
    except Exception as error:  # every fault is raised again, one way or the other
        if is_transient(error) or isinstance(error, ConnectionError | TimeoutError):
            raise
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
