"""Rows of images: what the file, its name, the batch and the climate put into them."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.image_row import (
    DailyClipInference,
    JudgedImage,
    Outcome,
    circumstances,
    image_labels,
    judged_image,
    refused_unread,
)
from mushroom_assets.domain.probe import Probe
from mushroom_assets.domain.sensors import RoomQuantity
from mushroom_assets.domain.series import SECOND, Series
from mushroom_assets.domain.vision import EncodedImage, Labeller
from mushroom_assets.domain.windows import to_us

DAY = dt.date(2026, 1, 10)
FARM = parse_farm("timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {A: {}}\n")
PATH = "A/20260110/A_cam1_202615_20260110120000.jpg"  # in-date 2026-01-05
CAPTURED_AT = dt.datetime(2026, 1, 10, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
ENCODED = EncodedImage("ab" * 32, np.array([0.6, 0.8], np.float32), 160, 120, 12.5, 0.25)
STAMPS = {"model_id", "run_id", "computed_at"}


@dataclass
class Broken:
    """A fault as the images' reader tells it."""

    status: Literal["unreadable", "rejected"] = "rejected"
    reason: str = "too large"
    content_sha256: str | None = "cd" * 32
    width: int | None = 9
    height: int | None = 8


def judged(**changed: Any) -> JudgedImage:
    outcome: dict[str, Any] = {"path": PATH, "encoded": ENCODED, "computed": True} | changed
    return judged_image(Outcome(**outcome), "A", DAY, FARM)


def told(row: DailyClipInference) -> dict[str, Any]:
    """What of a row is not None."""
    return {key: value for key, value in row.items() if value is not None}


def test_a_sound_file_tells_what_the_model_and_its_name_say() -> None:
    row = told(judged())
    np.testing.assert_array_equal(row.pop("embedding"), [np.float32(0.6), np.float32(0.8)])
    assert row == {
        "image_path": PATH,
        "room_id": "A",
        "image_date": DAY,
        "status": "ok",
        "camera": "cam1",
        "captured_at": CAPTURED_AT,
        "batch_date": dt.date(2026, 1, 5),
        "content_sha256": "ab" * 32,
        "width": 160,
        "height": 120,
        "sharpness": 12.5,
        "brightness": 0.25,
        "settings_version": 0,
        "computed": True,
    }


def test_a_row_has_every_column_from_the_beginning() -> None:
    assert judged().keys() == DailyClipInference.__annotations__.keys() | {"computed"}


def test_a_fault_tells_its_reason_and_what_is_known_of_the_file() -> None:
    row = told(judged(encoded=None, fault=Broken(), computed=False))
    assert row == {
        "image_path": PATH,
        "room_id": "A",
        "image_date": DAY,
        "status": "rejected",
        "error": "too large",
        "camera": "cam1",
        "captured_at": CAPTURED_AT,
        "batch_date": dt.date(2026, 1, 5),
        "content_sha256": "cd" * 32,
        "width": 9,
        "height": 8,
        "settings_version": 0,
        "computed": False,
    }


@pytest.mark.parametrize(
    ("path", "size", "reason"),
    [
        (PATH, 64_000_000, None),
        (PATH, None, None),  # the store does not list it: whoever reads reads no further
        (PATH, 64_000_001, "65 MB, more than 64 MB"),
        (PATH, 1_200_000_000, "1200 MB, more than 64 MB"),
        ("A/20260110/A_cam1_202615_20260110120000.mp4", 5, "the name is not <room>_"),
        ("A/20260110/A_cam1_202615_20260111120000.jpg", 5, "the folder's day is 20260110"),
        ("A/20260110/more/", None, "a folder inside a day's folder"),
    ],
)
def test_names_and_sizes_are_judged_before_anything_is_read(
    path: str, size: int | None, reason: str | None
) -> None:
    outcome = refused_unread(path, size, FARM)
    if reason is None:
        assert outcome is None
        return
    assert outcome is not None
    row = told(judged_image(outcome, "A", DAY, FARM))
    assert (row["status"], row["computed"]) == ("rejected", False)
    assert reason in row["error"]
    # A name that can be read still tells camera and capture; of the bytes nothing is known
    named = {"camera", "captured_at", "batch_date"} if path == PATH else set()
    assert row.keys() == {
        *("image_path", "room_id", "image_date", "status", "error", "settings_version"),
        "computed", *named
    }  # fmt: skip


@pytest.mark.parametrize("fault", [None, Broken(status="unreadable")])
def test_a_name_that_cannot_be_read_rejects_the_image_whatever_it_shows(
    fault: Broken | None,
) -> None:
    row = judged(path="A/20260110/holiday.jpg", fault=fault)
    assert (row["status"], row["embedding"], row["captured_at"]) == ("rejected", None, None)
    assert "holiday.jpg: the name is not <room>" in (row["error"] or "")
    assert row["content_sha256"] == ENCODED.content_sha256


def at(seconds_before: float, value: float, *, rejected: bool = False) -> Series:
    """One sample, so long before the capture."""
    instant = to_us(CAPTURED_AT) - round(seconds_before * SECOND)
    flags = np.array([rejected])
    none = np.array([False])
    return Series(np.array([instant]), np.array([value]), flags, none, none)


def around(
    row: DailyClipInference,
    climate: dict[RoomQuantity, Series] | None = None,
    in_dates: dict[str, list[dt.date]] | None = None,
    farm: Farm = FARM,
) -> dict[str, Any]:
    sensors = {key: [series] for key, series in (climate or {}).items()}
    found = dict(circumstances(row, sensors, farm, in_dates or {}))
    assert found.pop("settings_version", 0) == 0
    return found


def test_the_batch_table_decides_and_the_name_is_the_fallback() -> None:
    row = judged()  # the name says 2026-01-05
    known = around(row, in_dates={"A": [dt.date(2025, 12, 1), dt.date(2026, 1, 8)]})
    assert known == {"batch_date": dt.date(2026, 1, 8), "growth_day": 3}
    assert around(row) == {"batch_date": dt.date(2026, 1, 5), "growth_day": 6}
    later = around(row, in_dates={"A": [dt.date(2026, 1, 11)]})  # not in yet
    assert later == {"batch_date": dt.date(2026, 1, 5), "growth_day": 6}
    other_room = around(row, in_dates={"B": [dt.date(2026, 1, 9)]})
    assert other_room == {"batch_date": dt.date(2026, 1, 5), "growth_day": 6}


def test_without_any_batch_there_is_no_growth_day() -> None:
    row = judged(path="A/20260110/A_cam1_0_20260110120000.jpg")
    assert around(row) == {"batch_date": None, "growth_day": None}


def test_the_climate_is_that_of_the_capture_and_at_most_five_minutes_old() -> None:
    climate = {
        ("A", "temperature"): at(300, 18.5),
        ("A", "humidity"): at(300.000001, 91.0),
        ("A", "co2"): at(-1, 2000.0),  # comes after the capture
        ("B", "temperature"): at(0, 99.0),
    }
    found = around(judged(), climate)
    assert found["temperature_c"] == 18.5
    assert found["humidity_pct"] is None
    assert found["co2_ppm"] is None


def test_a_rejected_sample_is_no_climate_and_a_quantity_without_sensors_has_no_column() -> None:
    found = around(judged(), {("A", "co2"): at(10, 0.0, rejected=True)})
    assert found["co2_ppm"] is None
    assert "temperature_c" not in found


def test_an_image_without_a_time_has_no_circumstances() -> None:
    row = judged(path="A/20260110/holiday.jpg")
    assert around(row, {("A", "co2"): at(0, 900.0)}, {"A": [DAY]}) == {}


def encode(texts: Any) -> Any:
    """A vector of its own for every second text, whatever it says."""
    return np.eye(2)[np.arange(len(texts)) % 2]


def test_images_with_a_vector_get_labels_by_path_and_others_none() -> None:
    with_vector = judged()
    without = judged(path="A/20260110/holiday.jpg")
    labeller = Labeller(FARM.vision, encode, 1.0)
    found = image_labels([without, with_vector], labeller, {})
    assert found.keys() == {PATH}
    (score,) = labeller.score([ENCODED.embedding])
    assert found[PATH]["stage"] == score.stage
    assert found[PATH]["scores"] == score.scores
    assert found[PATH]["probe_stage"] is None
    assert image_labels([without], labeller, {}) == {}


def test_the_farms_probe_speaks_beside_the_model() -> None:
    probe = Probe("stage", "stage-1", ("a", "b"), np.array([[0.0, 0.0], [0.0, 5.0]]), np.zeros(2))
    found = image_labels([judged()], Labeller(FARM.vision, encode, 1.0), {"stage": probe})
    # softmax of 0 and 5 * 0.8: 1 / (1 + exp(-4)) = 0.982014
    assert found[PATH]["probe_stage"] == "b"
    assert found[PATH]["probe_stage_probability"] == pytest.approx(0.982014, abs=2e-6)
    assert found[PATH]["probe_id"] == "stage-1"
    assert not STAMPS & found[PATH].keys()
