"""`daily_clip_inference` on PostgreSQL with image files on disk and the packaged model."""

import datetime as dt
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from mushroom_assets.automation import timetable
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.resources import ClipResource
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_clip_inference
from mushroom_assets_tests.kit.cameras import ASSET, DAY, FARM, Cameras, picture
from mushroom_assets_tests.kit.plant import put_batch
from mushroom_assets_tests.kit.runs import failure_message, retries
from mushroom_assets_tests.kit.small import without

OF_607 = "7/20260110/607_cam1_202615_20260110080130.jpg"
OF_611 = "611/20260110/611_cam2_202615_20260110090130.jpg"


@pytest.fixture
def cameras(database: Database, tmp_path: Path) -> Iterator[Cameras]:
    with Cameras.open(database, tmp_path) as cameras:
        cameras.store.mkdir()
        yield cameras


def test_every_file_is_a_row_with_its_status_and_reason(cameras: Cameras) -> None:
    whole = picture(1)
    files = {
        OF_607: whole,
        "611/20260110/611_cam1_202615_20260110080130.jpg": picture(2)[: len(picture(2)) // 3],
        "611/20260110/611_cam1_202615_20260110090130.jpg": b"",
        "611/20260110/611_cam1_202615_20260110100130.jpg": b"no picture at all",
        "611/20260110/holiday.jpg": picture(3),
        "611/20260110/611_cam1_202615_20260111100130.jpg": picture(4),
    }
    for path, data in files.items():
        cameras.shoot(path, data)
    # No room's folder: not ours
    cameras.shoot("elsewhere/20260110/x_cam1_202615_20260110080130.jpg", whole)
    result = cameras.judge()
    found = cameras.found()
    assert set(found) == set(files)
    good = found[OF_607]
    assert (good["room_id"], good["status"], good["error"]) == ("607", "ok", None)
    another_day = "the folder's day is 20260110, the name's 20260111"
    expected = {
        "611_cam1_202615_20260110080130.jpg": ("unreadable", "cut off"),
        "611_cam1_202615_20260110090130.jpg": ("unreadable", "empty"),
        "611_cam1_202615_20260110100130.jpg": ("unreadable", "not an image"),
        "holiday.jpg": ("rejected", "the name is not"),
        "611_cam1_202615_20260111100130.jpg": ("rejected", another_day),
    }
    for name, (state, reason) in expected.items():
        row = found[f"611/20260110/{name}"]
        assert (row["room_id"], row["status"]) == ("611", state)
        assert reason in row["error"]
    for path, row in found.items():
        # What its name refuses was not read
        content = None if row["status"] == "rejected" else hashlib.sha256(files[path]).hexdigest()
        assert row["content_sha256"] == content
        assert row["image_date"] == dt.date(2026, 1, 10)
        if row["status"] != "ok":
            assert (row["embedding"], row["stage"], row["scores"]) == (None, None, None)
    assert result.success
    assert cameras.done(ASSET) == {DAY}


def test_an_images_row_says_what_name_file_and_model_tell(cameras: Cameras) -> None:
    cameras.shoot(OF_607, picture(1))
    cameras.judge()
    (row,) = cameras.rows(ASSET)
    assert (row["camera"], row["room_id"]) == ("cam1", "607")
    assert row["captured_at"] == dt.datetime(2026, 1, 10, 0, 1, 30, tzinfo=dt.UTC)
    assert (row["width"], row["height"]) == (160, 120)
    assert row["model_id"].startswith(f"{load_encoder(None, None).name}/prompts-")
    grey = np.asarray(Image.open(io.BytesIO(picture(1))).convert("L"), dtype=float)
    assert row["brightness"] == pytest.approx(grey.mean() / 255, abs=1e-6)
    assert row["sharpness"] > 0
    vision = cameras.farm.vision
    for kind, labels in (("stage", vision.stages), ("condition", vision.conditions)):
        scores = row["scores"][kind]
        assert set(scores) == set(labels)
        assert sum(scores.values()) == pytest.approx(1, abs=1e-5)
        second, first = sorted(scores.values())[-2:]
        assert row[f"{kind}_probability"] == pytest.approx(first, abs=1e-6)
        best = max(scores, key=scores.__getitem__)
        assert row[kind] == (best if first - second >= vision.unknown_margin else "unknown")
        if kind == "stage":
            assert row["stage_margin"] == pytest.approx(first - second, abs=2e-6)


def test_the_vector_has_length_1_and_is_that_of_the_image_alone(cameras: Cameras) -> None:
    for number, hour in enumerate((8, 9, 10)):
        cameras.shoot(f"611/20260110/611_cam1_202615_20260110{hour:02}0130.jpg", picture(number))
    cameras.judge()
    with cameras.database.transaction() as connection:
        shapes = connection.exec_driver_sql(
            "SELECT vector_dims(embedding), vector_norm(embedding) FROM farm.daily_clip_inference"
        ).all()
    encoder = load_encoder(None, None)
    assert [dimensions for dimensions, _ in shapes] == [encoder.dimensions] * 3
    assert [norm for _, norm in shapes] == pytest.approx([1, 1, 1], abs=1e-5)
    images = [Image.open(io.BytesIO(picture(number))).convert("RGB") for number in range(3)]
    alone = np.vstack([encoder.encode_images(encoder.preprocess(image)[None]) for image in images])
    stored = np.stack([row["embedding"] for row in cameras.rows(ASSET)])
    np.testing.assert_allclose(stored, alone, atol=1e-5)
    assert np.linalg.norm(stored[0] - stored[1]) > 0.01  # other images have other vectors


def test_nothing_about_room_time_batch_or_climate_leaks_into_vector_and_scores(
    cameras: Cameras,
) -> None:
    paths = [OF_607, OF_611, "611/20260111/611_cam9_20251220_20260111230130.jpg"]
    for path in paths:
        cameras.shoot(path, picture(5))
    put_batch(cameras.database, "607", dt.date(2026, 1, 9))
    cameras.sense("607", "temperature", dt.datetime(2026, 1, 10, 0, 1, tzinfo=dt.UTC), 9.5)
    cameras.judge(DAY, "2026-01-11")
    first, *others = (cameras.found()[path] for path in paths)
    assert len({first["growth_day"], *(other["growth_day"] for other in others)}) == 3
    for other in others:
        np.testing.assert_allclose(other["embedding"], first["embedding"], atol=1e-6)
        for name in ("stage", "condition", "sharpness", "brightness", "content_sha256"):
            assert other[name] == first[name], name
        for kind, scores in first["scores"].items():
            assert other["scores"][kind] == pytest.approx(scores, abs=2e-6)


def test_the_climate_is_the_one_at_the_capture_if_it_is_not_too_old(cameras: Cameras) -> None:
    cameras.shoot(OF_607, picture(1))
    cameras.shoot(OF_611, picture(1))
    captured = dt.datetime(2026, 1, 10, 0, 1, 30, tzinfo=dt.UTC)

    def before(seconds: float) -> dt.datetime:
        return captured - dt.timedelta(seconds=seconds)

    cameras.sense("607", "temperature", before(90), 17.0)
    cameras.sense("607", "temperature", before(0), 18.1)
    cameras.sense("607", "temperature", before(-1), 99.0)
    cameras.sense("607", "humidity", before(301), 90.0)
    cameras.sense("607", "co2", before(300), 2256.0)
    cameras.sense("607", "co2", before(30), 0.0)  # a glitch
    cameras.judge()
    found = cameras.found()
    climate = ("temperature_c", "humidity_pct", "co2_ppm")
    assert tuple(found[OF_607][name] for name in climate) == (18.1, None, 2256.0)
    assert tuple(found[OF_611][name] for name in climate) == (None, None, None)


def test_the_climate_just_before_midnight_counts_for_the_first_image(cameras: Cameras) -> None:
    path = "7/20260110/607_cam1_202615_20260110000130.jpg"
    cameras.shoot(path, picture(1))
    cameras.sense("607", "temperature", dt.datetime(2026, 1, 9, 15, 58, tzinfo=dt.UTC), 18.5)
    cameras.judge()
    assert cameras.found()[path]["temperature_c"] == 18.5


@pytest.mark.parametrize(
    ("in_dates", "expected"),
    [
        ([], (dt.date(2026, 1, 5), 6)),  # the name's 202615
        ([dt.date(2026, 1, 2)], (dt.date(2026, 1, 2), 9)),
        ([dt.date(2025, 12, 1), dt.date(2026, 1, 10)], (dt.date(2026, 1, 10), 1)),
        ([dt.date(2026, 1, 11)], (dt.date(2026, 1, 5), 6)),  # the table knows of no batch yet
    ],
    ids=["none", "table", "latest", "later"],
)
def test_the_batch_table_decides_and_the_name_is_the_fallback(
    cameras: Cameras, in_dates: list[dt.date], expected: tuple[dt.date, int]
) -> None:
    cameras.shoot(OF_607, picture(1))
    for in_date in in_dates:
        put_batch(cameras.database, "607", in_date)
    cameras.judge()
    (row,) = cameras.rows(ASSET)
    assert (row["batch_date"], row["growth_day"]) == expected


def test_a_rerun_replaces_its_day_and_touches_no_other(cameras: Cameras) -> None:
    other = "7/20260111/607_cam1_202615_20260111080130.jpg"
    for number, path in enumerate((OF_607, OF_611, other)):
        cameras.shoot(path, picture(number))
    cameras.judge(DAY, "2026-01-11")
    before = {row["image_path"]: row for row in cameras.rows(ASSET, provenance=True)}
    (cameras.store / OF_611).unlink()
    added = OF_611.replace("0901", "1001")
    cameras.shoot(added, picture(7))
    rerun = cameras.judge()
    after = {row["image_path"]: row for row in cameras.rows(ASSET, provenance=True)}
    assert set(after) == {OF_607, other, added}
    assert after[other]["run_id"] == before[other]["run_id"]
    assert after[other]["computed_at"] == before[other]["computed_at"]
    assert after[OF_607]["run_id"] == after[added]["run_id"] == rerun.run_id
    provenance = ("run_id", "computed_at", "embedding")
    assert without(after[OF_607], *provenance) == without(before[OF_607], *provenance)


def test_rows_of_another_prompt_set_are_kept_beside_the_new_ones(cameras: Cameras) -> None:
    cameras.shoot(OF_607, picture(1))
    cameras.judge()
    cameras.path.write_text(
        FARM + "vision: {unknown_margin: 0.1, templates: ['{}'],"
        " stages: {a: {prompts: [x]}, b: {prompts: [y]}},"
        " conditions: {c: {prompts: [x]}, d: {prompts: [y]}}, sound: c}\n"
    )
    cameras.judge()
    found = cameras.rows(ASSET)
    assert len({row["model_id"] for row in found}) == 2
    assert {frozenset(row["scores"]["stage"]) for row in found} == {
        frozenset("ab"),
        frozenset(cameras.farm.vision.stages),
    }
    cameras.judge()
    assert len(cameras.rows(ASSET)) == 2


def test_a_day_without_images_is_materialized_without_rows(cameras: Cameras) -> None:
    cameras.shoot(OF_607, picture(1))
    cameras.judge("2026-01-12")
    assert cameras.rows(ASSET) == []
    assert cameras.done(ASSET) == {"2026-01-12"}


@pytest.mark.parametrize(
    ("options", "named", "remedy"),
    [
        (
            {"images": Path("/nowhere/images")},
            "/nowhere/images",
            "Remedy: create it or correct MUSHROOM_IMAGE_ROOT",
        ),
        (
            {"resources": {"clip": ClipResource(pretrained="/nowhere/clip.pt")}},
            "/nowhere/clip.pt",
            "CLIP_PRETRAINED",
        ),
        ({"resources": {"clip": ClipResource(model="ViT-B-33")}}, "ViT-B-33", "ViT-B-32"),
    ],
    ids=["image-root", "weights", "model"],
)
def test_a_wrong_setting_fails_at_once_and_the_message_says_what_to_do(
    cameras: Cameras,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    named: str,
    remedy: str,
) -> None:
    monkeypatch.setattr(timetable, "RETRY", dg.RetryPolicy(max_retries=3, delay=0))
    result = cameras.judge(raise_on_error=False, **options)
    assert not result.success
    assert named in failure_message(result)
    assert remedy in failure_message(result)
    assert retries(result) == 0
    assert cameras.done(ASSET) == set()


def test_a_range_of_days_is_its_days(cameras: Cameras) -> None:
    for number, day in enumerate((10, 11, 13)):
        cameras.shoot(f"611/202601{day}/611_cam1_202615_202601{day}080130.jpg", picture(number))
    cameras.judge(DAY, "2026-01-13")
    assert cameras.done(ASSET) == {f"2026-01-{day}" for day in (10, 11, 12, 13)}
    with cameras.database.transaction() as connection:
        days = connection.scalars(
            sa.select(daily_clip_inference.c.image_date).order_by(sa.text("1"))
        ).all()
    assert [day.day for day in days] == [10, 11, 13]
