"""How assets and checks tell Dagster of their partitions: while the run goes on, many at a time.

What is told is the business of `metadata` and `checks`, how it is stored that of `event_log`. Where
Dagster lacks the private names, it is told less: see `tested`.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import dagster as dg

from mushroom_assets.instance.tested import MISSING, require_tested, warn_of_fallback

try:
    require_tested()
    from dagster._core.definitions.asset_checks.asset_check_evaluation import (
        AssetCheckEvaluationTargetMaterializationData,
    )
    from dagster._core.execution.plan.execute_step import (
        _get_input_provenance_data as inputs_of,
    )
except MISSING as reason:
    warn_of_fallback(reason)
    Target: Any = type(None)  # no evaluation has one
    PRIVATE = False
else:
    Target = AssetCheckEvaluationTargetMaterializationData
    PRIVATE = True

Metadata = dict[str, Any]
# Dagster's own mark of an asset that reported its events while it ran: without it every partition
# would be recorded a second time at the end of the step. It counts by being there.
REPORTED = {"__source_asset_observation__": True}
MATERIALIZED: Final = dg.DagsterEventType.ASSET_MATERIALIZATION
# The tags by which Dagster knows what is stale
DATA_VERSION_TAG = "dagster/data_version"
CODE_VERSION_TAG = "dagster/code_version"
INPUT_VERSION_TAG = "dagster/input_data_version"  # followed by a slash and the asset
INPUT_EVENT_TAG = "dagster/input_event_pointer"  # the same
# An input of which there is no event
UNRECORDED: Final = {"data_version": dg.DataVersion("INITIAL"), "storage_id": None}


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
    """Tags as Dagster puts them on what it records itself.

    It looked up the inputs' versions when the step began.
    """
    code_version = context.assets_def.get_asset_spec(context.asset_key).code_version
    if not PRIVATE:
        return {DATA_VERSION_TAG: _data_version(code_version or "", context.run.run_id)}
    inputs = inputs_of(context.asset_key, context.get_step_execution_context())
    return version_tags(code_version or context.run.run_id, context.run.run_id, inputs)


def version_tags(
    code_version: str, run_id: str, inputs: Mapping[dg.AssetKey, Any]
) -> dict[str, str]:
    """A materialization's tags, by which Dagster knows what is stale.

    Args:
        code_version: of the asset, as its definition has it.
        run_id: the run's.
        inputs: by asset its `data_version` and the `storage_id` of its latest event.
    """
    tags = {CODE_VERSION_TAG: code_version}
    for asset, latest in inputs.items():
        name = asset.to_user_string()
        tags[f"{INPUT_VERSION_TAG}/{name}"] = latest["data_version"].value
        tags[f"{INPUT_EVENT_TAG}/{name}"] = str(latest["storage_id"] or "NULL")
    tags[DATA_VERSION_TAG] = _data_version(code_version, run_id)
    return tags


def _data_version(code_version: str, run_id: str) -> str:
    """A new version in each run: rows of the same code differ when samples came late.

    It begins with the code's, since Dagster finds no other tag by partition (`made_by`).
    """
    return f"{code_version}+{run_id[:8]}"


def made_by(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Sequence[str] | None = None
) -> dict[str, str]:
    """The code version that made each partition, of all partitions or some.

    One without a version is left out.
    """
    found = _data_versions(instance, asset, partitions)
    return {key: code_version for key, (code_version, _) in found.items()}


def made_in(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Sequence[str]
) -> dict[str, str]:
    """The first eight digits of the run that made each partition."""
    found = _data_versions(instance, asset, partitions)
    return {key: run for key, (_, run) in found.items()}


def _data_versions(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Sequence[str] | None
) -> dict[str, tuple[str, str]]:
    """What `_data_version` was made of, by partition; one that is not ours is left out."""
    tagged = instance.event_log_storage.get_latest_tags_by_partition(
        asset, MATERIALIZED, [DATA_VERSION_TAG], asset_partitions=partitions
    )
    found = {}
    for key, tags in tagged.items():
        code_version, plus, run = tags[DATA_VERSION_TAG].partition("+")
        if plus:
            found[key] = (code_version, run)
    return found


def reported(context: dg.AssetExecutionContext) -> set[str | None]:
    """Partitions of the asset that this run has recorded."""
    by_asset = context.instance.get_asset_partitions_for_run(context.run.run_id, MATERIALIZED)
    return set(by_asset.get(context.asset_key, ()))


def latest_materializations(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Iterable[str]
) -> Mapping[str | None, Target]:
    """The latest materialization by partition: what an evaluation is of.

    An evaluation without it counts as outdated.
    """
    if not PRIVATE:
        return {}
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
