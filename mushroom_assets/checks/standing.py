"""The standing checks: did a partition of the last 30 days fail, is one missing or outdated?

They ask Dagster's own record. Outdated is what was made under another farm file, by older code, or
before an input of it changed (`instance.stale`), however long ago: Dagster itself does not say so
on the asset's page.

A standing check is not about one partition and so it has none. A schedule of its own evaluates it,
and so does a run that is launched in the UI, which Dagster gives all checks of its assets. The
timetable's runs do not: they have other things to do. What is due when is the business of
`automation`, rules about rows that of the other modules.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg
from dagster import AssetPartitionStatus

from mushroom_assets.checks.rule import ERROR, WARN
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.versions import Noun, code_version
from mushroom_assets.domain.windows import Window
from mushroom_assets.faults.run import permanent_faults_fail_at_once
from mushroom_assets.instance.outstanding import closed, keys_of, ranges
from mushroom_assets.instance.reporting import together
from mushroom_assets.instance.stale import stale
from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets.settings import load_settings
from mushroom_assets.storage.inputs import follow
from mushroom_assets.storage.outdated import Marks, read_marks

NAME = "partitions_complete"
DAYS = 30
NOTHING = Marks()
SHOWN = 10  # ranges of each kind
Told = dict[str, Any]  # what an evaluation is made of
Judge = Callable[[dg.DagsterInstance, PostgresResource, Farm], Told]


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

    def judge(instance: dg.DagsterInstance, postgres: PostgresResource, farm: Farm) -> Told:
        due_by = dt.datetime.now(farm.zone) - watched.due_after
        with permanent_faults_fail_at_once():
            follow(postgres.database(), farm)
            with postgres.transaction() as connection:
                marks = read_marks(connection, watched.asset.to_user_string())
        return completeness(instance, watched, due_by, farm, marks)

    holds = say("partitions_complete.holds", farm, days=DAYS)
    return unpartitioned_check(NAME, watched, holds, retry_policy, judge)


def unpartitioned_check(
    name: str, watched: Watched, holds: str, retry_policy: dg.RetryPolicy, judge: Judge
) -> dg.AssetChecksDefinition:
    """A check of an asset without a partition.

    Args:
        name: the check's.
        watched: the asset.
        holds: what must hold, in words.
        retry_policy: of its step.
        judge: says what an evaluation tells.
    """
    spec = dg.AssetCheckSpec(name, asset=watched.asset, description=holds)

    @dg.multi_asset_check(
        name=spec.get_python_identifier(), specs=[spec], retry_policy=retry_policy
    )
    def check(
        context: dg.AssetCheckExecutionContext, postgres: PostgresResource, farm_file: FarmFile
    ) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult]:
        farm = farm_file.read()
        # Dagster plans the check for every partition of a run that has some, and waits for each.
        with together(context.instance):
            for key in keys_of(context.run, watched.partitions):
                yield dg.AssetCheckEvaluation(watched.asset, name, passed=True, partition=key)
        yield dg.AssetCheckResult(**judge(context.instance, postgres, farm))

    return check


def completeness(
    instance: dg.DagsterInstance,
    watched: Watched,
    due_by: dt.datetime,
    farm: Farm,
    marks: Marks = NOTHING,
) -> Told:
    """What the check says of the windows that closed by `due_by`; `marks` are the asset's.

    Only a failed partition is an error.
    """
    lack = lacking(instance, watched, due_by, farm, marks)
    keys = [window.key for window in outdating(watched, due_by, marks)]
    count = len(set[str]().union(*lack.values()))
    metadata: dict[str, dg.MetadataValue] = {"offending": dg.MetadataValue.int(count)}
    for name, found in lack.items():
        if found:
            metadata[name] = dg.MetadataValue.md(_list(list(ranges(keys, found)), farm))
    if not count:
        return {"passed": True, "description": say("check_holds", farm), "metadata": metadata}
    prefix = load_settings().path_prefix
    where = f"{prefix}/assets/{watched.asset.to_user_string()}?view=partitions"
    metadata["partitions"] = dg.MetadataValue.md(f"[{where}]({where})")
    return {
        "passed": False,
        "severity": ERROR if lack["failed"] else WARN,
        "description": _told(lack, farm),
        "metadata": metadata,
    }


def due(watched: Watched, due_by: dt.datetime) -> list[str]:
    """The partitions of the last 30 days whose windows closed by `due_by`, oldest first."""
    span = dt.timedelta(days=DAYS)
    return [window.key for window in closed(watched.partitions, span, due_by)]


def outdating(watched: Watched, due_by: dt.datetime, marks: Marks) -> list[Window]:
    """The windows that closed by `due_by` from the first mark on, of the last 30 days at least."""
    span = dt.timedelta(days=DAYS)
    if marks.found:
        span = max(span, due_by - marks.found[0].at + dt.timedelta(days=1))
    return closed(watched.partitions, span, due_by)


def lacking(
    instance: dg.DagsterInstance,
    watched: Watched,
    due_by: dt.datetime,
    farm: Farm,
    marks: Marks,
) -> dict[str, set[str]]:
    """Which partitions that closed by `due_by` failed or are missing, and which are outdated."""
    asset = watched.asset
    keys = due(watched, due_by)
    status = instance.get_status_by_partition(asset, keys, watched.partitions) or {}
    windows = outdating(watched, due_by, marks)
    version = code_version(watched.noun, farm)
    return {
        "failed": {key for key in keys if status.get(key) is AssetPartitionStatus.FAILED},
        "missing": {key for key in keys if status.get(key) is None},
        "outdated": set(stale(instance, asset, windows, marks, version)),
    }


def _told(lack: Mapping[str, set[str]], farm: Farm) -> str:
    """What is wrong, how much of it, and what to do."""
    counts = {name: len(found) for name, found in lack.items()}
    told = []
    if lack["failed"] or lack["missing"]:
        told.append(say("partitions_complete.fault", farm, days=DAYS, **counts))
    if lack["outdated"]:
        told.append(
            say("partitions_complete.outdated", farm, follow_days=farm.follow_days, **counts)
        )
    return say("sentence_end", farm).join(told)


def _list(found: Sequence[tuple[str, str]], farm: Farm) -> str:
    """Ranges of keys, a line each, and how many more there are."""
    lines = [first if first == last else f"{first} ... {last}" for first, last in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(say("partitions_complete.more", farm, count=len(found) - SHOWN))
    return "\n".join(f"- {line}" for line in lines)
