"""Probes as they are stored: to the last bit, with what they are worth."""

import numpy as np

from mushroom_assets.domain.evaluation import Evaluation
from mushroom_assets.domain.label_sets import Coverage, LabelSets
from mushroom_assets.domain.probe import Probe, ProbeFit
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import clip_probe
from mushroom_assets.storage.vision.probes import read_probes, replace_probes
from mushroom_assets_tests.kit.labels import ENCODER, NOON
from mushroom_assets_tests.kit.plant import rows


def fit_of(
    encoder: str,
    kind: str,
    number: int,
    classes: tuple[str, ...] = ("a", "b", "c"),
    *,
    calibrated: bool = True,
) -> ProbeFit:
    random = np.random.default_rng(number)
    size = len(classes)
    sets = LabelSets(
        random.normal(size=(size, 4)),
        random.normal(size=(4, 4)).astype(np.float32).astype(np.float64),
        random.normal(size=size),
        random.uniform(1, 2, size=size),
        np.array([np.inf, *random.uniform(0, 9, size=size - 1)]),
    )
    probe = Probe(
        kind,
        f"{kind}-{number:08x}",
        classes,
        random.normal(size=(size, 4)),
        random.normal(size=size),
        sets if calibrated else None,
    )
    evaluation = Evaluation(
        classes,
        np.full((size, size), 2, dtype=np.int64),
        np.zeros((size, 2), dtype=np.int64),
        5,
        True,
        {name: {"7": 4, "8": 2} for name in classes},
        dict.fromkeys(classes, 9),
        np.full((size, size), 2, dtype=np.int64) + 2 * np.eye(size, dtype=np.int64),
        Coverage(dict.fromkeys(classes, 0.95), 0.95, 1.5) if calibrated else None,
    )
    return ProbeFit(encoder, kind, dict.fromkeys(classes, 2 * size), {}, probe, evaluation, 10.0)


def replace(database: Database, *fits: ProbeFit, run_id: str = "run") -> bool:
    """Whether that changes anything."""
    with database.transaction() as connection:
        return replace_probes(connection, fits, run_id, NOON)


def probes(database: Database, encoder: str = ENCODER) -> dict[str, Probe]:
    with database.transaction() as connection:
        return read_probes(connection, encoder)


def test_a_probe_comes_back_to_the_last_bit(database: Database) -> None:
    given = {kind: fit_of(ENCODER, kind, number, classes) for kind, number, classes in (
        ("stage", 1, ("a", "b", "c")), ("condition", 2, ('odd, "name"', "{b}\\")),
    )}  # fmt: skip
    assert replace(database, *given.values(), fit_of("other/w", "stage", 3))
    found = probes(database)
    assert set(found) == {"stage", "condition"}
    for kind, probe in found.items():
        expected = given[kind].probe
        assert expected is not None
        assert (probe.kind, probe.probe_id, probe.classes) == (
            kind,
            expected.probe_id,
            expected.classes,
        )
        np.testing.assert_array_equal(probe.coefficients, expected.coefficients)
        np.testing.assert_array_equal(probe.intercepts, expected.intercepts)
        assert probe.predict(np.eye(4)) == expected.predict(np.eye(4))
        assert probe.label_sets is not None
        assert expected.label_sets is not None
        for name, stored in vars(probe.label_sets).items():
            np.testing.assert_array_equal(stored, getattr(expected.label_sets, name))
    assert probes(database, "nobody/w") == {}


def test_a_probe_that_is_not_calibrated_has_no_sets_nor_one_of_a_release_before(
    database: Database,
) -> None:
    replace(database, fit_of(ENCODER, "stage", 1, calibrated=False))
    assert probes(database)["stage"].label_sets is None
    (row,) = rows(database, clip_probe)
    names = ("means", "whitening", "middles", "spreads", "limits", "coverage")
    assert {row[name] for name in names} == {None}


def test_a_row_says_who_it_is_of_and_how_right_it_was(database: Database) -> None:
    replace(database, fit_of(ENCODER, "stage", 1), run_id="run-7")
    (row,) = rows(database, clip_probe, provenance=True)
    assert (row["encoder"], row["kind"], row["probe_id"]) == (ENCODER, "stage", "stage-00000001")
    assert (row["label_count"], row["accuracy"]) == (18, 6 / 18)
    assert row["by_class"]["b"] == {
        "images": 6,
        "recall": 1 / 3,
        "precision": 1 / 3,
        "rooms": {"7": 4, "8": 2},
        "room_days": 9,
        "recall_elsewhere": 4 / 6,
        "coverage": 0.95,
    }
    assert (row["coverage"], row["accuracy_elsewhere"]) == (0.95, 12 / 24)
    assert (row["run_id"], row["fitted_at"]) == ("run-7", NOON)


def test_the_fits_of_a_run_are_all_there_is(database: Database) -> None:
    replace(database, fit_of(ENCODER, "stage", 1), fit_of(ENCODER, "condition", 2))
    bare = ProbeFit(ENCODER, "stage", {"a": 3}, {})
    assert replace(database, bare, fit_of(ENCODER, "condition", 4))
    assert {kind: probe.probe_id for kind, probe in probes(database).items()} == {
        "condition": "condition-00000004"
    }
    assert replace(database)
    assert not replace(database)
    assert probes(database) == {}
