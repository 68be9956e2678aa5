"""Everything Dagster loads.

The only module that sees every room; nobody imports it but the command line.
"""

import gc
import warnings
from typing import Any

import dagster as dg

from mushroom_assets.assets.environment import environment_asset
from mushroom_assets.assets.probe import probe_asset
from mushroom_assets.assets.relabel import relabel_job
from mushroom_assets.assets.report import report_asset
from mushroom_assets.assets.setpoints import setpoints_asset
from mushroom_assets.assets.sources import source_assets
from mushroom_assets.assets.vision import vision_asset
from mushroom_assets.automation import schedules, sensors, timetable
from mushroom_assets.checks import asset_checks
from mushroom_assets.checks.standing import standing_checks
from mushroom_assets.domain.farm import Farm
from mushroom_assets.partitions import farm_clock
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets.settings import SettingsError, load_settings

# Beta and preview features that are used on purpose, each pinned with Dagster itself in
# constraints.txt and held by a test: backfill policies, and partitions of asset checks.
for feature in ("Parameter `backfill_policy`", "Specifying a partitions_def on an AssetCheckSpec"):
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
    clock, policy = farm_clock(farm), timetable.policies(farm.timezone)
    jobs = schedules.jobs()
    return dg.Definitions(
        assets=[
            *source_assets(farm),
            environment_asset(clock, farm, **policy["daily_env_stats"]),
            setpoints_asset(clock, farm, **policy["hourly_setpoint_changes"]),
            vision_asset(clock, farm, **policy["daily_clip_inference"]),
            probe_asset(farm, **policy["clip_probe"]),
            report_asset(clock, farm, **policy["daily_room_report"]),
        ],
        asset_checks=[
            *asset_checks(clock, farm, retry_policy=timetable.RETRY),
            *standing_checks(clock, farm, timetable.DUE_AFTER, retry_policy=timetable.RETRY),
        ],
        jobs=[*jobs.values(), relabel_job(clock, retry_policy=timetable.RETRY, pool="clip")],
        schedules=schedules.schedules(clock, jobs, farm.timezone),
        sensors=sensors.sensors(jobs, notify=bool(settings.notify)),
        resources={
            "postgres": PostgresResource(),
            "image_store": ImageStore(),
            "clip": ClipResource(),
            "farm_file": FarmFile(),
        }
        | (resources or {}),
        # One process a run: 3.9 s against 6.4 s with a process a step, and each step would import
        # the package anew.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
# What is imported stays: to look through it for garbage again and again took a sixth of a long run
gc.freeze()
