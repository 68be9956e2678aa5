"""What the UI shows of a check's partitions, from all of the check's rows at once.

Dagster itself adds partition by partition, 0.3 ms each: 8 s for three years of hours, on every page
with the asset. Private names of Dagster: only `event_log` imports this module.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import dagster as dg
from dagster._core.asset_graph_view.serializable_entity_subset import SerializableEntitySubset
from dagster._core.definitions.partitions.subset import PartitionsSubset
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as Recorded,
)
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionResolvedStatus as Resolved,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckPartitionInfo
from dagster._core.storage.asset_check_state import AssetCheckState
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from mushroom_assets.instance.tested import require_names

require_names(AssetCheckState, "with_updates")
CONCLUDED = {Recorded.SUCCEEDED: Resolved.SUCCEEDED, Recorded.FAILED: Resolved.FAILED}
Rows = Sequence[AssetCheckPartitionInfo]
MakeSubset = Callable[[tuple[str, ...]], PartitionsSubset]


def check_states(
    instance: dg.DagsterInstance,
    checks: Mapping[dg.AssetCheckKey, dg.PartitionsDefinition],
    rows: Rows,
) -> dict[dg.AssetCheckKey, AssetCheckState]:
    """The states of checks of partitions, from the latest row of every partition."""
    ended = _ended(instance, rows)
    of_check = defaultdict(list)
    for row in rows:
        of_check[row.check_key].append(row)
    # An asset's checks hold, as a rule, for the same partitions: a set of them is made once.
    known = {
        definition: (
            set(definition.get_partition_keys()),
            cache(definition.subset_with_partition_keys),
        )
        for definition in set(checks.values())
    }
    states = {}
    for key, definition in checks.items():
        state = _state(key, *known[definition], of_check[key])
        states[key] = state.with_updates(key, definition, [], ended)
    return states


def _ended(instance: dg.DagsterInstance, rows: Rows) -> Mapping[str, dg.DagsterRunStatus]:
    """How those runs ended, by id, that planned a row and are over."""
    planned = {
        row.latest_planned_run_id for row in rows if row.latest_execution_status is Recorded.PLANNED
    }
    if not planned:
        return {}
    runs = instance.get_runs(dg.RunsFilter(run_ids=list(planned), statuses=FINISHED_STATUSES))
    return {run.run_id: run.status for run in runs}


def _state(
    key: dg.AssetCheckKey, partitions: set[str], subset: MakeSubset, rows: Rows
) -> AssetCheckState:
    """As if every run that planned a row were still in progress."""
    by_status = defaultdict(list)
    by_run = defaultdict(list)
    for row in rows:
        if row.partition_key not in partitions:
            continue
        if row.latest_execution_status is Recorded.PLANNED:
            by_status[Resolved.IN_PROGRESS].append(row.partition_key)
            by_run[row.latest_planned_run_id].append(row.partition_key)
        elif row.is_current:  # an evaluation says nothing of a later materialization
            by_status[CONCLUDED[row.latest_execution_status]].append(row.partition_key)

    def entity_subset(found: list[str]) -> SerializableEntitySubset[dg.AssetCheckKey]:
        return SerializableEntitySubset(key, subset(tuple(sorted(found))))

    return AssetCheckState(
        latest_storage_id=max(map(_latest_id, rows), default=0),
        subsets={status: entity_subset(by_status[status]) for status in Resolved},
        in_progress_runs={run: entity_subset(found) for run, found in by_run.items()},
    )


def _latest_id(row: AssetCheckPartitionInfo) -> int:
    return max(row.latest_check_event_storage_id, row.latest_materialization_storage_id or 0)
