"""What counts of a room's instants, and which silence is a warning."""

import datetime as dt

import pytest

from mushroom_assets.domain.farm_file import FarmFileError, parse_farm
from mushroom_assets.domain.feeds import Feed, capture_times, counted, midnight_before, sort

TEXT = "{timezone: Europe/Brussels, first_day: 2026-01-01, rooms: {A: {folder: a}}%s}"
FARM = parse_farm(TEXT % "")
NOW = dt.datetime(2026, 3, 29, 10, 0, tzinfo=dt.UTC)  # at two that night clocks went to three
MINUTE = dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    ("minutes", "kind"),
    [
        (0, "alive"), (15, "alive"), (16, "stopped"), (7 * 24 * 60, "stopped"),
        (7 * 24 * 60 + 1, "silent"), (None, "silent"),
    ],
)  # fmt: skip
def test_a_feed_is_alive_then_stopped_then_none(minutes: int | None, kind: str) -> None:
    newest = None if minutes is None else NOW - minutes * MINUTE
    feed = Feed("A", newest, 0, 0, 0)
    found = sort([feed], NOW, late_s=15 * 60)
    assert {name: feeds for name, feeds in found._asdict().items() if feeds} == {kind: [feed]}


def test_an_hour_today_and_a_day_are_counted_on_a_day_of_23_hours() -> None:
    midnight = dt.datetime(2026, 3, 28, 23, 0, tzinfo=dt.UTC)
    assert midnight_before(NOW, FARM) == midnight
    instants = [
        NOW + MINUTE,  # a clock that is wrong
        NOW, NOW - 59 * MINUTE, NOW - 60 * MINUTE,
        midnight, midnight - MINUTE,
        NOW - 24 * 60 * MINUTE, NOW - 24 * 60 * MINUTE + MINUTE,
    ]  # fmt: skip
    assert counted("A", instants, NOW, FARM) == Feed("A", NOW, hour=2, today=4, day=6)
    assert counted("A", [NOW + MINUTE], NOW, FARM) == Feed("A", None, 0, 0, 0)


def test_a_name_tells_the_time_of_its_image_and_one_that_does_not_is_left_out() -> None:
    paths = [
        "a/20260329/A_cam_20260301_20260329120000.jpg",
        "a/20260329/thumbs.db",
        "a/20260329/x/",
    ]
    assert capture_times(paths, FARM) == [NOW]


def test_the_farm_file_says_when_a_feed_has_stopped() -> None:
    assert (FARM.feeds.samples_late_s, FARM.feeds.images_late_s) == (15 * 60, 2 * 60 * 60)
    farm = parse_farm(TEXT % ", feeds: {samples_late_s: 300}")
    assert (farm.feeds.samples_late_s, farm.feeds.images_late_s) == (300, 7200)
    with pytest.raises(FarmFileError, match=r"feeds.images_late_s"):
        parse_farm(TEXT % ", feeds: {images_late_s: 604800}")
