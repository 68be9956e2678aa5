"""Runs on Dagster's storage that writes together: the same rows as on dagster-postgres."""

from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log.base import EventLogStorage

from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.instance.reporting import REPORTED, latest_materializations, report, together
from mushroom_assets_tests.instance.events import FARM, PLAIN, Open, event_storage, table

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
KEYS = DAYS.get_partition_keys()[:5]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
EVENTS = """
    SELECT dagster_event_type, step_key, asset_key, partition FROM event_logs
    WHERE dagster_event_type LIKE 'ASSET%' OR dagster_event_type LIKE 'STEP%' ORDER BY id"""
CHECKS = """
    SELECT check_name, partition, execution_status, evaluation_event_storage_id IS NULL,
           materialization_event_storage_id = (SELECT max(id) FROM event_logs e
               WHERE e.partition = c.partition AND dagster_event_type = 'ASSET_MATERIALIZATION')
    FROM asset_check_executions c ORDER BY partition"""
ASSETS = """
    SELECT asset_key, last_run_id IS NULL,
           last_materialization::jsonb #>> '{event_log_entry,step_key}'
    FROM asset_keys"""


def job(*, stops_at: str = "") -> dg.JobDefinition:
    """An asset of days with a check, which reports day by day and then perhaps fails."""

    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def days(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        for key in context.partition_keys:
            if key == stops_at:
                raise dg.Failure("on purpose", allow_retries=False)
            report(context, {key: {"rows": int(key[-2:])}})
        return dg.MaterializeResult(metadata=REPORTED)

    @dg.asset_check(asset=days, partitions_def=DAYS)
    def even(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        targets = latest_materializations(context.instance, days.key, context.partition_keys)
        with together(context.instance):
            for key in context.partition_keys:
                passed = int(key[-2:]) % 2 == 0
                evaluation = dg.AssetCheckEvaluation(
                    days.key, "even", passed, {}, targets.get(key), partition=key
                )
                context.op_execution_context.log_event(evaluation)  # type: ignore[arg-type]
        return dg.AssetCheckResult(passed=True)

    defs = dg.Definitions([days], asset_checks=[even], jobs=[dg.define_asset_job("j", "days")])
    return defs.resolve_job_def("j")


def run(instance: dg.DagsterInstance, **options: Any) -> dg.ExecuteInProcessResult:
    tags = range_tags(KEYS[0], KEYS[-1])
    return job(**options).execute_in_process(
        QUIET, instance=instance, tags=tags, raise_on_error=False
    )


def written(instance: dg.DagsterInstance) -> list[list[tuple[Any, ...]]]:
    """What a run left in Dagster's tables, which are empty afterwards."""
    found = [table(instance, query) for query in (EVENTS, CHECKS, ASSETS)]
    instance.wipe()
    return found


@pytest.mark.parametrize("stops_at", ["", KEYS[3]])
def test_a_run_leaves_the_rows_that_dagsters_own_storage_writes(
    open_on: Open, stops_at: str
) -> None:
    plain = open_on(PLAIN, batch=0)
    run(plain, stops_at=stops_at)
    expected = written(plain)
    farm = open_on(FARM)
    run(farm, stops_at=stops_at)
    assert written(farm) == expected
    _, checks, _ = expected
    assert {status for _, _, status, *_ in checks} == (
        {"PLANNED"} if stops_at else {"SUCCEEDED", "FAILED"}
    )


def test_of_a_failed_run_exactly_the_unfinished_partitions_are_red(open_on: Open) -> None:
    instance = open_on(FARM)
    assert not run(instance, stops_at=KEYS[3]).success
    status = instance.get_status_by_partition(dg.AssetKey("days"), KEYS, DAYS)
    found = {key: state and state.name for key, state in (status or {}).items()}
    finished = dict.fromkeys(KEYS[:3], "MATERIALIZED")
    assert found == finished | dict.fromkeys(KEYS[3:], "FAILED")


def test_each_partition_is_recorded_once(open_on: Open) -> None:
    instance = open_on(FARM)
    assert run(instance).success
    recorded = instance.fetch_materializations(dg.AssetKey("days"), limit=100).records
    assert sorted(record.partition_key or "" for record in recorded) == KEYS
    made = [record.asset_materialization for record in recorded]
    rows = [each.metadata["rows"].value for each in made if each]
    assert sorted(map(str, rows)) == ["1", "2", "3", "4", "5"]


def test_evaluations_of_a_range_count_as_of_the_latest_materialization(open_on: Open) -> None:
    instance = open_on(FARM)
    run(instance)
    key = dg.AssetCheckKey(dg.AssetKey("days"), "even")
    found = instance.event_log_storage.get_asset_check_partition_info([key])
    assert all(info.is_current for info in found if info.partition_key)


def test_the_states_of_checks_are_those_that_dagster_adds_up(open_on: Open) -> None:
    instance = open_on(FARM)
    storage = instance.event_log_storage
    wanted = [(dg.AssetCheckKey(dg.AssetKey("days"), "even"), DAYS)]
    for prepare in (
        lambda: None,
        lambda: run(instance),
        lambda: instance.report_runless_asset_event(
            dg.AssetMaterialization("days", partition=KEYS[1])
        ),
        lambda: run(instance, stops_at=KEYS[3]),
        lambda: instance.create_run_for_job(job(), tags=range_tags(KEYS[4], KEYS[4])),
    ):
        prepare()
        dagsters = EventLogStorage.get_asset_check_state(storage, wanted)
        assert storage.get_asset_check_state(wanted) == dagsters


def test_a_range_is_planned_by_one_insert(open_on: Open) -> None:
    instance = open_on(FARM)
    engine = event_storage(instance)._engine
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    instance.create_run_for_job(job(), tags=range_tags(KEYS[0], KEYS[-1]))
    assert sum("INSERT INTO event_logs" in statement for statement in statements) == 1


def test_what_was_logged_before_an_error_is_written(open_on: Open) -> None:
    instance = open_on(FARM)
    with pytest.raises(RuntimeError, match="on purpose"), together(instance):
        instance.report_runless_asset_event(dg.AssetMaterialization("days", partition=KEYS[0]))
        assert instance.get_materialized_partitions(dg.AssetKey("days")) == set()
        raise RuntimeError("on purpose")
    assert instance.get_materialized_partitions(dg.AssetKey("days")) == {KEYS[0]}


def test_an_instance_elsewhere_logs_as_ever() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        with together(instance):
            instance.report_runless_asset_event(dg.AssetMaterialization("days", partition=KEYS[0]))
        assert instance.get_materialized_partitions(dg.AssetKey("days")) == {KEYS[0]}
