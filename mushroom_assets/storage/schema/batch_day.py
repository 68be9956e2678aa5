"""`batch_day`: a room's day in one row, all quantities side by side; a view, not a table.

The farm file decides which quantities there are, so its columns are declared for a farm. What they
select is the business of `storage.batch_day`.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Column, Date, Double, Integer, MetaData, Table, Text

from mushroom_assets.storage.schema.dictionary import SCHEMA, Role, col, growth, opt, table
from mushroom_assets.storage.schema.environment import daily_env_stats

VIEW = "batch_day"
# Of each quantity; what else is known of its day stands in daily_env_stats
FIGURES = ("mean", "min", "max", "in_range", "below", "above", "out_integral", "coverage")
MOST_BYTES = 63  # of a column's name: NAMEDATALEN - 1, the server cuts there
IMAGES = "daily_clip_inference.status daily_clip_inference.computed_at"


def batch_day(units: Mapping[str, str]) -> Table:
    """The view of a farm whose quantities have these units, by name (`Farm.units`).

    A quantity whose columns could not be named, since the name is too long or taken, is left out.
    """
    columns = {column.name: column for column in _of_the_day()}
    for quantity, unit in units.items():
        figures = {name_of(quantity, figure): figure for figure in FIGURES}
        if max(len(name.encode()) for name in figures) > MOST_BYTES or figures.keys() & columns:
            continue
        columns |= {name: _of_a_quantity(name, figures[name], quantity, unit) for name in figures}
    return table(
        VIEW,
        "A room's day in one row: batch, growth day, verdict, and all quantities side by side",
        "库房的一天，一行列出：批次、生长天数、结论，以及各项指标的统计值",
        *columns.values(),
        role=Role.RESULT,
        day="stat_date",
        into=MetaData(schema=SCHEMA),
    )


def name_of(quantity: str, figure: str) -> str:
    """The column of a quantity's figure: `temperature_mean`."""
    return f"{quantity}_{figure}"


def _of_a_quantity(name: str, figure: str, quantity: str, unit: str) -> Column[Any]:
    """As `daily_env_stats` declares the figure, which says the unit of the row, if it has one."""
    declared = daily_env_stats.columns[figure]
    own = declared.info["unit"]
    if own == "unit":
        own = f"{unit} h" if figure == "out_integral" else unit
    meant = declared.info["meaning"]
    origin = f"daily_env_stats.{figure}"
    texts = (f"{quantity}: {meant['en']}", f"{quantity}：{meant['zh']}")
    return opt(name, declared.type, *texts, unit=own, origin=origin)


def _of_the_day() -> list[Column[Any]]:
    growing = daily_env_stats.columns["is_growth_phase"].info["meaning"]
    return [
        col("stat_date", Date, "farm-local day", "农场当地日期", key=True,
            origin="daily_env_stats.stat_date"),
        col("room_id", Text, "growing room", "库房", key=True, origin="daily_env_stats.room_id"),
        *growth("daily_env_stats.batch_date"),
        opt("is_growth_phase", Boolean, *growing.values(),
            origin="daily_env_stats.is_growth_phase"),
        opt("bag_count", Integer, "bags of the batch", "该批次的菌包数", scale="1",
            origin="batch.bag_count"),
        opt("verdict", Text, "verdict of the day's report", "当天报告的结论",
            origin="daily_room_report.verdict"),
        opt("reason", Text, "the most serious reason for it, in words", "得出结论的最主要原因",
            origin="daily_room_report.reasons"),
        col("settings_version", Integer, "newest setting in force that statistics and report "
            "depend on; 0: the farm file alone",
            "统计与报告所依据的生效设置中最新的版本；0 表示只依据农场文件", scale="1",
            origin="daily_env_stats.settings_version daily_room_report.settings_version"),
        col("setpoint_changes", Integer, "changes of watched setpoints on the day",
            "当天纳入监测的设定点的变更次数", scale="1",
            origin="hourly_setpoint_changes.changed_at farm.yaml:timezone"),
        col("notes", Integer, "notes about the day", "当天的记事数", scale="1",
            origin="note.noted_at farm.yaml:timezone"),
        opt("harvest_kg", Double, "weight picked on the day, of whatever batch",
            "当天的采收重量，不论批次",
            unit="kg", origin="harvest.weight_kg"),
        col("image_count", Integer, "images of the day that a model judged, the latest one counts",
            "当天由模型判定的图像数，以最近一次使用的模型为准", scale="1", origin=IMAGES),
        *_label("stage", "阶段"),
        *_label("condition", "状况"),
        opt("wet_hours", Double, "hours of 97 % humidity or more, or within 0.5 K of the dew point",
            "湿度达到 97 % 或气温距露点 0.5 K 以内的小时数", unit="h",
            origin="daily_env_stats.wet_hours"),
    ]  # fmt: skip


def _label(kind: str, chinese: str) -> list[Column[Any]]:
    """The label that most of these images have, and their share."""
    origin = f"{IMAGES} daily_clip_inference.probe_{kind} daily_clip_inference.{kind}"
    return [
        opt(kind, Text, f"{kind} of most of them, by the farm's own probe where it has judged",
            f"其中最多的{chinese}，农场自有探针判定过的以探针为准", origin=origin),
        opt(f"{kind}_share", Double, f"share of them with that {kind}",
            f"该{chinese}所占的图像比例", unit="0..1", origin=origin),
    ]  # fmt: skip
