"""`relabel_images_job` on PostgreSQL: runs of the job beside runs of the asset, packaged model."""

import datetime as dt
import itertools
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from mushroom_assets.assets import relabel
from mushroom_assets.automation import timetable
from mushroom_assets.definitions import build_definitions
from mushroom_assets.domain.evaluation import Evaluation
from mushroom_assets.domain.familiarity import distances
from mushroom_assets.domain.label_sets import LabelSets, oddness
from mushroom_assets.domain.probe import KINDS, Probe, ProbeFit
from mushroom_assets.domain.vision import Labeller
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.storage.day_locks import lock_days
from mushroom_assets.storage.schema import clip_probe, daily_clip_inference
from mushroom_assets.storage.vision.probes import replace_probes
from mushroom_assets.storage.vision.relabel import read_vectors, write_labels
from mushroom_assets_tests.kit.cameras import ASSET, DAYS, FARM, Relabelled
from mushroom_assets_tests.kit.plant import write_farm
from mushroom_assets_tests.kit.runs import failure_message, retries
from mushroom_assets_tests.kit.small import without

PROVENANCE = ("run_id", "computed_at")


def stable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [without(row, *PROVENANCE) for row in rows]


def without_a_run(judged: Relabelled, run_id: str) -> int:
    """Relabel as the job's body does; returns how many rows were stored."""
    task = relabel.relabelling(judged.farm, load_encoder(None, None), run_id)
    chunks = relabel.relabel(judged.database, task, None, None)
    return sum(day.ok + day.not_ok for day in itertools.chain.from_iterable(chunks))


def put_probe(judged: Relabelled) -> None:
    """A probe of the stage for the model in use."""
    encoder = load_encoder(None, None)
    weights = np.random.default_rng(3).standard_normal((3, encoder.dimensions)) * 9
    row = {
        "encoder": encoder.name,
        "kind": "stage",
        "probe_id": "stage-1234",
        "classes": ["x", "y", "z"],
        "coefficients": weights.ravel().tolist(),
        "intercepts": [0.1, 0.2, 0.3],
        "label_count": 48,
        "accuracy": 0.9,
        "by_class": {},
        "run_id": "r",
        "fitted_at": dt.datetime.now(dt.UTC),
    }
    with judged.database.transaction() as connection:
        replace_probes(connection, [], "r", dt.datetime.now(dt.UTC))
        connection.execute(sa.insert(clip_probe).values(**row))


def test_the_rows_are_those_of_a_fresh_run_under_the_new_prompts_column_by_column(
    judged: Relabelled,
) -> None:
    new = judged.ask_otherwise()
    judged.relabel()
    relabelled = judged.of(new)
    judged.judge(DAYS[0], DAYS[-1])
    fresh = judged.of(new)
    assert {row["run_id"] for row in relabelled} != {row["run_id"] for row in fresh}
    assert [row["status"] for row in fresh].count("ok") == 6
    assert len(fresh) == 8
    assert set(fresh[-1]["scores"] or fresh[0]["scores"]) == set(KINDS)
    for mine, asset in zip(relabelled, fresh, strict=True):
        judged_by_number = ("stage_probability", "stage_margin", "condition_probability", "scores")
        for name in without(asset, *PROVENANCE, *judged_by_number, "embedding"):
            assert mine[name] == asset[name], name
        # The asset encodes anew, in other batches: the last bits may differ
        if asset["status"] == "ok":
            np.testing.assert_allclose(mine["embedding"], asset["embedding"], atol=1e-5)
            for name in judged_by_number[:3]:
                assert mine[name] == pytest.approx(asset[name], abs=3e-6), name
            for kind in KINDS:
                assert mine["scores"][kind] == pytest.approx(asset["scores"][kind], abs=3e-6)


def test_the_labels_are_exactly_those_that_the_asset_gives_the_stored_vector(
    judged: Relabelled,
) -> None:
    new = judged.ask_otherwise()
    judged.relabel()
    encoder = load_encoder(None, None)
    known = encoder.known
    labeller = Labeller(judged.farm.vision, encoder.encode_texts, encoder.logit_scale, known)
    rows = [row for row in judged.of(new) if row["status"] == "ok"]
    assert len(rows) == 6
    for row in rows:
        (labels,) = labeller.score(np.array([row["embedding"]], dtype=np.float32))
        for name, value in asdict(labels).items():
            assert row[name] == value, name


def test_the_rows_of_the_old_prompts_stay_as_they_were(judged: Relabelled) -> None:
    old = judged.model()
    before = judged.of(old)
    new = judged.ask_otherwise()
    run = judged.relabel()
    assert judged.of(old) == before
    after = judged.of(new)
    assert [row["image_path"] for row in after] == [row["image_path"] for row in before]
    for mine, former in zip(after, before, strict=True):
        for name in (
            "embedding",
            "batch_date",
            "growth_day",
            "captured_at",
            "sharpness",
            "error",
            "content_sha256",
        ):
            assert mine[name] == former[name], name
        assert mine["computed_at"] > former["computed_at"]
        assert mine["run_id"] == run.run_id


def test_circumstances_are_kept_and_the_latest_row_is_the_one_copied(judged: Relabelled) -> None:
    judged.execute("UPDATE farm.daily_clip_inference SET growth_day = 77, temperature_c = 12.5")
    judged.execute(
        "INSERT INTO farm.daily_clip_inference (image_path, model_id, room_id, image_date, status,"
        " error, growth_day, run_id, computed_at)"
        " SELECT image_path, split_part(model_id, '/prompts-', 1) || '/prompts-zz', room_id,"
        " image_date, 'unreadable', 'of long ago', 5, 'r', '2025-01-01'"
        " FROM farm.daily_clip_inference"
    )
    new = judged.ask_otherwise()
    judged.relabel()
    assert {(row["growth_day"], row["temperature_c"]) for row in judged.of(new)} == {(77, 12.5)}
    assert "of long ago" not in {row["error"] for row in judged.of(new)}


def test_images_without_a_vector_are_copied_as_they_are(judged: Relabelled) -> None:
    old = judged.model()
    new = judged.ask_otherwise()
    judged.relabel()
    before = [row for row in judged.of(old) if row["status"] != "ok"]
    after = [row for row in judged.of(new) if row["status"] != "ok"]
    assert {row["status"] for row in after} == {"unreadable", "rejected"}
    for mine, former in zip(after, before, strict=True):
        assert without(mine, *PROVENANCE, "model_id") == without(former, *PROVENANCE, "model_id")


def test_new_probes_reach_old_days_under_the_same_prompts(judged: Relabelled) -> None:
    before = judged.of(judged.model())
    put_probe(judged)
    judged.relabel()
    after = judged.of(judged.model())
    assert len(judged.rows(ASSET)) == len(before)
    for mine, former in zip(after, before, strict=True):
        probed = {name: mine[name] for name in mine if name.startswith("probe_")}
        assert without(mine, *PROVENANCE, *probed) == without(former, *PROVENANCE, *probed)
        assert (probed["probe_condition"], probed["probe_condition_probability"]) == (None, None)
        if mine["status"] != "ok":
            assert set(probed.values()) == {None}
            continue
        assert probed["probe_id"] == "stage-1234"
        with judged.database.transaction() as connection:
            weights = connection.scalar(sa.select(clip_probe.c.coefficients))
        logits = np.array(weights).reshape(3, -1) @ np.array(mine["embedding"])
        powers = np.exp(logits + np.array([0.1, 0.2, 0.3]))
        share = powers.max() / powers.sum()
        assert probed["probe_stage"] == "xyz"[powers.argmax()]
        assert probed["probe_stage_probability"] == pytest.approx(share, abs=1e-6)


def put_calibrated_probe(judged: Relabelled) -> None:
    """A probe of the stage that excludes some of its labels, whose names are no plain words."""
    encoder = load_encoder(None, None)
    kept = [row["embedding"] for row in judged.of(judged.model()) if row["status"] == "ok"]
    vectors = np.array(kept, dtype=np.float32).astype(np.float64)
    classes = ('a "b", {c}', "d\\e", "f")
    means = vectors[[0, 2, 4]]
    odds = np.array([0.0, 0.1, 0.2])
    limits = np.full(3, np.inf)
    sets = LabelSets(means, np.eye(encoder.dimensions), np.zeros(3), np.ones(3), limits)
    probe = Probe("stage", "stage-5678", classes, 5 * means, odds, sets)
    odd = oddness(
        probe.probabilities(vectors),
        distances(vectors, means, sets.whitening),
        sets.middles,
        sets.spreads,
    )
    limits[:] = np.sort(odd, axis=0)[[2, 0, 1], range(3)] + 1e-6  # 3, 1 and 2 images are left
    ones = np.eye(3, dtype=np.int64)
    evaluation = Evaluation(classes, 16 * ones, np.zeros((3, 2), dtype=np.int64), 5, True)
    fit = ProbeFit(encoder.name, "stage", {}, {}, probe, evaluation, 1.0)
    with judged.database.transaction() as connection:
        replace_probes(connection, [fit], "r", dt.datetime.now(dt.UTC))


def test_sets_of_labels_are_those_that_the_asset_gives(judged: Relabelled) -> None:
    put_calibrated_probe(judged)
    judged.relabel()
    relabelled = judged.of(judged.model())
    judged.judge(DAYS[0], DAYS[-1])
    fresh = judged.of(judged.model())
    for mine, asset in zip(relabelled, fresh, strict=True):
        probed = [name for name in asset if name.startswith("probe_")]
        assert {name: mine[name] for name in probed} == {name: asset[name] for name in probed}
    sets = [row["probe_stages"] for row in fresh if row["status"] == "ok"]
    left = Counter(itertools.chain.from_iterable(sets))
    assert left == {'a "b", {c}': 3, "d\\e": 1, "f": 2}
    assert {row["probe_stages"] for row in fresh if row["status"] != "ok"} == {None}
    for row in fresh:
        if row["status"] == "ok":
            assert row["probe_stage"] in (*row["probe_stages"], "unknown")
            assert row["probe_id"] == "stage-5678"
    assert "unknown" in {row["probe_stage"] for row in fresh}
    assert {row["probe_conditions"] for row in fresh} == {None}


def test_a_probe_that_is_gone_leaves_no_label_behind(judged: Relabelled) -> None:
    put_probe(judged)
    judged.relabel()
    judged.execute("TRUNCATE farm.clip_probe")
    judged.relabel()
    for row in judged.of(judged.model()):
        assert {row[name] for name in row if name.startswith("probe_")} == {None}


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (None, None, DAYS),
        (DAYS[1], None, DAYS[1:]),
        (None, DAYS[1], DAYS[:2]),
        (DAYS[1], DAYS[1], DAYS[1:2]),
        ("2026-02-01", None, ()),
    ],
    ids=["all", "since", "until", "both", "none"],
)
def test_only_the_days_asked_for_are_relabelled_and_reported(
    judged: Relabelled, since: str | None, until: str | None, days: tuple[str, ...]
) -> None:
    new = judged.ask_otherwise()
    run = judged.relabel(since, until)
    assert {str(row["image_date"]) for row in judged.of(new)} == set(days)
    told = judged.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(ASSET)), limit=100
    ).records
    told = [event for event in told if event.run_id == run.run_id]
    assert sorted(event.partition_key or "" for event in told) == list(days)
    for event in told:
        materialization = event.asset_materialization
        assert materialization is not None
        found = {name: value.value for name, value in materialization.metadata.items()}
        assert (found["model_id"], found["images_ok"]) == (new, 2)
        assert found["images_not_ok"] == (2 if event.partition_key == DAYS[1] else 0)


def test_a_day_before_the_farms_first_is_relabelled_but_is_no_partition(judged: Relabelled) -> None:
    judged.execute(
        "UPDATE farm.daily_clip_inference SET image_date = '2025-11-30'"
        " WHERE image_date = '2026-01-12'"
    )
    new = judged.ask_otherwise()
    judged.relabel()
    assert dt.date(2025, 11, 30) in {row["image_date"] for row in judged.of(new)}
    assert judged.done(ASSET) == set(DAYS)


def test_rows_of_other_models_are_neither_read_nor_touched(judged: Relabelled) -> None:
    name = load_encoder(None, None).name
    like = name.replace("-", "%")  # in LIKE, `%` would stand for any characters
    strangers = [
        f"{name}-large/prompts-11111111",
        f"{like}/prompts-11111111",
        "x/y/prompts-1",
    ]
    for number, stranger in enumerate(strangers):
        with judged.database.transaction() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO farm.daily_clip_inference (image_path, model_id, room_id,"
                    " image_date, status, embedding, run_id, computed_at)"
                    " VALUES (:path, :model, '607', '2026-01-10', 'ok', '[1,0]', 'r',"
                    " now() + interval '1 day')"
                ),
                {"path": f"stranger {number}", "model": stranger},
            )
    before = [judged.of(stranger) for stranger in strangers]
    new = judged.ask_otherwise()
    judged.relabel()
    assert [judged.of(stranger) for stranger in strangers] == before
    assert len(judged.of(new)) == 8
    assert not any(row["image_path"].startswith("stranger") for row in judged.of(new))


def test_a_rerun_leaves_the_same_rows_whatever_the_chunks(
    judged: Relabelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = judged.model()
    new = judged.ask_otherwise()
    judged.relabel()
    once = judged.of(new)
    monkeypatch.setattr(relabel, "CHUNK_ROWS", 1)
    rerun = judged.relabel()
    again = judged.of(new)
    assert stable(again) == stable(once)
    assert {row["run_id"] for row in again} == {rerun.run_id}
    assert len(judged.of(old)) == len(again)


def test_a_job_that_dies_leaves_whole_days_and_the_next_run_completes_them(
    judged: Relabelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = judged.model()
    new = judged.ask_otherwise()
    monkeypatch.setattr(relabel, "CHUNK_ROWS", 1)
    writes = itertools.count()

    def dies_in_the_third(*given: Any) -> int:
        written = write_labels(*given)
        if next(writes) == 2:
            raise ValueError("power cut")
        return written

    monkeypatch.setattr(relabel, "write_labels", dies_in_the_third)
    result = judged.relabel(raise_on_error=False)
    assert not result.success
    stored = Counter(str(row["image_date"]) for row in judged.of(new))
    whole = Counter(str(row["image_date"]) for row in judged.of(old))
    assert len(stored) == 2  # whichever chunk was the last to be written
    assert stored.items() <= whole.items()
    monkeypatch.setattr(relabel, "write_labels", write_labels)
    judged.relabel()
    assert len(judged.of(new)) == 8


def test_of_two_jobs_at_once_the_second_waits_for_the_first(
    judged: Relabelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = judged.ask_otherwise()
    writing = threading.Event()
    go_on = threading.Event()

    def waits(*given: Any) -> Any:
        writing.set()
        assert go_on.wait(60)
        return read_vectors(*given)

    monkeypatch.setattr(relabel, "read_vectors", waits)
    with ThreadPoolExecutor(2) as jobs:
        first = jobs.submit(without_a_run, judged, "first")
        assert writing.wait(60)
        second = jobs.submit(without_a_run, judged, "second")
        with judged.database.transaction() as connection:
            waiting = sa.text(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            )
            while not connection.scalar(waiting):
                assert not second.done()
        assert judged.of(new) == []
        go_on.set()
        assert (first.result(60), second.result(60)) == (8, 8)
    assert [row["run_id"] for row in judged.of(new)] == ["second"] * 8


def test_a_chunk_holds_up_its_days_and_no_others(
    judged: Relabelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = judged.ask_otherwise()
    first, *others = (dt.date.fromisoformat(day) for day in DAYS)

    def looks(connection: sa.Connection, *given: Any) -> Any:
        with judged.database.connect() as other:
            other.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")
            lock_days(other, daily_clip_inference, others)
            with pytest.raises(exc.OperationalError, match="lock timeout"):
                lock_days(other, daily_clip_inference, [first])
        return read_vectors(connection, *given)

    monkeypatch.setattr(relabel, "read_vectors", looks)
    judged.relabel(DAYS[0], DAYS[0])
    assert {row["image_date"] for row in judged.of(new)} == {first}


def test_a_row_that_somebody_changes_in_between_fails_the_chunk_and_the_retry_stores_the_new_one(
    judged: Relabelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timetable, "RETRY", dg.RetryPolicy(max_retries=1, delay=0))
    old = judged.model()
    new = judged.ask_otherwise()
    reads = itertools.count()

    def meddles(*given: Any) -> Any:
        found = read_vectors(*given)
        if next(reads) == 0:
            judged.execute(
                "UPDATE farm.daily_clip_inference SET growth_day = 99"
                " WHERE starts_with(image_path, '7/20260111/')"
            )
        return found

    monkeypatch.setattr(relabel, "read_vectors", meddles)
    result = judged.relabel()
    (retry,) = (
        event
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY
    )
    assert "changed by hand" in str(retry.event_specific_data)
    grown = [row["growth_day"] for row in judged.of(new)]
    assert grown == [row["growth_day"] for row in judged.of(old)]
    assert grown.count(99) == 2


def test_no_image_is_read(judged: Relabelled) -> None:
    shutil.rmtree(judged.store)
    new = judged.ask_otherwise()
    assert judged.relabel().success
    assert len(judged.of(new)) == 8


def test_more_labels_than_a_function_takes_arguments(judged: Relabelled) -> None:
    labels = ", ".join(f"label{number}: {{prompts: [thing {number}]}}" for number in range(60))
    others = (
        "conditions: {d: {prompts: [noise]}, e: {prompts: [x]}}, sound: d,"
        " unknown_margin: 0.1, templates: ['{}']"
    )
    judged.farm = write_farm(judged.path, f"{FARM}vision: {{stages: {{{labels}}}, {others}}}\n")
    judged.relabel(until=DAYS[0])
    for row in judged.of(judged.model()):
        assert set(row["scores"]["stage"]) == set(judged.farm.vision.stages)
        assert row["stage_probability"] == max(row["scores"]["stage"].values())


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as they are, but for the waits between them."""
    monkeypatch.setattr(timetable, "RETRY", dg.RetryPolicy(max_retries=3, delay=0))


@pytest.mark.usefixtures("no_wait")
def test_a_day_that_is_none_fails_at_once(judged: Relabelled) -> None:
    result = judged.relabel(raise_on_error=False, since="10.1.2026")
    assert not result.success
    assert "write it as YYYY-MM-DD" in failure_message(result)
    assert retries(result) == 0


@pytest.mark.usefixtures("no_wait")
def test_a_vector_of_another_length_fails_at_once(judged: Relabelled) -> None:
    judged.execute(
        "UPDATE farm.daily_clip_inference SET embedding = '[1,0]'"
        " WHERE status = 'ok' AND image_date = '2026-01-11'"
    )
    result = judged.relabel(raise_on_error=False)
    assert not result.success
    assert "materialize the days anew" in failure_message(result)
    assert retries(result) == 0


def test_days_are_put_together_but_never_divided() -> None:
    days = [dt.date(2026, 1, day) for day in range(1, 6)]
    stored = list(zip(days, (3, 4, 9, 1, 7), strict=True))
    assert list(relabel.chunks(stored, 7)) == [days[:2], days[2:3], days[3:4], days[4:]]
    assert list(relabel.chunks([], 7)) == []
    year = [dt.date(2025, 1, 1) + dt.timedelta(days=number) for number in range(1000)]
    lengths = [len(chunk) for chunk in relabel.chunks([(day, 1) for day in year], 10_000)]
    assert lengths == [366, 366, 268]  # each day is a lock


def test_the_job_is_retried_and_shares_the_models_pool(judged: Relabelled) -> None:
    job = build_definitions(judged.farm).resolve_job_def("relabel_images_job")
    (op,) = job.nodes
    assert op.definition.retry_policy == timetable.RETRY  # type: ignore[attr-defined]
    assert op.definition.pool == "clip"  # type: ignore[attr-defined]
    assert daily_clip_inference.name == ASSET
