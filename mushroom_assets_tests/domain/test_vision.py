"""Keys, prompts, probabilities.

Expected values are arithmetic on paper, never a call of the code under test.
"""

import datetime as dt
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.farm_parts import Label, Vision
from mushroom_assets.domain.image_key import (
    ImageKeyError,
    day_prefixes,
    parse_image_key,
    read_in_date,
)
from mushroom_assets.domain.prompts import (
    label_vectors,
    model_id,
    prompt_set_version,
    prompts,
)
from mushroom_assets.domain.vision import (
    Labeller,
    decide,
    zero_shot,
)

ROOMS = "rooms: {'607': {folder: '7'}, '611': {}, '612': {folder: east/12}}"


def farm_in(zone: str = "Asia/Shanghai") -> Farm:
    return parse_farm(f"timezone: {zone}\nfirst_day: 2026-01-01\n{ROOMS}\n")


def test_a_path_says_room_camera_time_and_batch() -> None:
    key = parse_image_key("611/20260225/611_1921681235_20260210_20260225120130.jpg", farm_in())
    assert (key.room_id, key.camera, key.in_date) == ("611", "1921681235", dt.date(2026, 2, 10))
    assert key.captured_at.astimezone(dt.UTC) == dt.datetime(2026, 2, 25, 4, 1, 30, tzinfo=dt.UTC)
    assert key.captured_at.isoformat() == "2026-02-25T12:01:30+08:00"
    assert key.path == "611/20260225/611_1921681235_20260210_20260225120130.jpg"


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("7/20260110/7_cam1_202615_20260110000000.jpg", "607"),
        # The folder decides, not the name's own room
        ("7/20260110/612_cam1_202615_20260110235959.JPEG", "607"),
        ("east/12/20260110/612_cam1_202615_20260110120000.png", "612"),
    ],
)
def test_the_folder_decides_the_room(path: str, room: str) -> None:
    key = parse_image_key(path, farm_in())
    assert (key.room_id, key.in_date) == (room, dt.date(2026, 1, 5))


@pytest.mark.parametrize("in_date", ["", "0", "none", "20261399", "２０２６１５"])
def test_an_unreadable_in_date_costs_only_the_in_date(in_date: str) -> None:
    assert (
        parse_image_key(f"7/20260110/7_cam1_{in_date}_20260110000000.jpg", farm_in()).in_date
        is None
    )


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("607/20260110/607_cam1_202615_20260110000000.jpg", "no room has the folder '607'"),
        ("20260110/7_cam1_202615_20260110000000.jpg", "no room has the folder ''"),
        ("thumbs.db", "no room has the folder ''"),
        ("7/20260110/notes.txt", "the name is not"),
        ("7/20260110/7_cam1_202615_20260110000000.jpg.part", "the name is not"),
        ("7/20260110/7_cam1_202615_2026011000000.jpg", "the name is not"),
        ("7/20260110/7_202615_20260110000000.jpg", "the name is not"),
        ("7/20260230/7_cam1_202615_20260230000000.jpg", "20260230000000 is no date and time"),
        ("7/20260110/7_cam1_202615_20260110240000.jpg", "20260110240000 is no date and time"),
        (
            "7/20260110/7_cam1_202615_20260111000000.jpg",
            "the folder's day is 20260110, the name's 20260111",
        ),
    ],
)
def test_a_path_that_departs_from_the_naming_says_where(path: str, reason: str) -> None:
    with pytest.raises(ImageKeyError) as raised:
        parse_image_key(path, farm_in())
    assert reason in str(raised.value)
    assert str(raised.value).startswith(path)


def test_a_time_that_occurs_twice_is_its_first_occurrence() -> None:
    key = parse_image_key("7/20251026/7_cam1_2025101_20251026023000.jpg", farm_in("Europe/Berlin"))
    # Still summer time
    assert key.captured_at.astimezone(dt.UTC) == dt.datetime(2025, 10, 26, 0, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("digits", "captured", "expected"),
    [
        ("202615", "2026-01-05", "2026-01-05"),
        ("202615", "2026-01-04", None),  # not before the batch came in
        ("202615", "2026-05-05", "2026-01-05"),  # 120 days
        ("202615", "2026-05-06", None),  # 121 days
        ("2025124", "2025-02-10", "2025-01-24"),
        ("2025124", "2025-12-20", "2025-12-04"),
        ("2025124", "2025-12-04", "2025-12-04"),
        ("2025124", "2025-12-03", None),
        ("2025111", "2025-02-01", "2025-01-11"),
        ("2025111", "2025-11-30", "2025-11-01"),
        ("2025101", "2025-03-01", None),  # only 10-01: nobody writes 1-01 without zeros
        ("2025229", "2025-03-01", None),  # 2025 had no 29 February
        ("2024229", "2024-03-01", "2024-02-29"),
        ("20260210", "2026-02-25", "2026-02-10"),
        ("20260201", "2026-02-25", "2026-02-01"),
        ("20251231", "2026-01-10", "2025-12-31"),
        ("2026", "2026-02-25", None),
        ("20265", "2026-05-25", None),
        ("202605111", "2026-05-25", None),
        ("2026-2-1", "2026-02-25", None),
    ],
)
def test_readings_of_the_in_date(digits: str, captured: str, expected: str | None) -> None:
    day = read_in_date(digits, dt.date.fromisoformat(captured))
    assert day == (dt.date.fromisoformat(expected) if expected else None)


@given(st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)), st.integers(0, 120))
def test_the_reading_is_the_latest_day_that_is_written_so(in_date: dt.date, age: int) -> None:
    digits = f"{in_date.year}{in_date.month}{in_date.day}"
    captured = in_date + dt.timedelta(days=age)
    window = [captured - dt.timedelta(days=back) for back in range(121)]
    assert read_in_date(digits, captured) == next(
        d for d in window if f"{d.year}{d.month}{d.day}" == digits
    )
    assert read_in_date(f"{in_date:%Y%m%d}", captured) == in_date


def test_the_shortest_span_can_be_set() -> None:
    assert read_in_date("202615", dt.date(2026, 1, 8), max_age_days=2) is None


def test_day_prefixes_follow_the_folders() -> None:
    expected = {"607": "7/20260105", "611": "611/20260105", "612": "east/12/20260105"}
    assert day_prefixes(farm_in(), dt.date(2026, 1, 5)) == expected


def vision_with(**changes: object) -> Vision:
    return farm_in().vision.model_copy(update=changes)


def test_the_prompt_set_version_follows_what_the_model_is_asked_only() -> None:
    vision = farm_in().vision
    version = prompt_set_version(vision)
    assert len(version) == 8
    assert int(version, 16) >= 0
    stages = dict(vision.stages)
    other_text = stages | {"harvest": Label(text="ready", prompts=stages["harvest"].prompts)}
    other_prompt = stages | {
        "harvest": Label(text=stages["harvest"].text, prompts=["big mushrooms"])
    }
    renamed = {("picking" if name == "harvest" else name): label for name, label in stages.items()}
    reordered = dict(reversed(stages.items()))
    for same in ({"stages": other_text}, {"unknown_margin": 0.3}, {"stages": reordered}):
        assert prompt_set_version(vision_with(**same)) == version
    for other in ({"stages": other_prompt}, {"stages": renamed}, {"templates": ["a photo of {}"]}):
        assert prompt_set_version(vision_with(**other)) != version
    swapped = {"stages": vision.conditions, "conditions": vision.stages}
    assert prompt_set_version(vision_with(**swapped)) != version


def test_the_model_id_names_model_weights_and_prompts() -> None:
    vision = farm_in().vision
    assert (
        model_id("ViT-B-32/openai", vision)
        == f"ViT-B-32/openai/prompts-{prompt_set_version(vision)}"
    )


def test_each_prompt_goes_through_each_template() -> None:
    texts = prompts(Label(prompts=["a cap", "{odd}"]), ["photo of {}", "{} and {}"])
    assert texts == ["photo of a cap", "a cap and a cap", "photo of {odd}", "{odd} and {odd}"]


def test_a_label_is_the_mean_direction_of_its_texts() -> None:
    known = {"one": (3.0, 4.0), "two": (5.0, 0.0), "three": (0.0, 0.5)}
    calls = []

    def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        calls.append(list(texts))
        return np.array([known[text] for text in texts], dtype=np.float32)

    labels = {"a": Label(prompts=["one", "two"]), "b": Label(prompts=["three"])}
    vectors = label_vectors(labels, ["{}"], encode)
    # (0.6, 0.8) and (1, 0) have the mean (0.8, 0.4), of length sqrt(0.8); lengths before the mean
    # do not count
    expected = np.array([[0.8 / math.sqrt(0.8), 0.4 / math.sqrt(0.8)], [0.0, 1.0]])
    np.testing.assert_allclose(vectors, expected, atol=1e-7)
    assert calls == [["one", "two", "three"]]


def test_probabilities_are_a_softmax_of_scaled_cosines() -> None:
    vectors = np.eye(2)
    # exp(ln 3) : exp(0) is 3 : 1, and equal cosines share
    expected = [[0.75, 0.25], [0.5, 0.5]]
    images = [[1.0, 0.0], [math.sqrt(0.5), math.sqrt(0.5)]]
    found = zero_shot(images, vectors, math.log(3))
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-12)
    np.testing.assert_array_equal(zero_shot([[1.0, 0.0]], vectors, 1e6), [[1, 0]])  # no overflow
    assert zero_shot(np.empty((0, 2)), vectors, 100).shape == (0, 2)


def test_vectors_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(ValueError, match="finite"):
        zero_shot([[math.nan, 0]], np.eye(2), 100)


def test_a_small_lead_is_unknown() -> None:
    rows = [[0.05, 0.5, 0.45], [0.75, 0.25, 0.0], [0.0, 0.1234567, 0.8765433]]
    first, second, third = decide(rows, ["a", "b", "c"], 0.5)
    assert first[:2] == ("unknown", 0.5)
    assert first.margin == pytest.approx(0.05)
    assert second == ("a", 0.75, 0.5)  # a lead of exactly the margin is enough
    assert third == ("c", 0.876543, 0.753087)


def test_an_image_gets_its_columns() -> None:
    vision = farm_in().vision
    names = list(vision.stages)
    places = {
        text: place
        for place, label in enumerate([*vision.stages.values(), *vision.conditions.values()])
        for text in prompts(label, vision.templates)
    }

    def encode(texts: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.eye(12)[[places[text] for text in texts]]

    image = np.zeros((2, 12))
    image[0, names.index("harvest")] = 1  # looks like harvest, equally unlike every condition
    image[1, 5] = image[1, 0] = math.sqrt(0.5)  # between the first stage and the first condition
    first, second = Labeller(vision, encode, math.log(8)).score(image)
    assert (first.stage, first.stage_probability, first.stage_margin) == (
        "harvest",
        0.666667,
        0.583333,
    )  # 8:1:1:1:1
    assert (first.condition, first.condition_probability) == ("unknown", 0.142857)
    assert first.scores["stage"] == {
        name: 0.666667 if name == "harvest" else 0.083333 for name in names
    }
    assert list(first.scores["condition"].values()) == [0.142857] * 7
    lead = 8 ** math.sqrt(0.5)
    assert (second.stage, second.condition) == ("substrate", "healthy")
    assert second.stage_probability == round(lead / (lead + 4), 6)
    assert second.condition_probability == round(lead / (lead + 6), 6)
