"""What a probe says of a vector: softmax of linear scores, by arithmetic."""

from math import log

import numpy as np
import pytest

from mushroom_assets.domain.label_sets import LabelSets
from mushroom_assets.domain.probe import Probe, missing_labels, probe_columns

KEYS = (
    "probe_stage",
    "probe_stage_probability",
    "probe_stages",
    "probe_condition",
    "probe_condition_probability",
    "probe_conditions",
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
        None,
        "healthy",
        0.75,
        None,
        "stage-00000001 condition-00000002",
    )
    assert tuple(other.values())[:2] == ("substrate", 0.613512)


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        ({}, (None,) * 7),
        ({"stage": STAGE}, ("fruiting", 0.5, None, None, None, None, "stage-00000001")),
        (
            {"condition": CONDITION},
            (None, None, None, "healthy", 0.75, None, "condition-00000002"),
        ),
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


# --- what is excluded

# Two classes on an axis, at -1 and 1, equally likely everywhere. The distance to a class is usual
# at 0.5, with a deviation of pi / sqrt(3): beyond it, the oddness is log(1 + exp(d - 0.5)) - log(p)
SETS = LabelSets(
    means=np.array([[-1.0], [1.0]]),
    whitening=np.eye(1),
    middles=np.full(2, 0.5),
    spreads=np.full(2, np.pi / np.sqrt(3)),
    limits=np.full(2, log(1 + np.exp(1)) + log(2)),  # reached at a distance of 1.5
)
EVEN = Probe("stage", "stage-3", ("left", "right"), np.array([[-1e-9], [1e-9]]), np.zeros(2), SETS)


@pytest.mark.parametrize(
    ("place", "left_over", "named"),
    [
        (0.0, ["left", "right"], "left"),
        (0.49, ["left", "right"], "right"),
        (0.51, ["right"], "right"),
        (2.49, ["right"], "right"),
        (2.51, [], "unknown"),
        (-0.51, ["left"], "left"),
        (-2.51, [], "unknown"),
    ],
)
def test_a_label_is_excluded_beyond_its_limit(
    place: float, left_over: list[str], named: str
) -> None:
    (row,) = probe_columns({"stage": EVEN}, [[place]])
    assert row["probe_stages"] == left_over
    assert row["probe_stage"] == named
    assert row["probe_stage_probability"] == 0.5
    assert row["probe_conditions"] is None


def test_where_the_likeliest_label_is_excluded_it_is_unknown_and_the_others_stay() -> None:
    # 3 : 1 for the left. At 0.3 the left lies 1.3 away, which is too far for it, with 3/4 too; the
    # right 0.7 away, with 1/4
    limits = np.array([log(1 + np.exp(0.7)) - log(0.75), 9.0])
    sets = LabelSets(SETS.means, SETS.whitening, SETS.middles, SETS.spreads, limits)
    odds = np.array([log(3), 0.0])
    probe = Probe("stage", "stage-4", ("left", "right"), np.zeros((2, 1)), odds, sets)
    (row,) = probe_columns({"stage": probe}, [[0.3]])
    assert (row["probe_stage"], row["probe_stage_probability"]) == ("unknown", 0.75)
    assert row["probe_stages"] == ["right"]
    (row,) = probe_columns({"stage": probe}, [[0.1]])  # 1.1 away
    assert (row["probe_stage"], row["probe_stages"]) == ("left", ["left", "right"])


def test_of_no_vectors_nothing_is_excluded() -> None:
    assert probe_columns({"stage": EVEN}, np.empty((0, 1))) == []


def test_a_class_lacks_what_it_is_short_of_16() -> None:
    assert missing_labels({"a": 0, "b": 15, "c": 16, "d": 17}) == {"a": 16, "b": 1}
