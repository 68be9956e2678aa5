"""A run is tagged by the pool from which it takes, whoever asks for it."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator import SubmitRunContext

from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.farm import Farm

GPU = {"limits": {"nvidia.com/gpu": "1"}}
COORDINATOR = {
    "module": "mushroom_assets.instance.coordinator",
    "class": "FarmRunCoordinator",
    "config": {
        "dequeue_interval_seconds": 1,
        "pool_tags": {"clip": {"queue": "gpu", "resources": GPU}, "no such pool": {"queue": "x"}},
    },
}
CODE = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("code"), "__repository__")
CONFIG = {"run_coordinator": COORDINATOR, "telemetry": {"enabled": False}}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with this queue, in files."""
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def submitted(
    instance: dg.DagsterInstance, farm: Farm, job: str, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    """A run of a job as it lies in the queue."""
    definition = build_definitions(farm).resolve_job_def(job)
    run = instance.create_run_for_job(
        definition, tags=tags, remote_job_origin=RemoteJobOrigin(CODE, job)
    )
    coordinator = instance.run_coordinator
    assert coordinator is not None
    queued = coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]
    assert queued.status is dg.DagsterRunStatus.QUEUED
    return queued


def test_a_run_of_a_pool_has_its_tags_and_others_have_not(
    instance: dg.DagsterInstance, farm: Farm
) -> None:
    inference = submitted(instance, farm, "daily_clip_inference_job")
    assert inference.tags["queue"] == "gpu"
    assert json.loads(inference.tags["resources"]) == GPU
    assert not {"queue", "resources"} & set(submitted(instance, farm, "daily_env_stats_job").tags)


def test_what_somebody_has_asked_for_stays(instance: dg.DagsterInstance, farm: Farm) -> None:
    run = submitted(instance, farm, "daily_clip_inference_job", {"queue": "mine"})
    assert run.tags["queue"] == "mine"


def test_the_rest_is_dagsters_queue(instance: dg.DagsterInstance) -> None:
    queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    assert queue.max_concurrent_runs == 10  # Dagster's default
