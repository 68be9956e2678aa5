"""What stands for a label: names, texts in both languages, however they are typed."""

import pytest

from mushroom_assets.domain.farm_parts import Label
from mushroom_assets.domain.label_names import LabelNames

LABELS = {
    "healthy": Label(text={"en": "healthy", "zh": "健康"}, prompts=["x"]),
    "green_mould": Label(text={"en": "green mould", "zh": "绿霉"}, prompts=["x"]),
    "blotch": Label(text={"en": "bacterial blotch", "zh": "细菌性褐斑"}, prompts=["x"]),
    "plain": Label(prompts=["x"]),
    "own": Label(text="a farm's own", prompts=["x"]),
}
NAMES = LabelNames(LABELS)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("healthy", "healthy"),
        ("Healthy ", "healthy"),
        ("健康", "healthy"),
        ("健 康", "healthy"),
        ("green_mould", "green_mould"),
        ("Green  Mould", "green_mould"),
        ("greenmould", "green_mould"),
        ("ＧＲＥＥＮ　ＭＯＵＬＤ", "green_mould"),
        ("绿霉", "green_mould"),
        ("BACTERIAL BLOTCH", "blotch"),
        ("细菌性褐斑", "blotch"),
        ("Plain", "plain"),
        ("A farm's own", "own"),
    ],
)
def test_a_label_may_be_written_in_either_language(written: str, meant: str) -> None:
    assert NAMES.meant(written) == [meant]


@pytest.mark.parametrize("written", ["unknown", "mould", "霉", "", " ", "healthy!", "不确定"])
def test_what_stands_for_nothing_means_nothing(written: str) -> None:
    assert NAMES.meant(written) == []


def test_what_can_be_written_is_told_without_repeating_itself() -> None:
    assert NAMES.writable() == (
        "healthy (健康), green_mould (绿霉), blotch (bacterial blotch, 细菌性褐斑), plain, "
        "own (a farm's own)"
    )


def test_a_text_of_two_labels_means_both_and_a_name_its_own_label_alone() -> None:
    names = LabelNames(
        {
            "old": Label(text={"en": "old one", "zh": "老"}, prompts=["x"]),
            "older": Label(text={"en": "old", "zh": "老"}, prompts=["x"]),
        }
    )
    assert names.meant("老") == ["old", "older"]
    assert names.meant("old") == ["old"]
    assert names.meant("Old") == ["old", "older"]
    assert names.meant("old one") == ["old"]
