"""What a day of the statistics shows: a line a room, and a picture on the newest days of a run."""

import base64
import io
import re
from typing import Any

import dagster as dg
import pytest
from PIL import Image

from mushroom_assets.assets.environment import drawn_days
from mushroom_assets.domain.environment import EnvironmentDay
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.metadata.environment import environment_metadata
from mushroom_assets_tests.kit.markdown import tables, texts
from mushroom_assets_tests.kit.plant import put_samples
from mushroom_assets_tests.kit.room_days import stats
from mushroom_assets_tests.kit.small import SmallFarm

ASSET = "daily_env_stats"
DAYS = [f"2026-01-{day:02}" for day in range(1, 10)]


def shown(small: SmallFarm) -> dict[str, dict[str, dg.MetadataValue]]:
    """The metadata of each day's latest materialization."""
    records = small.instance.fetch_materializations(dg.AssetKey(ASSET), limit=100).records
    events = [record.asset_materialization for record in reversed(records)]
    return {str(event.partition): dict(event.metadata) for event in events if event is not None}


def drawn(small: SmallFarm) -> set[str]:
    return {
        day
        for day, metadata in shown(small).items()
        if "data:image/png" in str(metadata["ribbons"].value)
    }


def test_the_newest_days_of_a_run_are_drawn(small: SmallFarm) -> None:
    small.put([("A", "t", small.at(DAYS[1], hour), 18.0) for hour in range(24)])
    small.run(ASSET, DAYS[0], DAYS[7])
    assert drawn(small) == set(DAYS[1:8])
    assert "Materialize this day alone" in str(shown(small)[DAYS[0]]["ribbons"].value)
    (code,) = re.findall(r"base64,([^)]+)\)", str(shown(small)[DAYS[1]]["ribbons"].value))
    assert Image.open(io.BytesIO(base64.b64decode(code))).width == 980


# A week is drawn, 28 room days of a month, of a longer run the newest day
@pytest.mark.parametrize(
    ("rooms", "days", "expected"),
    [
        (4, 1, 1),
        (40, 7, 7),
        (4, 14, 7),
        (4, 31, 7),
        (5, 8, 5),
        (40, 31, 1),
        (4, 32, 1),
        (1, 365, 1),
    ],
)
def test_a_run_draws_as_many_days_as_it_has_time_for(rooms: int, days: int, expected: int) -> None:
    names = ", ".join(f"'{number}': {{}}" for number in range(rooms))
    of = parse_farm(f"timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nrooms: {{{names}}}")
    keys = [f"day {number:03}" for number in range(days)]
    assert drawn_days(keys, of) == set(keys[-expected:])


def test_a_line_a_room_says_mean_extremes_and_share_in_range(small: SmallFarm) -> None:
    small.put(
        [
            ("A", "t", small.at(DAYS[0], tenth / 6), 17.0 if tenth < 36 else 21.0)
            for tenth in range(144)
        ]
    )
    small.run(ASSET, DAYS[0])
    heading, *lines = statistics(small, DAYS[0])
    assert [line[0] for line in lines] == ["A", "B"]
    assert heading[:3] == ["room", "growth day", "temperature °C"]
    # A quarter of the day at 17; no batch, no band
    assert lines[0][1:3] == ["–", "20.0 (17.0–21.0)"]
    assert lines[1][1:3] == ["–", "–"]


def test_a_cell_says_how_much_of_the_day_is_known(small: SmallFarm) -> None:
    small.put([("A", "t", small.at(DAYS[0], tenth / 6), 17.0) for tenth in range(36)])
    small.run(ASSET, DAYS[0])
    assert statistics(small, DAYS[0])[1][2] == "17.0 (17.0–17.0), 25% known"
    key = "*mean (min–max), share of the known time in band, and how much is known where"
    assert key in str(shown(small)[DAYS[0]]["statistics"].value)


def test_of_several_sensors_each_is_shown_and_how_far_it_is_off(small: SmallFarm) -> None:
    at = [small.at(DAYS[0], tenth / 6) for tenth in range(144)]
    put_samples(
        small.database,
        [
            ("A", "env", device, "t", instant, value)
            for device, value in (("high", 19.0), ("low", 17.0))
            for instant in at
        ],
    )
    small.run(ASSET, DAYS[0])
    (table,) = tables(str(shown(small)[DAYS[0]]["sensors"].value))
    heading, high, low = texts(table)
    assert heading[2:5] == ["sensor", "mean", "against the room"]
    assert high[:6] == ["A", "temperature °C", "high", "19.0", "+1.0", "100%"]
    assert low[:6] == ["A", "temperature °C", "low", "17.0", "-1.0", "100%"]
    (row,) = [row for row in small.rows(ASSET) if row["mean"] and row["quantity"] == "temperature"]
    assert (row["mean"], row["spread"], row["sensor_count"]) == (18.0, 2.0, 2)


def statistics(small: SmallFarm, day: str) -> list[list[str]]:
    (table,) = tables(str(shown(small)[day]["statistics"].value))
    return texts(table)


def series(rooms: int, language: str = "en") -> dict[str, float]:
    """What is plotted of a day on which the rooms are at 10, 11, ... of every quantity."""
    names = ", ".join(f"'{number}': {{}}" for number in range(601, 601 + rooms))
    head = "timezone: Asia/Shanghai\nfirst_day: 2026-01-01\n"
    of = parse_farm(f"{head}language: {language}\nrooms: {{{names}}}")
    rows: list[Any] = []
    for place, room in enumerate(of.rooms):
        rows += [
            row | {"room_id": room, "mean": 10.0 + place, "rejected_count": 0} for row in stats()
        ]
    return {
        name: value
        for name, value in environment_metadata(EnvironmentDay(rows, []), of).items()
        if name.endswith(")") and "coverage" not in name
    }


def test_what_is_plotted_has_a_unit_and_of_a_small_farm_a_series_a_room() -> None:
    assert series(2) == {
        "CO2 601 (ppm)": 10, "CO2 602 (ppm)": 11,
        "VPD 601 (kPa)": 10, "VPD 602 (kPa)": 11,
        "dew point 601 (°C)": 10, "dew point 602 (°C)": 11,
        "humidity 601 (%)": 10, "humidity 602 (%)": 11,
        "temperature 601 (°C)": 10, "temperature 602 (°C)": 11,
    }  # fmt: skip
    assert series(1, "zh").keys() == {
        "温度 601 (°C)", "湿度 601 (%)", "CO2 601 (ppm)", "水汽压差 601 (kPa)", "露点 601 (°C)"
    }  # fmt: skip
    assert len(series(8)) == 8 * 5
    # The mean of 10, 11, ... 18
    assert series(9) == {
        "CO2 (ppm)": 14, "VPD (kPa)": 14, "dew point (°C)": 14, "humidity (%)": 14,
        "temperature (°C)": 14,
    }  # fmt: skip
