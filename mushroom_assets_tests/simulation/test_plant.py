"""A day of the plant: its shape, its truth, and that nothing but seed, room and day decides it."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.simulation.plant import PlantDay, batches, points, simulate_day

DAY = dt.date(2026, 1, 10)
ROOMS = ["607", "608", "611", "612"]


def named(farm: Farm, rooms: list[str], rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with room, device and point instead of the point's number, in an order of their own."""
    names = points(farm, rooms)[["room_id", "device_alias", "point_alias"]]
    return rows.join(names, on="point").drop(columns="point").reset_index(drop=True)


def watched_rows(farm: Farm, rooms: list[str], samples: pd.DataFrame) -> pd.DataFrame:
    table = points(farm, rooms)
    is_watched = [
        alias in farm.points.get(kind, {})
        for kind, alias in zip(table.device_type, table.point_alias, strict=True)
    ]
    return samples[np.array(is_watched)[samples.point]]


def seen_changes(farm: Farm, rooms: list[str], days: list[PlantDay]) -> pd.DataFrame:
    """Changes of watched points as anybody sees them who has the samples alone."""
    rows = pd.concat(watched_rows(farm, rooms, day.samples) for day in days).sort_values(
        ["point", "sampled_at"]
    )
    rows = rows.assign(previous=rows.groupby("point").value.shift())
    moved = rows[rows.previous.notna() & (rows.value != rows.previous)]
    renamed = moved.rename(columns={"sampled_at": "changed_at", "value": "current"})
    return renamed[["point", "changed_at", "previous", "current"]].reset_index(drop=True)


def test_a_room_has_46_points_with_the_contracts_names(farm: Farm) -> None:
    table = points(farm, ROOMS)
    assert len(table) == 4 * 46
    assert not table.duplicated(["room_id", "device_alias", "point_alias"]).any()
    room = table[table.room_id == "611"]
    assert room.device_alias.value_counts().to_dict() == {
        "air_cooler_611": 10,
        "fresh_air_fan_611": 7,
        "left_humidifier_611": 4,
        "right_humidifier_611": 4,
        "grow_light_611": 12,
        "mushroom_info_611": 6,
        "mushroom_env_status_611": 3,
    }
    assert set(room[room.device_alias.str.contains("humidifier")].device_type) == {"humidifier"}
    cooler = room[(room.device_type == "air_cooler") & (room.point_alias == "temp_set")].iloc[0]
    assert (cooler.device_name, cooler.point_name, cooler.unit) == ("TD1_Q1MDCH01", "TemSet", "°C")
    assert room[room.point_alias == "on_off"].unit.tolist() == [None]
    for kind, watched in farm.points.items():
        assert set(watched) <= set(room[room.device_type == kind].point_alias)


def test_device_names_do_not_depend_on_the_rooms_asked_for(brussels: Farm) -> None:
    assert points(brussels, ["north"]).device_name.iloc[0] == "TD1_Q5MDCH01"
    assert points(brussels, ["612", "north"]).device_name.iloc[46] == "TD1_Q5MDCH01"


def test_a_faultless_day_has_every_minute_of_every_point(farm: Farm) -> None:
    samples = simulate_day(farm, ["611"], DAY, seed=1, faults=False).samples
    assert len(samples) == 66_240
    assert (samples.groupby("point").sampled_at.nunique() == 1440).all()
    assert samples.sampled_at.min() == pd.Timestamp(DAY, tz=farm.zone)
    assert (samples.sampled_at.dt.second == 0).all()
    assert (samples.received_at - samples.sampled_at == pd.Timedelta(seconds=2)).all()
    assert samples.value.notna().all()
    assert samples.dtypes.astype(str).to_dict() == {
        "point": "int64",
        "sampled_at": "datetime64[us, UTC]",
        "value": "float64",
        "received_at": "datetime64[us, UTC]",
    }


@pytest.mark.parametrize("faults", [True, False])
def test_the_same_seed_gives_the_same_day_and_another_seed_another(
    farm: Farm, faults: bool
) -> None:
    one, two, other = (
        simulate_day(farm, ["611"], DAY, seed=seed, faults=faults) for seed in (1, 1, 2)
    )
    assert_frame_equal(one.samples, two.samples)
    assert_frame_equal(one.truth.changes, two.truth.changes)
    assert not one.samples.value.equals(other.samples.value)


def test_a_room_does_not_depend_on_the_others(farm: Farm) -> None:
    alone, together = (simulate_day(farm, rooms, DAY, seed=3) for rooms in (["611"], ROOMS))
    first = ROOMS.index("611") * 46
    rows = together.samples[together.samples.point.between(first, first + 45)]
    assert_frame_equal(alone.samples, rows.assign(point=rows.point - first).reset_index(drop=True))
    assert_frame_equal(
        named(farm, ["611"], alone.truth.changes),
        named(farm, ROOMS, together.truth.changes).query("room_id == '611'").reset_index(drop=True),
    )


def test_a_day_cut_short_is_the_beginning_of_the_whole_day(farm: Farm) -> None:
    until = dt.datetime(2026, 1, 10, 15, 30, 20, tzinfo=farm.zone)
    cut, whole = (simulate_day(farm, ["608"], DAY, seed=3, until=end) for end in (until, None))
    assert cut.samples.sampled_at.max() < until
    assert_frame_equal(
        cut.samples, whole.samples[whole.samples.sampled_at < until].reset_index(drop=True)
    )
    assert (cut.truth.climate.sampled_at < until).all()
    assert len(cut.truth.changes) == (whole.truth.changes.changed_at < until).sum()
    with pytest.raises(ValueError, match="time zone"):
        simulate_day(farm, ["608"], DAY, seed=3, until=until.replace(tzinfo=None))


def test_the_truth_is_what_the_faultless_samples_show_also_across_midnight(farm: Farm) -> None:
    # Four rooms: every growth day in one of them
    days = [DAY + dt.timedelta(days=later) for later in range(18)]
    plant = [simulate_day(farm, ROOMS, day, seed=5, faults=False) for day in days]
    truth = pd.concat([day.truth.changes for day in plant]).sort_values(
        ["point", "changed_at"], ignore_index=True
    )
    assert_frame_equal(truth, seen_changes(farm, ROOMS, plant), check_dtype=False)
    assert 5 <= len(truth) / (len(days) * len(ROOMS)) <= 10
    hours = truth.changed_at.dt.tz_convert(farm.zone).dt.hour
    assert hours.isin([9, 10, 14, 15, 16, 17, 18]).mean() > 0.8
    kinds = points(farm, ROOMS).loc[truth.point.unique()]
    assert set(kinds.device_type) == set(farm.points)
    assert {
        "mode",
        "model",
        "on_off",
        "control",
        "temp_set",
        "co2_on",
        "choose1",
        "on_mset",
    } <= set(kinds.point_alias)


def test_every_step_reaches_the_threshold_of_its_point(farm: Farm) -> None:
    changes = pd.concat(
        simulate_day(
            farm, ROOMS, DAY + dt.timedelta(days=later), seed=6, faults=False
        ).truth.changes
        for later in range(9)
    ).join(points(farm, ROOMS), on="point")
    least = [
        farm.points[kind][alias].threshold or 1
        for kind, alias in zip(changes.device_type, changes.point_alias, strict=True)
    ]
    assert (round((changes.current - changes.previous).abs(), 6) >= least).all()


def test_steps_below_a_farms_own_threshold_are_no_changes() -> None:
    coarse = parse_farm(
        "{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {'611': {}},"
        " points: {air_cooler: {temp_set: {change_type: analog_value, threshold: 0.4}}}}"
    )
    days = [
        simulate_day(coarse, ["611"], DAY + dt.timedelta(days=later), seed=1).truth.changes
        for later in range(27)
    ]
    changes = pd.concat(days)
    steps = (changes["current"] - changes["previous"]).abs()
    assert len(steps) > 0
    assert steps.min() > 0.39


@pytest.mark.parametrize(
    ("day", "hours"), [(dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25), (DAY, 24)]
)
def test_days_on_which_the_clocks_change(brussels: Farm, day: dt.date, hours: int) -> None:
    plant = simulate_day(brussels, ["north"], day, seed=1, faults=False)
    assert len(plant.samples) == 46 * 60 * hours
    assert plant.samples.sampled_at.nunique() == 60 * hours
    spoilt = simulate_day(brussels, ["north"], day, seed=1).samples.sampled_at
    start = pd.Timestamp(day, tz=brussels.zone)
    assert start <= spoilt.min()
    assert spoilt.max() < pd.Timestamp(day + dt.timedelta(days=1), tz=brussels.zone)


def test_batches_of_the_reference_rooms_and_of_others(farm: Farm, brussels: Farm) -> None:
    table = batches(farm, ROOMS, dt.date(2025, 12, 31), dt.date(2026, 1, 27), seed=1)
    assert table[table.room_id == "607"].in_date.tolist() == [
        dt.date(2025, 12, 31),
        dt.date(2026, 1, 27),
    ]
    assert table[table.room_id == "612"].in_date.tolist() == [
        dt.date(2025, 12, 18),
        dt.date(2026, 1, 14),
    ]
    assert table.bag_count.between(9_500, 9_800).all()
    other = batches(brussels, ["north"], DAY, DAY, seed=1).in_date.tolist()
    assert len(other) == 1
    assert 0 <= (DAY - other[0]).days < brussels.cycle_days


def test_the_controller_shows_the_batch_and_is_reset_by_hand_at_midday(farm: Farm) -> None:
    rooms, day = ["607"], dt.date(2026, 1, 27)
    rows = named(farm, rooms, simulate_day(farm, rooms, day, seed=1, faults=False).samples)
    wide = rows[rows.device_alias == "mushroom_info_607"].pivot(
        index="sampled_at", columns="point_alias", values="value"
    )
    first, last = wide.iloc[0], wide.iloc[-1]
    assert first[["in_year", "in_month", "in_day", "in_day_num", "in_time"]].tolist() == [
        2025,
        12,
        31,
        28,
        7,
    ]
    assert last[["in_year", "in_month", "in_day", "in_day_num", "in_time"]].tolist() == [
        2026,
        1,
        27,
        1,
        7,
    ]
    reset = wide.index[int(np.argmax(wide.in_day_num == 1))].tz_convert(farm.zone)
    assert 11 <= reset.hour <= 13


def test_short_cycles_leave_the_settings_as_the_next_batch_finds_them() -> None:
    for cycle in (1, 2, 5):
        text = "{timezone: Asia/Shanghai, first_day: 2026-01-01, rooms: {a: {}}, cycle_days: N}"
        farm = parse_farm(text.replace("N", str(cycle)))
        plant = [
            simulate_day(farm, ["a"], DAY + dt.timedelta(days=later), seed=2, faults=False)
            for later in range(7)
        ]
        truth = pd.concat([day.truth.changes for day in plant]).sort_values(
            ["point", "changed_at"], ignore_index=True
        )
        seen = seen_changes(farm, ["a"], plant)
        assert_frame_equal(truth, seen, check_dtype=False)
