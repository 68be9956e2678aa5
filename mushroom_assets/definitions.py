"""Everything Dagster loads: the only module that sees every room.

Nobody imports it but the command line.
"""

import gc
import warnings
from collections.abc import Sequence
from typing import Any

import dagster as dg

from mushroom_assets.assets.environment import environment_asset
from mushroom_assets.assets.probe import probe_asset
from mushroom_assets.assets.relabel import relabel_job
from mushroom_assets.assets.report import report_asset
from mushroom_assets.assets.retention import retention_job
from mushroom_assets.assets.setpoints import setpoints_asset
from mushroom_assets.assets.sources import source_assets
from mushroom_assets.assets.vision import vision_asset
from mushroom_assets.assets.windows import RunPolicy
from mushroom_assets.automation import schedules, sensors, timetable
from mushroom_assets.automation.following import RELABEL_JOB
from mushroom_assets.automation.timetable import TIMETABLE
from mushroom_assets.checks import environment, familiar, morning, report, setpoints, vision
from mushroom_assets.checks.evaluation import table_checks
from mushroom_assets.checks.familiar import familiar_check
from mushroom_assets.checks.feeds import image_check, sample_check
from mushroom_assets.checks.morning import morning_check
from mushroom_assets.checks.standing import standing_check
from mushroom_assets.domain.farm import Farm
from mushroom_assets.instance import run_log
from mushroom_assets.metadata.catalogue import catalogued
from mushroom_assets.partitions import FarmClock, farm_clock
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets.settings import SettingsError, load_settings

Asset = dg.AssetsDefinition | dg.AssetSpec

# Beta and preview features that are used on purpose, each pinned with Dagster itself in
# constraints.txt and held by a test: backfill policies, and partitions of asset checks. Dagster
# itself gives a sensor owners, none, where one of its jobs is no asset job.
FEATURES = (
    "Parameter `backfill_policy`",
    "Specifying a partitions_def on an AssetCheckSpec",
    "Parameter `owners` of initializer `SensorDefinition.__init__`",
)
for feature in FEATURES:
    for category in (dg.BetaWarning, dg.PreviewWarning):
        warnings.filterwarnings("ignore", message=feature, category=category)


def build_definitions(
    farm: Farm | None = None, resources: dict[str, Any] | None = None
) -> dg.Definitions:
    """The farm's assets, checks, jobs, schedules and sensors.

    Args:
        farm: time zone and first day of the partitions; the farm file of the settings unless given.
        resources: stand-ins for `postgres`, `image_store`, `clip`, `farm_file`.
    """
    settings = load_settings()
    if settings.startup_error:
        raise SettingsError(settings.startup_error)
    farm = farm or settings.read_farm()
    clock = farm_clock(farm)
    jobs = schedules.jobs()
    jobs[RELABEL_JOB] = relabel_job(clock, _policy("daily_clip_inference"), farm)
    doors = {
        "postgres": PostgresResource(),
        "image_store": ImageStore(),
        "clip": ClipResource(),
        "farm_file": FarmFile(),
    }
    console = run_log.run_logger(settings.log_format)
    run_log.install(console)
    return dg.Definitions(
        assets=_told([*source_assets(), *_results(clock)], farm),
        asset_checks=_checks(clock, farm),
        jobs=[
            *jobs.values(),
            retention_job(timetable.RETRY, farm),
        ],
        schedules=schedules.schedules(clock, jobs, farm),
        sensors=sensors.sensors(clock, jobs, farm, notify=bool(settings.notify)),
        resources=doors | (resources or {}),
        loggers={"console": console},
        # One process a run: 3.9 s against 6.4 s with a process a step, and each step would import
        # the package anew.
        executor=dg.in_process_executor,
    )


def _told(assets: Sequence[Asset], farm: Farm) -> Sequence[Asset]:
    """The assets with what the timetable and the catalogue say of them, put on all at once."""
    timed = dg.map_asset_specs(lambda spec: timetable.timed(spec, farm), assets)
    return dg.map_asset_specs(lambda spec: catalogued(spec, farm), timed)


def _results(clock: FarmClock) -> list[dg.AssetsDefinition]:
    """The assets that are made here."""
    return [
        environment_asset(clock, _policy("daily_env_stats")),
        setpoints_asset(clock, _policy("hourly_setpoint_changes")),
        vision_asset(clock, _policy("daily_clip_inference")),
        probe_asset(_policy("clip_probe")),
        report_asset(clock, _policy("daily_room_report")),
    ]


def _policy(asset: str) -> RunPolicy:
    """How the timetable has an asset's runs."""
    slot = TIMETABLE[asset]
    return RunPolicy(timetable.RETRY, slot.backfill_policy, slot.pool)


def _checks(clock: FarmClock, farm: Farm) -> list[dg.AssetChecksDefinition]:
    """The checks of every result table's rows, one step a table, and those without a partition."""
    retry = timetable.RETRY
    watched = {one.asset.to_user_string(): one for one in timetable.watched(clock)}
    return [
        table_checks(environment.RULES, clock.daily, farm, retry),
        table_checks(setpoints.RULES, clock.hourly, farm, retry),
        table_checks(vision.RULES, clock.daily, farm, retry),
        table_checks(report.RULES, clock.daily, farm, retry),
        sample_check(farm, retry),
        image_check(farm, retry),
        *(standing_check(one, farm, retry) for one in watched.values()),
        morning_check(watched[morning.ASSET], farm, retry),
        familiar_check(watched[familiar.ASSET], farm, retry),
    ]


defs = build_definitions()
# What is imported stays: to look through it for garbage took a sixth of a long run.
gc.freeze()
