"""The launcher for Celery without a broker, and how deployed instances differ from the packaged."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import LaunchRunContext
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from kombu.exceptions import OperationalError

import mushroom_assets
from mushroom_assets.instance.celery import SETTINGS, FarmCeleryLauncher
from mushroom_assets_tests.kit.servers import free_port

pytestmark = pytest.mark.long
PACKAGED = Path(mushroom_assets.__file__).parent / "dagster.yaml"
DEPLOYED = Path(__file__).parents[2] / "deploy"
OF_MACHINES = {"run_launcher", "run_queue", "run_coordinator", "concurrency", "compute_logs"}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance whose broker is away."""
    launcher = {
        "module": "mushroom_assets.instance.celery",
        "class": "FarmCeleryLauncher",
        "config": {"broker": f"redis://:secret@127.0.0.1:{free_port()}/0"},
    }
    config = {"run_launcher": launcher, "telemetry": {"enabled": False}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def launcher_of(instance: dg.DagsterInstance) -> FarmCeleryLauncher:
    launcher = instance.run_launcher
    assert isinstance(launcher, FarmCeleryLauncher)
    return launcher


def started(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    run = dg.DagsterRun(job_name="job", status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.run_storage.add_run(run)
    return run


@pytest.mark.parametrize("tags", [{}, {DAGSTER_CELERY_TASK_ID_TAG: "a task"}])
def test_a_run_is_cancelled_though_nobody_can_be_told(
    instance: dg.DagsterInstance, tags: dict[str, str]
) -> None:
    run = started(instance, **tags)
    assert launcher_of(instance).terminate(run.run_id)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.CANCELING
    said = " ".join(entry.message for entry in instance.all_logs(run.run_id))
    assert ("nobody could be told to end the run" in said) == bool(tags)
    assert "secret" not in said
    instance.report_run_canceled(found)
    assert not launcher_of(instance).terminate(run.run_id)


def test_a_launch_without_a_broker_goes_back_into_the_queue(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("Connection refused.")

    monkeypatch.setattr("dagster_celery.launcher.CeleryRunLauncher.launch_run", away)
    with pytest.raises(DagsterUserCodeUnreachableError) as caught:
        launcher_of(instance).launch_run(LaunchRunContext(started(instance), None))
    told = str(caught.value)
    assert "did not take the run: Connection refused. Remedy: start it" in told
    assert "secret" not in told


def test_whether_a_run_lives_is_not_asked_of_celery(instance: dg.DagsterInstance) -> None:
    assert not launcher_of(instance).supports_check_run_worker_health


def test_a_run_that_has_not_started_says_what_to_look_at(instance: dg.DagsterInstance) -> None:
    run = started(instance, **{"dagster-celery/queue": "gpu"})
    told = launcher_of(instance).get_run_worker_debug_info(run)
    assert told.startswith("No worker took it from the queue gpu of redis://:**@127.0.0.1:")
    assert "Remedy: start workers" in told


def test_without_a_broker_no_worker_has_slots(instance: dg.DagsterInstance) -> None:
    assert launcher_of(instance).slots() == {}


def test_what_dagster_yaml_says_of_celery_comes_before_what_we_say() -> None:
    config = {"default_queue": "farm", "config_source": {"worker_concurrency": 3}}
    data: Any = None
    made = FarmCeleryLauncher.from_config_value(data, config).celery.conf
    assert made.worker_concurrency == 3
    assert made.worker_max_tasks_per_child == SETTINGS["worker_max_tasks_per_child"] == 1
    other = config | {"config_source": {"worker_max_tasks_per_child": 9}}
    assert (
        FarmCeleryLauncher.from_config_value(data, other).celery.conf["worker_max_tasks_per_child"]
        == 9
    )


def test_a_worker_of_another_launcher_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"is DefaultRunLauncher, not Farm.*Remedy: copy"):
        importlib.import_module("mushroom_assets.instance.worker")


@pytest.mark.parametrize("engine", ["celery", "kubernetes"])
def test_a_deployed_instance_is_the_packaged_one_but_for_where_runs_go(engine: str) -> None:
    packaged = yaml.safe_load(PACKAGED.read_text(encoding="utf-8"))
    deployed = yaml.safe_load((DEPLOYED / engine / "dagster.yaml").read_text(encoding="utf-8"))
    longer = deployed["run_monitoring"].pop("start_timeout_seconds")
    assert longer > packaged["run_monitoring"].pop("start_timeout_seconds")
    same = packaged.keys() - OF_MACHINES
    assert {key: deployed[key] for key in same} == {key: packaged[key] for key in same}
    assert deployed.keys() - same <= OF_MACHINES
    runs = deployed["concurrency"]["runs"]
    (backfills,) = runs["tag_concurrency_limits"]
    assert backfills["limit"] == runs["max_concurrent_runs"] - 1


def test_the_unit_of_systemd_starts_what_the_guide_starts() -> None:
    unit = (DEPLOYED / "celery" / "mushroom-worker.service").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=\S+/celery (.*)$", unit, flags=re.MULTILINE)
    assert command.startswith("--app mushroom_assets.instance.worker worker --concurrency 1")
    for guide in ("machines.md", "machines.zh.md"):
        text = (DEPLOYED.parent / "docs" / guide).read_text(encoding="utf-8")
        assert "celery --app mushroom_assets.instance.worker worker --concurrency 1" in text
