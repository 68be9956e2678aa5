"""The code location of `bench_dagster.py tick`: the farm, its hourly asset once a minute."""

from mushroom_assets.automation import schedules
from mushroom_assets.definitions import build_definitions
from mushroom_assets.partitions import farm_clock
from mushroom_assets.settings import load_settings

farm = load_settings().read_farm()
timetable = schedules.schedules
schedules.schedules = lambda clock, jobs, timezone: [  # type: ignore[assignment]
    schedules._catching_up(
        "hourly_setpoint_changes", "* * * * *", farm_clock(farm).hourly, jobs, timezone
    )
]
defs = build_definitions(farm)
