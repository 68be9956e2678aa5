"""The simulated plant through the pipeline: what comes out is the truth behind the samples."""

import datetime as dt
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.simulation.plant import PlantDay, batches, points, simulate_day
from mushroom_assets.storage.batches import insert_batches
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.points import register_points
from mushroom_assets.storage.samples import insert_samples
from mushroom_assets.storage.schema import daily_env_stats, hourly_setpoint_changes
from mushroom_assets_tests.kit.plant import materialize, rows

ROOMS = ["607", "611"]
DAYS = [dt.date(2026, 1, 10), dt.date(2026, 1, 11)]
KEY = ["room_id", "device_alias", "point_alias"]
SECOND = pd.Timedelta(seconds=1)
MINUTE = pd.Timedelta(minutes=1)


def load(database: Database, farm: Farm, plant: Sequence[PlantDay]) -> None:
    """The samples as they arrive, day by day."""
    known = points(farm, ROOMS)
    with database.transaction() as connection:
        ids = register_points(connection, known).to_numpy()
        for day in plant:
            insert_samples(connection, day.samples.assign(point_id=ids[day.samples["point"]]))
        insert_batches(connection, batches(farm, ROOMS, DAYS[0], DAYS[-1], seed=11))


def named(farm: Farm, table: pd.DataFrame) -> pd.DataFrame:
    """With the names of the points instead of their numbers."""
    return table.join(points(farm, ROOMS)[["device_type", *KEY]], on="point")


def run_both(database: Database, farm: Farm) -> tuple[pd.DataFrame, pd.DataFrame]:
    materialize("daily_env_stats", database.url, farm, f"{DAYS[0]}", f"{DAYS[-1]}")
    materialize(
        "hourly_setpoint_changes", database.url, farm, f"{DAYS[0]}-00:00", f"{DAYS[-1]}-23:00"
    )
    return pd.DataFrame(rows(database, daily_env_stats)), pd.DataFrame(
        rows(database, hourly_setpoint_changes)
    )


def moves(
    table: pd.DataFrame, previous: str, current: str
) -> set[tuple[str, str, str, pd.Timestamp, float, float]]:
    return set(table[[*KEY, "changed_at", previous, current]].itertuples(index=False, name=None))


def test_a_faultless_plant_comes_out_exactly_as_it_was(database: Database, farm: Farm) -> None:
    plant = [simulate_day(farm, ROOMS, day, seed=11, faults=False) for day in DAYS]
    load(database, farm, plant)
    stats, changes = run_both(database, farm)

    truth = pd.concat(day.truth.climate for day in plant)
    truth["stat_date"] = truth["sampled_at"].dt.tz_convert(farm.timezone).dt.date
    # Each minute weighs 60 s
    expected = truth.groupby(["stat_date", "room_id", "quantity"])["value"].describe()
    assert (stats[~stats["room_id"].isin(ROOMS)]["sample_count"] == 0).all()
    found = stats[stats["room_id"].isin(ROOMS)].set_index(["stat_date", "room_id", "quantity"])
    assert len(found) == len(DAYS) * len(ROOMS) * 5
    assert len(expected) == len(DAYS) * len(ROOMS) * 3
    names = {
        "mean": "mean",
        "min": "min",
        "q25": "25%",
        "median": "50%",
        "q75": "75%",
        "max": "max",
    }
    for ours, pandas in names.items():
        np.testing.assert_allclose(found.loc[expected.index, ours], expected[pandas], rtol=1e-10)
    assert (found["sample_count"] == 1440).all()
    assert (found["coverage"] == 1).all()
    assert (found["longest_gap_s"] == 0).all()
    assert (found["rejected_count"] == 0).all()

    true_changes = named(farm, pd.concat(day.truth.changes for day in plant))
    assert len(true_changes) > 10
    assert moves(changes, "previous_value", "current_value") == moves(
        true_changes, "previous", "current"
    )
    assert ((changes["changed_at"] - changes["previous_at"]) == pd.Timedelta(minutes=1)).all()


@pytest.mark.parametrize("seed", [3, 17])
def test_through_all_faults_the_changes_are_the_true_ones_and_no_others(
    database: Database, farm: Farm, seed: int
) -> None:
    plant = [simulate_day(farm, ROOMS, day, seed=seed) for day in DAYS]
    load(database, farm, plant)
    stats, changes = run_both(database, farm)

    true = named(farm, pd.concat(day.truth.changes for day in plant)).sort_values("changed_at")
    delivered = named(farm, pd.concat(day.samples for day in plant))
    delivered = delivered.drop_duplicates([*KEY, "sampled_at"])
    told = true[_told(true, delivered)]
    assert len(told) >= 0.8 * len(true) > 8
    for move in told.to_dict("records"):
        found = _of_point(changes, move)
        near = found[(found["changed_at"] - move["changed_at"]).abs() <= SECOND]
        values = near[["previous_value", "current_value"]].to_numpy().tolist()
        assert values == [[move["previous"], move["current"]]], move

    for change in changes.to_dict("records"):
        moved = _of_point(true, change)
        since = change["previous_at"] - SECOND
        until = change["changed_at"] + SECOND
        between = moved[(moved["changed_at"] > since) & (moved["changed_at"] <= until)]
        assert len(between), change  # something did move between the two samples
        assert between.iloc[0]["previous"] == change["previous_value"]
        assert between.iloc[-1]["current"] == change["current_value"]

    climate = pd.concat(day.truth.climate for day in plant)
    glitches = _glitches(farm, delivered, climate)
    counts = stats.set_index(["stat_date", "room_id", "quantity"]).loc[glitches.index]
    assert counts["rejected_count"].tolist() == glitches["rejected"].tolist()
    assert (counts["suspect_count"] >= glitches["spikes"]).all()
    assert glitches["rejected"].sum() + glitches["spikes"].sum() > 0


def _of_point(table: pd.DataFrame, row: Mapping[Hashable, Any]) -> pd.DataFrame:
    """The rows of a table that are of the same point as a row."""
    return table[(table[KEY] == [row[name] for name in KEY]).all(axis=1)]


def _told(true: pd.DataFrame, delivered: pd.DataFrame) -> list[bool]:
    """Of each change, whether both the sample before it and that of the change were delivered.

    A clock may be a second off.
    """
    told = []
    for move in true.to_dict("records"):
        seen = _of_point(delivered, move)["sampled_at"]
        around = [move["changed_at"] - MINUTE, move["changed_at"]]
        told.append(all(((seen - at).abs() <= SECOND).any() for at in around))
    return told


def _glitches(farm: Farm, delivered: pd.DataFrame, climate: pd.DataFrame) -> pd.DataFrame:
    """Per day, room and quantity: samples that are no value at all, and lonely spikes."""
    sensors = delivered[delivered["device_type"] == "mushroom_env_status"].copy()
    sensors["stat_date"] = sensors["sampled_at"].dt.tz_convert(farm.timezone).dt.date
    sensors["minute"] = sensors["sampled_at"].dt.round("min")
    truth = climate.rename(
        columns={"sampled_at": "minute", "quantity": "point_alias", "value": "true"}
    )
    sensors = sensors.merge(truth, on=["room_id", "point_alias", "minute"], how="left")
    assert sensors["true"].notna().all()
    sensors["rejected"] = sensors["value"].isna() | (
        (sensors["point_alias"] == "co2") & (sensors["value"] < 150)
    )
    sensors = sensors.sort_values(["room_id", "point_alias", "sampled_at"])
    sensors["spikes"] = _lonely_spikes(sensors)
    keys = ["stat_date", "room_id", "point_alias"]
    return (
        sensors.groupby(keys)[["rejected", "spikes"]]
        .sum()
        .rename_axis(["stat_date", "room_id", "quantity"])
    )


def _lonely_spikes(sensors: pd.DataFrame) -> pd.Series:
    """Humidity samples well above the truth whose neighbours, a minute or so away, are not."""
    above = (sensors["point_alias"] == "humidity") & (sensors["value"] - sensors["true"] > 7)
    groups = sensors.groupby(["room_id", "point_alias"])
    lonely = pd.Series(True, index=sensors.index)
    for step in (1, -1):
        near = (groups["sampled_at"].shift(step) - sensors["sampled_at"]).abs() <= pd.Timedelta(
            minutes=3
        )
        plain = (groups["value"].shift(step) - groups["true"].shift(step)).abs() < 0.5
        lonely &= near & plain
    return above & lonely
