"""The code location of `bench_dagster.py tick`: the farm, its hourly asset once a minute."""

from mushroom_assets.automation import schedules
from mushroom_assets.definitions import build_definitions
from mushroom_assets.settings import load_settings

schedules.schedules = lambda clock, jobs, farm: [  # type: ignore[assignment]
    schedules._catching_up("hourly_setpoint_changes", "* * * * *", clock, jobs, farm)
]
defs = build_definitions(load_settings().read_farm())
