"""`pictures_familiar`: the newest day beside its rooms' past, from stored vectors to the light."""

import datetime as dt

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa

from mushroom_assets.checks.familiar import NAME, RoomLook, told
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.own_days import FEWEST_DAYS, FEWEST_REFERENCE
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.schema import daily_clip_inference
from mushroom_assets_tests.kit.evaluations import standing_evaluation
from mushroom_assets_tests.kit.small import SmallFarm

DAY = dt.date(2026, 2, 10)
MODEL = "ViT-B-32/random-seed0/prompts-0"
CAMERAS = ("cam1", "cam2")
FARM = parse_farm("{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {A: {}}}")
ENOUGH = FEWEST_DAYS + FEWEST_REFERENCE


def put_day(database: Database, day: dt.date, places: dict[str, int], seed: int) -> None:
    """Six pictures of each camera of room A, around an axis each."""
    random = np.random.default_rng(seed)
    rows = []
    for camera, axis in places.items():
        for hour in range(6):
            vector = 4 * np.eye(8)[axis] + 0.2 * random.normal(size=8)
            rows.append(
                {
                    "image_path": f"A/{day:%Y%m%d}/A_{camera}_{hour}.jpg",
                    "model_id": MODEL,
                    "room_id": "A",
                    "image_date": day,
                    "camera": camera,
                    "status": "ok",
                    "embedding": vector / np.linalg.norm(vector),
                    "run_id": "r",
                    "computed_at": dt.datetime(2026, 2, 11, tzinfo=dt.UTC),
                }
            )
    with database.transaction() as connection:
        connection.execute(sa.insert(daily_clip_inference), rows)


def rooms(found: dg.AssetCheckEvaluation) -> list[str]:
    return str(found.metadata["cameras"].value).splitlines()


def test_from_the_first_day_to_a_camera_that_was_turned(small: SmallFarm) -> None:
    assert standing_evaluation(small, NAME).description == "no picture yet"
    usual = dict.fromkeys(CAMERAS, 0)
    put_day(small.database, DAY, usual, 0)
    early = standing_evaluation(small, NAME)
    assert early.passed
    assert rooms(early) == ["- room A: not calibrated yet, 0 of 20 days to compare with"]
    for number in range(1, ENOUGH + 1):
        put_day(small.database, DAY - dt.timedelta(days=number), usual, number)
    assert standing_evaluation(small, NAME).passed
    relabelled = sa.update(daily_clip_inference).values(model_id=MODEL.replace("s-0", "s-1"))
    with small.database.transaction() as connection:
        connection.execute(relabelled.where(daily_clip_inference.c.image_date < DAY))
    turned = {"cam1": 0, "cam2": 1}
    put_day(small.database, DAY + dt.timedelta(days=1), turned, 99)
    found = standing_evaluation(small, NAME)
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert found.description is not None
    assert found.description.startswith("1 cameras whose pictures of 2026-02-11 are mostly unlike")
    lines = rooms(found)
    assert "- room A, camera cam2: 6 of 6 pictures" in lines
    first = lines.index("- room A, camera cam2: 6 of 6 pictures") + 1
    assert lines[first].startswith("    - A/20260211/A_cam2_")


@pytest.mark.parametrize(("odd", "passed"), [(3, True), (4, False)])
def test_a_person_before_a_camera_is_told_and_turns_no_light_on(odd: int, passed: bool) -> None:
    look = RoomLook("A", 28, {"cam1": ["a.jpg"] * odd, "cam2": []}, {"cam1": 6, "cam2": 6})
    found = told([look], DAY, FARM)
    assert found["passed"] is passed
    assert found["metadata"]["cameras"].value.startswith(
        f"- room A, camera cam1: {odd} of 6 pictures"
    )
