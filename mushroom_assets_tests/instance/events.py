"""Events as Dagster makes them, entries of `dagster.yaml`, and what an instance's tables hold."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.events import (
    AssetMaterializationPlannedData,
    DagsterEvent,
    StepMaterializationData,
)

from mushroom_assets.instance.event_log import EventStorage

Open = Callable[..., dg.DagsterInstance]
PLAIN = "storage: {postgres: {postgres_url: {env: DATABASE_URL}}}"
CUSTOM = (
    "storage: {{custom: {{module: {module}, class: FarmStorage, "
    "config: {{postgres_url: {{env: DATABASE_URL}}}}}}}}"
)
FARM = CUSTOM.format(module="mushroom_assets.instance.storage")
RUN = "0b5ff6f0-4d07-4a8a-8f1c-3f1f0f5f7a11"
CHECK = "holds"


def event(kind: dg.DagsterEventType, data: Any, when: float) -> dg.EventLogEntry:
    """An event of the run `RUN`, at a time in seconds since 1970."""
    happened = DagsterEvent(kind.value, "job", event_specific_data=data, step_key="step")
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]  # Dagster's own
        error_info=None,
        level=20,
        user_message="",
        run_id=RUN,
        timestamp=when,
        step_key="step",
        job_name="job",
        dagster_event=happened,
    )


def materialized(asset: str, partition: str, when: float = 1e9) -> dg.EventLogEntry:
    """An asset's partition was made; it has a tag that the storage indexes."""
    tags = {"dagster/data_version": f"v-{partition}"}
    made = dg.AssetMaterialization(asset, partition=partition, tags=tags)
    return event(dg.DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(made), when)


def planned(asset: str, partition: str, when: float = 1e9) -> dg.EventLogEntry:
    """A run was created that will make an asset's partition."""
    data = AssetMaterializationPlannedData(dg.AssetKey(asset), partition=partition)
    return event(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, data, when)


def check_planned(asset: str, definition: dg.PartitionsDefinition, *keys: str) -> dg.EventLogEntry:
    """A run was created that will evaluate the check `CHECK` for partitions."""
    subset = definition.subset_with_partition_keys(keys)
    data = AssetCheckEvaluationPlanned(
        asset_key=dg.AssetKey(asset), check_name=CHECK, partitions_subset=subset
    )
    return event(dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, data, 1e9)


def evaluated(asset: str, partition: str | None, *, passed: bool) -> dg.EventLogEntry:
    """The check `CHECK` was evaluated."""
    data = dg.AssetCheckEvaluation(dg.AssetKey(asset), CHECK, passed, {}, None, partition=partition)
    return event(dg.DagsterEventType.ASSET_CHECK_EVALUATION, data, 1e9)


def event_storage(instance: dg.DagsterInstance) -> EventStorage:
    """The instance's event log, which must be ours."""
    storage = instance.event_log_storage
    assert isinstance(storage, EventStorage)
    return storage


def let_fail_at_once(instance: dg.DagsterInstance) -> None:
    """From now on the storage waits for nothing."""
    instance.run_storage._patience.deadline_s = 0.0  # type: ignore[attr-defined]  # ours


def table(instance: dg.DagsterInstance, query: str) -> list[tuple[Any, ...]]:
    """Rows of Dagster's tables, by a connection of its own."""
    engine = sa.create_engine(instance.event_log_storage.postgres_url)  # type: ignore[attr-defined]
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query))]
    engine.dispose()
    return found
