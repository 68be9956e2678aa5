"""`daily_clip_inference`: what a model makes of the camera images of a day.

What inference keeps beside it is in `vision_work`.
"""

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import CheckConstraint, Date, Double, Index, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from mushroom_assets.domain.vision import CLIMATE_MAX_AGE_S
from mushroom_assets.storage.schema.dictionary import (
    Instant,
    Role,
    col,
    growth,
    opt,
    provenance,
    settings_version,
    table,
    vectors_in_rows,
)

PATH = "room_images.path"
CONTENT = "room_images.content"
CLIMATE = f"sample.value sample.sampled_at {PATH} farm.yaml:quantities farm.yaml:timezone"
ZERO_SHOT = f"{CONTENT} model farm.yaml:vision"
PROBED = f"{CONTENT} model probe"
MINUTES = CLIMATE_MAX_AGE_S // 60  # how old the climate at the capture may be

# Meanings of columns that `vision_work` has too, in both languages
SHA256 = ("SHA-256 of the file's bytes, hexadecimal", "文件内容的 SHA-256，十六进制")
EMBEDDING = ("L2-normalised vector of the image alone", "仅由图像得出的向量，L2 归一化")
PRECISION = (
    "fp32 or bf16: what the vector was computed in; null if not recorded",
    "计算该向量所用的精度：fp32 或 bf16；未记录则为空",
)
WIDTH = ("width of the original image", "原图宽度")
HEIGHT = ("height of the original image", "原图高度")
SHARPNESS = (
    "variance of the Laplacian of the grey image; low is blurred or fogged",
    "灰度图拉普拉斯的方差；偏低说明模糊或起雾",
)
BRIGHTNESS = ("mean grey value", "平均灰度")

daily_clip_inference = table(
    "daily_clip_inference",
    "CLIP inference on the camera images, one row per image and model",
    "摄像头图像的 CLIP 推理，每张图像、每个模型一行",
    col("image_path", Text, "path in the image store", "图像存储中的路径", key=True, origin=PATH),
    col(
        "model_id",
        Text,
        "model, weights and prompt-set version; vectors of two models never mix",
        "模型、权重与提示词版本；不同模型的向量从不混用",
        key=True,
        origin="model farm.yaml:vision",
    ),
    col("room_id", Text, "growing room", "库房", origin=f"{PATH} farm.yaml:rooms"),
    col(
        "image_date",
        Date,
        "day folder of the image, farm-local: the partition that the row belongs to",
        "图像所在的日期文件夹（农场当地日期），即该行所属的分区",
        origin=PATH,
    ),
    opt(
        "camera",
        Text,
        "camera, as in the file name; null if the name cannot be read",
        "摄像头，取自文件名；文件名无法识别时为空",
        origin=PATH,
    ),
    opt(
        "captured_at",
        Instant,
        "time of capture, from the file name; null if the name cannot be read",
        "拍摄时间，取自文件名；文件名无法识别时为空",
        origin=f"{PATH} farm.yaml:timezone",
    ),
    *growth(f"batch.in_date batch.room_id {PATH}"),
    col(
        "status",
        Text,
        "ok, unreadable (no picture could be decoded) or rejected (refused before decoding)",
        "状态：ok 正常、unreadable 无法解码或 rejected 解码前已拒绝",
        origin=f"{PATH} {CONTENT}",
    ),
    opt("error", Text, "why the image is not ok", "图像不可用的原因", origin=f"{PATH} {CONTENT}"),
    opt("width", Integer, *WIDTH, unit="px", origin=CONTENT),
    opt("height", Integer, *HEIGHT, unit="px", origin=CONTENT),
    opt("content_sha256", Text, *SHA256, origin=CONTENT),
    opt("embedding", VECTOR(), *EMBEDDING, scale="1", origin=f"{CONTENT} model"),
    opt(
        "stage",
        Text,
        "zero-shot growth stage; unknown below the set margin or familiarity",
        "零样本判定的生长阶段；领先幅度或熟悉度不足时为 unknown",
        origin=ZERO_SHOT,
    ),
    opt(
        "stage_probability",
        Double,
        "probability of the likeliest stage",
        "最可能阶段的概率",
        unit="0..1",
        origin=ZERO_SHOT,
    ),
    opt(
        "stage_margin",
        Double,
        "its lead over the second",
        "比第二名领先的幅度",
        unit="0..1",
        origin=ZERO_SHOT,
    ),
    opt(
        "condition",
        Text,
        "zero-shot condition; unknown below the set margin or familiarity",
        "零样本判定的状况；领先幅度或熟悉度不足时为 unknown",
        origin=ZERO_SHOT,
    ),
    opt(
        "condition_probability",
        Double,
        "probability of the likeliest condition",
        "最可能状况的概率",
        unit="0..1",
        origin=ZERO_SHOT,
    ),
    opt(
        "scores",
        JSONB(none_as_null=True),
        "probability of every label",
        "每个标签的概率",
        origin=ZERO_SHOT,
    ),
    opt("sharpness", Double, *SHARPNESS, scale="DN²", origin=CONTENT),
    opt("brightness", Double, *BRIGHTNESS, unit="0..1", origin=CONTENT),
    opt(
        "temperature_c",
        Double,
        f"temperature at the capture, null if older than {MINUTES} min",
        f"拍摄时的温度，超过 {MINUTES} 分钟则为空",
        unit="°C",
        origin=CLIMATE,
    ),
    opt(
        "humidity_pct",
        Double,
        f"relative humidity at the capture, null if older than {MINUTES} min",
        f"拍摄时的相对湿度，超过 {MINUTES} 分钟则为空",
        unit="%",
        origin=CLIMATE,
    ),
    opt(
        "co2_ppm",
        Double,
        f"CO2 at the capture, null if older than {MINUTES} min",
        f"拍摄时的 CO2，超过 {MINUTES} 分钟则为空",
        unit="ppm",
        origin=CLIMATE,
    ),
    settings_version(),
    *provenance(),
    opt(
        "probe_stage",
        Text,
        "stage by the farm's own probe, unknown where it is excluded; null without one",
        "农场自有探针判定的阶段，已被排除时为 unknown；没有探针时为空",
        origin=PROBED,
    ),
    opt(
        "probe_stage_probability",
        Double,
        "the probe's probability of the likeliest stage",
        "探针给出的最可能阶段的概率",
        unit="0..1",
        origin=PROBED,
    ),
    opt(
        "probe_condition",
        Text,
        "condition by the farm's own probe, unknown where it is excluded; null without one",
        "农场自有探针判定的状况，已被排除时为 unknown；没有探针时为空",
        origin=PROBED,
    ),
    opt(
        "probe_condition_probability",
        Double,
        "the probe's probability of the likeliest condition",
        "探针给出的最可能状况的概率",
        unit="0..1",
        origin=PROBED,
    ),
    opt(
        "probe_id",
        Text,
        "the fits these came from, stage and condition, as clip_probe names them",
        "所用探针的编号（阶段与状况），与 clip_probe 一致",
        origin="probe",
    ),
    opt(
        "familiarity",
        Double,
        "share of like pictures the model learned that are as odd; null: weights do not say",
        "模型学过的同类图像中，至少同样少见者所占的份额；权重未说明所学内容时为空",
        unit="0..1",
        origin=f"{CONTENT} model",
    ),
    opt("precision", Text, *PRECISION, origin="model"),
    opt(
        "probe_stages",
        ARRAY(Text),
        "stages not excluded, 10 % error a class; empty: unlike all labelled; null: not calibrated",
        "探针无法排除的阶段，每类误差 10 %；空集表示与所有已标注图像都不像；校准之前为空",
        origin=PROBED,
    ),
    opt(
        "probe_conditions",
        ARRAY(Text),
        "conditions that the probe cannot exclude, as probe_stages; null until it is calibrated",
        "探针无法排除的状况，同 probe_stages；校准之前为空",
        origin=PROBED,
    ),
    CheckConstraint("status IN ('ok', 'unreadable', 'rejected')", name="status"),
    CheckConstraint("(status = 'ok') = (embedding IS NOT NULL)", name="embedding"),
    Index(None, "image_date"),
    Index(None, "room_id", "captured_at"),
    Index(None, "content_sha256"),
    role=Role.RESULT,
    day="image_date",
)

vectors_in_rows(daily_clip_inference)
