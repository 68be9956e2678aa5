"""How results follow their inputs: what came, changed or went, and what is out of date by it.

Triggers write the first, the runs take away the second: see `storage.inputs` and
`storage.outdated`.
"""

from sqlalchemy import BigInteger, Date, Identity, Index, Integer, Text, func

from mushroom_assets.storage.schema.dictionary import Instant, Role, col, opt, table

input_change = table(
    "input_change",
    "What came, changed or went in a source table, written by triggers, not looked at yet",
    "源表中新增、变更或删除而尚未处理的内容，由触发器写入",
    col(
        "change_id",
        BigInteger,
        "identity of the change",
        "变更编号",
        scale="1",
        key=True,
        server_default=Identity(),
    ),
    col("source", Text, "the table", "表"),
    opt(
        "point_id",
        Integer,
        "the point; without one all samples are meant",
        "点位；为空表示全部样本",
        scale="1",
    ),
    opt(
        "first_at",
        Instant,
        "the hour's first sample that changed, or the instant of the note",
        "该小时内第一个变更的样本，或记事的时间",
    ),
    opt(
        "last_at",
        Instant,
        "the hour's last sample that changed, or the instant of the note",
        "该小时内最后一个变更的样本，或记事的时间",
    ),
    opt(
        "room_id",
        Text,
        "room of the point, the batch or the note",
        "点位、批次或记事所在的库房",
    ),
    opt("device_type", Text, "the point's kind of device", "点位的设备类型"),
    opt("point_alias", Text, "the point's alias", "点位的常用名称"),
    opt("in_date", Date, "the batch", "批次的入库日期"),
    opt("version", Integer, "the setting", "设置的版本", scale="1"),
    opt("picked_on", Date, "day of the picking", "采收日期"),
    role=Role.WORK,
)

outdated = table(
    "outdated",
    "Partitions whose inputs changed; the run that computes one takes its rows away",
    "输入有变化的分区；计算该分区的运行会删除对应的行",
    col(
        "mark_id",
        BigInteger,
        "identity of the mark",
        "标记编号",
        scale="1",
        key=True,
        server_default=Identity(),
    ),
    col("asset", Text, "the result table", "结果表"),
    col("at", Instant, "an instant within the partition", "分区内的某一时刻"),
    col("source", Text, "which input changed", "发生变化的输入"),
    col(
        "marked_at",
        Instant,
        "when it was marked",
        "标记的时间",
        server_default=func.now(),
    ),
    Index(None, "asset", "at"),
    role=Role.WORK,
)
