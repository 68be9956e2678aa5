"""Runs of `clip_probe`."""

from typing import Any

import dagster as dg

from mushroom_assets.resources import FarmFile, PostgresResource
from mushroom_assets_tests.kit.runs import run_job
from mushroom_assets_tests.kit.small import SmallFarm


def fit(
    small: SmallFarm, *, raise_on_error: bool = True, **doors: Any
) -> dg.ExecuteInProcessResult:
    """Run `clip_probe_job`, as its sensor would."""
    resources = {
        "postgres": PostgresResource(url=small.database.url, connect_attempts=1),
        "farm_file": FarmFile(path=str(small.path)),
    }
    return run_job(
        "clip_probe_job",
        small.farm,
        resources | doors,
        small.instance,
        raise_on_error=raise_on_error,
    )
