"""What inference works with: vectors by content, days as vectors, and what no day looks at."""

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Date, Double, Integer, Text, func

from mushroom_assets.storage.schema.dictionary import (
    Instant,
    Role,
    col,
    opt,
    provenance,
    table,
    vectors_in_rows,
)
from mushroom_assets.storage.schema.vision import (
    BRIGHTNESS,
    EMBEDDING,
    HEIGHT,
    PRECISION,
    SHA256,
    SHARPNESS,
    WIDTH,
)

image_embedding = table(
    "image_embedding",
    "What a model made of a file's bytes: computed once, kept while a day is still running, "
    "searched",
    "模型对文件内容的计算结果：只算一次，当天运行期间即保存，可供检索",
    col("content_sha256", Text, *SHA256, key=True),
    col(
        "encoder",
        Text,
        "model and weights: the first two parts of a model_id",
        "模型与权重，即 model_id 的前两段",
        key=True,
    ),
    col("embedding", VECTOR(), *EMBEDDING, scale="1"),
    col("width", Integer, *WIDTH, unit="px"),
    col("height", Integer, *HEIGHT, unit="px"),
    col("sharpness", Double, *SHARPNESS, scale="DN²"),
    col("brightness", Double, *BRIGHTNESS, unit="0..1"),
    col(
        "computed_at",
        Instant,
        "when the vector was computed",
        "向量的计算时间",
        server_default=func.now(),
    ),
    opt("precision", Text, *PRECISION),
    role=Role.WORK,
)

vectors_in_rows(image_embedding)

room_day_embedding = table(
    "room_day_embedding",
    "What a room looked like on a day, to find days like it",
    "库房某一天的样貌，用来查找相似的日子",
    col("image_date", Date, "farm-local day", "农场当地日期", key=True),
    col("room_id", Text, "growing room", "库房", key=True),
    col("encoder", Text, "model and weights", "模型与权重", key=True),
    col(
        "embedding",
        VECTOR(),
        "mean of the day's image vectors, scaled to length 1",
        "当天图像向量的均值，长度归一",
        scale="1",
    ),
    col("image_count", Integer, "images in the mean", "参与平均的图像数", scale="1"),
    opt("growth_day", Integer, "growth day of most of them", "多数图像的生长天数", unit="d"),
    *provenance(),
    role=Role.WORK,
)

image_listing = table(
    "image_listing",
    "Which files a day's rows were made of: a day whose folders hold others is out of date",
    "某一天的结果由哪些文件得出；文件夹内容与此不同的日子需要重新计算",
    col("image_date", Date, "farm-local day", "农场当地日期", key=True),
    col(
        "digest",
        Text,
        "SHA-256 of the listing: paths, sizes and times of change, or ETags",
        "文件清单的 SHA-256：路径、大小与修改时间，或 ETag",
    ),
    col("file_count", Integer, "files in it", "文件数", scale="1"),
    role=Role.WORK,
)

image_quarantine = table(
    "image_quarantine",
    "What lies in the image store where no day will ever look, as of the latest run",
    "图像存储中不属于任何一天的文件与文件夹，以最近一次运行为准",
    col(
        "image_path",
        Text,
        "path in the image store of a file or folder that belongs to no room's day",
        "不属于任何库房任何一天的文件或文件夹在图像存储中的路径",
        key=True,
    ),
    col("reason", Text, "what is wrong with it and what to do", "问题所在与处理办法"),
    *provenance("noticed_at"),
    role=Role.WORK,
)
