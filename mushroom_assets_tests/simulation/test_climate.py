"""The simulated air: it has the reference plant's ranges, and it obeys its controllers."""

import datetime as dt

import pandas as pd
import pytest

from mushroom_assets.domain.farm import Farm
from mushroom_assets.simulation.batch import growth_day
from mushroom_assets.simulation.plant import points, simulate_day

pytestmark = pytest.mark.long

ROOMS = ["607", "608", "611", "612"]


@pytest.fixture(scope="module")
def climate(farm: Farm) -> pd.DataFrame:
    """Every growth day of four rooms under two seeds."""
    parts = []
    for seed in (1, 42):
        for later in range(27):
            day = dt.date(2026, 1, 1) + dt.timedelta(days=later)
            rows = simulate_day(farm, ROOMS, day, seed=seed, faults=False).truth.climate
            ages = {room: growth_day(farm, room, day) for room in ROOMS}
            parts.append(rows.assign(day=f"{seed}/{day}", age=rows.room_id.map(ages)))
    return pd.concat(parts)


def test_daily_medians_in_growth_lie_where_the_plants_do(climate: pd.DataFrame) -> None:
    medians = climate[climate.age > 1].groupby(["quantity", "day", "room_id"]).value.median()
    for quantity, low, high in (
        ("temperature", 18.0, 19.1),
        ("humidity", 89, 93),
        ("co2", 1780, 3730),
    ):
        assert medians[quantity].between(low, high).all(), medians[quantity].describe()
    assert medians["co2"].max() - medians["co2"].min() > 700
    assert medians["temperature"].max() - medians["temperature"].min() > 0.5


def test_a_changeover_is_cold_dry_and_fresh(climate: pd.DataFrame) -> None:
    least = climate[climate.age == 1].groupby(["quantity", "day", "room_id"]).value.min()
    assert least["temperature"].between(9.0, 10.0).all()
    assert least["humidity"].between(55, 57).all()
    assert least["co2"].between(640, 700).all()


def test_sensors_have_their_steps_and_inertia(climate: pd.DataFrame) -> None:
    for quantity, decimals in (("temperature", 1), ("humidity", 2), ("co2", 0)):
        rows = climate[
            (climate.quantity == quantity)
            & (climate.room_id == "611")
            & climate.day.str.startswith("1/")
        ]
        assert (rows.value == rows.value.round(decimals)).all()
        assert rows.value.autocorr() > 0.98  # a whole cycle with its changeover


def test_days_join_at_midnight(farm: Farm) -> None:
    for later in range(27):
        day = dt.date(2026, 1, 1) + dt.timedelta(days=later)
        today, tomorrow = (
            simulate_day(farm, ["611"], each, seed=4).truth.climate.groupby("quantity").value
            for each in (day, day + dt.timedelta(days=1))
        )
        jump = (today.last() - tomorrow.first()).abs()
        assert jump["temperature"] <= 0.6
        assert jump["humidity"] <= 1.5
        assert jump["co2"] <= 200


def test_the_air_follows_its_setpoints(farm: Farm) -> None:
    """Over a cycle the air stays near its setpoint and band; CO2 falls while the fan runs by it."""
    table = points(farm, ["611"]).reset_index().set_index(["device_type", "point_alias"])["index"]
    for later in range(3, 20):
        day = dt.date(2026, 1, 1) + dt.timedelta(days=later)
        samples = simulate_day(farm, ["611"], day, seed=9, faults=False).samples
        wide = samples.pivot(index="sampled_at", columns="point", values="value")
        if growth_day(farm, "611", day) == 1:
            continue
        temp, low = wide[table["air_cooler", "temp"]], wide[table["air_cooler", "temp_set"]]
        high = low + wide[table["air_cooler", "temp_diffset"]]
        assert ((temp > low - 0.4) & (temp < high + 0.4)).mean() > 0.95
        by_co2 = wide[table["fresh_air_fan", "control"]] == 1
        running, co2 = (
            wide[table["fresh_air_fan", "status"]] == 0,
            wide[table["mushroom_env_status", "co2"]],
        )
        if by_co2.sum() > 300:
            assert (
                co2[by_co2 & running].diff().median() < 0 < co2[by_co2 & ~running].diff().median()
            )
