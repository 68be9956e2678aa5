"""The standing checks: of Dagster's own record, is a partition of the last 30 days failed, missing
or outdated?

Outdated is what was made under another farm file or by older code. Dagster says so on the
partition's own page ("Unsynced"), but not on the asset's.

Not about one partition and so without any. A schedule of their own evaluates them, and so does a
run that is launched in the UI, which Dagster gives all checks of its assets; not the timetable's
runs, which have other things to do. What is due when is told by `automation`.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import dagster as dg
from dagster import AssetPartitionStatus

from mushroom_assets.checks.rule import ERROR, WARN, Said
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.versions import Noun, code_version
from mushroom_assets.instance.outstanding import closed, keys_of, ranges
from mushroom_assets.instance.reporting import made_by, together
from mushroom_assets.resources import FarmFile

NAME = "partitions_complete"
DAYS = 30
SHOWN = 10  # ranges of each kind
HOLDS: Said = {
    "en": f"no partition of the last {DAYS} days that is due has failed, is missing or is of another farm file",
    "zh": f"最近 {DAYS} 天内到期的分区没有失败、缺失，也都按当前农场文件算出",
}
FAULT: Said = {
    "en": "{failed} failed and {missing} missing partitions in the last {days} days. Remedy: on the page of this asset "
    'press "Materialize", select their range, tick "Backfill only failed and missing partitions within selection" and '
    "launch; what fails again says why in its run. By itself only the last week is asked for again",
    "zh": "最近 {days} 天有 {failed} 个分区失败、{missing} 个缺失。处理办法：在本资产页面点击 Materialize，"
    "选中所在范围，勾选 Backfill only failed and missing partitions within selection 后启动；"
    "再次失败的，原因见其运行日志。系统只会自动补算最近一周",
}
OUTDATED: Said = {
    "en": "{outdated} partitions of the last {days} days were made under another farm file or by an older version. "
    'Remedy: on the page of this asset press "Materialize", select their range and launch; or leave them as they are',
    "zh": "最近 {days} 天有 {outdated} 个分区是按另一份农场文件或由旧版本算出的。"
    "处理办法：在本资产页面点击 Materialize，选中所在范围后启动；也可保留原样",
}


class Watched(NamedTuple):
    """An asset whose partitions are watched.

    Attributes:
        asset: its key.
        partitions: all of them.
        due_after: how long after its window has closed a partition should be there.
        noun: knows the code version that a partition should have.
    """

    asset: dg.AssetKey
    partitions: dg.TimeWindowPartitionsDefinition
    due_after: dt.timedelta
    noun: Noun


def standing_check(
    watched: Watched, farm: Farm, retry_policy: dg.RetryPolicy
) -> dg.AssetChecksDefinition:
    """The check of an asset; its description is in the farm's language."""
    spec = dg.AssetCheckSpec(NAME, asset=watched.asset, description=farm.say(HOLDS))

    @dg.multi_asset_check(
        name=spec.get_python_identifier(), specs=[spec], retry_policy=retry_policy
    )
    def check(
        context: dg.AssetCheckExecutionContext, farm_file: FarmFile
    ) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
        farm = farm_file.read()
        # Dagster plans the check for every partition of a run that has some, and waits for each.
        with together(context.instance):
            for key in keys_of(context.run, watched.partitions):
                yield dg.AssetCheckEvaluation(watched.asset, NAME, passed=True, partition=key)
        due_by = dt.datetime.now(farm.zone) - watched.due_after
        yield dg.AssetCheckResult(**completeness(context.instance, watched, due_by, farm))

    return check


def completeness(
    instance: dg.DagsterInstance, watched: Watched, due_by: dt.datetime, farm: Farm
) -> dict[str, Any]:
    """What the check says of the windows that closed by `due_by`.

    Only a failed partition is an error.
    """
    asset = watched.asset
    span = dt.timedelta(days=DAYS)
    keys = [window.key for window in closed(watched.partitions, span, due_by)]
    status = instance.get_status_by_partition(asset, keys, watched.partitions) or {}
    failed = {key for key in keys if status.get(key) is AssetPartitionStatus.FAILED}
    missing = {key for key in keys if status.get(key) is None}
    current = code_version(watched.noun, farm)
    made = made_by(instance, asset, keys)
    outdated = {key for key, version in made.items() if version != current}
    count = len(failed | missing | outdated)
    metadata: dict[str, dg.MetadataValue] = {"offending": dg.MetadataValue.int(count)}
    for name, lacking in (("failed", failed), ("missing", missing), ("outdated", outdated)):
        if lacking:
            metadata[name] = dg.MetadataValue.md(_list(list(ranges(keys, lacking)), farm))
    if not count:
        return {
            "passed": True,
            "description": farm.say({"en": "holds", "zh": "符合"}),
            "metadata": metadata,
        }
    where = f"/assets/{asset.to_user_string()}?view=partitions"
    metadata["partitions"] = dg.MetadataValue.md(f"[{where}]({where})")
    faults = [FAULT] * bool(failed or missing) + [OUTDATED] * bool(outdated)
    counts = {
        "failed": len(failed),
        "missing": len(missing),
        "outdated": len(outdated),
        "days": DAYS,
    }
    description = {"en": ". ", "zh": "。"}[farm.language].join(
        fault[farm.language].format(**counts) for fault in faults
    )
    return {
        "passed": False,
        "severity": ERROR if failed else WARN,
        "description": description,
        "metadata": metadata,
    }


def _list(found: Sequence[tuple[str, str]], farm: Farm) -> str:
    lines = [
        f"- {first}" if first == last else f"- {first} ... {last}" for first, last in found[:SHOWN]
    ]
    more = {"en": "- and {count} more ranges", "zh": "- 另有 {count} 段"}[farm.language]
    return "\n".join(
        [*lines, more.format(count=len(found) - SHOWN)] if len(found) > SHOWN else lines
    )
