"""What begins, holds and ends: rules of the last hours, by arithmetic on paper.

Every sample is a minute's; Shanghai has no summer time. A crop that came in on the 1st is at growth
day 10 on the 10th.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mushroom_assets.domain.alarm_rules import Kind
from mushroom_assets.domain.alarms import (
    Open,
    Sign,
    State,
    Subject,
    climate_signs,
    decide,
    feed_signs,
    verdict_signs,
)
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import FarmFileError, parse_farm
from mushroom_assets.domain.feeds import Feed
from mushroom_assets.domain.growth import Growth, growth_on
from mushroom_assets.domain.live import Part, outside, trend
from mushroom_assets.domain.marks import mark
from mushroom_assets.domain.sensors import Sensor
from mushroom_assets.domain.series import SECOND, Series
from mushroom_assets.domain.windows import to_us

MINUTE = 60 * SECOND
NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)  # 20:00 of the farm
TEXT = """
timezone: Asia/Shanghai
first_day: 2026-01-01
max_hold_s: 300
rooms: {A: {}, B: {}}
quantities:
  humidity: {device_type: env, point_alias: h, unit: "%", plausible: [0, 100], spike: 5}
stages: [{name: all, days: [1, 27], bands: {humidity: [88, 95]}}]
"""
FARM = parse_farm(TEXT)
CROP = Growth(dt.date(2026, 3, 1), 10, True)


def series(values: Sequence[float | None], end: dt.datetime = NOW) -> Series:
    """A sample a minute, the last a minute before the end; None is a sample that did not come."""
    first = to_us(end) - len(values) * MINUTE
    at = first + np.arange(len(values)) * MINUTE
    given = np.array([np.nan if value is None else value for value in values])
    there = np.array([value is not None for value in values])
    columns = {"at": at[there], "value": given[there]}
    return mark(columns, FARM.quantities["humidity"], FARM.max_hold_s)


def part(farm: Farm = FARM, growth: Growth = CROP, hours: float = 6) -> Part:
    end = to_us(NOW)
    return Part(end - round(hours * 60) * MINUTE, end, farm, growth)


def out_s(values: Sequence[float | None]) -> float:
    found = outside([series(values)], "humidity", [part()])
    assert found is not None
    return found.out_s


def sign(values: Sequence[float | None], kind: Kind = "band", **options: Any) -> Sign:
    sensors = {"humidity": [Sensor("env", series(values))]}
    found = climate_signs("A", sensors, [part(**options)])
    (one,) = [each for each in found if each.subject.kind == kind]
    assert one.subject == Subject(kind, "A", "humidity")
    return one


def test_the_time_outside_counts_from_when_it_left_its_band() -> None:
    found = outside([series([90.0] * 60 + [96.0] * 25)], "humidity", [part()])
    assert found is not None
    assert (found.value, found.band, found.side, found.out_s) == (96.0, (88, 95), 1, 25 * 60)
    assert found.since == to_us(NOW) - 25 * MINUTE
    inside = outside([series([96.0] * 25 + [95.0])], "humidity", [part()])
    assert inside is not None
    assert (inside.side, inside.out_s) == (0, 0)  # the band's end is inside


def test_short_visits_to_the_band_and_gaps_end_no_stay_and_are_none_of_it() -> None:
    assert out_s([90.0] * 30 + [96.0] * 20 + [94.0] * 4 + [96.0] * 6) == 26 * 60
    assert out_s([90.0] * 30 + [96.0] * 20 + [94.0] * 5 + [96.0] * 6) == 6 * 60
    # 5 of the 30 minutes without samples are covered by the value before
    assert out_s([90.0] * 30 + [96.0] * 20 + [None] * 30 + [96.0] * 6) == (20 + 4 + 6) * 60
    assert out_s([96.0] * 20 + [80.0] * 10) == 30 * 60  # from above to below


def test_what_is_not_known_now_is_not_outside() -> None:
    stale = [96.0] * 60 + [None] * 4
    assert outside([series(stale)], "humidity", [part()]) is not None
    stale.append(None)  # held for 300 s
    assert outside([series(stale)], "humidity", [part()]) is None
    assert outside([], "humidity", [part()]) is None


def test_rejected_samples_and_spikes_ring_nothing() -> None:
    glitches: list[float | None] = [90.0] * 60
    glitches[-2] = 20.0  # a spike: more than 5 from both neighbours
    glitches[-10] = 101.0  # implausible
    found = outside([series(glitches)], "humidity", [part()])
    assert found is not None
    assert (found.side, found.out_s) == (0, 0)


def test_several_sensors_are_judged_by_their_mean() -> None:
    low = series([90.0] * 40)
    high = series([98.0] * 40)  # together 94
    found = outside([low, high], "humidity", [part()])
    assert found is not None
    assert (found.value, found.side) == (94.0, 0)
    assert out_s([98.0] * 40) == 40 * 60


def test_each_day_counts_by_its_own_band() -> None:
    wide = parse_farm(TEXT.replace("[88, 95]", "[70, 99]"))
    end = to_us(NOW)
    middle = end - 20 * MINUTE
    parts = [Part(end - 360 * MINUTE, middle, wide, CROP), Part(middle, end, FARM, CROP)]
    found = outside([series([97.0] * 120)], "humidity", parts)
    assert found is not None
    assert (found.side, found.out_s) == (1, 20 * 60)


@pytest.mark.parametrize(
    ("growth", "state"),
    [
        (CROP, "on"),
        (Growth(), "off"),  # no batch was ever there
        (Growth(dt.date(2026, 3, 10), 1, True), "off"),  # the day of intake
        (Growth(dt.date(2026, 3, 9), 2, True), "on"),
        (Growth(dt.date(2026, 1, 1), 69, False), "off"),  # over
    ],
)
def test_a_room_without_a_crop_rings_nothing(growth: Growth, state: State) -> None:
    assert sign([99.0] * 60, growth=growth).state == state
    falling = [95.0 - minute * 0.2 for minute in range(180)]
    assert sign(falling, "rate", growth=growth).state == state


def test_a_value_outside_for_the_set_time_is_on_and_says_how_long() -> None:
    assert sign([90.0] * 60 + [96.0] * 29).state == "hold"
    on = sign([90.0] * 60 + [96.0] * 30)
    assert (on.state, on.text) == ("on", "humidity 96.0 %, above 95.0 % for 30 min")
    assert on.since == NOW - dt.timedelta(minutes=30)
    assert sign([90.0] * 60 + [87.95] * 90).text == "humidity 87.95 %, below 88.0 % for 1 h 30 min"
    always = sign([96.0] * 240, hours=3)
    assert always.text == "humidity 96.0 %, above 95.0 % for 3 h 0 min or longer"
    assert always.since is None
    quick = parse_farm(TEXT + "alarms: {quantities: {humidity: {out_of_band_s: 600}}}")
    assert sign([90.0] * 60 + [96.0] * 10, farm=quick).state == "on"
    assert sign([90.0] * 60).state == "off"


def test_a_chinese_farm_is_told_in_chinese() -> None:
    zh = parse_farm(TEXT + "language: zh")
    assert sign([96.0] * 30, farm=zh).text == "湿度 96.0 %，高于 95.0 % 已 30 分钟"
    falling = [95.0 - minute * 0.1 for minute in range(180)]
    assert sign(falling, "rate", farm=zh).text == (
        "湿度在 3 小时 0 分钟内平均每小时下降 6.0 %，现为 77.1 %"
    )


def test_the_slope_of_a_straight_line_is_its_own() -> None:
    found = trend([series([95.0 - minute / 12 for minute in range(180)])], [part()], 10_800)
    assert found is not None
    assert found.per_hour == -5.0
    # of y = t² in hours over [0, 3] it is 3
    square = trend([series([(minute / 60) ** 2 for minute in range(180)])], [part()], 10_800)
    assert square is not None
    assert square.per_hour == pytest.approx(3, abs=0.02)


def test_a_dip_of_minutes_is_no_trend_and_too_little_known_is_none() -> None:
    # of a step h at the share f before the end: 6 h f (1 - f) / T
    dip = trend([series([90.0] * 170 + [75.0] * 10)], [part()], 10_800)
    assert dip is not None
    assert dip.per_hour == pytest.approx(-6 * 15 * (1 / 18) * (17 / 18) / 3, rel=1e-3)
    falling: list[float | None] = [95.0 - minute / 12 for minute in range(180)]
    assert trend([series(falling[45:])], [part()], 10_800) is not None  # 135 of 180 min
    assert trend([series(falling[46:])], [part()], 10_800) is None
    assert trend([series([*falling[:170], *[None] * 10])], [part()], 10_800) is None  # not now


@pytest.mark.parametrize(
    ("rate", "state"), [(5.0, "on"), (4.9, "hold"), (2.5, "hold"), (2.4, "off")]
)
def test_humidity_that_falls_by_5_an_hour_is_told_before_any_limit_is_crossed(
    rate: float, state: State
) -> None:
    wide = parse_farm(TEXT.replace("[88, 95]", "[60, 99]"))
    values = [98.0 - minute * rate / 60 for minute in range(180)]
    assert sign(values, "rate", farm=wide).state == state
    assert sign(values, farm=wide).state == "off"
    rising = [60.0 + minute * rate / 60 for minute in range(180)]
    assert sign(rising, "rate", farm=wide).state == "off"


def test_a_rise_is_told_where_the_farm_wants_it() -> None:
    wants = parse_farm(TEXT + "alarms: {quantities: {humidity: {rise: 10, over_s: 3600}}}")
    values = [60.0 + minute * 0.2 for minute in range(60)]
    on = sign(values, "rate", farm=wants)
    assert (on.state, on.text) == (
        "on",
        "humidity rises by 12.0 % an hour over 1 h 0 min, now 71.8 %",
    )


BAND = Subject("band", "A", "humidity")


def told(clear_min: float | None = None, before: int = 0, subject: Subject = BAND) -> Open:
    clear = None if clear_min is None else NOW - dt.timedelta(minutes=clear_min)
    return Open(7, subject, clear, before)


def test_a_thing_begins_once() -> None:
    on = Sign(BAND, "on")
    assert decide([on], [], FARM, NOW).begun == [on]
    assert decide([on], [told()], FARM, NOW) == ([], [], [], [])
    for state in ("hold", "off", "unclear"):
        assert decide([Sign(BAND, state)], [], FARM, NOW).begun == []


def test_it_ends_when_it_was_off_for_long_enough_each_time_longer() -> None:
    off = Sign(BAND, "off", None, "back", 1800)
    first = decide([off], [told()], FARM, NOW)
    assert (first.ended, first.cleared) == ([], [(told(), NOW)])
    for before, minutes in [(0, 30), (1, 60), (2, 120), (3, 240), (9, 240)]:
        assert decide([off], [told(minutes - 1, before)], FARM, NOW).ended == []
        ((ended, seen),) = decide([off], [told(minutes, before)], FARM, NOW).ended
        assert ended.alarm_id == 7
        assert seen.since == NOW - dt.timedelta(minutes=minutes)


def test_what_leaves_its_band_again_meanwhile_goes_on_and_begins_to_wait_anew() -> None:
    for state in ("on", "hold"):
        found = decide([Sign(BAND, state)], [told(29)], FARM, NOW)
        assert found.cleared == [(told(29), None)]
    assert decide([Sign(BAND, "unclear")], [told(29)], FARM, NOW) == ([], [], [], [])


def test_a_value_that_flaps_at_the_edge_rings_twice_in_a_day_not_all_day() -> None:
    """40 min outside, 35 inside, for a day, a look a minute."""
    rung: list[str] = []
    open_now: list[Open] = []
    began: list[dt.datetime] = []
    for minute in range(24 * 60):
        now = NOW + dt.timedelta(minutes=minute)
        place = minute % 75
        state: State = "off" if place >= 40 else "on" if place >= 30 else "hold"
        found = decide([Sign(BAND, state, None, "", 1800)], open_now, FARM, now)
        for each, since in found.cleared:
            open_now = [each._replace(clear_at=since)]
        if found.ended:
            open_now = []
            rung.append("over")
        if found.begun:
            open_now = [Open(minute, BAND, None, len(began))]
            began.append(now)
            rung.append("begun")
    assert rung == ["begun", "over", "begun"]  # the second is open to the end


def test_what_nobody_watches_any_more_is_dropped_without_a_word() -> None:
    gone = told(subject=Subject("band", "Z", "humidity"))
    found = decide([Sign(BAND, "off")], [gone], FARM, NOW)
    assert (found.dropped, found.ended) == ([gone], [])


QUIET = parse_farm(TEXT + 'alarms: {quiet_hours: ["19:00", "06:00"], breaks_quiet: [feed]}')


def test_in_quiet_hours_nothing_begins_or_ends_but_what_breaks_them() -> None:
    feed = Subject("feed", "A", "sample")
    on = [Sign(BAND, "on"), Sign(feed, "on")]
    assert [each.subject for each in decide(on, [], QUIET, NOW).begun] == [feed]
    off = [Sign(BAND, "off"), Sign(feed, "off")]
    both = [told(200), told(200, subject=feed)]
    assert [each.subject for each, _ in decide(off, both, QUIET, NOW).ended] == [feed]
    # Meanwhile it is seen since when it is over
    assert decide([Sign(BAND, "off")], [told()], QUIET, NOW).cleared == [(told(), NOW)]
    later = NOW + dt.timedelta(hours=10)  # 06:00
    assert [each.subject for each in decide(on, [], QUIET, later).begun] == [BAND, feed]


@pytest.mark.parametrize(
    ("zone", "instant", "is_quiet"),
    [
        ("Asia/Shanghai", "2026-03-10T13:59", False),
        ("Asia/Shanghai", "2026-03-10T14:00", True),  # 22:00
        ("Asia/Shanghai", "2026-03-10T21:59", True),
        ("Asia/Shanghai", "2026-03-10T22:00", False),  # 06:00
        # Clocks go on at 01:00 UTC: the night has 7 hours, and ends by the clock on the wall
        ("Europe/Berlin", "2026-03-28T20:59", False),
        ("Europe/Berlin", "2026-03-28T21:00", True),
        ("Europe/Berlin", "2026-03-29T03:59", True),
        ("Europe/Berlin", "2026-03-29T04:00", False),
        # Clocks go back at 01:00 UTC: the night has 9
        ("Europe/Berlin", "2026-10-24T20:00", True),
        ("Europe/Berlin", "2026-10-25T00:30", True),
        ("Europe/Berlin", "2026-10-25T01:30", True),
        ("Europe/Berlin", "2026-10-25T04:59", True),
        ("Europe/Berlin", "2026-10-25T05:00", False),
    ],
)
def test_quiet_hours_go_by_the_clock_on_the_wall(zone: str, instant: str, is_quiet: bool) -> None:
    text = TEXT.replace("Asia/Shanghai", zone) + 'alarms: {quiet_hours: [22:00, "6:00"]}'
    farm = parse_farm(text)
    at = dt.datetime.fromisoformat(instant).replace(tzinfo=dt.UTC).astimezone(farm.zone)
    assert farm.alarms.is_quiet(at) is is_quiet


def test_quiet_hours_within_a_day_and_twice_by_a_clock_that_goes_back() -> None:
    text = TEXT.replace("Asia/Shanghai", "Europe/Berlin")
    farm = parse_farm(text + "alarms: {quiet_hours: [02:00, 03:00]}")

    def quiet_minutes(day: str) -> int:
        start = dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)
        minutes = (start + dt.timedelta(minutes=each) for each in range(24 * 60))
        return sum(farm.alarms.is_quiet(at.astimezone(farm.zone)) for at in minutes)

    days = ("2026-03-28", "2026-03-29", "2026-10-25")
    assert [quiet_minutes(day) for day in days] == [60, 0, 120]


@pytest.mark.parametrize(
    ("keys", "mistake"),
    [
        ("quiet_hours: [22:00, 22:00]", "the two times are one"),
        ("quiet_hours: [25:00, 06:00]", "25:00 is no time of day"),
        ("morning_at: early", "early is no time of day; write it as 22:00"),
        ("quantities: {humid: {fall: 5}}", "no quantity named 'humid'"),
        ("quantities: {humidity: {fall: 0}}", "greater than 0"),
        ("breaks_quiet: [all]", "'act', 'feed', 'band' or 'rate'"),
        ("out_of_band: 5", "did you mean out_of_band_s?"),
    ],
)
def test_a_mistake_in_the_farm_file_is_named(keys: str, mistake: str) -> None:
    with pytest.raises(FarmFileError, match="alarms") as caught:
        parse_farm(f"{TEXT}alarms: {{{keys}}}")
    assert mistake in str(caught.value)


def test_the_packaged_farm_file_says_what_holds_without_it() -> None:
    reference = parse_farm("{timezone: UTC, first_day: 2026-01-01, rooms: {A: {}}}").alarms
    assert reference == FARM.alarms
    assert reference.watch("humidity").fall == 5
    assert reference.watch("co2").fall is None
    assert reference.looked_back_s() == 10_800
    oxygen = TEXT.replace("humidity:", "oxygen:", 1).replace("{humidity: [88, 95]}", "{}")
    assert parse_farm(oxygen).alarms == reference


def feed(room: str, minutes: float | None) -> Feed:
    newest = None if minutes is None else NOW - dt.timedelta(minutes=minutes)
    return Feed(room, newest, 0, 0, 0)


def test_a_feed_that_stops_is_on_until_it_comes_again_or_is_forgotten() -> None:
    feeds = [feed("A", 15), feed("B", 16)]
    alive, stopped = sorted(feed_signs("sample", feeds, FARM, NOW, 900))
    assert (alive.subject, alive.state) == (Subject("feed", "A", "sample"), "off")
    assert (stopped.state, stopped.text) == ("on", "no samples since 19:44")
    late = [feed("A", 8 * 24 * 60), feed("B", None)]
    for found in feed_signs("room_images", late, FARM, NOW, 7200):
        assert (found.state, found.text) == (
            "off",
            "no pictures for 7 days, no longer waited for",
        )
    (yesterday,) = feed_signs("sample", [feed("A", 24 * 60)], FARM, NOW, 900)
    assert yesterday.text == "no samples since 2026-03-09 20:00"


def test_a_feed_that_stops_each_quarter_of_an_hour_is_one_alarm() -> None:
    subject = Subject("feed", "A", "sample")
    (alive,) = feed_signs("sample", [feed("A", 0)], FARM, NOW, 900)
    assert decide([alive], [told(0, 0, subject)], FARM, NOW).ended != []  # the first time at once
    assert decide([alive], [told(14, 1, subject)], FARM, NOW).ended == []
    assert decide([alive], [told(15, 1, subject)], FARM, NOW).ended != []


TODAY = dt.date(2026, 3, 10)


def report(room: str, ago: int, *reasons: tuple[str, str, str]) -> dict[str, Any]:
    found = [
        {"severity": severity, "code": code, "quantity": what, "text": f"{what} {code}"}
        for severity, code, what in reasons
    ]
    day = TODAY - dt.timedelta(days=ago)
    verdict = found[0]["severity"] if found else "good"
    return {"stat_date": day, "room_id": room, "verdict": verdict, "reasons": found}


ACT = ("act", "in_range", "humidity")


def test_each_reason_to_act_of_the_newest_report_is_on() -> None:
    mould = ("act", "condition", "mould")
    rows = [report("A", 1, mould, ACT, ("watch", "coverage", "co2")), report("B", 2, ACT)]
    found = list(verdict_signs([report("A", 2, ACT), *rows], [], FARM, TODAY))
    assert [(each.subject, each.state, each.text) for each in found] == [
        (Subject("act", "A", "condition mould"), "on", "mould condition (2026-03-09)"),
        (Subject("act", "A", "in_range humidity"), "on", "humidity in_range (2026-03-09)"),
        (Subject("act", "B", "in_range humidity"), "on", "humidity in_range (2026-03-08)"),
    ]


def test_of_days_long_past_and_of_a_day_before_the_newest_nothing_is_told() -> None:
    assert list(verdict_signs([report("A", 3, ACT)], [], FARM, TODAY)) == []
    assert list(verdict_signs([report("A", 1), report("A", 2, ACT)], [], FARM, TODAY)) == []


def test_a_reason_that_is_gone_is_over() -> None:
    subject = Subject("act", "A", "in_range humidity")
    (gone,) = verdict_signs([report("A", 1)], [told(subject=subject)], FARM, TODAY)
    assert (gone.state, gone.text) == ("off", "nothing to act on any more: good (2026-03-09)")
    (unknown,) = verdict_signs([], [told(subject=subject)], FARM, TODAY)
    assert unknown.state == "unclear"


def test_a_day_is_judged_by_the_batch_in_force() -> None:
    in_dates = [dt.date(2026, 2, 1), dt.date(2026, 3, 9)]
    growths = [growth_on(TODAY - dt.timedelta(days=ago), in_dates, 27) for ago in (0, 1, 2)]
    assert [part(growth=each).is_judged for each in growths] == [True, False, False]
