"""`daily_clip_inference` on an S3 server that goes away for a while or for good, or refuses."""

import datetime as dt
from typing import Any

import dagster as dg
import pytest
from pydantic import PrivateAttr

from mushroom_assets.automation import timetable
from mushroom_assets.domain.farm import Farm
from mushroom_assets.resources import ClipResource, ImageStore
from mushroom_assets_tests.kit.cameras import ASSET, DAY, picture
from mushroom_assets_tests.kit.object_store import BUCKET, ObjectStore
from mushroom_assets_tests.kit.runs import AT_ONCE, counted, failure
from mushroom_assets_tests.kit.small import SmallFarm

ROOT = f"s3://{BUCKET}/farm"
RANDOM = ClipResource(pretrained="random-seed0")  # labels do not matter here


@pytest.fixture
def cameras(
    small: SmallFarm, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> SmallFarm:
    """A small farm with 40 images of a day in the object store.

    They are more than a run keeps in the air at a time.
    """
    for number in range(40):
        name = f"A_cam{number}_202615_20260110080000.jpg"
        object_store.put(f"farm/A/20260110/{name}", picture(number))
    monkeypatch.setattr(timetable, "RETRY", dg.RetryPolicy(max_retries=2, delay=0))
    return small


def judge(farm: SmallFarm, store: ImageStore, **options: Any) -> dg.ExecuteInProcessResult:
    return farm.run(ASSET, DAY, resources={"image_store": store, "clip": RANDOM}, **options)


def found(farm: SmallFarm) -> list[tuple[str, str, str]]:
    return [(row["image_path"], row["status"], row["content_sha256"]) for row in farm.rows(ASSET)]


def interrupted(server: ObjectStore, *, at_read: int, while_waiting: bool) -> ImageStore:
    """A store whose server stops before a read.

    It is back as soon as the store waits, or when the day begins anew.
    """
    reads: list[str] = []

    def wait(seconds: float) -> None:
        if while_waiting:
            server.start()

    class Interrupted(ImageStore):
        _sleep: Any = PrivateAttr(default_factory=lambda: wait)

        def of_day(self, day: dt.date, farm: Farm) -> dict[str, Any]:
            server.start()
            return super().of_day(day, farm)

        def read(self, path: str) -> bytes:
            reads.append(path)
            if len(reads) == at_read:
                server.stop()
            return super().read(path)

    return Interrupted(root=ROOT, attempts=3 if while_waiting else 1)


@pytest.mark.parametrize("at_read", [20, 60], ids=["of the model", "of the pictures shown"])
@pytest.mark.parametrize(
    ("while_waiting", "retries"), [(True, 0), (False, 1)], ids=["soon", "later"]
)
def test_a_store_lost_in_the_middle_is_retried_and_leaves_the_rows_of_a_clean_run(
    cameras: SmallFarm, object_store: ObjectStore, at_read: int, while_waiting: bool, retries: int
) -> None:
    judge(cameras, ImageStore(root=ROOT))
    clean = found(cameras)
    assert (len(clean), {status for _, status, _ in clean}) == (40, {"ok"})
    cameras.execute("TRUNCATE farm.daily_clip_inference")
    result = judge(cameras, interrupted(object_store, at_read=at_read, while_waiting=while_waiting))
    assert result.success
    assert counted(result)["STEP_UP_FOR_RETRY"] == retries
    assert found(cameras) == clean


def test_a_store_that_stays_away_is_tried_anew_by_the_policy_and_leaves_the_rows_there_were(
    cameras: SmallFarm, object_store: ObjectStore
) -> None:
    judge(cameras, ImageStore(root=ROOT))
    before = cameras.rows(ASSET, provenance=True)
    object_store.stop()
    result = judge(cameras, ImageStore(root=ROOT, attempts=1), raise_on_error=False)
    assert counted(result) == {
        "STEP_UP_FOR_RETRY": 2,
        "STEP_RESTARTED": 2,
        "STEP_FAILURE": 1,
        "STEP_SUCCESS": 0,
    }
    assert f"could not list A/20260110 in the image store {ROOT}" in failure(result)
    assert "Remedy: start the store" in failure(result)
    after = cameras.rows(ASSET, provenance=True)
    assert [(row["image_path"], row["run_id"]) for row in after] == [
        (row["image_path"], row["run_id"]) for row in before
    ]


def test_a_store_that_lets_nobody_in_fails_the_run_at_once_with_the_remedy(
    cameras: SmallFarm, object_store: ObjectStore
) -> None:
    object_store.ask_for_credentials()
    result = judge(cameras, ImageStore(root=ROOT), raise_on_error=False)
    assert counted(result) == AT_ONCE
    assert "Remedy: give the store's credentials, for s3:// AWS_ACCESS_KEY_ID" in failure(result)
    assert "chanterelle" not in "".join(str(event) for event in result.all_events)


def test_a_bucket_that_is_not_there_fails_the_run_at_once_with_the_remedy(
    cameras: SmallFarm,
) -> None:
    result = judge(cameras, ImageStore(root="s3://camera"), raise_on_error=False)
    assert counted(result) == AT_ONCE
    assert "s3://camera is not there. Remedy: create it or correct MUSHROOM_IMAGE_ROOT" in failure(
        result
    )
    assert cameras.rows(ASSET) == []
