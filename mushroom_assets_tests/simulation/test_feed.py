"""The faults of the feed: each kind occurs, none breaks its guarantees, the truth is untouched."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mushroom_assets.domain.farm import Farm
from mushroom_assets.simulation.plant import PlantDay, points, simulate_day

ROOMS = ["607", "608", "611", "612"]
DAYS = [dt.date(2026, 1, 1) + dt.timedelta(days=later) for later in range(20)]


@pytest.fixture(scope="module")
def feed(farm: Farm) -> list[PlantDay]:
    return [simulate_day(farm, ROOMS, day, seed=11) for day in DAYS]


@pytest.fixture(scope="module")
def env(farm: Farm, feed: list[PlantDay]) -> pd.DataFrame:
    """What the sensors sent beside what was true, repeats removed."""
    table = points(farm, ROOMS)
    sensors = table[table.device_type == "mushroom_env_status"][["room_id", "point_alias"]]
    rows = pd.concat([day.samples for day in feed]).drop_duplicates(["point", "sampled_at"])
    rows = rows[rows.point.isin(sensors.index)].join(sensors, on="point")
    rows = rows.assign(minute=rows.sampled_at.dt.round("min"))
    truth = pd.concat([day.truth.climate for day in feed]).rename(
        columns={"value": "true", "sampled_at": "minute"}
    )
    keys = ["room_id", "point_alias", "minute"]
    return truth.rename(columns={"quantity": "point_alias"}).merge(
        rows, on=keys, how="left", indicator=True
    )


def test_rows_come_in_order_of_arrival_and_after_they_were_sampled(feed: list[PlantDay]) -> None:
    for day in feed:
        assert day.samples.received_at.is_monotonic_increasing
        assert (day.samples.received_at > day.samples.sampled_at).all()


def test_repeats_are_exact_and_occur(feed: list[PlantDay]) -> None:
    repeats = 0
    for day in feed:
        copies = day.samples[day.samples.duplicated(["point", "sampled_at"], keep=False)]
        first, last = (
            copies.drop_duplicates(["point", "sampled_at"], keep=keep) for keep in ("first", "last")
        )
        order = ["point", "sampled_at"]
        assert_frame_equal(
            first.sort_values(order)[[*order, "value"]].reset_index(drop=True),
            last.sort_values(order)[[*order, "value"]].reset_index(drop=True),
        )
        repeats += len(copies) - len(first)
    assert repeats > 100


def test_stamps_wander_by_a_second_within_their_day(farm: Farm, feed: list[PlantDay]) -> None:
    for day, plant in list(zip(DAYS, feed, strict=True))[:6]:
        sampled = plant.samples.sampled_at
        assert set(sampled.dt.second) == {59, 0, 1}
        assert set(sampled.dt.tz_convert(farm.zone).dt.date) == {day}


def test_rows_come_late_and_out_of_order(feed: list[PlantDay]) -> None:
    delays = pd.concat([day.samples.received_at - day.samples.sampled_at for day in feed])
    assert (delays < pd.Timedelta(seconds=7)).mean() > 0.97
    assert (delays > pd.Timedelta(hours=1)).any()
    assert any(
        not day.samples[day.samples.point == 0].sampled_at.is_monotonic_increasing for day in feed
    )


def test_holes_of_minutes_of_hours_and_of_a_day(env: pd.DataFrame, feed: list[PlantDay]) -> None:
    lost = env[env["_merge"] == "left_only"]
    holes = lost.groupby(
        ["room_id", "point_alias", lost.minute.dt.tz_convert("Asia/Shanghai").dt.date]
    ).size()
    assert holes.between(2, 16).any()
    assert holes.between(20, 400).any()
    assert (holes == 1440).any()
    assert (
        0.95
        < sum(len(day.samples.drop_duplicates(["point", "sampled_at"])) for day in feed)
        / (len(DAYS) * 264_960)
        < 1
    )


def test_glitches_stuck_sensors_and_missing_numbers(env: pd.DataFrame) -> None:
    co2, humidity = (env[env.point_alias == quantity] for quantity in ("co2", "humidity"))
    assert (co2.value == 0).sum() >= 5
    assert (co2.true > 300).all()
    jumps = (humidity.value - humidity.true).round(2)
    assert (jumps > 6).sum() >= 5
    sent = env[env["_merge"] == "both"]
    assert 1 <= sent.value.isna().sum() < 100
    runs = [
        int((rows.value.ne(rows.value.shift()).cumsum()).value_counts().iloc[0])
        for _, rows in sent[sent.point_alias != "temperature"].groupby(["room_id", "point_alias"])
    ]
    assert max(runs) >= 120


def test_faults_leave_the_truth_alone(farm: Farm, feed: list[PlantDay]) -> None:
    for day, plant in list(zip(DAYS, feed, strict=True))[:3]:
        clean = simulate_day(farm, ROOMS, day, seed=11, faults=False)
        assert_frame_equal(plant.truth.climate, clean.truth.climate)
        assert_frame_equal(plant.truth.changes, clean.truth.changes)
        settings = plant.samples[~plant.samples.point.mod(46).isin([43, 44, 45])]
        both = settings.assign(minute=settings.sampled_at.dt.round("min")).merge(
            clean.samples.rename(columns={"sampled_at": "minute"}),
            on=["point", "minute"],
            suffixes=("", "_true"),
        )
        assert len(both) == len(settings)
        assert np.array_equal(both.value, both.value_true)
