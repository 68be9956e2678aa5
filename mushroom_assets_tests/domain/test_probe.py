"""What a probe says of a vector: softmax of linear scores, by arithmetic."""

from math import log

import numpy as np
import pytest

from mushroom_assets.domain.probe import Evaluation, Probe, missing_labels, probe_columns

KEYS = (
    "probe_stage",
    "probe_stage_probability",
    "probe_condition",
    "probe_condition_probability",
    "probe_id",
)
# Of (0.6, 0.8) the scores are ln 2, ln 3 and 0: 2/6, 3/6 and 1/6. Of (1, 0): 2**(5/3), 1 and 1.
STAGE = Probe(
    "stage",
    "stage-00000001",
    ("substrate", "fruiting", "harvest"),
    np.array([[log(2) / 0.6, 0.0], [0.0, log(3) / 0.8], [0.0, 0.0]]),
    np.zeros(3),
)
CONDITION = Probe(
    "condition",
    "condition-00000002",
    ("healthy", "green_mould"),
    np.zeros((2, 2)),
    np.array([log(3), 0.0]),
)


def test_probabilities_are_the_softmax_of_the_linear_scores() -> None:
    found = STAGE.probabilities([[0.6, 0.8], [1.0, 0.0]])
    of_first = 2 ** (5 / 3)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[0], [2 / 6, 3 / 6, 1 / 6], rtol=1e-12)
    np.testing.assert_allclose(found[1], np.array([of_first, 1, 1]) / (of_first + 2), rtol=1e-12)


def test_the_likeliest_label_is_named_with_its_probability() -> None:
    assert STAGE.predict([[0.6, 0.8], [1.0, 0.0]]) == [("fruiting", 0.5), ("substrate", 0.613512)]
    assert 2 ** (5 / 3) / (2 ** (5 / 3) + 2) == pytest.approx(0.613512, abs=5e-7)


def test_the_intercepts_alone_give_their_own_odds() -> None:
    assert CONDITION.predict([[0.6, 0.8]]) == [("healthy", 0.75)]


def test_float32_vectors_are_scored_in_float64() -> None:
    vectors = np.array([[0.6, 0.8]], dtype=np.float32)
    exact = STAGE.probabilities(vectors.astype(np.float64))
    np.testing.assert_array_equal(STAGE.probabilities(vectors), exact)


def test_huge_scores_do_not_overflow() -> None:
    steep = Probe("stage", "stage-1", ("a", "b"), np.array([[1e4, 0.0], [-1e4, 0.0]]), np.zeros(2))
    assert steep.predict([[1.0, 0.0], [-1.0, 0.0]]) == [("a", 1.0), ("b", 1.0)]


def test_both_kinds_fill_all_columns_of_a_row() -> None:
    (row, other) = probe_columns({"condition": CONDITION, "stage": STAGE}, [[0.6, 0.8], [1.0, 0.0]])
    assert tuple(row) == KEYS
    assert tuple(row.values()) == (
        "fruiting",
        0.5,
        "healthy",
        0.75,
        "stage-00000001 condition-00000002",
    )
    assert tuple(other.values())[:2] == ("substrate", 0.613512)


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        ({}, (None, None, None, None, None)),
        ({"stage": STAGE}, ("fruiting", 0.5, None, None, "stage-00000001")),
        ({"condition": CONDITION}, (None, None, "healthy", 0.75, "condition-00000002")),
    ],
    ids=["none", "stage", "condition"],
)
def test_a_kind_without_a_probe_has_empty_columns(
    probes: dict[str, Probe], expected: tuple[object, ...]
) -> None:
    (row,) = probe_columns(probes, [[0.6, 0.8]])
    assert tuple(row) == KEYS
    assert tuple(row.values()) == expected


@pytest.mark.parametrize(
    "none", [[], np.empty((0, 2)), np.empty((0, 7), dtype=np.float32)], ids=["list", "d", "other"]
)
def test_of_no_vectors_there_are_no_rows(none: object) -> None:
    assert probe_columns({"stage": STAGE}, none) == []  # type: ignore[arg-type]
    assert probe_columns({}, none) == []  # type: ignore[arg-type]


def test_vectors_of_another_length_are_refused_with_both_lengths_and_the_remedy() -> None:
    with pytest.raises(
        ValueError,
        match=r"stage-00000001 was fitted on vectors of length 2, .* length 3: .* Remedy:",
    ):
        probe_columns({"stage": STAGE}, [[0.6, 0.8, 0.0]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        STAGE.predict([[bad, 0.8]])


def test_rates_of_a_confusion_matrix() -> None:
    found = Evaluation(
        ("a", "b", "c"),
        np.array([[12, 4, 0], [1, 19, 0], [2, 2, 0]]),
        np.array([[10, 5], [0, 0], [4, 1]]),
        5,
        True,
    )
    assert found.accuracy == 31 / 40
    assert found.by_class() == {
        "a": {"images": 16, "recall": 12 / 16, "precision": 12 / 15},
        "b": {"images": 20, "recall": 19 / 20, "precision": 19 / 25},
        "c": {"images": 4, "recall": 0, "precision": None},
    }
    assert found.zero_shot_accuracy == 6 / 14
    assert found.zero_shot_recall() == {"a": 0.5, "c": 0.25}


def test_without_any_zero_shot_label_there_is_no_such_accuracy() -> None:
    none = np.zeros((2, 2), dtype=np.int64)
    assert (
        Evaluation(("a", "b"), np.eye(2, dtype=np.int64), none, 5, True).zero_shot_accuracy is None
    )


def test_a_class_lacks_what_it_is_short_of_16() -> None:
    assert missing_labels({"a": 0, "b": 15, "c": 16, "d": 17}) == {"a": 16, "b": 1}
