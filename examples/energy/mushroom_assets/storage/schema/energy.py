"""`daily_energy`: how long the air coolers are switched on."""

from sqlalchemy import Date, Double, Text

from mushroom_assets.storage.schema.dictionary import Role, col, opt, provenance, table

SAMPLES = "sample.sampled_at sample.value point.device_type point.point_alias"

daily_energy = table(
    "daily_energy",
    "How long a room's air cooler is switched on, one row per room and day",
    "库房空调的开机时长，每个库房、每天一行",
    col(
        "stat_date",
        Date,
        "farm-local day",
        "农场当地日期",
        key=True,
        origin="sample.sampled_at farm.yaml:timezone",
    ),
    col("room_id", Text, "growing room", "库房", key=True, origin="point.room_id farm.yaml:rooms"),
    opt(
        "hours_on",
        Double,
        "time that the cooler is known to be on; null where nothing is known",
        "已知开机的时长；无数据则为空",
        unit="h",
        origin=f"{SAMPLES} farm.yaml:max_hold_s",
    ),
    col(
        "coverage",
        Double,
        "share of the day in which the state is known",
        "全天有数据的时间占比",
        unit="1",
        origin=f"{SAMPLES} farm.yaml:max_hold_s",
    ),
    *provenance(),
    role=Role.RESULT,
)
