"""How assets and checks tell Dagster of their partitions: while the run goes on, and many at a time.

What is told is the business of `metadata` and `checks`, how it is stored that of `event_storage`.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

from mushroom_assets.metadata.common import Metadata

# Dagster's own mark of an asset that reported its events while it ran: without it every partition would be recorded a
# second time at the end of the step. It counts by being there.
REPORTED = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
MATERIALIZED: Final = dg.DagsterEventType.ASSET_MATERIALIZATION
Target = AssetCheckEvaluationTargetMaterializationData


def together(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """Events logged inside are written together, where the instance's storage knows how."""
    return getattr(instance.event_log_storage, "together", nullcontext)()


def report(context: dg.AssetExecutionContext, done: Mapping[str, Metadata], note: str = "") -> None:
    """Record partitions as materialized, now, and write a note in the run's log.

    The asset then returns the metadata `REPORTED`.
    """
    with together(context.instance):
        for key, metadata in done.items():
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
        if note:
            context.log.info(note)


def reported(context: dg.AssetExecutionContext) -> set[str | None]:
    """Partitions of the asset that this run has recorded."""
    by_asset = context.instance.get_asset_partitions_for_run(context.run.run_id, MATERIALIZED)
    return set(by_asset.get(context.asset_key, ()))


def latest_materializations(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Iterable[str]
) -> Mapping[str | None, Target]:
    """The latest materialization by partition: what an evaluation was of, without which it counts as outdated."""
    ids = instance.event_log_storage.get_latest_storage_id_by_partition(asset, MATERIALIZED, set(partitions))
    found = instance.get_asset_event_summary_records(MATERIALIZED, asset, storage_ids=list(ids.values()))
    return {
        event.partition: Target(storage_id=event.storage_id, run_id=event.run_id or "", timestamp=event.timestamp)
        for event in found
    }
