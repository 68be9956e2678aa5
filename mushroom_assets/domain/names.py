"""What the assets are called: the names of their tables, their keys in Dagster.

Which rows they have is said by the modules named like their nouns.
"""

ENVIRONMENT = "daily_env_stats"
SETPOINTS = "hourly_setpoint_changes"
VISION = "daily_clip_inference"
REPORT = "daily_room_report"
PROBE = "clip_probe"
