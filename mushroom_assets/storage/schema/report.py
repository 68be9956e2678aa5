"""`daily_room_report`: a room's day with a verdict."""

from sqlalchemy import CheckConstraint, Date, Text
from sqlalchemy.dialects.postgresql import JSONB

from mushroom_assets.storage.schema.dictionary import Role, col, provenance, settings_version, table

JUDGED = (
    "daily_env_stats.quantity daily_env_stats.coverage daily_env_stats.in_range "
    "daily_env_stats.sample_count daily_env_stats.suspect_count daily_env_stats.growth_day "
    "daily_clip_inference.status daily_clip_inference.condition "
    "farm.yaml:report farm.yaml:stages farm.yaml:quantities"
)
TOLD = (
    "daily_env_stats.mean daily_env_stats.min daily_env_stats.max "
    "hourly_setpoint_changes.changed_at hourly_setpoint_changes.device_alias "
    "hourly_setpoint_changes.point_description hourly_setpoint_changes.previous_value "
    "hourly_setpoint_changes.current_value hourly_setpoint_changes.previous_label "
    "hourly_setpoint_changes.current_label "
    "daily_clip_inference.stage daily_clip_inference.embedding samples earlier "
    "note.text note.author harvest.weight_kg batch.bag_count "
    "farm.yaml:vision farm.yaml:language farm.yaml:timezone "
    "farm.yaml:max_hold_s farm.yaml:points farm.yaml:devices"
)
DAY = "daily_env_stats.stat_date hourly_setpoint_changes.changed_at daily_clip_inference.image_date"

daily_room_report = table(
    "daily_room_report",
    "The room's day with a verdict, one row per room and day",
    "库房的一天及其结论，每个库房、每天一行",
    col(
        "stat_date",
        Date,
        "farm-local day",
        "农场当地日期",
        key=True,
        origin=DAY,
    ),
    col(
        "room_id",
        Text,
        "growing room",
        "库房",
        key=True,
        origin="daily_env_stats.room_id farm.yaml:rooms",
    ),
    col(
        "verdict",
        Text,
        "good, watch, act or insufficient_data",
        "结论：good 良好、watch 留意、act 需处理或 insufficient_data 数据不足",
        origin=JUDGED,
    ),
    col(
        "reasons",
        JSONB(),
        "what led to the verdict, most serious first",
        "得出结论的原因，最严重的在前",
        origin=f"{JUDGED} farm.yaml:language",
    ),
    col(
        "summary_md",
        Text,
        "the room's day in words, Markdown, in the farm's language",
        "库房这一天的文字小结，Markdown 格式，使用农场的语言",
        origin=f"{JUDGED} {TOLD}",
    ),
    settings_version(),
    *provenance(),
    CheckConstraint("verdict IN ('good', 'watch', 'act', 'insufficient_data')", name="verdict"),
    role=Role.RESULT,
    day="stat_date",
)
