"""`hourly_setpoint_changes`: which setpoints were moved, when, from what to what."""

from sqlalchemy import CheckConstraint, Double, Index, Integer, Text, UniqueConstraint, Uuid

from mushroom_assets.storage.schema.dictionary import (
    Instant,
    Role,
    col,
    growth,
    opt,
    provenance,
    settings_version,
    table,
)

MOVED = "sample.value sample.sampled_at farm.yaml:points"
LABEL = "sample.value farm.yaml:points farm.yaml:language"

hourly_setpoint_changes = table(
    "hourly_setpoint_changes",
    "Changes of the watched setpoints, one row per change",
    "纳入监测的设定点的变更，每次变更一行",
    col(
        "change_id",
        Uuid,
        "version 5 UUID of point and time: the same change has the same id everywhere",
        "由点位与时间生成的第 5 版 UUID：同一次变更在任何数据库中编号相同",
        origin="point.room_id point.device_alias point.point_alias sample.sampled_at",
    ),
    col(
        "point_id",
        Integer,
        "the watched point",
        "纳入监测的点位",
        scale="1",
        key=True,
        autoincrement=False,
        origin="sample.point_id point.point_id farm.yaml:points",
    ),
    col(
        "changed_at",
        Instant,
        "first sample with the new value",
        "新值首次出现的采样时间",
        key=True,
        origin=MOVED,
    ),
    col(
        "previous_at",
        Instant,
        "last sample with the old value; the change lies between the two",
        "旧值最后一次出现的采样时间；变更发生在两者之间",
        origin=MOVED,
    ),
    col("room_id", Text, "growing room", "库房", origin="point.room_id farm.yaml:rooms"),
    col("device_type", Text, "kind of device", "设备类型", origin="point.device_type"),
    col("device_alias", Text, "the device", "设备", origin="point.device_alias"),
    col("point_alias", Text, "the setpoint", "设定点", origin="point.point_alias"),
    opt(
        "point_description",
        Text,
        "the setpoint in words",
        "设定点的文字说明",
        origin="point.point_alias farm.yaml:points farm.yaml:language",
    ),
    col(
        "change_type",
        Text,
        "digital_on_off, enum_state or analog_value",
        "变更类型：digital_on_off 开关、enum_state 枚举或 analog_value 模拟量",
        origin="point.point_alias farm.yaml:points",
    ),
    col(
        "previous_value",
        Double,
        "value before, in the point's unit",
        "变更前的值，单位见点位",
        scale="point.unit",
        origin=MOVED,
    ),
    col(
        "current_value",
        Double,
        "value after, in the point's unit",
        "变更后的值，单位见点位",
        scale="point.unit",
        origin=MOVED,
    ),
    opt(
        "previous_label",
        Text,
        "name of the value before, for on/off and enumerations",
        "变更前的值的名称，仅开关与枚举",
        origin=LABEL,
    ),
    opt(
        "current_label",
        Text,
        "name of the value after, for on/off and enumerations",
        "变更后的值的名称，仅开关与枚举",
        origin=LABEL,
    ),
    col(
        "delta",
        Double,
        "value after minus value before, in the point's unit",
        "变更后的值减变更前的值，单位见点位",
        scale="point.unit",
        origin=MOVED,
    ),
    *growth("batch.in_date batch.room_id sample.sampled_at farm.yaml:timezone"),
    settings_version(),
    *provenance("detected_at"),
    UniqueConstraint("change_id"),
    CheckConstraint(
        "change_type IN ('digital_on_off', 'enum_state', 'analog_value')", name="change_type"
    ),
    CheckConstraint("previous_at < changed_at", name="order"),
    Index(None, "changed_at"),
    Index(None, "room_id", "changed_at"),
    role=Role.RESULT,
    day="changed_at",
)
