"""Helpers: runs of checks alone, and what their evaluations say."""

import dagster as dg

from mushroom_assets.definitions import build_definitions
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets_tests.kit.runs import run_job
from mushroom_assets_tests.kit.small import SmallFarm

DAY = "2026-01-05"
NEXT = "2026-01-06"
ENV = "daily_env_stats"
SETPOINTS = "hourly_setpoint_changes"
VISION = "daily_clip_inference"
REPORT = "daily_room_report"
ERROR = dg.AssetCheckSeverity.ERROR
# Checks of the newest day, which have no partition
TODAY = {"daily_room_report": ["this_morning"], "daily_clip_inference": ["pictures_familiar"]}
WARN = dg.AssetCheckSeverity.WARN
Evaluations = dict[str, dg.AssetCheckEvaluation]


def checks_only(
    small: SmallFarm, asset: str, first: str, last: str | None = None, *, only: str | None = None
) -> dg.ExecuteInProcessResult:
    """A run of the asset's partitioned checks, or of one, on the rows as they are."""
    doors = {
        "postgres": PostgresResource(url=small.database.url),
        "farm_file": FarmFile(path=str(small.path)),
    }
    key = dg.AssetKey(asset)
    names = ["partitions_complete", *TODAY.get(asset, [])]
    standing = dg.AssetSelection.checks(*(dg.AssetCheckKey(key, name) for name in names))
    selection: dg.AssetSelection = dg.AssetSelection.checks_for_assets(asset) - standing
    if only:
        selection = dg.AssetSelection.checks(dg.AssetCheckKey(key, only))
    job = dg.define_asset_job("only_checks", selection)
    defs = dg.Definitions.merge(build_definitions(small.farm, doors), dg.Definitions(jobs=[job]))
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return defs.resolve_job_def("only_checks").execute_in_process(
        quiet, instance=small.instance, tags=range_tags(first, last or first), raise_on_error=False
    )


def standing_evaluation(small: SmallFarm, check: str) -> dg.AssetCheckEvaluation:
    """What a check without a partition says when the standing checks are evaluated."""
    doors = {
        "postgres": PostgresResource(url=small.database.url),
        "farm_file": FarmFile(path=str(small.path)),
    }
    result = run_job("standing_checks_job", small.farm, doors, small.instance)
    evaluations = result.get_asset_check_evaluations()
    (found,) = [each for each in evaluations if each.check_name == check]
    assert found.partition is None
    return found


def verdicts(result: dg.ExecuteInProcessResult, partition: str = DAY) -> Evaluations:
    """The evaluations of one partition, by check."""
    found = [each for each in result.get_asset_check_evaluations() if each.partition == partition]
    assert len(found) == len({each.check_name for each in found})
    return {evaluation.check_name: evaluation for evaluation in found}


def failing(result: dg.ExecuteInProcessResult, partition: str = DAY) -> set[str]:
    """Which checks of one partition did not pass."""
    return {
        name for name, evaluation in verdicts(result, partition).items() if not evaluation.passed
    }


def offending(evaluation: dg.AssetCheckEvaluation) -> int:
    """How many rows break the rule."""
    value = evaluation.metadata["offending"].value
    assert isinstance(value, int)
    return value


def examples(evaluation: dg.AssetCheckEvaluation) -> list[str]:
    """The rows that are shown, as they are told."""
    lines = str(evaluation.metadata["examples"].value).splitlines()
    return [line.removeprefix("- ") for line in lines]
