"""Which faults Dagster retries: transient ones by the RetryPolicy, every other fails its run at once.

What is transient of the database is the business of `storage.connection`, of the image store that of `store_faults`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from mushroom_assets.storage.connection import is_transient, statement_remedy


@contextmanager
def permanent_faults_fail_at_once() -> Iterator[None]:
    """Let transient faults through to the RetryPolicy; turn every other into a Failure that is not retried.

    Transient are the database's, and lost or timed out connections, which is what ImageStoreUnavailable is.
    """
    try:
        yield
    except dg.Failure:
        raise
    except Exception as error:  # every fault is raised again, one way or the other
        if is_transient(error) or isinstance(error, ConnectionError | TimeoutError):
            raise
        remedy = statement_remedy(error)
        message = f"{type(error).__name__}: {error}" + (f"\nRemedy: {remedy}." if remedy else "")
        raise dg.Failure(message, allow_retries=False) from error
