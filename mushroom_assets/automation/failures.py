"""A failed run as people see it: what it was to make, why it failed, and whether that is mended.

From Dagster's record alone. Who is told of it, and when, is the business of `notification`.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from dagster import AssetPartitionStatus

from mushroom_assets.automation.timetable import PARTITIONED
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.instance.outstanding import RANGE_END, RANGE_START, keys_of, makes
from mushroom_assets.partitions import farm_clock

ERROR_LENGTH = 300
# How a range's fault begins, before the reason of its first partition (assets.windows)
COUNTS = re.compile(r"^\d+ of \d+ partitions failed[^\n]*\n")


@dataclass(frozen=True)
class Failure:
    """A run that failed.

    Attributes:
        run: as Dagster has it.
        errors: step and error of each that failed; where none did, no step and Dagster's words.
        keys: partitions by asset that it was to make; empty where it has none.
    """

    run: dg.DagsterRun
    errors: Sequence[tuple[str, str]]
    keys: dict[str, frozenset[str]]

    @classmethod
    def read(cls, instance: dg.DagsterInstance, run_id: str, farm: Farm) -> "Failure | None":
        """From Dagster's record; None where the run was deleted since."""
        run = instance.get_run_by_id(run_id)
        if run is None:
            return None
        clock = farm_clock(farm)
        keys = {
            asset: frozenset(keys_of(run, slot.partitions(clock)))
            for asset, slot in PARTITIONED.items()
            if makes(run, dg.AssetKey(asset))
        }
        found = {asset: own for asset, own in keys.items() if own}
        return cls(run, _errors(instance, run_id), found)

    @property
    def reason(self) -> list[tuple[str, str]]:
        """Why, without counts, days and waits, which differ each time."""
        return [
            (step, re.sub(r"[\d\W_]+", " ", COUNTS.sub("", error))) for step, error in self.errors
        ]

    def repeats(self, other: "Failure") -> bool:
        """Whether it is no news after another: the same reason, and no partition besides."""
        if self.reason != other.reason or self.keys.keys() != other.keys.keys():
            return False
        if not self.keys:
            return _subject(self.run) == _subject(other.run)
        return all(own <= other.keys[asset] for asset, own in self.keys.items())

    def what(self, farm: Farm) -> str:
        """Job or assets, and partitions."""
        assets = ", ".join(sorted(key.to_user_string() for key in self.run.asset_selection or ()))
        job = self.run.job_name
        name = assets if assets and job.startswith("__") else job
        parts = (name, _partitions(self.run, farm))
        return say("comma", farm).join(part for part in parts if part)

    def lines(self, farm: Farm) -> list[str]:
        """A line for each error."""
        lines = []
        for step, error in self.errors:
            words = " ".join(error.split())
            short = words if len(words) <= ERROR_LENGTH else f"{words[:ERROR_LENGTH]} ..."
            lines.append(say("step_failed", farm, step=step, error=short) if step else short)
        return lines


def mended(instance: dg.DagsterInstance, failures: Sequence[Failure], farm: Farm) -> list[Failure]:
    """Those whose partitions are all made by now; without partitions, whose job succeeded since."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for failure in failures:
        for asset, keys in failure.keys.items():
            wanted[asset] |= keys
    clock = farm_clock(farm)
    made: dict[str, set[str]] = {}
    for asset, own in wanted.items():
        definition = PARTITIONED[asset].partitions(clock)
        found = instance.get_status_by_partition(dg.AssetKey(asset), sorted(own), definition) or {}
        done = AssetPartitionStatus.MATERIALIZED
        made[asset] = {key for key, status in found.items() if status is done}
    return [each for each in failures if _is_mended(instance, each, made)]


def _is_mended(instance: dg.DagsterInstance, failure: Failure, made: dict[str, set[str]]) -> bool:
    if failure.keys:
        return all(keys <= made[asset] for asset, keys in failure.keys.items())
    record = instance.get_run_record_by_id(failure.run.run_id)
    if record is None:
        return False
    later = dg.RunsFilter(
        job_name=failure.run.job_name,
        statuses=[dg.DagsterRunStatus.SUCCESS],
        created_after=record.create_timestamp,
    )
    subject = _subject(failure.run)
    return any(_subject(run) == subject for run in instance.get_runs(later))


def _subject(run: dg.DagsterRun) -> tuple[object, ...]:
    """What a run is about, where the timetable does not know its partitions."""
    first = run.tags.get(RANGE_START, run.tags.get("dagster/partition"))
    return run.job_name, run.asset_selection, first, run.tags.get(RANGE_END)


def _partitions(run: dg.DagsterRun, farm: Farm) -> str:
    """The partition or the range of partitions of a run; nothing where it has none."""
    if RANGE_START not in run.tags:
        return run.tags.get("dagster/partition", "")
    first = run.tags[RANGE_START]
    last = run.tags[RANGE_END]
    return first if first == last else say("partition_range", farm, first=first, last=last)


def _errors(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str, str]]:
    """Step and error of each that failed.

    Where none failed, because the process died for instance, what Dagster says of the run.
    """
    steps = _events(instance, run_id, dg.DagsterEventType.STEP_FAILURE)
    if steps:
        return [(event.step_key or "", _error(event)) for event in steps]
    ends = _events(instance, run_id, dg.DagsterEventType.RUN_FAILURE)
    return [("", event.message or "") for event in ends[-1:]]


def _events(
    instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType
) -> list[dg.DagsterEvent]:
    records = instance.get_records_for_run(run_id, of_type=kind).records
    return [each.event_log_entry.get_dagster_event() for each in records]


def _error(event: dg.DagsterEvent) -> str:
    """The innermost error of a failed step, or what its Failure says."""
    data = event.step_failure_data
    told = data.user_failure_data.description if data.user_failure_data else None
    error = data.error
    while error and error.cause:
        error = error.cause
    return told or (error.message if error else "")
