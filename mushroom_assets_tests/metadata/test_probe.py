"""What a run of `clip_probe` shows: notes and columns in the farm's language."""

from typing import Any

import numpy as np
import pytest

from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.probe import Evaluation, Probe, ProbeFit
from mushroom_assets.metadata.probe import probe_metadata

FARM = "timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {A: {}}\n"
EVALUATION = Evaluation(
    classes=("x", "y"),
    confusion=np.array([[16, 4], [0, 20]]),
    zero_shot=np.array([[20, 5], [20, 15]]),
    folds=5,
    by_room_day=False,
)
FITTED = ProbeFit(
    encoder="m/w",
    kind="stage",
    counts={"x": 20, "y": 20, "z": 6},
    strangers={"odd": 2},
    probe=Probe("stage", "p1", ("x", "y"), np.zeros((2, 3)), np.zeros(2)),
    evaluation=EVALUATION,
    strength=0.5,
)
UNFITTED = ProbeFit(encoder="m/w", kind="condition", counts={"a": 15, "b": 0}, strangers={})


def shown(language: str) -> dict[str, Any]:
    farm = parse_farm(f"{FARM}language: {language}\n")
    metadata = probe_metadata([FITTED, UNFITTED], 70, farm)
    return {key: getattr(value, "value", value) for key, value in metadata.items()}


def test_numbers_are_those_counted_by_hand() -> None:
    found = shown("en")
    assert found["stage_accuracy (0-1)"] == 36 / 40
    assert found["stage_zero_shot_accuracy (0-1)"] == 20 / 40
    assert (found["labels"], found["labels_without_vector"]) == (70, 70 - 46 - 2 - 15)
    first, *_ = (record.data for record in found["classes"].records)
    assert (first["class"], first["images"], first["missing"]) == ("x", 20, 0)
    assert (first["recall"], first["precision"]) == (0.8, 1.0)
    assert first["zero_shot_recall"] == 0.25
    assert [dict(record.data) for record in found["stage_confusion"].records] == [
        {"labelled": "x", "x": 16, "y": 4},
        {"labelled": "y", "x": 0, "y": 20},
    ]


SAID = {
    "en": [
        "- **stage**, m/w: `p1`, cross-validated in 5 folds, nested: C = 0.5 was chosen without "
        "the images judged. A class has too few room-days",
        "Left out for want of labels: z 10 missing. Left out, not in the farm file: odd.",
        "- **condition**, m/w: no probe: two classes with 16 labelled images each are needed. "
        "Missing: a 1, b 16.",
    ],
    "zh": [
        "- **stage**，m/w：`p1`，5 折嵌套交叉验证：选择 C = 0.5 时没有用到被评判的图像。",
        "因标签不足而未纳入，还缺：z 10。因不在农场文件中而未纳入：odd。",
        "- **condition**，m/w：没有探针：需要有两个类别各满 16 张已标注图像。还缺：a 1，b 16。",
    ],
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_notes_are_in_the_farms_language(language: str) -> None:
    fitted, unfitted = str(shown(language)["notes"]).split("\n")
    begin, left_out, nothing = SAID[language]
    assert fitted.startswith(begin)
    assert fitted.endswith(left_out)
    assert unfitted == nothing


def test_columns_are_in_the_farms_language() -> None:
    found = shown("zh")
    names = [column.name for column in found["classes"].schema.columns]
    assert names == ["模型", "类型", "类别", "图像", "还缺", "召回率", "精确率", "零样本召回率"]
    assert found["stage_confusion"].schema.columns[0].name == "标注"
