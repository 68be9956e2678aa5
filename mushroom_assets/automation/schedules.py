"""Jobs and schedules: what a tick asks for.

A tick asks for its due partition and for every partition of the lookback that is not materialized,
what failed when its wait is over: Dagster itself catches up no more than the latest missed tick
(https://github.com/dagster-io/dagster/issues/10335). When a tick is due is told by `timetable`,
what is lacking by `demand`; between the ticks `catching_up` asks.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mushroom_assets.automation.demand import Past, wanted
from mushroom_assets.automation.following import out_of_date
from mushroom_assets.automation.timetable import LOOKBACK, PARTITIONED, TIMETABLE
from mushroom_assets.checks import familiar, feeds, morning, standing
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.instance.outstanding import range_tags
from mushroom_assets.partitions import FarmClock
from mushroom_assets.resources import FarmFile

FEEDS_JOB = "feeds_job"
STANDING_JOB = "standing_checks_job"
RETENTION_JOB = "retention_job"
SCHEDULED = {"dagster/priority": "5"}  # scheduled runs go before backfills in the queue
ON = dg.DefaultScheduleStatus.RUNNING  # unless switched off in the UI, which lasts over restarts
Jobs = dict[str, Any]  # Dagster's type of an unresolved job is private


def jobs() -> Jobs:
    """`<asset>_job` by asset, and those of the standing checks and of the feeds."""
    watched = [dg.AssetCheckKey(dg.AssetKey(asset), standing.NAME) for asset in PARTITIONED]
    complete = dg.AssetSelection.checks(*watched)
    # This one is evaluated by the runs of its asset too: Dagster shows no light of before them
    today = [dg.AssetCheckKey(dg.AssetKey(of.ASSET), of.NAME) for of in (morning, familiar)]
    checks = complete | dg.AssetSelection.checks(*today)
    found: Jobs = {}
    for asset in TIMETABLE:
        own = dg.AssetSelection.assets(asset) - complete
        found[asset] = dg.define_asset_job(f"{asset}_job", own, tags=SCHEDULED)
    sources = [dg.AssetCheckKey(dg.AssetKey(asset), feeds.NAME) for asset in feeds.SOURCES]
    alive = dg.AssetSelection.checks(*sources)
    found[FEEDS_JOB] = dg.define_asset_job(FEEDS_JOB, alive, tags=SCHEDULED)
    found[STANDING_JOB] = dg.define_asset_job(STANDING_JOB, checks, tags=SCHEDULED)
    return found


def schedules(clock: FarmClock, jobs: Jobs, farm: Farm) -> list[dg.ScheduleDefinition]:
    """The farm's timetable, in farm time."""
    ticking = {asset: slot.cron for asset, slot in TIMETABLE.items() if slot.cron}
    return [
        *(_catching_up(asset, cron, clock, jobs, farm) for asset, cron in ticking.items()),
        dg.ScheduleDefinition(
            name="standing_checks_schedule",
            job=jobs[STANDING_JOB],
            # After the hour's run: a check says nothing of an earlier materialization.
            cron_schedule="10 * * * *",
            execution_timezone=farm.timezone,
            default_status=ON,
            description=say("standing_schedule", farm, days=standing.DAYS),
        ),
        dg.ScheduleDefinition(
            name="feeds_schedule",
            job=jobs[FEEDS_JOB],
            # A feed that stops is told within 15 + 30 min. A look costs a run, about 30 events.
            cron_schedule="10,40 * * * *",
            execution_timezone=farm.timezone,
            default_status=ON,
            description=say("feeds_schedule", farm),
        ),
        _retention(farm),
    ]


def _retention(farm: Farm) -> dg.ScheduleDefinition:
    @dg.schedule(
        job_name=RETENTION_JOB,
        name="retention_schedule",
        cron_schedule="17 4 * * 0",  # between the night's runs and the growers
        execution_timezone=farm.timezone,
        default_status=ON,
        description=say("retention_schedule", farm),
    )
    def tick(farm_file: FarmFile) -> dg.RunRequest | dg.SkipReason:
        keep = farm_file.read().keep
        if not any(days for _, days in keep):
            return dg.SkipReason(say("all_is_kept", farm))
        return dg.RunRequest(tags=SCHEDULED)

    return tick


def _catching_up(
    asset: str, cron: str, clock: FarmClock, jobs: Jobs, farm: Farm
) -> dg.ScheduleDefinition:
    definition = TIMETABLE[asset].partitions(clock)

    @dg.schedule(
        job=jobs[asset],
        name=f"{asset}_schedule",
        cron_schedule=cron,
        execution_timezone=farm.timezone,
        default_status=ON,
        description=say("catching_up", farm, days=LOOKBACK.days),
    )
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.scheduled_execution_time
        past = Past(context.instance, now)
        anew = out_of_date(past, asset, clock)
        found = wanted(past, dg.AssetKey(asset), definition, now, also=1, anew=anew)
        for first, last in found:
            # The key counts within the tick alone
            yield dg.RunRequest(run_key=f"{first}...{last}", **span(first, last))
        if not found:
            yield dg.SkipReason(say("nothing_due", farm, days=LOOKBACK.days))

    return tick


def span(first: str, last: str) -> dict[str, Any]:
    """What a run request says of a range of partitions."""
    if first == last:
        return {"partition_key": first}
    return {"tags": range_tags(first, last)}
