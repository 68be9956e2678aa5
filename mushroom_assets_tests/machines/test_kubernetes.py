"""What Kubernetes would be told, by `deploy/kubernetes`: there is no cluster here.

The launcher makes real objects of the `kubernetes` package and gives them to a stand-in of the API
server. The values of Dagster's chart are the business of `test_chart`.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes
import pytest
import urllib3
import yaml
from dagster._config import post_process_config, resolve_to_config_type, validate_config
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.instance.config import dagster_instance_config
from dagster._core.launcher import LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster_k8s.client import DagsterK8sUnrecoverableAPIError

from mushroom_assets.instance.coordinator import FarmRunCoordinator
from mushroom_assets.instance.kubernetes import FarmK8sRunLauncher
from mushroom_assets_tests.kit.object_store import ObjectStore

pytestmark = pytest.mark.long
FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
IMAGE = "registry.example.com/mushroom_assets:0.1.0"


class Server:
    """An API server that keeps the jobs that it is given, or answers with errors."""

    def __init__(self) -> None:
        self.jobs: list[Any] = []
        self.errors: list[Exception] = []

    def create_namespaced_job(self, body: Any, namespace: str, **options: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        assert namespace == "farm"
        self.jobs.append(body)

    def read_namespaced_job_status(self, *args: Any, **options: Any) -> Any:
        raise self.errors.pop(0)


def section(name: str) -> Any:
    """An entry of our `dagster.yaml`, which Dagster accepts as a whole."""
    config, _ = dagster_instance_config(str(FOLDER))
    return config[name]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def launcher(
    instance: dg.DagsterInstance, server: Server, monkeypatch: pytest.MonkeyPatch
) -> FarmK8sRunLauncher:
    """That of our `dagster.yaml`, checked by its own type."""
    monkeypatch.setattr(kubernetes.config, "load_incluster_config", lambda: None)
    monkeypatch.setattr("dagster_k8s.client.time.sleep", lambda seconds: None)
    given = section("run_launcher")["config"]
    schema: Any = FarmK8sRunLauncher.config_type()  # type: ignore[no-untyped-call]
    checked = validate_config(schema, given)
    assert checked.success, checked.errors
    config: Any = post_process_config(resolve_to_config_type(schema), given).value
    made = FarmK8sRunLauncher(k8s_client_batch_api=server, **config)
    made.register_instance(instance)
    return made


def run_of(instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.DagsterRun:
    """A run that is being launched, of the code server's image."""
    code = ModuleCodePointer("mushroom_assets.definitions", "defs")
    origin = RepositoryPythonOrigin(sys.executable, code, container_image=IMAGE)
    run = dg.DagsterRun(
        job_name="daily_clip_inference_job",
        status=dg.DagsterRunStatus.STARTING,
        tags=tags,
        job_code_origin=JobPythonOrigin("daily_clip_inference_job", origin),
    )
    instance.run_storage.add_run(run)
    return run


def clip_tags() -> dict[str, str]:
    """What the queue of our `dagster.yaml` adds to runs of the pool `clip`."""
    config = section("run_coordinator")["config"]
    assert validate_config(FarmRunCoordinator.config_type(), config).success
    return {name: json.dumps(value) for name, value in config["pool_tags"]["clip"].items()}


def pod(server: Server) -> Any:
    """The specification of the only pod, as it would be sent."""
    (job,) = server.jobs
    sent = kubernetes.client.ApiClient().sanitize_for_serialization(job)
    return sent["spec"]["template"]["spec"]


def test_a_run_is_a_pod_of_the_farms_user_with_its_settings_and_secrets(
    instance: dg.DagsterInstance, launcher: FarmK8sRunLauncher, server: Server
) -> None:
    launcher.launch_run(LaunchRunContext(run_of(instance, {}), None))
    spec = pod(server)
    assert spec["serviceAccountName"] == "farm"
    assert spec["restartPolicy"] == "Never"
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] == 10001
    (container,) = spec["containers"]
    assert container["image"] == IMAGE
    assert "execute_run" in container["args"]
    assert "command" not in container  # the image's tini stays the first process
    assert {"secretRef": {"name": "farm"}} in container["envFrom"]
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert environment["DAGSTER_HOME"] == "/opt/farm"
    assert environment["MUSHROOM_CONFIG"] == "/etc/mushroom/farm.yaml"
    assert environment["MUSHROOM_IMAGE_ROOT"] == "s3://cameras/farm"
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert {"/opt/farm", "/etc/mushroom"} <= mounts
    assert '"instance_ref"' in container["args"][-1]  # so no run reads a dagster.yaml
    maps = [each["configMap"]["name"] for each in spec["volumes"] if "configMap" in each]
    assert set(maps) == {"farm"}
    assert "nodeSelector" not in spec


def test_inference_goes_to_a_node_with_a_gpu(
    instance: dg.DagsterInstance, launcher: FarmK8sRunLauncher, server: Server
) -> None:
    launcher.launch_run(LaunchRunContext(run_of(instance, clip_tags()), None))
    spec = pod(server)
    (container,) = spec["containers"]
    assert container["image"] == f"{IMAGE}-cuda"
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "1", "memory": "6Gi"}
    assert spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert spec["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert spec["securityContext"]["runAsUser"] == 10001  # the rest is as for other runs
    assert {"secretRef": {"name": "farm"}} in container["envFrom"]


AWAY = urllib3.exceptions.HTTPError("connection refused")


def test_a_launch_that_the_api_server_did_not_take_goes_back_into_the_queue(
    instance: dg.DagsterInstance, launcher: FarmK8sRunLauncher, server: Server
) -> None:
    run = run_of(instance, {})
    server.errors = [AWAY] * 4  # the client's own attempts
    with pytest.raises(DagsterUserCodeUnreachableError, match=r"connection refused.*Remedy"):
        launcher.launch_run(LaunchRunContext(run, None))
    server.errors = [kubernetes.client.rest.ApiException(status=409)]  # it did take it
    launcher.launch_run(LaunchRunContext(run, None))
    server.errors = [kubernetes.client.rest.ApiException(status=403)]
    with pytest.raises(DagsterK8sUnrecoverableAPIError):
        launcher.launch_run(LaunchRunContext(run, None))


def test_an_api_server_that_is_away_says_nothing_of_a_run(
    instance: dg.DagsterInstance, launcher: FarmK8sRunLauncher, server: Server
) -> None:
    server.errors = [AWAY]
    found = launcher.check_run_worker_health(run_of(instance, {}))
    assert found.status is WorkerStatus.RUNNING


def test_what_runs_print_lies_in_the_bucket_and_is_read_from_there(
    object_store: ObjectStore, tmp_path: Path
) -> None:
    key = ["run", "compute_logs", "step"]
    with keeping_logs(tmp_path / "pod") as pod, pod.compute_log_manager.capture_logs(key):
        sys.stderr.write("it printed this")
        sys.stderr.flush()
    stored = object_store.client.list_objects_v2(Bucket="cameras", Prefix="logs/")["Contents"]
    assert any(each["Key"].endswith("/step.err") for each in stored)
    with keeping_logs(tmp_path / "webserver") as webserver:
        found = webserver.compute_log_manager.get_log_data(key)
    assert found.stderr == b"it printed this"


def keeping_logs(home: Path) -> dg.DagsterInstance:
    """An instance with the logs of our `dagster.yaml`, and a temporary folder of its own."""
    logs = section("compute_logs")
    logs["config"]["local_dir"] = str(home)
    home.mkdir()
    config = {"compute_logs": logs, "telemetry": {"enabled": False}}
    (home / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return dg.DagsterInstance.from_config(str(home))
