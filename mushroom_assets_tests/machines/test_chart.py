"""The values for Dagster's chart are keys that the chart reads, and objects of Kubernetes.

helm is not here, and nothing is rendered.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

pytestmark = pytest.mark.long
FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VALUES = yaml.safe_load((FOLDER / "values.yaml").read_text(encoding="utf-8"))
LAUNCHER = yaml.safe_load((FOLDER / "dagster.yaml").read_text(encoding="utf-8"))["run_launcher"]

# What the chart's templates read of what we set, in dagster-io/dagster at
# b8d7b2530862566f7ae5450a0e5387ab04c784c6: helm/dagster/values.yaml and
# helm/dagster/charts/dagster-user-deployments/templates/deployment-user.yaml. A text is a type, a
# model one of Kubernetes' own.
CONTAINER = {
    "image": {"repository": str, "tag": str, "pullPolicy": str},
    "env": [client.V1EnvVar],
    "envSecrets": [client.V1SecretEnvSource],
    "volumes": [client.V1Volume],
    "volumeMounts": [client.V1VolumeMount],
    "podSecurityContext": client.V1PodSecurityContext,
    "securityContext": client.V1SecurityContext,
    "resources": client.V1ResourceRequirements,
}
DEPLOYMENT = CONTAINER | {
    "name": str,
    "port": int,
    "dagsterApiGrpcArgs": [str],
    "includeConfigInLaunchedRuns": {"enabled": bool},
    "initContainers": [client.V1Container],
}
CHART = {
    "global": {"serviceAccountName": str, "postgresqlSecretName": str},
    "generatePostgresqlPasswordSecret": bool,
    "generateCeleryConfigSecret": bool,
    "postgresql": {
        "enabled": bool,
        "postgresqlHost": str,
        "postgresqlUsername": str,
        "service": {"port": int},
    },
    "runLauncher": {"type": str},
    "telemetry": {"enabled": bool},
    "dagsterWebserver": CONTAINER
    | {"service": {"type": str, "port": int}, "readinessProbe": client.V1Probe},
    "dagsterDaemon": CONTAINER | {"heartbeatTolerance": int},
    "dagster-user-deployments": {
        "enabled": bool,
        "enableSubchart": bool,
        "deployments": [DEPLOYMENT],
    },
}


def misfits(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Where a value has a key or a type that its shape has not."""
    kind: Any = type(shape) if isinstance(shape, list | dict) else shape
    if hasattr(shape, "attribute_map"):
        names = shape.attribute_map.items()
        shape = {name: of_kubernetes(shape.openapi_types[own]) for own, name in names}
        kind = dict
    if not isinstance(value, kind):
        yield f"{path} is no {kind.__name__}"
    elif isinstance(shape, list):
        for number, each in enumerate(value):
            yield from misfits(each, shape[0], f"{path}[{number}]")
    elif isinstance(shape, dict):
        for key, each in value.items():
            if key in shape:
                yield from misfits(each, shape[key], f"{path}.{key}")
            else:
                yield f"{path} has no {key}"


def of_kubernetes(name: str) -> Any:
    """The shape that a type of Kubernetes' models names: `list[V1EnvVar]`, `str`, `object`."""
    if name.startswith("list["):
        return [of_kubernetes(name[5:-1])]
    if name.startswith("V1"):
        return getattr(client, name)
    return {"str": str, "int": int, "bool": bool}.get(name, object)


def test_the_values_are_keys_of_the_chart_and_objects_of_kubernetes() -> None:
    assert list(misfits(VALUES, CHART, "values")) == []


def test_the_check_sees_what_it_is_about() -> None:
    wrong = {
        "image": {"repositry": "x"},
        "env": [{"nam": "x"}, {"name": 1}],
        "volumes": {},
        "securityContext": {"capabilities": {"drop": "ALL"}},
    }
    assert list(misfits(wrong, CONTAINER, "w")) == [
        "w.image has no repositry",
        "w.env[0] has no nam",
        "w.env[1].name is no str",
        "w.volumes is no list",
        "w.securityContext.capabilities.drop is no list",
    ]


def test_each_part_reads_our_dagster_yaml_as_the_farms_user() -> None:
    config = LAUNCHER["config"]
    deployment = VALUES["dagster-user-deployments"]["deployments"][0]
    for part in (VALUES["dagsterWebserver"], VALUES["dagsterDaemon"], deployment):
        environment = {each["name"]: each["value"] for each in part["env"]}
        home = environment["DAGSTER_HOME"]
        assert home == config["dagster_home"]
        mounted = {each["mountPath"]: each for each in part["volumeMounts"]}
        assert mounted[f"{home}/dagster.yaml"]["subPath"] == "dagster.yaml"
        volumes = {each["name"]: each for each in part["volumes"]}
        of_home = volumes[mounted[f"{home}/dagster.yaml"]["name"]]
        assert of_home["configMap"]["name"] == config["instance_config_map"]
        assert part["podSecurityContext"]["runAsNonRoot"]
        assert part["podSecurityContext"]["runAsUser"] == 10001  # as in the Dockerfile
        assert part["envSecrets"] == [{"name": name} for name in config["env_secrets"]]
        for variable in config["env_vars"]:
            name, value = variable.split("=")
            assert environment[name] == value
    assert VALUES["global"]["serviceAccountName"] == config["service_account_name"]
