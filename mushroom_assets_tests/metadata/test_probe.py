"""What a run of `clip_probe` shows: notes and columns in the farm's language."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mushroom_assets.domain.evaluation import Evaluation
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.label_sets import Coverage
from mushroom_assets.domain.probe import Contradiction, Probe, ProbeFit
from mushroom_assets.metadata.probe import probe_metadata

FARM = """
timezone: Asia/Shanghai
first_day: 2026-01-01
rooms: {"607": {folder: "7"}, "608": {}, "611": {}}
"""
EVALUATION = Evaluation(
    classes=("x", "y"),
    confusion=np.array([[16, 4], [0, 20]]),
    zero_shot=np.array([[20, 5], [20, 15]]),
    folds=5,
    by_room_day=False,
    rooms={"x": {"7": 20}, "y": {"608": 12, "611": 8}},
    room_days={"x": 2, "y": 9},
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


AGAINST = [Contradiction("stage", "7/a", "x", f"7/b{number}", "y") for number in range(21)]


def shown(
    language: str,
    evaluation: Evaluation = EVALUATION,
    against: Sequence[Contradiction] = (),
) -> dict[str, Any]:
    farm = parse_farm(f"{FARM}language: {language}\n")
    fits = [replace(FITTED, evaluation=evaluation), UNFITTED]
    metadata = probe_metadata(fits, 70, against, farm)
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
        "Label images of more days. **It may have learned the room, not the class**: no other "
        "class is labelled in the rooms of x: 607; y: 608, 611. Label these classes in rooms where "
        "others were labelled too. How right it is in other rooms is not known, a class has one "
        "room alone: x: 607. Not calibrated yet: room-days labelled x 2, y 9. A class needs 9, and "
        "each of them at least 3. Until then it promises nothing. Left out for want of labels: "
        "z 10 missing. Left out, not in the farm file: odd.",
        "- **condition**, m/w: no probe: two classes with 16 labelled images each are needed. "
        "Missing: a 1, b 16.",
    ],
    "zh": [
        "- **stage**，m/w：`p1`，5 折嵌套交叉验证：选择 C = 0.5 时没有用到被评判的图像。",
        "请标注更多日期的图像。**学到的可能是库房而不是类别**：x：607；y：608，611，这些库房里没有"
        "其他类别的标签。请在已有其他类别的库房里也标注这些类别。在其他库房里的正确率未知，有的类别"
        "只来自一个库房：x：607。尚未校准：已标注的库房日 x 2，y 9。一个类别需要 9 个，且每一类至少"
        " 3 个。在此之前没有任何保证。因标签不足而未纳入，还缺：z 10。"
        "因不在农场文件中而未纳入：odd。",
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


MEASURED = replace(
    EVALUATION,
    rooms={"x": {"7": 10, "608": 10}, "y": {"7": 5, "608": 15}},
    room_days={"x": 20, "y": 20},
    elsewhere=np.array([[10, 10], [10, 10]]),
    coverage=Coverage({"x": 0.95, "y": 0.9}, 0.925, 1.25),
)


def test_what_is_measured_in_other_rooms_and_by_room_days_is_told_as_numbers() -> None:
    found = shown("en", MEASURED)
    assert found["stage_accuracy_elsewhere (0-1)"] == 0.5
    assert found["stage_coverage (0-1)"] == 0.925
    names = ("rooms", "room_days", "recall_elsewhere", "coverage")
    x, y, z, *_ = (record.data for record in found["classes"].records)
    assert [x[name] for name in names] == [2, 20, 0.5, 0.95]
    assert [y[name] for name in names] == [2, 20, 0.5, 0.9]
    assert [z[name] for name in names] == [None] * 4
    assert (
        "it is right in 50% of the images; by the room alone, without a look at them, 62% would be "
        "right. **So in part it has learned the rooms.**" in found["notes"]
    )
    assert (
        "at an error rate of 10% a class, calibrated by room-day: of held-out images 92% have "
        "their own label among those left, which are 1.2 on average." in found["notes"]
    )


def test_a_fit_that_is_as_right_in_other_rooms_has_not_learned_them() -> None:
    alike = np.array([[16, 4], [2, 18]])
    unmeasured = replace(MEASURED, elsewhere=alike, coverage=None, by_room_day=True)
    found = shown("en", replace(unmeasured, room_days={"x": 8, "y": 9}))
    assert "it is right in 85% of the images" in found["notes"]
    assert "learned the room" not in found["notes"]
    assert "too few room-days to measure" in found["notes"]
    assert "Not calibrated yet: room-days labelled x 8. A class needs 9" in found["notes"]
    assert "stage_coverage (0-1)" not in found


def test_labels_of_equal_bytes_that_contradict_are_counted_and_listed_up_to_20() -> None:
    assert "contradictions" not in shown("en")
    found = shown("en", against=AGAINST)
    assert found["contradicting_labels"] == 21
    records = [record.data for record in found["contradictions"].records]
    assert len(records) == 20
    assert records[0] == {
        "kind": "stage",
        "image": "7/a",
        "label": "x",
        "other_image": "7/b0",
        "other_label": "y",
    }
    assert "byte for byte, contradict**: 21, listed under" in found["notes"]
    assert "共 21 处" in shown("zh", against=AGAINST)["notes"]


def test_columns_are_in_the_farms_language() -> None:
    found = shown("zh", against=AGAINST)
    names = [column.name for column in found["classes"].schema.columns]
    assert names == [
        "模型",
        "类型",
        "类别",
        "图像",
        "还缺",
        "召回率",
        "精确率",
        "零样本召回率",
        "库房数",
        "库房日",
        "其他库房召回率",
        "覆盖率",
    ]
    assert found["stage_confusion"].schema.columns[0].name == "标注"
    assert found["contradictions"].schema.columns[1].name == "图像路径"
