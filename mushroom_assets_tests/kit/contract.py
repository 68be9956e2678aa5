"""Names that outside tools rely on, written down once for all tests: assets, checks, schedules.

A new noun has an entry here, by hand: these names are a promise and follow from no code.
"""

ASSETS = {
    "daily_env_stats": {"sample", "batch"},
    "hourly_setpoint_changes": {"sample", "point", "batch"},
    "daily_clip_inference": {"room_images", "sample", "batch"},
    "daily_room_report": {
        *("daily_env_stats", "hourly_setpoint_changes", "daily_clip_inference"),
        *("note", "harvest", "batch"),
    },
}
CHECKS = {
    "daily_env_stats": {
        "rows_complete",
        "quantiles_in_order",
        "values_plausible",
        "days_covered",
        "climate_in_band",
        "samples_trusted",
        "sensors_move",
    },
    "hourly_setpoint_changes": {
        "steps_consistent",
        "values_chain",
        "points_known",
        "moves_recorded",
    },
    "daily_clip_inference": {
        "images_readable",
        "labels_complete",
        "cameras_deliver",
        "confidence_steady",
        "lenses_clear",
        "cameras_live",
        "rooms_agree",
    },
    "daily_room_report": {"rows_complete", "days_judged"},
}
# Without partitions, and no report waits for it
BESIDE = {"clip_probe": {"image_label", "daily_clip_inference"}}
EXTERNAL = {"sample", "point", "batch", "room_images", "note", "harvest"}
LABELS = "image_label"  # external too, but of the probe alone
# Of no partition
WATCH = {
    "standing_checks_schedule": "10 * * * *",
    "feeds_schedule": "10,40 * * * *",
    "retention_schedule": "17 4 * * 0",
}
# Of no partition, on sources
FEEDS = {("sample", "feed_alive"), ("room_images", "feed_alive")}
SCHEDULES = {
    "daily_env_stats_schedule": "3 1 * * *",
    "hourly_setpoint_changes_schedule": "5 * * * *",
    "daily_clip_inference_schedule": "2 3 * * *",
}
TABLES = {*ASSETS, *BESIDE, *EXTERNAL, LABELS} - {"room_images"}
# Of inference, of runs, of retention, and what people set and are told
WORK_TABLES = {
    *("image_embedding", "room_day_embedding", "image_listing", "image_quarantine"),
    *("input_change", "outdated", "run_lease", "removal", "setting", "alarm", "message"),
}
