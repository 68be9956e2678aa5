"""`daily_env_stats`: what is known of a room's climate on a day."""

from sqlalchemy import Boolean, CheckConstraint, Date, Double, Index, Integer, Text

from mushroom_assets.storage.schema.dictionary import Role, col, growth, opt, provenance, table

SAMPLES = "sample.value sample.sampled_at farm.yaml:quantities farm.yaml:pair_within_s"
HELD = f"{SAMPLES} farm.yaml:max_hold_s"
CYCLE = "batch.in_date batch.room_id"

daily_env_stats = table(
    "daily_env_stats",
    "Daily environment statistics, one row per room, day and quantity",
    "每日环境统计，每个库房、每天、每项指标一行",
    col(
        "stat_date",
        Date,
        "farm-local day, half-open [00:00, 24:00)",
        "农场当地日期，左闭右开 [00:00, 24:00)",
        key=True,
        origin="sample.sampled_at farm.yaml:timezone",
    ),
    col(
        "room_id", Text, "growing room", "库房", key=True, origin="sample.point_id farm.yaml:rooms"
    ),
    col(
        "quantity",
        Text,
        "temperature, humidity, co2, and per sample derived vpd, dew_point",
        "指标：temperature 温度、humidity 湿度、co2，以及逐样本推算的 vpd 水汽压差、dew_point 露点",
        key=True,
        origin="sample.point_id farm.yaml:quantities",
    ),
    col(
        "unit",
        Text,
        "unit of the statistics in this row",
        "本行统计值的单位",
        origin="farm.yaml:quantities",
    ),
    col(
        "sample_count",
        Integer,
        "accepted samples of the day",
        "当天有效采样数",
        scale="1",
        origin=SAMPLES,
    ),
    col(
        "rejected_count",
        Integer,
        "samples outside the plausible range, NaN or infinite; in no statistic",
        "超出合理范围、NaN 或无穷大的采样数，不参与任何统计",
        scale="1",
        origin=SAMPLES,
    ),
    col(
        "suspect_count",
        Integer,
        "accepted samples that look like a spike or a stuck sensor; still in the statistics",
        "有效采样中疑似尖峰或传感器卡死的数量，仍参与统计",
        scale="1",
        origin=HELD,
    ),
    opt(
        "mean",
        Double,
        "time-weighted mean: each value holds until the next, at most max_hold_s",
        "时间加权平均值：每个值保持到下一次采样，最长 max_hold_s",
        scale="unit",
        origin=HELD,
    ),
    opt(
        "min", Double, "smallest accepted sample", "有效采样的最小值", scale="unit", origin=SAMPLES
    ),
    opt(
        "q25",
        Double,
        "lower quartile of the accepted samples, linear interpolation",
        "有效采样的下四分位数，线性插值",
        scale="unit",
        origin=SAMPLES,
    ),
    opt(
        "median",
        Double,
        "median of the accepted samples",
        "有效采样的中位数",
        scale="unit",
        origin=SAMPLES,
    ),
    opt(
        "q75",
        Double,
        "upper quartile of the accepted samples, linear interpolation",
        "有效采样的上四分位数，线性插值",
        scale="unit",
        origin=SAMPLES,
    ),
    opt("max", Double, "largest accepted sample", "有效采样的最大值", scale="unit", origin=SAMPLES),
    col(
        "coverage",
        Double,
        "share of the day in which a value is known",
        "当天有已知值的时间占比",
        unit="0..1",
        origin=HELD,
    ),
    col(
        "longest_gap_s",
        Double,
        "longest stretch of the day without a known value",
        "当天最长一段无已知值的时间",
        unit="s",
        origin=HELD,
    ),
    opt(
        "in_range",
        Double,
        "share of the known time inside the target band of the growth day",
        "已知时间中处于当日生长阶段目标区间内的占比",
        unit="0..1",
        origin=f"{HELD} {CYCLE} farm.yaml:stages",
    ),
    *growth(CYCLE),
    opt(
        "is_growth_phase",
        Boolean,
        "growth day within 1..cycle_days",
        "生长天数是否在 1..cycle_days 之内",
        origin=f"{CYCLE} farm.yaml:cycle_days",
    ),
    *provenance(),
    CheckConstraint("coverage BETWEEN 0 AND 1", name="coverage"),
    CheckConstraint("in_range BETWEEN 0 AND 1", name="in_range"),
    Index(None, "room_id", "stat_date"),
    role=Role.RESULT,
)
