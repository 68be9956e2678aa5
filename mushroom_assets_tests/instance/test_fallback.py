"""On a Dagster that was not tested, or lacks a private name, all starts, and says what it costs.

And the former name of the storage. Each in a process of its own, as the choice falls at import.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mushroom_assets_tests.instance.events import CUSTOM

FORMER = CUSTOM.format(module="mushroom_assets.event_storage")
NOW = CUSTOM.format(module="mushroom_assets.instance.storage")
UNTESTED = "import dagster; dagster.__version__ = '1.14.0'"
HIDDEN = "import dagster, sys; sys.modules['{}'] = None"
LOST = "import {0} as module; del module.{1}"
WITHOUT_METHOD = """
from dagster._core.storage.asset_check_state import AssetCheckState
for owner in AssetCheckState.__mro__:
    if "with_updates" in vars(owner):
        del owner.with_updates"""
STATE = "dagster._core.storage.asset_check_state"
EXECUTE = "dagster._core.execution.plan.execute_step"
RUN = """
import sys, dagster as dg
from mushroom_assets.instance.reporting import REPORTED, latest_materializations, report, together
DAYS = dg.StaticPartitionsDefinition(["1", "2"])

@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), code_version="c")
def days(context: dg.AssetExecutionContext):
    report(context, {key: {"rows": 1} for key in context.partition_keys})
    latest_materializations(context.instance, context.asset_key, context.partition_keys)
    return dg.MaterializeResult(metadata=REPORTED)

with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    tags = {"dagster/asset_partition_range_start": "1", "dagster/asset_partition_range_end": "2"}
    job = dg.Definitions([days], jobs=[dg.define_asset_job("j", "*")]).resolve_job_def("j")
    run = job.execute_in_process(instance=instance, tags=tags)
    records = instance.fetch_materializations(dg.AssetKey("days"), limit=9).records
    logs = instance.all_logs(run.run_id)
    print(type(instance.event_log_storage).__name__, len(records), len(logs) > 9)
"""
WEBSERVER = """
import sys, dagster as dg
from mushroom_assets.definitions import defs
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    instance.optimize_for_webserver(5000, 3600, 20)
    print(instance.get_runs_count(), len(defs.resolve_asset_graph().get_all_asset_keys()) > 3)
"""


def python(code: str, storage: str, url: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a process, with Dagster's home in a folder."""
    text = f"{storage}\ntelemetry: {{enabled: false}}\n"
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", code, str(home)]
    environment = os.environ | {"DATABASE_URL": url, "DAGSTER_EVENT_BATCH_SIZE": "500"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=120
    )


@pytest.mark.parametrize(
    ("before", "storage", "reasons"),
    [
        ("", "PooledEventLogStorage", []),
        (UNTESTED, "PostgresEventLogStorage", [">=1.13.27,<1.14 was tested"]),
        (HIDDEN.format(STATE), "PostgresEventLogStorage", [STATE]),
        (WITHOUT_METHOD, "PostgresEventLogStorage", ["AssetCheckState has no with_updates"]),
        (
            LOST.format(EXECUTE, "_get_input_provenance_data"),
            "PooledEventLogStorage",
            ["_get_input_provenance"],
        ),
    ],
)
def test_a_run_is_recorded_whatever_dagster_lacks(
    empty_database_url: str, tmp_path: Path, before: str, storage: str, reasons: list[str]
) -> None:
    done = python(f"{before}\n{RUN}", NOW, empty_database_url, tmp_path)
    assert done.stdout == f"{storage} 2 True\n"
    told = [line for line in done.stderr.splitlines() if "FutureWarning" in line]
    assert len(told) == len(reasons), done.stderr
    for line, reason in zip(told, reasons, strict=True):
        assert reason in line
        assert "Remedy: install dagster==1.13.27, with" in line


@pytest.mark.parametrize("before", ["", UNTESTED])
def test_webserver_and_code_location_load_with_a_dagster_that_was_not_tested(
    empty_database_url: str, tmp_path: Path, before: str
) -> None:
    done = python(f"{before}\n{WEBSERVER}", NOW, empty_database_url, tmp_path)
    assert done.stdout == "0 True\n"


def test_the_former_name_of_the_storage_works_and_says_what_to_write(
    empty_database_url: str, tmp_path: Path
) -> None:
    done = python(RUN, FORMER, empty_database_url, tmp_path)
    assert done.stdout == "PooledEventLogStorage 2 True\n"
    (told,) = [line for line in done.stderr.splitlines() if "FutureWarning" in line]
    assert "Remedy: write `module: mushroom_assets.instance.storage`" in told
