"""What the plant delivers: points, samples, batches, and the files of its cameras."""

from sqlalchemy import (
    Date,
    Double,
    Identity,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    func,
)

from mushroom_assets.storage.schema.dictionary import Instant, Role, col, elsewhere, opt, table

point = table(
    "point",
    "Device points and sensors of the plant",
    "工厂的设备点位与传感器",
    col(
        "point_id",
        Integer,
        "identity of the point",
        "点位编号",
        scale="1",
        key=True,
        server_default=Identity(),
    ),
    col("room_id", Text, "growing room", "库房"),
    col("device_type", Text, "kind of device, as in the farm file", "设备类型，与农场文件一致"),
    col("device_name", Text, "what the controller calls the device", "设备在控制器中的名称"),
    col("device_alias", Text, "what people call the device", "设备的常用名称"),
    col("point_name", Text, "what the controller calls the point", "点位在控制器中的名称"),
    col("point_alias", Text, "what people call the point", "点位的常用名称"),
    opt("unit", Text, "unit of the point's values", "点位数值的单位"),
    UniqueConstraint("room_id", "device_alias", "point_alias"),
    role=Role.SOURCE,
)

sample = table(
    "sample",
    "One value of one point at one instant, about once a minute; one partition a month (UTC)",
    "一个点位在一个时刻的数值，约每分钟一次；按月（UTC）分区",
    col(
        "point_id",
        Integer,
        "the point sampled",
        "被采样的点位",
        scale="1",
        key=True,
        autoincrement=False,
    ),
    col("sampled_at", Instant, "source time of the sample", "采样时间，以数据源为准", key=True),
    col(
        "value",
        Double,
        "the value, in the point's unit; NaN and infinities are kept and rejected later",
        "数值，单位见点位；NaN 与无穷大照存，统计时剔除",
        scale="point.unit",
    ),
    col(
        "received_at",
        Instant,
        "when the sample arrived",
        "数据到达的时间",
        server_default=func.now(),
    ),
    postgresql_partition_by="RANGE (sampled_at)",
    role=Role.SOURCE,
    day="sampled_at",
)

batch = table(
    "batch",
    "Growth cycles: a batch is in force from its in_date to the room's next one",
    "栽培批次：自入库日期起，至该库房下一批入库为止",
    col("room_id", Text, "growing room", "库房", key=True),
    col(
        "in_date",
        Date,
        "day on which the bags came in: growth day 1",
        "菌包入库日期，即生长第 1 天",
        key=True,
    ),
    opt("bag_count", Integer, "bags of the batch", "该批次的菌包数", scale="1"),
    role=Role.SOURCE,
    day="in_date",
)

# Not a table, but a file of the image store. It stands here so that rows can say which part of it
# they come from.
room_images = table(
    "room_images",
    "Camera images of the growing rooms, one file each",
    "库房摄像头图像，一张一个文件",
    col(
        "path",
        Text,
        "room, day, camera, in-date and farm-local time of the capture, as folders "
        "and name of the file",
        "库房、日期、摄像头、入库日期与拍摄时间（农场当地时间），见文件夹名与文件名",
        key=True,
    ),
    col("content", LargeBinary, "the file's bytes: JPEG or PNG", "文件内容：JPEG 或 PNG"),
    role=Role.SOURCE,
    into=elsewhere,
)
