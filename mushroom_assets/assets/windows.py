"""How every partitioned asset runs: windows in chunks, a transaction a chunk, a report a partition.

A chunk's partitions are reported when its transaction is committed, and a chunk that fails for good
is halved until the faulty windows stand alone. So after a run over a range exactly the faulty
partitions are failed, or those that it had not reached when it was killed, and "failed and missing"
reruns only those. What a chunk does is the business of the asset.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import dagster as dg

from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.run import (
    RunCancelled,
    cancellation_ends_the_run,
    permanent_faults_fail_at_once,
)
from mushroom_assets.instance.reporting import REPORTED, report, reported
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.partitions import windows


class RunPolicy(NamedTuple):
    """How the runs of an asset are retried, how a range is divided into runs, what a run holds."""

    retry: dg.RetryPolicy
    backfill: dg.BackfillPolicy
    pool: str | None = None


# The newest partitions of a run: a year of days would take minutes to draw, and 100 MB of Dagster's
# log.
PICTURED = 7
# Faulty windows of a run: so many are no fault of their own, and the rest would fail like them.
GIVE_UP = 10
# Replaces the windows' rows, returns metadata by key.
Replace = Callable[[Sequence[Window]], dict[str, Metadata]]


def replace_windows(
    context: dg.AssetExecutionContext,
    definition: dg.TimeWindowPartitionsDefinition,
    replace: Replace,
    *,
    chunk: int,
) -> dg.MaterializeResult[None]:
    """Run `replace` over the run's partitions, oldest first, at most `chunk` of them at a time.

    A retry within the run goes on where it stopped. The log says how far a long range has come.

    Raises:
        dg.Failure: faults that no retry mends, after all other windows are done or `GIVE_UP` have
            failed.
    """
    with cancellation_ends_the_run():
        everything = windows(definition, context.partition_keys)
        finished = reported(context) if context.retry_number else set()
        todo = [window for window in everything if window.key not in finished]
        parts = deque(_parts(todo, chunk))
        faults: dict[str, dg.Failure] = {}
        left = len(todo)
        while parts and len(faults) < GIVE_UP:
            part = parts.popleft()
            done = _attempt(replace, part)
            if isinstance(done, dict):
                left -= len(part)
                count = len(everything) - left - len(faults)
                note = f"{count} of {len(everything)} partitions are finished, up to {part[-1].key}"
                report(context, done, note if len(everything) > chunk else "")
            elif len(part) > 1:
                half = len(part) // 2
                parts.appendleft(part[half:])
                parts.appendleft(part[:half])
            else:
                left -= 1
                faults[part[0].key] = done
    if faults:
        raise _failure(faults, len(everything), untried=left)
    return dg.MaterializeResult(metadata=REPORTED)


def _parts(todo: Sequence[Window], longest: int) -> list[list[Window]]:
    """The windows in parts of at most so many, without a gap in any: what lies in it is finished.

    A chunk replaces all rows from its first window to its last.
    """
    parts: list[list[Window]] = []
    for window in todo:
        if not parts or len(parts[-1]) == longest or parts[-1][-1].end_us < window.start_us:
            parts.append([])
        parts[-1].append(window)
    return parts


def _attempt(replace: Replace, part: Sequence[Window]) -> dict[str, Metadata] | dg.Failure:
    """What `replace` returns, or the fault that no retry mends; a cancellation goes through."""
    try:
        with permanent_faults_fail_at_once():
            return replace(part)
    except RunCancelled:
        raise
    except dg.Failure as fault:
        return fault


def _failure(faults: Mapping[str, dg.Failure], partitions: int, untried: int) -> dg.Failure:
    """All faults of a run as one; of a run of one partition the fault itself."""
    first = next(iter(faults.values()))
    if partitions == 1:
        return first
    left = f", {untried} were not tried after so many" if untried else ""
    message = f"{len(faults)} of {partitions} partitions failed{left}: {', '.join(faults)}"
    return dg.Failure(f"{message}\n{first.description}", allow_retries=False)


def pictured(context: dg.AssetExecutionContext) -> frozenset[str]:
    """The partitions of the run that show pictures: the newest. Another day's own run draws it."""
    return frozenset(context.partition_keys[-PICTURED:])
