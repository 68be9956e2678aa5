"""Runs of jobs in this process, and what became of them."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from mushroom_assets.domain.farm import Farm

STEPS = ("STEP_UP_FOR_RETRY", "STEP_RESTARTED", "STEP_FAILURE", "STEP_SUCCESS")
AT_ONCE = {"STEP_UP_FOR_RETRY": 0, "STEP_RESTARTED": 0, "STEP_FAILURE": 1, "STEP_SUCCESS": 0}


def run_job(
    name: str,
    farm: Farm,
    doors: dict[str, Any],
    instance: dg.DagsterInstance,
    *,
    ops: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    raise_on_error: bool = True,
) -> dg.ExecuteInProcessResult:
    """Run a job of a farm's definitions, with `ops` as the run config of its ops."""
    # Not at the top: every test imports this, and where a noun is half known the definitions do not
    # load. The tests that say what is missing must run all the same.
    from mushroom_assets.definitions import build_definitions

    job = build_definitions(farm, doors).resolve_job_def(name)
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if ops is not None:
        config["ops"] = ops
    return job.execute_in_process(
        config, instance=instance, tags=tags, raise_on_error=raise_on_error
    )


def counted(result: dg.ExecuteInProcessResult) -> dict[str, int]:
    """How often the steps were put off, started again, failed and succeeded."""
    kinds = [event.event_type_value for event in result.all_events]
    return {kind: kinds.count(kind) for kind in STEPS}


def retries(result: dg.ExecuteInProcessResult) -> int:
    """How often a step was tried anew."""
    return counted(result)["STEP_UP_FOR_RETRY"]


def failure_message(result: dg.ExecuteInProcessResult) -> str:
    """The message of a run's only failure, without its causes."""
    (event,) = result.get_step_failure_events()
    assert event.step_failure_data.error is not None
    return event.step_failure_data.error.message


def failure(result: dg.ExecuteInProcessResult) -> str:
    """What the UI shows of a run's only failure, with all causes."""
    (event,) = result.get_step_failure_events()
    return event.step_failure_data.error_display_string


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """What the UI shows of a run's failed steps; of a run that failed between steps, that."""
    steps = [event.step_failure_data.error for event in result.get_step_failure_events()]
    ends = [event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE"]
    errors = steps or [event.job_failure_data.error for event in ends]
    return [error.to_string() if error else "no error is told" for error in errors]
