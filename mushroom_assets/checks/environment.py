"""Rules of `daily_env_stats`."""

from typing import Any

import sqlalchemy as sa

from mushroom_assets.checks.rule import ERROR, WARN, Rule, of_days, rows_missing
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.windows import Window
from mushroom_assets.storage.schema import daily_env_stats as table

MOVES_FROM = 60  # samples of a day, an hour's worth, from which one value all day is no chance
row = table.c
KEY = (row.stat_date, row.room_id, row.quantity)


def _rows_missing(window: Window, farm: Farm) -> sa.Select[Any]:
    return rows_missing(table, row.stat_date, window, room_id=farm.rooms, quantity=farm.units())


def _quantiles_out_of_order(window: Window, farm: Farm) -> sa.Select[Any]:
    ordered = sa.and_(
        row.min <= row.q25, row.q25 <= row.median, row.median <= row.q75, row.q75 <= row.max
    )
    broken = ordered.is_not(sa.true())  # a missing number is out of order too
    return sa.select(*KEY).where(of_days(row.stat_date, window), row.sample_count > 0, broken)


def _values_implausible(window: Window, farm: Farm) -> sa.Select[Any]:
    limits = [
        sa.and_(
            row.quantity == name,
            sa.or_(row.min < low, row.max > high, row.mean < low, row.mean > high),
        )
        for name, (low, high) in (
            (name, quantity.plausible) for name, quantity in farm.quantities.items()
        )
    ]
    return sa.select(*KEY, row.min, row.mean, row.max).where(
        of_days(row.stat_date, window), sa.or_(sa.false(), *limits)
    )


def _days_uncovered(window: Window, farm: Farm) -> sa.Select[Any]:
    little = row.coverage < farm.report.min_coverage
    return (
        sa.select(*KEY, row.coverage.label("share"))
        .where(of_days(row.stat_date, window), little)
        .order_by("share")
    )


def _climates_out_of_band(window: Window, farm: Farm) -> sa.Select[Any]:
    little = row.in_range < farm.report.act_below
    return (
        sa.select(*KEY, row.in_range.label("share"))
        .where(of_days(row.stat_date, window), little)
        .order_by("share")
    )


def _samples_doubtful(window: Window, farm: Farm) -> sa.Select[Any]:
    delivered = row.sample_count + row.rejected_count
    share = (row.suspect_count + row.rejected_count) / sa.cast(
        sa.func.nullif(delivered, 0), sa.Double
    )
    many = share > farm.report.watch_suspect_share
    return (
        sa.select(*KEY, share.label("share"))
        .where(of_days(row.stat_date, window), many)
        .order_by(share.desc())
    )


def _sensors_still(window: Window, farm: Farm) -> sa.Select[Any]:
    still = sa.and_(
        row.min == row.max, row.sample_count >= MOVES_FROM, row.quantity.in_(farm.quantities)
    )
    return sa.select(*KEY, row.min.label("value")).where(of_days(row.stat_date, window), still)


RULES = (
    Rule(
        "rows_complete",
        table,
        ERROR,
        holds={
            "en": "one row for every room and quantity of the farm, also without data; the primary key keeps it unique",
            "zh": "农场的每个库房、每项指标各有一行，没有数据也有；唯一性由主键保证",
        },
        fault={"en": "rows missing", "zh": "行缺失"},
        remedy={
            "en": "materialize the day again: the farm file has got rooms or quantities since, or rows were deleted",
            "zh": "重新物化当天：此后农场文件增加了库房或指标，或有行被删除",
        },
        offenders=_rows_missing,
    ),
    Rule(
        "quantiles_in_order",
        table,
        ERROR,
        holds={
            "en": "min <= q25 <= median <= q75 <= max",
            "zh": "min <= q25 <= median <= q75 <= max",
        },
        fault={"en": "rows out of order", "zh": "行次序颠倒"},
        remedy={
            "en": "a fault of this software: report these rows",
            "zh": "这是软件缺陷：请反馈这些行",
        },
        offenders=_quantiles_out_of_order,
    ),
    Rule(
        "values_plausible",
        table,
        ERROR,
        holds={
            "en": "min, mean and max lie inside the quantity's plausible range of the farm file",
            "zh": "最小值、均值、最大值都在农场文件规定的合理范围（plausible）内",
        },
        fault={"en": "rows outside the plausible range", "zh": "行超出合理范围"},
        remedy={
            "en": "if the farm file's range is right, materialize the day again: samples outside are then left out",
            "zh": "若农场文件中的范围无误，请重新物化当天，超出范围的采样会被剔除",
        },
        offenders=_values_implausible,
    ),
    Rule(
        "days_covered",
        table,
        WARN,
        holds={
            "en": "every quantity is known for at least report.min_coverage of the day",
            "zh": "每项指标全天有数据的时间不少于 report.min_coverage",
        },
        fault={"en": "room-days with too little data", "zh": "项库房日指标数据太少"},
        remedy={
            "en": "check sensor and collector; load what arrived late and materialize the day again",
            "zh": "检查传感器和采集器；补录迟到的数据后重新物化当天",
        },
        offenders=_days_uncovered,
    ),
    Rule(
        "climate_in_band",
        table,
        WARN,
        holds={
            "en": "a quantity is inside its target band for at least report.act_below of the known time",
            "zh": "各指标处于目标区间的时间不少于 report.act_below",
        },
        fault={
            "en": "room-days mostly outside the target band",
            "zh": "项库房日指标大部分时间偏离目标区间",
        },
        remedy={
            "en": "look at the room: cooler, humidifier, fresh air, and the day's setpoint changes",
            "zh": "到库房查看：制冷、加湿、新风，以及当天的设定变更",
        },
        offenders=_climates_out_of_band,
    ),
    Rule(
        "samples_trusted",
        table,
        WARN,
        holds={
            "en": "at most report.watch_suspect_share of the samples are rejected, or look like spikes or a stuck "
            "sensor",
            "zh": "被剔除或疑似尖峰、卡死的采样不超过 report.watch_suspect_share",
        },
        fault={
            "en": "room-days with too many doubtful samples",
            "zh": "项库房日指标的可疑采样过多",
        },
        remedy={
            "en": "check the sensor and its cable, clean or calibrate it; the day's numbers may mislead",
            "zh": "检查传感器及接线，清洁或校准；当天的统计值可能失真",
        },
        offenders=_samples_doubtful,
    ),
    Rule(
        "sensors_move",
        table,
        WARN,
        holds={
            "en": f"a measured quantity changes in the course of a day with {MOVES_FROM} samples or more",
            "zh": f"当天采样达到 {MOVES_FROM} 次的实测指标，数值应有变化",
        },
        fault={"en": "sensors with one value all day", "zh": "个传感器全天只有一个读数"},
        remedy={
            "en": "the sensor or its gateway is stuck: restart it, compare with a hand-held instrument, replace it",
            "zh": "传感器或网关卡死：重启，用手持仪表比对，必要时更换",
        },
        offenders=_sensors_still,
    ),
)
