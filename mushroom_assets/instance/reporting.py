"""How assets and checks tell Dagster of their partitions: while the run goes on, and many at a
time.

What is told is the business of `metadata` and `checks`, how it is stored that of `event_storage`.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)
from dagster._core.definitions.data_version import (
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    DataVersion,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from dagster._core.execution.plan.execute_step import (
    _build_data_version_tags,
    _get_code_version,
    _get_input_provenance_data,
)

from mushroom_assets.metadata.common import Metadata

# Dagster's own mark of an asset that reported its events while it ran: without it every partition
# would be recorded a second time at the end of the step. It counts by being there.
REPORTED = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
MATERIALIZED: Final = dg.DagsterEventType.ASSET_MATERIALIZATION
Target = AssetCheckEvaluationTargetMaterializationData
# An input of which there is no event
UNRECORDED: Final = {"data_version": DEFAULT_DATA_VERSION, "storage_id": None}


def together(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """Events logged inside are written together, where the instance's storage knows how."""
    return getattr(instance.event_log_storage, "together", nullcontext)()


def report(context: dg.AssetExecutionContext, done: Mapping[str, Metadata], note: str = "") -> None:
    """Record partitions as materialized, now, and write a note in the run's log.

    The asset then returns the metadata `REPORTED`.
    """
    tags = _versions(context)
    with together(context.instance):
        for key, metadata in done.items():
            context.log_event(
                dg.AssetMaterialization(
                    context.asset_key, partition=key, metadata=metadata, tags=tags
                )
            )
        if note:
            context.log.info(note)


def _versions(context: dg.AssetExecutionContext) -> dict[str, str]:
    """Tags as Dagster puts them on what it records itself: by code version and inputs it knows what
    is stale.

    It looked up the inputs' versions when the step began.
    """
    step = context.get_step_execution_context()
    inputs = _get_input_provenance_data(context.asset_key, step)
    return version_tags(_get_code_version(context.asset_key, step), context.run.run_id, inputs)


def version_tags(
    code_version: str, run_id: str, inputs: Mapping[dg.AssetKey, Any]
) -> dict[str, str]:
    """A materialization's tags.

    The data's version is a new one in each run: of the same code on the same days the rows differ
    when samples came late. It begins with the code's: Dagster finds no other tag by partition
    (`made_by`).

    Args:
        code_version: of the asset, as its definition has it.
        run_id: the run's.
        inputs: by asset its `data_version` and the `storage_id` of its latest event.
    """
    return _build_data_version_tags(
        DataVersion(f"{code_version}+{run_id[:8]}"), code_version, inputs, False
    )


def made_by(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Sequence[str] | None = None
) -> dict[str, str]:
    """The code version that made each partition, of all partitions or some.

    One without a version is left out.
    """
    found = instance.event_log_storage.get_latest_tags_by_partition(
        asset, MATERIALIZED, [DATA_VERSION_TAG], asset_partitions=partitions
    )
    versions = {key: tags[DATA_VERSION_TAG].partition("+") for key, tags in found.items()}
    return {key: code_version for key, (code_version, plus, _) in versions.items() if plus}


def reported(context: dg.AssetExecutionContext) -> set[str | None]:
    """Partitions of the asset that this run has recorded."""
    by_asset = context.instance.get_asset_partitions_for_run(context.run.run_id, MATERIALIZED)
    return set(by_asset.get(context.asset_key, ()))


def latest_materializations(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Iterable[str]
) -> Mapping[str | None, Target]:
    """The latest materialization by partition: what an evaluation was of, without which it counts
    as outdated.
    """
    ids = instance.event_log_storage.get_latest_storage_id_by_partition(
        asset, MATERIALIZED, set(partitions)
    )
    found = instance.get_asset_event_summary_records(
        MATERIALIZED, asset, storage_ids=list(ids.values())
    )
    return {
        event.partition: Target(
            storage_id=event.storage_id, run_id=event.run_id or "", timestamp=event.timestamp
        )
        for event in found
    }
