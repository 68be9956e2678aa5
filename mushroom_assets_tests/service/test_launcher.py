"""A run launcher that cannot be loaded is told before anything is queued."""

from pathlib import Path

import dagster as dg
import pytest

from mushroom_assets.service.home import ServerError
from mushroom_assets.service.launcher import examine_run_launcher, load_run_launcher
from mushroom_assets.settings import load_settings

DEFAULT = "{module: dagster, class: DefaultRunLauncher}"


def load(launcher: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    text = f"telemetry: {{enabled: false}}\nrun_launcher: {launcher}\n"
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return load_run_launcher(load_settings())


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("run_launcher: {module: dagster, class: DefaultRunLauncher", "ParserError"),
        ("no_such_key: 1", "no_such_key"),
        ("run_launcher: {module: dagster}", "run_launcher"),
        ("storage: {postgres: {postgres_url: {env: NO_SUCH_VARIABLE}}}", "NO_SUCH_VARIABLE"),
        ("storage: {custom: {module: dagster, class: NoSuchStorage}}", "NoSuchStorage"),
        ("compute_logs: {module: no_such_module, class: Logs}", "no_such_module"),
        ("run_coordinator: {module: dagster, class: NoSuchQueue}", "NoSuchQueue"),
    ],
)
def test_a_dagster_yaml_that_cannot_be_used_is_told_in_one_message(
    text: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with pytest.raises(ServerError) as caught:
        load_run_launcher(load_settings())
    told = str(caught.value)
    assert told.startswith(f"{tmp_path}/dagster.yaml cannot be used: ")
    assert cause in told
    assert "\n" not in told
    assert "Remedy: correct it" in told


def test_one_that_loads_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(DEFAULT, tmp_path, monkeypatch) == "DefaultRunLauncher"


@pytest.mark.parametrize(
    ("launcher", "cause"),
    [
        ("{module: no_such_module, class: X}", "Couldn't import module no_such_module"),
        ("{module: dagster, class: NoSuchLauncher}", "Couldn't find class NoSuchLauncher"),
        (DEFAULT.replace("}", ", config: {colour: red}}"), "colour"),
    ],
    ids=["module", "class", "configuration"],
)
def test_one_that_does_not_is_told_with_file_cause_and_remedy(
    launcher: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServerError) as caught:
        load(launcher, tmp_path, monkeypatch)
    told = str(caught.value)
    assert told.startswith(f"the run launcher of {tmp_path}/dagster.yaml cannot be loaded: ")
    assert cause in told
    assert "\n" not in told
    assert "Remedy: correct `run_launcher` there" in told


class Slotted(dg.DefaultRunLauncher):
    """A launcher with workers."""

    where = "redis://broker:6379/0"
    found: dict[str, int] = {}  # noqa: RUF012 - a test sets it

    def slots(self) -> dict[str, int]:
        return self.found


def examined(slots: dict[str, int], runs: int, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    text = (
        f"run_launcher: {{module: {__name__}, class: Slotted}}\n"
        f"concurrency: {{runs: {{max_concurrent_runs: {runs}}}}}\n"
        "telemetry: {enabled: false}\n"
    )
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setattr(Slotted, "found", slots)
    return examine_run_launcher(load_settings())


def test_a_launcher_whose_workers_have_slots_for_all_runs_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = examined({"a": 1, "b": 2}, 3, tmp_path, monkeypatch)
    assert told == "Slotted at redis://broker:6379/0: 2 workers with 3 slots for 3 runs"


@pytest.mark.parametrize(
    ("slots", "runs", "cause"),
    [
        ({}, 3, "0 workers with 0 slots: none answers, and no run starts. Remedy: start"),
        ({"a": 1, "b": 1}, 3, "2 slots, but runs are launched 3 at once: those without"),
        ({"a": 1}, -1, "1 slots, but runs are launched without limit: those without"),
    ],
)
def test_workers_with_fewer_slots_than_runs_are_told_with_the_remedy(
    slots: dict[str, int],
    runs: int,
    cause: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ServerError) as caught:
        examined(slots, runs, tmp_path, monkeypatch)
    assert cause in str(caught.value)
    assert "Remedy: " in str(caught.value)
