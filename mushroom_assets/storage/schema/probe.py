"""Labels by people, and the farm's own probe that is fitted on them."""

from sqlalchemy import CheckConstraint, Double, Integer, LargeBinary, Text, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from mushroom_assets.storage.schema.dictionary import Instant, Role, col, opt, provenance, table

LABELS = "image_label.stage image_label.condition image_label.labelled_at farm.yaml:vision"
FITTED = f"{LABELS} image_label.content_sha256 daily_clip_inference.embedding"

image_label = table(
    "image_label",
    "Labels by people, one row per image; the latest word counts",
    "人工标签，每张图像一行，以最后一次为准",
    col("image_path", Text, "path in the image store", "图像存储中的路径", key=True),
    col(
        "content_sha256",
        Text,
        "SHA-256 of the bytes that were looked at, hexadecimal",
        "标注时所见文件内容的 SHA-256，十六进制",
    ),
    opt(
        "stage",
        Text,
        "what a grower saw: a stage of the farm file",
        "种植人员看到的阶段，名称同农场文件",
    ),
    opt(
        "condition",
        Text,
        "what a grower saw: a condition of the farm file",
        "种植人员看到的状况，名称同农场文件",
    ),
    opt("labelled_by", Text, "who looked", "标注人"),
    col(
        "labelled_at",
        Instant,
        "when the label was stored",
        "标签入库的时间",
        server_default=func.now(),
    ),
    CheckConstraint("stage IS NOT NULL OR condition IS NOT NULL", name="label"),
    role=Role.SOURCE,
    day="labelled_at",
)

clip_probe = table(
    "clip_probe",
    "The farm's own linear probe on stored vectors, the latest fit per encoder and kind of label",
    "农场自有的线性探针，在已存向量上拟合，每个编码器、每类标签保留最近一次",
    col(
        "encoder",
        Text,
        "model and weights whose vectors it was fitted on",
        "拟合所用向量的模型与权重",
        key=True,
        origin="daily_clip_inference.model_id",
    ),
    col(
        "kind",
        Text,
        "stage or condition",
        "标签类别：stage 阶段或 condition 状况",
        key=True,
        origin="image_label.stage image_label.condition",
    ),
    col(
        "probe_id",
        Text,
        "names the fit: changes with labels, vectors and settings",
        "本次拟合的编号，随标签、向量与设置而变",
        origin=FITTED,
    ),
    col(
        "classes",
        ARRAY(Text),
        "labels, in the order of the rows of the coefficients",
        "标签，与系数各行的顺序一致",
        origin=LABELS,
    ),
    col(
        "coefficients",
        ARRAY(Double),
        "weights, one row a class, flattened: classes x dimensions",
        "权重，每个类别一行，按行展开：类别数 x 维数",
        scale="1",
        origin=FITTED,
    ),
    col("intercepts", ARRAY(Double), "one a class", "截距，每个类别一个", scale="1", origin=FITTED),
    col(
        "label_count",
        Integer,
        "labelled images it was fitted on",
        "参与拟合的已标注图像数",
        scale="1",
        origin=FITTED,
    ),
    col(
        "accuracy",
        Double,
        "cross-validated share of right labels",
        "交叉验证的正确率",
        unit="0..1",
        origin=FITTED,
    ),
    col(
        "by_class",
        JSONB(),
        "per class: images, rooms, room-days, recall, precision, recall in unseen rooms, coverage",
        "各类别的图像数、库房、库房日、召回率与精确率、在未见库房中的召回率、标签集覆盖率",
        origin=FITTED,
    ),
    *provenance("fitted_at"),
    opt(
        "means",
        ARRAY(Double),
        "mean vector of each class, flattened as coefficients; null until it is calibrated",
        "各类别的平均向量，按行展开：类别数 x 维数；校准之前为空",
        scale="1",
        origin=FITTED,
    ),
    opt(
        "whitening",
        LargeBinary,
        "what takes away the covariance within classes: dimensions x dimensions, float32",
        "消除类内协方差的矩阵：维数 x 维数，单精度",
        origin=FITTED,
    ),
    opt(
        "middles",
        ARRAY(Double),
        "mean distance of each class's held-out images to it",
        "各类别留出图像到该类的平均距离",
        scale="1",
        origin=FITTED,
    ),
    opt(
        "spreads",
        ARRAY(Double),
        "standard deviation of these distances",
        "这些距离的标准差",
        scale="1",
        origin=FITTED,
    ),
    opt(
        "limits",
        ARRAY(Double),
        "oddness above which a class is excluded, calibrated by room-day at 10 % a class",
        "怪异程度的上限，超过则排除该类；按库房日校准，每类 10 %",
        scale="1",
        origin=FITTED,
    ),
    opt(
        "coverage",
        Double,
        "share of held-out images whose set has their label, by room-day; null if too few days",
        "留出图像中标签集包含其标签的比例，按库房日计；天数不足时为空",
        unit="0..1",
        origin=FITTED,
    ),
    opt(
        "accuracy_elsewhere",
        Double,
        "share of right labels in rooms left out; null if a class has one room",
        "在未参与拟合的库房中的正确率；有类别只来自一个库房时为空",
        unit="0..1",
        origin=FITTED,
    ),
    CheckConstraint("kind IN ('stage', 'condition')", name="kind"),
    role=Role.MODEL,
)
