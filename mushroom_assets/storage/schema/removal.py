"""What retention took away, so that nothing is computed from rows that are not there."""

from sqlalchemy import BigInteger, Text

from mushroom_assets.storage.schema.dictionary import Instant, Role, col, table

removal = table(
    "removal",
    "What retention has removed so far, one row per table",
    "保留期清理至今删除的内容，每张表一行",
    col("table_name", Text, "the table", "表", key=True),
    col(
        "removed_before",
        Instant,
        "rows of before this instant are removed",
        "此时刻之前的行已删除",
    ),
    col("row_count", BigInteger, "rows removed, all together", "累计删除的行数", scale="1"),
    col("byte_count", BigInteger, "bytes that they took", "累计占用的字节数", unit="byte"),
    col("run_id", Text, "the latest Dagster run that removed some", "最近一次清理的 Dagster 运行"),
    col("removed_at", Instant, "when it did", "最近一次清理的时间"),
    role=Role.WORK,
)
