"""Results follow their inputs: whatever comes, changes or goes, and in whatever order."""

import datetime as dt
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mushroom_assets.domain import reach
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.outdated import mark
from mushroom_assets_tests.assets.histories import play
from mushroom_assets_tests.kit.cameras import picture
from mushroom_assets_tests.kit.dagsters import quick_instance
from mushroom_assets_tests.kit.following import Followed, away_from_ticks
from mushroom_assets_tests.kit.plant import put_batch, write_farm
from mushroom_assets_tests.kit.small import Build, Sample, SmallFarm

DAILY = "daily_env_stats"
HOURLY = "hourly_setpoint_changes"
VISION = "daily_clip_inference"
REPORT = "daily_room_report"
NOW = dt.datetime.now(dt.UTC)
TODAY = (NOW + dt.timedelta(hours=8)).date()  # in Shanghai


def day(back: int) -> str:
    return f"{TODAY - dt.timedelta(days=back)}"


def hour(back: int, at: int) -> str:
    return f"{day(back)}-{at:02}:00"


@pytest.fixture
def followed(build: Build, monkeypatch: pytest.MonkeyPatch, unpictured: None) -> Iterator[Followed]:
    with away_from_ticks(monkeypatch), quick_instance() as instance:
        yield Followed(replace(build(), instance=instance))


def minutely(small: SmallFarm, point: str, value: float, back: int, days: int = 1) -> list[Sample]:
    begin = small.at(day(back))
    minutes = range(0, 1440 * days, 10)
    return [("A", point, begin + dt.timedelta(minutes=minute), value) for minute in minutes]


def make_all(followed: Followed, back: int, until: int = 1) -> None:
    small = followed.small
    small.run(DAILY, day(back), day(until))
    small.run(HOURLY, hour(back, 0), hour(until, 23))
    small.run(REPORT, day(back), day(until))


def test_a_late_setpoint_changes_its_hour_and_the_hour_of_the_next_sample(
    followed: Followed,
) -> None:
    small = followed.small
    at = small.at(day(3), 8)
    small.put([("A", "set", at, 18.0), ("A", "set", at + dt.timedelta(hours=3), 17.0)])
    make_all(followed, 4)
    assert followed.settle() == []
    small.put([("A", "set", at + dt.timedelta(hours=1, minutes=58), 17.0)])
    assert followed.settle() == [
        (HOURLY, hour(3, 9), hour(3, 9)),
        (HOURLY, hour(3, 11), hour(3, 11)),
        (REPORT, day(3), day(3)),
    ]
    (change,) = small.rows(HOURLY)
    assert change["changed_at"] == at + dt.timedelta(hours=1, minutes=58)


def test_a_late_setpoint_changes_the_hour_of_the_next_sample_however_far_ahead(
    followed: Followed,
) -> None:
    small = followed.small
    at = small.at(day(3), 8)
    ago = at - dt.timedelta(days=60)
    small.put([("A", "set", ago, 18.0), ("A", "set", at, 17.0)])
    make_all(followed, 4)
    assert followed.settle() == []
    (change,) = small.rows(HOURLY)
    assert (change["previous_at"], change["previous_value"]) == (ago, 18.0)
    late = ago + dt.timedelta(days=20)
    small.put([("A", "set", late, 16.0)])
    # Its own hour was never made: nobody asked for it
    again = [(HOURLY, hour(3, 8), hour(3, 8)), (REPORT, day(3), day(3))]
    assert followed.settle() == again
    (change,) = small.rows(HOURLY)
    assert (change["previous_at"], change["previous_value"]) == (late, 16.0)
    small.execute(f"DELETE FROM farm.sample WHERE sampled_at IN ('{ago}', '{late}')")
    assert followed.settle() == again
    assert small.rows(HOURLY) == []  # the first sample ever


def test_many_stretches_are_one_run_but_for_what_is_not_made(followed: Followed) -> None:
    small = followed.small
    lost = [small.at(day(3), 3 * number + 0.5) for number in range(6)]
    small.put([("A", "set", at + dt.timedelta(minutes=20), 18.0) for at in lost])
    small.put([("A", "set", small.at(day(4)), 18.0)])
    small.run(HOURLY, hour(3, 0), hour(3, 12))
    small.run(HOURLY, hour(3, 14), hour(3, 16))
    assert followed.settle() == []
    small.put([("A", "set", at, 17.0) for at in lost])
    assert followed.settle() == [
        (HOURLY, hour(3, 0), hour(3, 12)),
        (HOURLY, hour(3, 15), hour(3, 15)),
    ]
    assert len(small.rows(HOURLY)) == 12  # to 17.0 and back
    assert hour(3, 13) not in small.done(HOURLY)


def test_late_climate_changes_its_day_and_the_report(followed: Followed) -> None:
    small = followed.small
    half = minutely(small, "t", 18.0, 3)
    small.put(half[:72])
    make_all(followed, 4)
    assert followed.settle() == []
    small.put(half[72:])
    assert followed.settle() == [
        # The next day begins with what is carried into it
        (DAILY, day(3), day(2)),
        (REPORT, day(3), day(2)),
    ]
    found = {
        row["stat_date"].isoformat(): row
        for row in small.rows(DAILY)
        if row["quantity"] == "temperature" and row["room_id"] == "A"
    }
    assert found[day(3)]["coverage"] == 1.0
    assert followed.settle() == []


def test_a_batch_that_is_typed_in_late_changes_its_days(followed: Followed) -> None:
    small = followed.small
    small.put(minutely(small, "t", 18.0, 6, days=6))
    make_all(followed, 6)
    put_batch(small.database, "A", TODAY - dt.timedelta(days=4))
    assert followed.settle() == [
        (DAILY, day(4), day(1)),
        (HOURLY, hour(4, 0), followed.runs[1][2]),
        (REPORT, day(4), day(1)),
    ]
    growth = {
        row["stat_date"]: row["growth_day"] for row in small.rows(DAILY) if row["room_id"] == "A"
    }
    assert [growth[TODAY - dt.timedelta(days=back)] for back in (5, 4, 3)] == [None, 1, 2]


def test_an_edit_of_the_farm_file_that_comes_and_goes_is_followed_each_time(
    followed: Followed,
) -> None:
    small = followed.small
    small.put(minutely(small, "t", 18.0, 3))
    put_batch(small.database, "A", TODAY - dt.timedelta(days=5))
    make_all(followed, 3)
    followed.settle()
    as_it_was = small.path.read_text(encoding="utf-8")
    narrower = as_it_was.replace("temperature: [17, 19]", "temperature: [18.5, 19]")
    for text, share in [(narrower, 0.0), (as_it_was, 1.0)] * 2:
        farm = write_farm(small.path, text)
        followed.small = replace(followed.small, farm=farm)
        assert (DAILY, day(3), day(1)) in followed.settle()
        of_day = [row for row in small.rows(DAILY) if f"{row['stat_date']}" == day(3)]
        shares = {(row["room_id"], row["quantity"]): row["in_range"] for row in of_day}
        assert shares["A", "temperature"] == share


def test_a_failure_that_was_made_good_holds_no_edit_up(followed: Followed) -> None:
    small = followed.small
    small.put(minutely(small, "t", 18.0, 3))
    small.execute(f"ALTER TABLE farm.{DAILY} ADD CONSTRAINT refused CHECK (mean < 0)")
    assert not small.run(DAILY, day(2), raise_on_error=False).success
    small.execute(f"ALTER TABLE farm.{DAILY} DROP CONSTRAINT refused")
    make_all(followed, 3)
    followed.settle()
    text = small.path.read_text(encoding="utf-8")
    farm = write_farm(small.path, text.replace("max_hold_s: 900", "max_hold_s: 600"))
    followed.small = replace(followed.small, farm=farm)
    assert (DAILY, day(3), day(1)) in followed.settle()


def test_what_is_made_in_vain_is_not_asked_for_again(followed: Followed) -> None:
    small = followed.small
    small.put(minutely(small, "t", 18.0, 3))
    make_all(followed, 3)
    followed.settle()
    # The run's machine has another farm file than the sensor's
    text = small.path.read_text(encoding="utf-8")
    write_farm(small.path, text.replace("max_hold_s: 900", "max_hold_s: 1800"))
    (request, *_) = followed.tick()
    assert request.job_name == f"{DAILY}_job"
    followed.run(request)
    assert f"{DAILY}_job" not in [each.job_name for each in followed.tick()]


def test_a_new_probe_labels_the_stored_vectors_anew_once(
    followed: Followed, tmp_path: Path
) -> None:
    followed.images = tmp_path / "images"
    small = followed.small
    folder = followed.images / "A" / day(2).replace("-", "")
    folder.mkdir(parents=True)
    name = f"A_cam1_202615_{day(2).replace('-', '')}080000.jpg"
    (folder / name).write_bytes(picture(1))
    small.run(VISION, day(3), day(1), images=followed.images)  # two of these days have no image
    assert followed.settle() == []
    with small.database.transaction() as connection:
        for touched in reach.of_probe(dt.datetime.now(dt.UTC), small.farm):
            mark(connection, touched)
    assert followed.settle() == [("relabel_images_job", day(3), day(1))]


def test_an_image_store_that_is_away_holds_up_nothing_but_images(
    followed: Followed, tmp_path: Path
) -> None:
    followed.images = tmp_path / "images"
    small = followed.small
    (followed.images / "A").mkdir(parents=True)
    small.put(minutely(small, "t", 18.0, 3))
    small.run(DAILY, day(3), day(1))
    small.run(VISION, day(3), day(1), images=followed.images)
    shutil.rmtree(followed.images)
    small.put(minutely(small, "t", 19.0, 2))
    with pytest.raises(Exception, match=r"is not there\. Remedy: create it"):
        followed.evaluate("room_images_sensor", "postgres", "image_store", "farm_file")
    (request, *_) = followed.evaluate("following_inputs", "postgres", "farm_file").run_requests
    assert request.job_name == f"{DAILY}_job"


def test_whatever_happens_in_whatever_order_the_tables_are_one_clean_pass_in_the_end(
    database: Database, tmp_path: Path, history_seed: int
) -> None:
    play(history_seed, database, tmp_path)
