"""How every partitioned asset runs: its windows in chunks, one transaction a chunk, one report a partition.

A run over a range that fails half-way has materialized exactly the partitions that were replaced, so that "failed and
missing" reruns only the rest. What a chunk does is the business of the asset.
"""

from collections.abc import Callable, Sequence

import dagster as dg

from mushroom_assets.domain.windows import Window
from mushroom_assets.faults import permanent_faults_fail_at_once
from mushroom_assets.metadata import Metadata
from mushroom_assets.partitions import windows

Replace = Callable[[Sequence[Window]], dict[str, Metadata]]  # replaces the windows' rows, returns metadata by key


def replace_windows(
    context: dg.AssetExecutionContext, definition: dg.TimeWindowPartitionsDefinition, replace: Replace, *, chunk: int
) -> dg.MaterializeResult:
    """Run `replace` over the run's partitions, oldest first, at most `chunk` of them at a time.

    Raises:
        dg.Failure: a fault that no retry mends, after the finished partitions were recorded.
    """
    todo = windows(definition, context.partition_keys)
    done: dict[str, Metadata] = {}
    try:
        with permanent_faults_fail_at_once():
            for first in range(0, len(todo), chunk):
                done |= replace(todo[first : first + chunk])
    except BaseException:
        # Of a failing run Dagster itself records nothing as materialized.
        for key, metadata in done.items():
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
        raise
    for key, metadata in done.items():
        context.add_asset_metadata(metadata, partition_key=key)
    return dg.MaterializeResult()
