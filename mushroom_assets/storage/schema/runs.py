"""What keeps runs alive: the lease that the process of a run holds."""

from sqlalchemy import BigInteger, Integer, Text, func

from mushroom_assets.storage.schema.dictionary import Instant, Role, col, table

run_lease = table(
    "run_lease",
    "Runs with a living process, which renews its row every few seconds to the end",
    "有存活进程的运行：进程每隔几秒续约一次，直到运行结束",
    col("run_id", Text, "the Dagster run", "Dagster 运行", key=True),
    col("host", Text, "machine of the process", "进程所在的机器"),
    col("pid", Integer, "number of the process there", "进程号", scale="1"),
    col("beat", BigInteger, "how often it was renewed", "续约次数", scale="1"),
    col("taken_at", Instant, "when it was taken", "取得时间", server_default=func.now()),
    col(
        "renewed_at", Instant, "when it was last renewed", "最近续约时间", server_default=func.now()
    ),
    role=Role.WORK,
)
