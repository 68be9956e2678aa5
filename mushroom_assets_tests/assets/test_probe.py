"""`clip_probe` on PostgreSQL: from stored labels and vectors to a probe, its accuracy, its gaps."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa

from mushroom_assets.automation import timetable
from mushroom_assets.domain.probe import Probe
from mushroom_assets.resources import PostgresResource
from mushroom_assets.storage.day_locks import lock_table
from mushroom_assets.storage.schema import clip_probe
from mushroom_assets.storage.vision.probes import read_probes
from mushroom_assets_tests.kit.labels import ENCODER, image_path, keep_vector, say, see
from mushroom_assets_tests.kit.plant import rows
from mushroom_assets_tests.kit.probes import fit
from mushroom_assets_tests.kit.runs import failure_message, retries
from mushroom_assets_tests.kit.small import SmallFarm

ASSET = dg.AssetKey("clip_probe")


def shown(small: SmallFarm) -> dict[str, Any]:
    """The metadata of the latest materialization, tables as lists of rows."""
    event = small.instance.get_latest_materialization_event(ASSET)
    assert event is not None
    assert event.asset_materialization is not None
    return {name: plain(value) for name, value in event.asset_materialization.metadata.items()}


def plain(value: dg.MetadataValue[Any]) -> Any:
    if isinstance(value, dg.TableMetadataValue):
        return [record.data for record in value.records]
    return value.value


def probes(small: SmallFarm, encoder: str = ENCODER) -> dict[str, Probe]:
    with small.database.transaction() as connection:
        return read_probes(connection, encoder)


def label(
    small: SmallFarm, count: int, degrees: float, encoder: str = ENCODER, **words: str | None
) -> list[str]:
    """`count` images around an angle, over 4 days, seen and labelled; returns their paths."""
    paths = []
    for number in range(count):
        path = image_path(f"room{degrees:g}", 10 + number % 4, number // 4)
        angle = np.radians(degrees + 20 * number / count)
        vector = (np.cos(angle), np.sin(angle))
        see(small.database, path, path, vector=vector, encoder=encoder, stage="substrate")
        say(small.database, path, **words)
        paths.append(path)
    return paths


def test_once_two_classes_have_16_labels_each_there_is_a_probe(small: SmallFarm) -> None:
    label(small, 16, 0, stage="substrate")
    fewer = label(small, 15, 90, stage="fruiting")
    run = fit(small)
    assert run.success
    assert probes(small) == {}
    assert shown(small)["dagster/row_count"] == 0
    one_more = image_path("room90", 20, 0)
    see(small.database, one_more, one_more, vector=(0.0, 1.0), stage="fruiting")
    say(small.database, one_more, stage="fruiting")
    second = fit(small)
    probe = probes(small)["stage"]
    assert probe.classes == ("substrate", "fruiting")
    assert [name for name, _ in probe.predict([[1.0, 0.1], [0.1, 1.0]])] == [
        "substrate",
        "fruiting",
    ]
    (row,) = rows(small.database, clip_probe, provenance=True)
    assert (row["encoder"], row["kind"]) == (ENCODER, "stage")
    assert (row["label_count"], row["accuracy"]) == (32, 1.0)
    sure = {"images": 16, "recall": 1, "precision": 1, "recall_elsewhere": None, "coverage": None}
    assert row["by_class"] == {
        "substrate": sure | {"rooms": {"room0": 16}, "room_days": 4},
        "fruiting": sure | {"rooms": {"room90": 16}, "room_days": 5},
    }
    assert (row["whitening"], row["coverage"], row["accuracy_elsewhere"]) == (None,) * 3
    assert row["run_id"] == second.run_id
    assert len(fewer) == 15


def test_the_result_says_how_right_probe_and_zero_shot_are_by_class(small: SmallFarm) -> None:
    label(small, 20, 0, stage="substrate")
    label(small, 20, 90, stage="fruiting")  # which the model itself takes for substrate
    label(small, 3, 200, stage="harvest")
    fit(small)
    found = shown(small)
    numbers = (
        "dagster/row_count",
        "labels",
        "labels_without_vector",
        "stage_accuracy (0-1)",
        "stage_zero_shot_accuracy (0-1)",
    )
    assert [found[name] for name in numbers] == [1, 43, 0, 1.0, 0.5]
    classes = {(row["kind"], row["class"]): row for row in found["classes"]}
    rates = ("model", "images", "missing", "recall", "precision", "zero_shot_recall")
    expected: dict[tuple[str, str], list[float | None]] = {
        ("stage", "fruiting"): [20, 0, 1.0, 1.0, 0.0],
        ("stage", "substrate"): [20, 0, 1.0, 1.0, 1.0],
        ("stage", "harvest"): [3, 13, None, None, None],
        ("condition", "healthy"): [0, 16, None, None, None],
    }
    for key, numbers_of_class in expected.items():
        assert [classes[key][name] for name in rates] == [ENCODER, *numbers_of_class]
    assert found["stage_confusion"] == [
        {"labelled": "substrate", "substrate": 20, "fruiting": 0},
        {"labelled": "fruiting", "substrate": 0, "fruiting": 20},
    ]
    stage, condition = found["notes"].splitlines()
    assert probes(small)["stage"].probe_id in stage
    assert "4 folds, nested" in stage
    assert "never on both sides" in stage
    assert "primordia 16, harvest 13, harvested 16 missing" in stage
    assert (
        "no probe: two classes with 16 labelled images each are needed. Missing: healthy 16, "
        in condition
    )


def test_few_days_are_told_to_flatter(small: SmallFarm) -> None:
    for degrees, stage in ((0, "substrate"), (90, "fruiting")):
        for number in range(16):
            path = image_path(f"room{degrees}", 10, number)
            angle = np.radians(degrees + number)
            see(small.database, path, path, vector=(np.cos(angle), np.sin(angle)))
            say(small.database, path, stage=stage)
    fit(small)
    assert "**the accuracy flatters**. Label images of more days." in shown(small)["notes"]


def test_classes_of_one_room_each_are_told_to_be_rooms_perhaps(small: SmallFarm) -> None:
    label(small, 16, 0, stage="substrate")
    label(small, 16, 90, stage="fruiting")
    fit(small)
    assert (
        "**It may have learned the room, not the class**: no other class is labelled in the rooms "
        "of substrate: room0; fruiting: room90." in shown(small)["notes"]
    )
    assert "stage_accuracy_elsewhere (0-1)" not in shown(small)


def test_with_labels_of_twelve_days_in_two_rooms_all_is_measured(small: SmallFarm) -> None:
    random = np.random.default_rng(1)
    for stage, degrees in (("substrate", 0), ("fruiting", 90)):
        for number in range(48):
            hour = 2 * (number % 4 // 2) + (stage == "fruiting")
            path = image_path(f"60{number % 2 + 7}", 10 + number // 4, hour)
            angle = np.radians(degrees + 2 * random.standard_normal())
            see(small.database, path, path, vector=(np.cos(angle), np.sin(angle)))
            say(small.database, path, stage=stage)
    assert fit(small).success
    row = rows(small.database, clip_probe)[0]
    probe = probes(small)["stage"]
    assert probe.label_sets is not None
    assert row["accuracy_elsewhere"] == shown(small)["stage_accuracy_elsewhere (0-1)"] == 1
    assert row["coverage"] == pytest.approx(shown(small)["stage_coverage (0-1)"], abs=1e-4)
    assert 0.8 <= row["coverage"] <= 1
    at = [[np.cos(turn), np.sin(turn)] for turn in np.radians([0, 90, 45, 200])]
    assert probe.judge(at).sets() == [["substrate"], ["fruiting"], [], []]


def test_equal_bytes_with_labels_that_contradict_are_listed(small: SmallFarm) -> None:
    (path, *_) = label(small, 16, 0, stage="substrate")
    label(small, 16, 90, stage="fruiting")
    other = image_path("room0", 20, 1)
    see(small.database, other, path)
    say(small.database, other, stage="fruiting")
    fit(small)
    found = shown(small)
    assert found["contradicting_labels"] == 1
    assert found["contradictions"] == [
        {
            "kind": "stage",
            "image": other,
            "label": "fruiting",
            "other_image": path,
            "other_label": "substrate",
        }
    ]
    assert "byte for byte, contradict**: 1, listed under" in found["notes"]


def test_stage_and_condition_have_probes_of_their_own(small: SmallFarm) -> None:
    label(small, 16, 0, stage="substrate", condition="green_mould")
    label(small, 16, 60, stage="fruiting", condition="green_mould")
    label(small, 16, 120, stage="fruiting", condition="healthy")
    fit(small)
    found = probes(small)
    assert (found["stage"].classes, found["condition"].classes) == (
        ("substrate", "fruiting"),
        ("healthy", "green_mould"),
    )
    at_80 = [[np.cos(np.radians(80)), np.sin(np.radians(80))]]
    assert found["stage"].predict(at_80)[0][0] == "fruiting"
    assert found["condition"].predict(at_80)[0][0] == "green_mould"
    assert shown(small)["labels"] == 96


def test_a_label_that_was_corrected_changes_the_next_probe_and_the_same_labels_do_not(
    small: SmallFarm,
) -> None:
    paths = label(small, 17, 0, stage="substrate")
    label(small, 16, 90, stage="fruiting")
    fit(small)
    first = probes(small)["stage"]
    fit(small)
    again = probes(small)["stage"]
    assert again.probe_id == first.probe_id
    np.testing.assert_array_equal(again.coefficients, first.coefficients)
    say(small.database, paths[0], stage="fruiting")
    fit(small)
    assert probes(small)["stage"].probe_id != first.probe_id
    assert [row["label_count"] for row in rows(small.database, clip_probe)] == [33]


def test_when_labels_were_taken_away_the_old_probe_goes_too(small: SmallFarm) -> None:
    label(small, 16, 0, stage="substrate", condition="healthy")
    paths = label(small, 16, 90, stage="fruiting", condition="blotch")
    fit(small)
    assert set(probes(small)) == {"stage", "condition"}
    small.execute(f"UPDATE farm.image_label SET condition = NULL WHERE image_path = '{paths[0]}'")
    assert fit(small).success
    assert set(probes(small)) == {"stage"}
    small.execute("DELETE FROM farm.image_label")
    assert fit(small).success
    assert rows(small.database, clip_probe) == []
    found = shown(small)
    assert {row["images"] for row in found["classes"]} == {0}
    assert {row["class"] for row in found["classes"] if row["kind"] == "stage"} == set(
        small.farm.vision.stages
    )


def test_every_model_with_vectors_of_the_labelled_images_gets_its_probe(small: SmallFarm) -> None:
    newer = "large/weights-2"
    for path in label(small, 16, 0, stage="substrate"):
        keep_vector(small.database, path, (0.0, 0.0, 1.0), encoder=newer)
    for path in label(small, 16, 90, stage="fruiting"):
        keep_vector(small.database, path, (1.0, 0.0, 0.0), encoder=newer)
    small.execute(f"UPDATE farm.image_embedding SET computed_at = now() WHERE encoder = '{newer}'")
    fit(small)
    assert probes(small)["stage"].coefficients.shape == (2, 2)
    assert probes(small, newer)["stage"].predict([[0.0, 0.0, 1.0]])[0][0] == "substrate"
    found = shown(small)
    assert found["dagster/row_count"] == 2
    assert [row["model"] for row in found["classes"]][-1] == newer
    # That of the newest model, which has judged nothing yet
    assert "stage_zero_shot_accuracy (0-1)" not in found


def test_labels_without_a_vector_are_counted_and_fit_nothing(small: SmallFarm) -> None:
    label(small, 16, 0, stage="substrate")
    label(small, 16, 90, stage="fruiting")
    small.execute("DELETE FROM farm.image_embedding")
    assert fit(small).success
    found = shown(small)
    assert (found["labels"], found["labels_without_vector"]) == (32, 32)
    assert found["dagster/row_count"] == 0
    assert {row["model"] for row in found["classes"]} == {"none"}


def test_classes_that_the_farm_file_no_longer_lists_are_left_out_and_named(
    small: SmallFarm,
) -> None:
    label(small, 16, 0, stage="substrate")
    label(small, 16, 60, stage="pinning")  # `store_labels` itself knows no farm file
    label(small, 16, 120, stage="fruiting")
    fit(small)
    assert probes(small)["stage"].classes == ("substrate", "fruiting")
    assert "Left out, not in the farm file: pinning." in shown(small)["notes"]
    assert shown(small)["labels_without_vector"] == 0


def test_the_images_vector_is_the_one_of_the_bytes_that_were_labelled(small: SmallFarm) -> None:
    for path in label(small, 16, 0, stage="substrate"):
        see(small.database, path, f"{path} replaced", vector=(0.0, 1.0))
    label(small, 16, 90, stage="fruiting")
    fit(small)
    assert [name for name, _ in probes(small)["stage"].predict([[1.0, 0.1], [0.1, 1.0]])] == [
        "substrate",
        "fruiting",
    ]


def test_a_run_beside_another_waits_for_it_and_reads_the_labels_that_came_meanwhile(
    small: SmallFarm,
) -> None:
    label(small, 16, 0, stage="substrate")
    with ThreadPoolExecutor(1) as pool:
        with small.database.transaction() as other:
            lock_table(other, clip_probe)
            run = pool.submit(fit, small)
            while not run.done():
                with small.database.transaction() as connection:
                    if connection.scalar(
                        sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                    ):
                        break
            assert not run.done()
            label(small, 16, 90, stage="fruiting")
        assert run.result().success
    assert probes(small)["stage"].classes == ("substrate", "fruiting")


def test_a_database_that_is_away_is_retried_and_missing_tables_are_not(
    small: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timetable, "RETRY", dg.RetryPolicy(max_retries=3, delay=0))
    away = PostgresResource(url="postgresql://farm@127.0.0.1:1/farm", connect_attempts=1)
    result = fit(small, postgres=away, raise_on_error=False)
    assert (result.success, retries(result)) == (False, 3)
    small.execute("DROP TABLE farm.image_label")
    result = fit(small, raise_on_error=False)
    assert (result.success, retries(result)) == (False, 0)
    assert "Remedy: run `mushroom init`" in failure_message(result)
