"""How every partitioned asset runs: its windows in chunks, one transaction a chunk, one report a partition.

A chunk's partitions are reported when its transaction is committed. So of a run over a range that fails or is killed
half-way exactly the finished ones are materialized, and "failed and missing" reruns only the rest. What a chunk does is
the business of the asset.
"""

from collections.abc import Callable, Sequence

import dagster as dg

from mushroom_assets.domain.windows import Window
from mushroom_assets.faults import permanent_faults_fail_at_once
from mushroom_assets.metadata.common import Metadata
from mushroom_assets.partitions import windows
from mushroom_assets.reporting import REPORTED, report, reported

PICTURED = 7  # partitions of a run, its newest: to draw a year of days would take minutes, and 100 MB of Dagster's log
Replace = Callable[[Sequence[Window]], dict[str, Metadata]]  # replaces the windows' rows, returns metadata by key


def replace_windows(
    context: dg.AssetExecutionContext, definition: dg.TimeWindowPartitionsDefinition, replace: Replace, *, chunk: int
) -> dg.MaterializeResult:
    """Run `replace` over the run's partitions, oldest first, at most `chunk` of them at a time.

    A retry within the run goes on where it stopped. The run's log says how far a long range has come.

    Raises:
        dg.Failure: a fault that no retry mends.
    """
    everything = windows(definition, context.partition_keys)
    finished = reported(context) if context.retry_number else set()
    todo = [window for window in everything if window.key not in finished]
    for first in range(0, len(todo), chunk):
        part = todo[first : first + chunk]
        with permanent_faults_fail_at_once():
            done = replace(part)
        count = len(everything) - len(todo) + first + len(part)
        note = f"{count} of {len(everything)} partitions are finished, up to {part[-1].key}"
        report(context, done, note if len(everything) > chunk else "")
    return dg.MaterializeResult(metadata=REPORTED)


def pictured(context: dg.AssetExecutionContext) -> frozenset[str]:
    """The partitions of the run that show pictures: the newest. Of another day its own run draws them."""
    return frozenset(context.partition_keys[-PICTURED:])
