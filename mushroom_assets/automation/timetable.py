"""When each asset is due and in what portions it is made: one entry an asset.

Policies, jobs, schedules, freshness, the standing checks and the order of the first filling follow
from it. What a tick asks for is the business of `schedules`; nothing here asks or runs.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

import dagster as dg

from mushroom_assets.checks.standing import Watched
from mushroom_assets.domain import environment, probe, report, setpoints, vision
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.versions import Noun, code_version
from mushroom_assets.partitions import FarmClock
from mushroom_assets.storage.schema import SOURCES

Cadence = Literal["daily", "hourly"]
HOUR = dt.timedelta(hours=1)
LOOKBACK = dt.timedelta(days=7)  # how far back a tick catches up

# Waits of 10, 30 and 70 s, give or take: EXPONENTIAL is (2**n - 1) * delay. Only transient faults
# get here, permanent ones fail at once (assets.windows).
RETRY = dg.RetryPolicy(
    max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


@dataclass(frozen=True)
class Slot:
    """An asset's place in the timetable.

    Attributes:
        noun: the module of the domain that its rows come from; it knows their version.
        cadence: its partitions; None for an asset without.
        cron: when its schedule ticks, in farm time; None for an asset that follows its inputs.
        due_after: how long after its window has closed a partition should be there, retries
            included.
        partitions_a_run: of a backfill; None for a whole range in one run.
        filled_a_run: partitions a run of the first filling, whose progress bar moves run by run;
            each run has a fixed cost of 0.2 s. None for all in one run.
        pool: what one run at a time may hold.
    """

    noun: Noun
    cadence: Cadence | None = None
    cron: str | None = None
    due_after: dt.timedelta = dt.timedelta()
    partitions_a_run: int | None = None
    filled_a_run: int | None = None
    pool: str | None = None

    def __post_init__(self) -> None:
        """Refuse what nothing would read.

        Raises:
            ValueError: portions or a due time of an asset without partitions; a day that is due at
                no full hour.
        """
        portioned = self.cron or self.due_after or self.partitions_a_run or self.filled_a_run
        if self.cadence is None and portioned:
            raise ValueError("an asset without partitions has no cron, portions or due time")
        if self.cadence == "daily" and (not self.due_after or self.due_after % HOUR):
            raise ValueError(f"a day is due after full hours, at least one, not {self.due_after}")

    def partitions(self, clock: FarmClock) -> dg.TimeWindowPartitionsDefinition:
        """Its partitions on a farm's clock."""
        if self.cadence is None:
            raise TypeError("the asset has no partitions")
        return clock.hourly if self.cadence == "hourly" else clock.daily

    @property
    def backfill_policy(self) -> dg.BackfillPolicy:
        """How a range is divided into runs."""
        if self.partitions_a_run is None:
            return dg.BackfillPolicy.single_run()
        return dg.BackfillPolicy.multi_run(self.partitions_a_run)

    @property
    def follows_inputs(self) -> bool:
        """Whether a partition is made when its inputs are there, not at an hour of its own."""
        return self.cadence is not None and self.cron is None

    @property
    def automation_condition(self) -> dg.AutomationCondition[Any] | None:
        """When every input of a day is there for the first time; then `following` has it.

        It holds for the days of the lookback. `eager()` looks at the newest day only: a day that
        was caught up later would never get its report. A source is no such input: no run makes it,
        so that to Dagster it is missing for ever.
        """
        if not self.follows_inputs:
            return None
        window = dg.AutomationCondition.in_latest_time_window(lookback_delta=LOOKBACK)
        eager = dg.AutomationCondition.eager().ignore(dg.AssetSelection.assets(*SOURCES))
        eager_for_days = eager.replace("in_latest_time_window", window)
        return eager_for_days & dg.AutomationCondition.missing()

    def freshness_policy(self, timezone: str) -> dg.FreshnessPolicy | None:
        """A day is there by its hour of the next morning, an hour within the next hour."""
        if self.cadence is None:
            return None
        if self.cadence == "hourly":
            return dg.FreshnessPolicy.time_window(fail_window=HOUR + self.due_after)
        by = f"0 {self.due_after // HOUR} * * *"
        return dg.FreshnessPolicy.cron(by, lower_bound_delta=self.due_after, timezone=timezone)


# In the order of the lineage: the first filling goes through it from top to bottom. Environment,
# setpoints and report take a whole range in one run; what is finished stays so if the rest fails
# (assets.windows). CLIP takes a week a run: it holds its pool no longer than that, and other runs
# get their turn.
TIMETABLE = {
    "daily_env_stats": Slot(environment, "daily", cron="3 1 * * *", due_after=2 * HOUR),
    "hourly_setpoint_changes": Slot(
        setpoints, "hourly", cron="5 * * * *", due_after=HOUR, filled_a_run=7 * 24
    ),
    "daily_clip_inference": Slot(
        vision,
        "daily",
        cron="2 3 * * *",
        due_after=5 * HOUR,
        partitions_a_run=7,
        filled_a_run=1,
        pool="clip",
    ),
    "clip_probe": Slot(probe),  # after new labels: `sensors` watches them
    "daily_room_report": Slot(report, "daily", due_after=6 * HOUR),
}
PARTITIONED = {asset: slot for asset, slot in TIMETABLE.items() if slot.cadence is not None}


def watched(clock: FarmClock) -> list[Watched]:
    """What the standing checks look at."""
    return [
        Watched(dg.AssetKey(asset), slot.partitions(clock), slot.due_after, slot.noun)
        for asset, slot in PARTITIONED.items()
    ]


def timed(spec: dg.AssetSpec, farm: Farm) -> dg.AssetSpec:
    """A spec with what follows from its place in the timetable; sources have none and stay."""
    slot = TIMETABLE.get(spec.key.to_user_string())
    if slot is None:
        return spec
    return spec.replace_attributes(
        code_version=code_version(slot.noun, farm),
        freshness_policy=slot.freshness_policy(farm.timezone),
        automation_condition=slot.automation_condition,
    )
