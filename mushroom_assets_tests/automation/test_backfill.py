"""The first filling of a farm: what is missing is made, what is there is left alone, and one
failure stays one.
"""

import datetime as dt
from pathlib import Path

import dagster as dg

from mushroom_assets.automation.backfill import materialize_missing
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.definitions import build_definitions
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets_tests.kit.small import SmallFarm

DAY, NEXT = "2026-01-05", "2026-01-06"


def fill(small: SmallFarm, images: Path, clip: ClipResource) -> list[str]:
    doors = {
        "postgres": PostgresResource(url=small.database.url),
        "image_store": ImageStore(root=str(images)),
        "clip": clip,
        "farm_file": FarmFile(path=str(small.path)),
    }
    now = dt.datetime.fromisoformat(NEXT).replace(tzinfo=small.farm.zone) + dt.timedelta(
        hours=1, minutes=30
    )
    defs = build_definitions(small.farm, doors)
    first_day = dt.date.fromisoformat(DAY)
    return materialize_missing(defs, small.instance, first_day, now, progress_bar)


def done(small: SmallFarm, asset: str) -> set[str]:
    return small.instance.get_materialized_partitions(dg.AssetKey(asset))


def test_every_closed_partition_is_made_once(small: SmallFarm, tmp_path: Path) -> None:
    assert fill(small, tmp_path, ClipResource()) == []
    for asset in ("daily_env_stats", "daily_clip_inference", "daily_room_report"):
        assert done(small, asset) == {DAY}
    assert done(small, "hourly_setpoint_changes") == {
        f"{DAY}-{hour:02}:00" for hour in range(24)
    } | {f"{NEXT}-00:00"}
    runs = small.instance.get_runs_count()
    assert fill(small, tmp_path, ClipResource()) == []
    assert small.instance.get_runs_count() == runs


def test_a_failing_asset_keeps_only_the_report_from_being_made(
    small: SmallFarm, tmp_path: Path
) -> None:
    (failure,) = fill(
        small, tmp_path, ClipResource(model="ViT-B-32", pretrained=str(tmp_path / "nowhere.pt"))
    )
    assert failure.startswith(f"daily_clip_inference for {DAY} to {DAY} failed in run ")
    assert "there is no file" in failure
    assert "nowhere.pt" in failure
    assert done(small, "daily_env_stats") == {DAY}
    assert done(small, "daily_clip_inference") == done(small, "daily_room_report") == set()
    assert fill(small, tmp_path, ClipResource()) == []  # mended: what was missing is made
    assert done(small, "daily_room_report") == {DAY}
