"""The first filling of a farm: it makes what is missing and outlives a failing asset."""

import datetime as dt
import threading
from pathlib import Path

import dagster as dg
import pytest

from mushroom_assets.automation.backfill import materialize_missing
from mushroom_assets.cli.progress import progress_bar
from mushroom_assets.definitions import build_definitions
from mushroom_assets.resources import ClipResource, FarmFile, ImageStore, PostgresResource
from mushroom_assets_tests.kit.small import SmallFarm

DAY = "2026-01-05"
NEXT = "2026-01-06"


def fill(small: SmallFarm, images: Path, clip: ClipResource) -> list[str]:
    doors = {
        "postgres": PostgresResource(url=small.database.url),
        "image_store": ImageStore(root=str(images)),
        "clip": clip,
        "farm_file": FarmFile(path=str(small.path)),
    }
    now = small.at(NEXT, 1.5).astimezone(small.farm.zone)
    defs = build_definitions(small.farm, doors)
    first_day = dt.date.fromisoformat(DAY)
    return materialize_missing(defs, small.instance, first_day, now, progress_bar)


def evaluated(small: SmallFarm) -> set[tuple[str, str]]:
    """The checks that were evaluated by the jobs of their schedules, and of which asset."""
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    found = set()
    for run in small.instance.get_runs():
        if run.job_name in ("standing_checks_job", "feeds_job"):
            for record in small.instance.all_logs(run.run_id, kind):
                assert record.dagster_event is not None
                told = record.dagster_event.asset_check_evaluation_data
                found.add((told.check_name, told.asset_key.to_user_string()))
    return found


def test_every_closed_partition_is_made_once(small: SmallFarm, tmp_path: Path) -> None:
    assert fill(small, tmp_path, ClipResource()) == []
    for asset in ("daily_env_stats", "daily_clip_inference", "daily_room_report"):
        assert small.done(asset) == {DAY}
    hours = {f"{DAY}-{hour:02}:00" for hour in range(24)}
    assert small.done("hourly_setpoint_changes") == hours | {f"{NEXT}-00:00"}
    assert evaluated(small) == {
        ("partitions_complete", "daily_env_stats"),
        ("partitions_complete", "hourly_setpoint_changes"),
        ("partitions_complete", "daily_clip_inference"),
        ("partitions_complete", "daily_room_report"),
        ("this_morning", "daily_room_report"),
        ("pictures_familiar", "daily_clip_inference"),
        ("feed_alive", "sample"),
        ("feed_alive", "room_images"),
    }
    runs = small.instance.get_runs_count()
    assert fill(small, tmp_path, ClipResource()) == []
    assert small.instance.get_runs_count() == runs


def test_a_failing_asset_keeps_only_the_report_from_being_made(
    small: SmallFarm, tmp_path: Path
) -> None:
    nowhere = ClipResource(model="ViT-B-32", pretrained=str(tmp_path / "nowhere.pt"))
    (failure,) = fill(small, tmp_path, nowhere)
    assert failure.startswith(f"daily_clip_inference for {DAY} to {DAY} failed in run ")
    assert "there is no file" in failure
    assert "nowhere.pt" in failure
    assert small.done("daily_env_stats") == {DAY}
    assert small.done("daily_clip_inference") == small.done("daily_room_report") == set()
    assert fill(small, tmp_path, ClipResource()) == []  # mended: what was missing is made
    assert small.done("daily_room_report") == {DAY}


def test_a_ctrl_c_while_its_thread_starts_leaves_no_run_behind(
    small: SmallFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        if "ThreadPoolExecutor" in thread.name:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fill(small, tmp_path, ClipResource())
    for thread in started:
        if "ThreadPoolExecutor" in thread.name:
            thread.join()
    assert small.instance.get_runs_count() == 0
