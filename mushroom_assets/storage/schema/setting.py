"""`setting`: what the farm's people have set beside the farm file, and from which day on.

A trigger keeps the table append-only; `domain.in_force` says what its rows mean.
"""

from sqlalchemy import CheckConstraint, Date, Identity, Integer, Text, func
from sqlalchemy.dialects.postgresql import JSONB

from mushroom_assets.storage.schema.dictionary import Instant, Role, col, opt, table

setting = table(
    "setting",
    "Values of keys of the farm file from a farm day on, append-only; the file itself is version 0",
    "农场文件各键自某日起的取值，只增不改；农场文件本身为版本 0",
    col(
        "version",
        Integer,
        "version of the settings, ascending from 1",
        "设置的版本，自 1 起递增",
        scale="1",
        key=True,
        server_default=Identity(always=True),
    ),
    col(
        "key", Text, "key of the farm file, its parts joined by dots", "农场文件的键，各级以点相连"
    ),
    col(
        "value",
        JSONB(),
        "its value; JSON null leaves the key to the next wider setting or the farm file",
        "取值；JSON null 表示采用范围更大的设置或农场文件",
    ),
    opt("room_id", Text, "the room for which it is meant; null: all", "适用的库房；为空表示全部"),
    opt(
        "in_date",
        Date,
        "in_date of the room's batch for which it is meant; null: all",
        "适用的批次（该库房的入库日期）；为空表示全部",
    ),
    col("valid_from", Date, "first farm day", "生效的第一天（农场当地日期）"),
    opt(
        "undoes",
        Integer,
        "version that is as if it had never been; value is what is in force again",
        "被撤销的版本，视为从未设置；此时取值为恢复后的值",
        scale="1",
    ),
    col("author", Text, "who set it", "设置人"),
    col("reason", Text, "why", "原因"),
    col("set_at", Instant, "when it was set", "设置的时间", server_default=func.now()),
    CheckConstraint("in_date IS NULL OR room_id IS NOT NULL", name="batch_has_room"),
    role=Role.RULES,
    day="valid_from",
)
