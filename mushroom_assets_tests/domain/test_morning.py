"""Worst first, the one reason, and what is quiet."""

import dataclasses
import datetime as dt
from typing import Any

import pytest

from mushroom_assets.domain.cameras_now import camera_troubles, newest_of_cameras, shots
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.growth import Growth
from mushroom_assets.domain.morning import Judged, RoomMorning, morning
from mushroom_assets.domain.now import Trouble
from mushroom_assets.domain.report import Verdict

NOW = dt.datetime(2026, 1, 20, 0, 30, tzinfo=dt.UTC)  # 08:30 in Shanghai
DAY = dt.date(2026, 1, 19)
GROWING = Growth(dt.date(2026, 1, 10), 11, True)
HOUR = dt.timedelta(hours=1)
ROOMS = ("a", "b", "c", "d", "e")


@pytest.fixture
def farm() -> Farm:
    rooms = ", ".join(f"{room}: {{}}" for room in ROOMS)
    return parse_farm(f"timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {{{rooms}}}\n")


def room(
    name: str, verdict: Verdict | None = "good", *troubles: Trouble, **given: Any
) -> RoomMorning:
    reasons = given.pop("reasons", [])
    judged = None if verdict is None else Judged(DAY, verdict, reasons)
    return RoomMorning(name, GROWING, judged, newest=NOW, troubles=troubles, **given)


def order(rooms: list[RoomMorning], farm: Farm) -> list[str]:
    return [one.room_id for one in morning(rooms, NOW, farm).rooms]


def test_the_worst_comes_first_by_verdict_and_by_what_is_wrong_now(farm: Farm) -> None:
    stopped = Trouble("stopped", "insufficient_data", NOW - HOUR)
    rooms = [
        room("a"),
        room("b", "watch"),
        room("c", "good", stopped),
        room("d", "act"),
        room("e", "watch", Trouble("out", "watch")),
    ]
    assert order(rooms, farm) == ["d", "c", "e", "b", "a"]


def test_of_two_that_are_as_bad_the_one_further_outside_comes_first(farm: Farm) -> None:
    near = {"low": 17.0, "high": 19.5, "out_integral": 5.0, "text": ""}  # 2 band widths an hour
    far = {"low": 1500.0, "high": 3800.0, "out_integral": 23_000.0, "text": ""}  # 10 of them
    rooms = [room("a", "act", reasons=[near]), room("b", "act", reasons=[far])]
    assert order(rooms, farm) == ["b", "a"]
    assert order([room("b"), room("a")], farm) == ["a", "b"]  # else as the farm file has them


def test_the_one_reason_is_the_worse_of_the_report_and_of_now() -> None:
    stopped = Trouble("stopped", "insufficient_data", NOW - HOUR)
    reason = {"severity": "watch", "text": "humid"}
    assert room("a", "watch", stopped, reasons=[reason]).leading == stopped
    assert room("a", "act", stopped, reasons=[reason]).leading is None
    out = Trouble("out", "watch")
    assert room("a", "watch", out, reasons=[reason]).leading is None
    assert room("a", "good", out).leading == out


def test_all_is_well_only_if_every_room_is_judged_good_and_delivers(farm: Farm) -> None:
    assert morning([room("a"), room("b")], NOW, farm).well
    assert not morning([room("a"), room("b", None)], NOW, farm).well
    told = morning([room("a"), room("b", "good", Trouble("stuck", "watch"))], NOW, farm)
    assert (told.well, told.unwell) == (False, 1)
    assert not morning([], NOW, farm).well


def test_an_empty_room_that_is_silent_for_a_week_is_not_waited_for(farm: Farm) -> None:
    gone = NOW - dt.timedelta(days=7, seconds=1)
    over = Growth(dt.date(2025, 11, 1), 81, False)
    empty = dataclasses.replace(room("a", "insufficient_data"), newest=gone, growth=over)
    told = morning([empty, room("b")], NOW, farm)
    assert [[one.room_id for one in part] for part in (told.rooms, told.empty)] == [["b"], ["a"]]
    assert told.well
    # One that has a batch is waited for, and so is one that was heard of
    for newest, growth in ((gone, GROWING), (NOW, over)):
        known = dataclasses.replace(empty, newest=newest, growth=growth)
        assert morning([known], NOW, farm).empty == []


def test_rooms_that_stop_together_have_one_cause(farm: Farm) -> None:
    first = Trouble("stopped", "insufficient_data", NOW - 2 * HOUR)
    last = Trouble("stopped", "insufficient_data", NOW - HOUR)
    both = [room("a", "good", first), room("b", "good", last)]
    assert morning(both, NOW, farm).collector_since == NOW - HOUR
    assert morning([*both, room("c")], NOW, farm).collector_since is None
    assert morning(both[:1], NOW, farm).collector_since is None


def test_a_verdict_that_turned_is_told_and_one_that_stayed_is_not() -> None:
    assert room("a", "act", before="good").turned == ("good", "act")
    assert room("a", "act", before="act").turned is None
    assert room("a", "act").turned is None
    assert room("a", None, before="act").turned is None


def test_a_report_that_is_not_yesterdays_is_late(farm: Farm) -> None:
    told = morning([room("a")], NOW, farm)
    assert (told.today, told.yesterday, told.is_late) == (dt.date(2026, 1, 20), DAY, False)
    tomorrow = morning([room("a")], NOW + dt.timedelta(days=1), farm)
    assert tomorrow.is_late
    assert morning([room("a", None)], NOW, farm).is_late


def test_cameras_are_known_by_the_names_of_their_files(farm: Farm) -> None:
    def name(camera: str, stamp: str) -> str:
        return f"a/{stamp[:8]}/a_{camera}_20260110_{stamp}.jpg"

    paths = [
        name("top", "20260120060000"),
        name("low", "20260120080000"),
        name("top", "20260120050000"),
        name("top", "20260120090000"),  # 09:00 in Shanghai is still to come
        "a/20260120/film.mp4",
    ]
    newest = newest_of_cameras(shots(paths, NOW, farm))
    taken = {camera: shot.taken for camera, shot in newest.items()}
    eight = dt.datetime(2026, 1, 20, tzinfo=dt.UTC)
    assert taken == {"top": eight - 2 * HOUR, "low": eight}
    # 7200 s are allowed, and the picture of six o'clock is 2.5 hours old
    assert camera_troubles(newest, NOW, farm) == [
        Trouble("camera", "watch", eight - 2 * HOUR, device="top")
    ]
    assert camera_troubles(newest, NOW - HOUR, farm) == []
    assert camera_troubles(newest, NOW + 3 * HOUR, farm) == [Trouble("cameras", "watch", eight)]
    assert camera_troubles(newest, NOW + dt.timedelta(days=8), farm) == []
    assert camera_troubles({}, NOW, farm) == []
